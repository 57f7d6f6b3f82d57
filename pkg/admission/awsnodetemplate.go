package admission

import (
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/samber/lo"
	"k8s.io/apimachinery/pkg/util/validation/field"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

// AWSNodeTemplate judges a template.
func AWSNodeTemplate(t *awsv1alpha1.AWSNodeTemplate) Verdict {
	return Verdict{Errors: t.Validate(), Warnings: templateWarnings(&t.Spec, field.NewPath("spec"))}
}

// templateWarnings returns what is doubtful about a template, be it an AWSNodeTemplate or the inline provider of a
// Provisioner: what is deprecated, what is less safe than it may look, and what EC2 refuses although this API always let it
// pass. The path leads to the template.
func templateWarnings(s *awsv1alpha1.AWSNodeTemplateSpec, path *field.Path) []string {
	var r remarks
	r.selector(path.Child("subnetSelector"), s.SubnetSelector)
	r.selector(path.Child("securityGroupSelector"), s.SecurityGroupSelector)
	r.selector(path.Child("amiSelector"), s.AMISelector)
	if strings.HasPrefix(s.InstanceProfile, "arn:") {
		r.add(path.Child("instanceProfile"), "takes the name of the instance profile, and EC2 finds none whose name is an ARN")
	}
	r.tags(path.Child("tags"), s.Tags)
	if s.LaunchTemplate != "" {
		r.add(path.Child("launchTemplate"), "deprecated, and machines launched from it are not replaced when its image ages; state in the fields here what it says")
	}
	r.metadataOptions(path.Child("metadataOptions"), s.MetadataOptions)
	r.blockDeviceMappings(path.Child("blockDeviceMappings"), s.BlockDeviceMappings)
	if s.InstanceStorePolicy != "" {
		r.instanceStore(path.Child("instanceStorePolicy"), s.AMIFamily)
	}
	if size := len(s.UserData); size > maxUserData {
		r.add(path.Child("userData"), "has %d bytes, but EC2 takes %d, those that kerf adds among them", size, maxUserData)
	}
	return r
}

// maxUserData is how many bytes of user data EC2 takes before they are encoded.
const maxUserData = 16 << 10

// selector notes selectors that find nothing, which no error is made of because objects that have them are about.
func (r *remarks) selector(path *field.Path, selector map[string]string) {
	if selector != nil && len(selector) == 0 {
		r.add(path, "is empty and so finds nothing; name a tag")
	}
	for _, key := range slices.Sorted(maps.Keys(selector)) {
		if value := selector[key]; value != "" && strings.Trim(value, ", \t\n") == "" {
			r.add(path.Key(key), "lists no value and so finds nothing")
		}
	}
}

// metadataOptions notes the trap that an object which is there takes the place of all of kerf's defaults, and IMDSv1.
func (r *remarks) metadataOptions(path *field.Path, o *awsv1alpha1.MetadataOptions) {
	if o == nil || lo.FromPtr(o.HTTPEndpoint) == awsv1alpha1.MetadataDisabled {
		return
	}
	if o.HTTPPutResponseHopLimit == nil {
		r.add(path.Child("httpPutResponseHopLimit"), "not set, so the default of EC2 applies, 1 unless the image says otherwise: "+
			"pods that have a network of their own do not reach the metadata; set 2 if they shall")
	}
	const risk = "IMDSv1, with which whoever gets a pod to fetch a URL reads the credentials of the node; set required"
	switch {
	case o.HTTPTokens == nil:
		r.add(path.Child("httpTokens"), "not set, so the default of EC2 applies, optional unless image or account say otherwise: it allows "+risk)
	case *o.HTTPTokens == awsv1alpha1.TokensOptional:
		r.add(path.Child("httpTokens"), "allows "+risk)
	}
}

// instanceStore notes that there are images which kerf cannot tell to make a volume of local disks.
func (r *remarks) instanceStore(path *field.Path, family string) {
	switch {
	case awsv1alpha1.IsWindows(family):
		r.add(path, "has no effect on Windows: pods keep their files on the root volume")
	case family == awsv1alpha1.AMIFamilyUbuntu || family == awsv1alpha1.AMIFamilyCustom:
		r.add(path, "images of %s make no volume of local disks by themselves: unless userData does, nodes have less room for files than kerf plans with", family)
	}
}

// What EC2 takes of tags.
const (
	maxTagKey   = 128 // characters
	maxTagValue = 256 // characters
	// maxTags of the user's: an instance has 50, of which kerf takes 7.
	maxTags = 50 - 7
)

func (r *remarks) tags(path *field.Path, tags map[string]string) {
	count := len(tags)
	if _, own := tags[awsv1alpha1.TagName]; own {
		count-- // in place of kerf's
	}
	if count > maxTags {
		r.add(path, "EC2 takes 50 tags and kerf sets 7 of them: with %d more no machine is launched", count)
	}
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		at := path.Key(key)
		switch {
		case setByKerf(key):
			r.add(at, "kerf sets this tag itself, to another value")
		case len(key) >= 4 && strings.EqualFold(key[:4], "aws:"):
			r.add(at, "EC2 keeps keys that start with aws: to itself, and launches no machine with this tag")
		case utf8.RuneCountInString(key) > maxTagKey:
			r.add(at, "EC2 takes keys of up to %d characters, and launches no machine with this tag", maxTagKey)
		}
		if utf8.RuneCountInString(tags[key]) > maxTagValue {
			r.add(at, "EC2 takes values of up to %d characters, and launches no machine with this tag", maxTagValue)
		}
	}
}

func setByKerf(key string) bool {
	switch key {
	case awsv1alpha1.TagClusterUID, awsv1alpha1.TagLaunchGroup, awsv1alpha1.TagLaunchAttempt, awsv1alpha1.TagLaunchTemplateCluster:
		return true
	default:
		return false
	}
}
