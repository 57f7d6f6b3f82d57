package ami

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	corev1 "k8s.io/api/core/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/selector"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// Keys of an AMI selector that are no tags, besides that of ids.
const (
	keyName   = "aws::name"
	keyOwners = "aws::owners"
)

// Select returns the images that a selector selects, the newest first and only the newest of those that are for the same
// instance types. An image that its owner has deprecated comes after all others: it serves where nothing else does.
func (f *Finder) Select(ctx context.Context, selected map[string]string) ([]awsv1alpha1.AMI, error) {
	input, err := selection(selected)
	if err != nil {
		return nil, err
	}
	var found []candidate
	pages := ec2.NewDescribeImagesPaginator(f.images, input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, awserr.Explain("ec2:DescribeImages", err)
		}
		for i := range page.Images {
			if c, ok := candidateOf(&page.Images[i], f.clock.Now()); ok {
				found = append(found, c)
			}
		}
	}
	return newest(found), nil
}

// selection returns the call that finds what a selector selects. One call does for all combinations of ids, names and owners,
// since alternatives of one filter are ORed and filters are ANDed. Images of other accounts are found only where their ids or
// owners are named: anybody can publish one under any name.
func selection(selected map[string]string) (*ec2.DescribeImagesInput, error) {
	input := &ec2.DescribeImagesInput{
		IncludeDeprecated: awssdk.Bool(true),
		Filters:           []ec2types.Filter{{Name: awssdk.String("state"), Values: []string{string(ec2types.ImageStateAvailable)}}},
	}
	rest := maps.Clone(selected)
	for _, special := range []struct {
		key string
		use func([]string)
	}{
		{keyOwners, func(values []string) { input.Owners = values }},
		{keyName, func(values []string) {
			input.Filters = append(input.Filters, ec2types.Filter{Name: awssdk.String("name"), Values: values})
		}},
	} {
		if _, ok := rest[special.key]; !ok {
			continue
		}
		values, err := selector.Values(rest, special.key)
		if err != nil {
			return nil, err
		}
		special.use(values)
		delete(rest, special.key)
	}
	if len(rest) > 0 || len(selected) == 0 {
		filters, err := selector.Filters(rest, "image-id")
		if err != nil {
			return nil, err
		}
		input.Filters = append(input.Filters, filters...)
	}
	if len(input.Owners) == 0 && !selector.ByID(selected) {
		input.Owners = []string{"self", "amazon"}
	}
	return input, nil
}

// candidate is an image with what decides between it and others.
type candidate struct {
	awsv1alpha1.AMI
	created    time.Time
	deprecated bool
}

// candidateOf reads a described image; false for one of an architecture that no machine of kerf's has. One of Windows is not
// for the machines of other families. Tags that are labels of instance types narrow down what the image is for.
func candidateOf(i *ec2types.Image, now time.Time) (candidate, bool) {
	var arch string
	switch i.Architecture {
	case ec2types.ArchitectureValuesX8664:
		arch = "amd64"
	case ec2types.ArchitectureValuesArm64:
		arch = "arm64"
	default:
		return candidate{}, false
	}
	requirements := scheduling.NewRequirements(scheduling.NewRequirement(corev1.LabelArchStable, corev1.NodeSelectorOpIn, arch))
	if i.Platform == ec2types.PlatformValuesWindows {
		requirements.Add(scheduling.NewRequirement(corev1.LabelOSStable, corev1.NodeSelectorOpIn, string(corev1.Windows)))
	}
	for _, t := range i.Tags {
		if key, value := awssdk.ToString(t.Key), awssdk.ToString(t.Value); value != "" && narrows(key) {
			requirements.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, value))
		}
	}
	out := candidate{AMI: awsv1alpha1.AMI{
		ID: awssdk.ToString(i.ImageId), Name: awssdk.ToString(i.Name), Requirements: requirements.NodeSelectorRequirements(),
	}}
	out.created, _ = time.Parse(time.RFC3339, awssdk.ToString(i.CreationDate)) // unreadable counts as oldest
	if ends, err := time.Parse(time.RFC3339, awssdk.ToString(i.DeprecationTime)); err == nil {
		out.deprecated = !now.Before(ends)
	}
	return out, true
}

// narrows reports whether a tag names a label that each instance type settles by itself. Zone and capacity type do not: they
// are chosen after the image.
func narrows(tag string) bool {
	switch tag {
	case corev1.LabelArchStable, corev1.LabelOSStable, corev1.LabelWindowsBuild, corev1.LabelInstanceTypeStable:
		return true
	default:
		return slices.Contains(awsv1alpha1.WellKnownLabels(), tag)
	}
}

// newest puts candidates into the order in which instance types try them and leaves out those that none would come to.
func newest(found []candidate) []awsv1alpha1.AMI {
	slices.SortFunc(found, func(a, b candidate) int {
		return cmp.Or(compareBool(a.deprecated, b.deprecated), b.created.Compare(a.created), strings.Compare(a.Name, b.Name), strings.Compare(a.ID, b.ID))
	})
	var out []awsv1alpha1.AMI
	taken := map[string]bool{} // printed requirements -> there is an image for them
	for _, c := range found {
		if key := scheduling.FromNodeSelector(c.Requirements).String(); !taken[key] {
			taken[key] = true
			out = append(out, c.AMI)
		}
	}
	return out
}

// compareBool puts false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	default:
		return 1
	}
}
