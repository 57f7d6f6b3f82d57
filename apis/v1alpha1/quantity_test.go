package v1alpha1_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

func TestQuantitiesAreEndlessByTheirExponentAlone(t *testing.T) {
	for text, endless := range map[string]bool{
		"20Gi": false, "1E": false, "1e12": false, "1e-99": false, "+.5E+12": false,
		"1e100": true, "1e-100": true, "1.5E+012": true, "-.1e2147483647": true,
		"hello there": false, "1e1.500": false, "": false, // which are no quantities
	} {
		if got := awsv1alpha1.EndlessQuantity(field.NewPath("q"), text) != nil; got != endless {
			t.Errorf("%q is endless: %t, want %t", text, got, endless)
		}
	}
}

func TestRulesComeToAnEndWithSizesThatWereReadAlready(t *testing.T) {
	template := &awsv1alpha1.AWSNodeTemplate{Spec: awsv1alpha1.AWSNodeTemplateSpec{
		SubnetSelector: map[string]string{"a": "b"}, SecurityGroupSelector: map[string]string{"a": "b"},
		BlockDeviceMappings: []awsv1alpha1.BlockDeviceMapping{{
			DeviceName: new("a"), EBS: &awsv1alpha1.BlockDevice{VolumeSize: new(resource.MustParse("1e100000000"))},
		}},
	}}
	if errs := template.Validate(); len(errs) != 1 {
		t.Errorf("got %v, want one error", errs)
	}
}
