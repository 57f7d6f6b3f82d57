package v1alpha1_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

func TestAnInlineProviderIsReadAsATemplate(t *testing.T) {
	got, err := awsv1alpha1.DecodeProvider([]byte(`{
		"apiVersion": "extensions.karpenter.sh/v1alpha1", "kind": "AWS",
		"subnetSelector": {"a": "b"}, "securityGroupSelector": {}, "amiFamily": "Bottlerocket", "context": "c", "tags": null,
		"instanceProfile": "p", "launchTemplate": "l", "metadataOptions": {"httpPutResponseHopLimit": 2, "httpTokens": null},
		"blockDeviceMappings": [{"deviceName": "d", "ebs": {"volumeSize": "20Gi", "encrypted": true, "iops": 3000}}]
	}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &awsv1alpha1.AWSNodeTemplateSpec{
		SubnetSelector: map[string]string{"a": "b"}, SecurityGroupSelector: map[string]string{}, AMIFamily: "Bottlerocket", Context: "c",
		InstanceProfile: "p", LaunchTemplate: "l", MetadataOptions: &awsv1alpha1.MetadataOptions{HTTPPutResponseHopLimit: new(int64(2))},
		BlockDeviceMappings: []awsv1alpha1.BlockDeviceMapping{{DeviceName: new("d"), EBS: &awsv1alpha1.BlockDevice{
			VolumeSize: new(resource.MustParse("20Gi")), Encrypted: new(true), IOPS: new(int64(3000)),
		}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("provider (-want +got):\n%s", diff)
	}
}

func TestWhatIsNoInlineProviderIsNotRead(t *testing.T) {
	for name, tc := range map[string]struct {
		raw  string
		want []string // parts of the error
	}{
		"nothing":              {"", []string{"spec.provider: Invalid value"}},
		"null":                 {"null", []string{"spec.provider: Invalid value: null: must be an object"}},
		"a list":               {"[]", []string{`spec.provider: Invalid value: "array": must be an object`}},
		"half an object":       {`{"tags": {"a":`, []string{"spec.provider: Invalid value"}},
		"two objects":          {`{} {}`, []string{"spec.provider: Invalid value"}},
		"unknown fields":       {`{"x": 1, "ebs": 2}`, []string{"spec.provider.ebs: Forbidden", "spec.provider.x: Forbidden"}},
		"a template's field":   {`{"userData": "x"}`, []string{"spec.provider.userData: Forbidden: only an AWSNodeTemplate"}},
		"another kind":         {`{"kind": "GCP"}`, []string{`spec.provider.kind: Unsupported value: "GCP"`}},
		"a number for text":    {`{"context": 1}`, []string{"spec.provider.context: Invalid value: 1: must be a string"}},
		"a number too large":   {`{"metadataOptions": {"httpPutResponseHopLimit": 1e30}}`, []string{"must be a whole number of 64 bits"}},
		"an endless size":      {`{"blockDeviceMappings": [{"deviceName": "a", "ebs": {"volumeSize": "1e100000000"}}]}`, []string{"ebs.volumeSize: Invalid value"}},
		"an escaped one":       {`{"blockDeviceMappings": [{"deviceName": "a", "ebs": {"volumeSize": "1\u0065-100000000"}}]}`, []string{"ebs.volumeSize: Invalid value"}},
		"an endless number":    {`{"blockDeviceMappings": [{"deviceName": "a", "ebs": {"volumeSize": 1e-100000000}}]}`, []string{"ebs.volumeSize: Invalid value"}},
		"null among the items": {`{"blockDeviceMappings": [null]}`, []string{"spec.provider.blockDeviceMappings[0]: Invalid value: null: must be an object"}},
	} {
		t.Run(name, func(t *testing.T) {
			spec, err := awsv1alpha1.DecodeProvider([]byte(tc.raw))
			if err == nil {
				t.Fatalf("read as %+v", spec)
			}
			for _, part := range tc.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("got %q, want it to say %q", err, part)
				}
			}
		})
	}
}

func TestWhatCannotBeReadIsNotCalledAbsent(t *testing.T) {
	errs := awsv1alpha1.ValidateProvider([]byte(`{"subnetSelector": 1, "blockDeviceMappings": [{"deviceName": "a", "ebs": {"volumeSize": true}}]}`),
		field.NewPath("at"))
	var got []string
	for _, e := range errs {
		got = append(got, e.Error())
	}
	want := []string{
		"at.blockDeviceMappings[0].ebs.volumeSize: Invalid value: true: must be a quantity, e.g. 20Gi",
		"at.subnetSelector: Invalid value: 1: must be an object",
		"at.securityGroupSelector: Required value: finds the security groups of machines by tags, e.g. karpenter.sh/discovery: my-cluster",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("errors (-want +got):\n%s", diff)
	}
}

// What passes as an inline provider has to pass as the AWSNodeTemplate that stands for it.
func FuzzInlineProvidersThatAreAcceptedAreTemplates(f *testing.F) {
	for _, seed := range []string{
		`{}`, `null`, `[`, `{"subnetSelector": {"a": "b"}, "securityGroupSelector": {"a": "b"}}`,
		`{"subnetSelector": {"aws-ids": "subnet-1"}, "launchTemplate": "l"}`, `{"subnetSelector": {"": ""}, "tags": {"": "x"}}`,
		`{"blockDeviceMappings": [{"deviceName": "a", "ebs": {"volumeSize": "1e1000", "volumeType": "gp3"}}]}`,
		`{"metadataOptions": {"httpPutResponseHopLimit": 64, "httpTokens": "required"}, "amiFamily": "Custom"}`,
		"{\"\xff\": 1, \"tags\": {\"\\u0000\": \"\\ud800\"}}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		errs := awsv1alpha1.ValidateProvider(raw, field.NewPath("spec", "provider"))
		spec, err := awsv1alpha1.DecodeProvider(raw)
		if err != nil {
			if len(errs) == 0 {
				t.Errorf("accepted, but cannot be read: %s", err)
			}
			return
		}
		template := &awsv1alpha1.AWSNodeTemplate{Spec: *spec}
		if mistakes := template.Validate(); len(errs) == 0 && len(mistakes) > 0 {
			t.Errorf("accepted inline, but not as a template: %v", mistakes)
		}
		stored, err := json.Marshal(spec)
		if err != nil {
			t.Fatal(err)
		}
		again, err := awsv1alpha1.DecodeProvider(stored)
		if err != nil {
			t.Fatalf("what was read is written as %s, which cannot be read: %s", stored, err)
		}
		if !equality.Semantic.DeepEqual(spec, again) {
			t.Errorf("read and written once more, the provider is another one:\n%s", cmp.Diff(spec, again))
		}
	})
}
