package inline_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/inline"
)

const described = `{
	"apiVersion": "extensions.karpenter.sh/v1alpha1", "kind": "AWS",
	"subnetSelector": {"a": "b"}, "securityGroupSelector": {"c": "d"}, "amiFamily": "Bottlerocket", "instanceProfile": "nodes",
	"tags": {"team": "a"}, "metadataOptions": {"httpTokens": "optional"},
	"blockDeviceMappings": [{"deviceName": "/dev/xvdb", "ebs": {"volumeSize": "20480Mi"}}]
}`

func provisioner(modify ...func(*v1alpha5.ProvisionerSpec)) *v1alpha5.Provisioner {
	p := &v1alpha5.Provisioner{ObjectMeta: metav1.ObjectMeta{Name: "default", UID: "uid-1"}}
	p.Spec.Provider = &runtime.RawExtension{Raw: []byte(described)}
	for _, f := range modify {
		f(&p.Spec)
	}
	return p
}

func made(t *testing.T, p *v1alpha5.Provisioner) *awsv1alpha1.AWSNodeTemplate {
	t.Helper()
	template, err := inline.Template(p)
	if err != nil {
		t.Fatal(err)
	}
	return template
}

func TestTheTemplateHoldsWhatTheProviderSays(t *testing.T) {
	got := made(t, provisioner())
	want := &awsv1alpha1.AWSNodeTemplate{
		ObjectMeta: metav1.ObjectMeta{
			Name: "default.inline", Labels: map[string]string{"karpenter.sh/inline-provider": "true"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "karpenter.sh/v1alpha5", Kind: "Provisioner", Name: "default", UID: "uid-1", Controller: new(true)}},
		},
		Spec: awsv1alpha1.AWSNodeTemplateSpec{
			SubnetSelector: map[string]string{"a": "b"}, SecurityGroupSelector: map[string]string{"c": "d"}, AMIFamily: "Bottlerocket", InstanceProfile: "nodes",
			Tags: map[string]string{"team": "a"}, MetadataOptions: &awsv1alpha1.MetadataOptions{HTTPTokens: new("optional")},
			BlockDeviceMappings: []awsv1alpha1.BlockDeviceMapping{{
				DeviceName: new("/dev/xvdb"), EBS: &awsv1alpha1.BlockDevice{VolumeSize: new(resource.MustParse("20Gi"))},
			}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("template (-want +got):\n%s", diff)
	}
}

func TestWhatStandsInTheWayOfAProviderIsTold(t *testing.T) {
	ref := func(s *v1alpha5.ProvisionerSpec) { s.ProviderRef = &v1alpha5.TemplateReference{Name: "named"} }
	alone := func(s *v1alpha5.ProvisionerSpec) { s.Provider = nil }
	says := func(text string) func(*v1alpha5.ProvisionerSpec) {
		return func(s *v1alpha5.ProvisionerSpec) { s.Provider = &runtime.RawExtension{Raw: []byte(text)} }
	}
	current := made(t, provisioner())
	older, foreign, former := current.DeepCopy(), current.DeepCopy(), current.DeepCopy()
	older.Spec.Tags, foreign.OwnerReferences, former.OwnerReferences[0].UID = nil, nil, "uid-0"
	written := current.DeepCopy() // as the API server gives it back
	written.Spec.BlockDeviceMappings[0].EBS.VolumeSize = new(resource.MustParse("20480Mi"))
	written.Spec.AMISelector = map[string]string{}
	for name, tc := range map[string]struct {
		provisioner *v1alpha5.Provisioner
		template    *awsv1alpha1.AWSNodeTemplate
		reason      string
		passing     bool
		message     string
	}{
		"nothing, the template is there":         {provisioner(), current, "", false, ""},
		"nothing, in the API server's writing":   {provisioner(), written, "", false, ""},
		"a template is named and exists":         {provisioner(alone, ref), foreign, "", false, ""},
		"a template is named and does not exist": {provisioner(alone, ref), nil, "", false, ""},
		"neither is said":                        {provisioner(alone), nil, "", false, ""},
		"both are said":                          {provisioner(ref), current, v1alpha5.ReasonProviderInvalid, false, "remove one of the two"},
		"the template is not there yet":          {provisioner(), nil, v1alpha5.ReasonTemplateMissing, true, `"default.inline" is being made`},
		"the template is out of date":            {provisioner(), older, v1alpha5.ReasonTemplateNotReady, true, "brought up to spec.provider"},
		"somebody has made one of that name":     {provisioner(), foreign, v1alpha5.ReasonTemplateConflict, false, "delete it, or name"},
		"it is of a provisioner of that name":    {provisioner(), former, v1alpha5.ReasonTemplateConflict, false, "belongs to somebody else"},
		"an unknown field":                       {provisioner(says(`{"subnetSelector": {"a": "b"}, "colour": "red"}`)), nil, v1alpha5.ReasonProviderInvalid, false, "spec.provider.colour"},
		"a field for templates only":             {provisioner(says(`{"userData": "x"}`)), nil, v1alpha5.ReasonProviderInvalid, false, "spec.provider.userData"},
		"a value that is none":                   {provisioner(says(`{"subnetSelector": {"a": "b"}, "securityGroupSelector": {"a": "b"}, "metadataOptions": {"httpTokens": "maybe"}}`)), nil, v1alpha5.ReasonProviderInvalid, false, "httpTokens"},
		"nothing at all":                         {provisioner(says("")), nil, v1alpha5.ReasonProviderInvalid, false, "spec.provider"},
	} {
		t.Run(name, func(t *testing.T) {
			got := inline.Between(tc.provisioner, tc.template)
			if got.Reason != tc.reason || got.Passing != tc.passing || !strings.Contains(got.Message, tc.message) {
				t.Errorf("%+v, want %s, passing %t, with %q", got, tc.reason, tc.passing, tc.message)
			}
		})
	}
}
