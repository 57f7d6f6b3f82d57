package v1alpha1_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

func TestAProvisionerThatChoosesNoInstanceTypesGetsTheOrdinaryOnes(t *testing.T) {
	ordinary := []corev1.NodeSelectorRequirement{
		{Key: awsv1alpha1.LabelInstanceCategory, Operator: corev1.NodeSelectorOpIn, Values: []string{"c", "m", "r"}},
		{Key: awsv1alpha1.LabelInstanceGeneration, Operator: corev1.NodeSelectorOpGt, Values: []string{"2"}},
	}
	tests := map[string]struct {
		keys []string
		want []corev1.NodeSelectorRequirement
	}{
		"nothing is said":             {nil, ordinary},
		"a zone is said":              {[]string{corev1.LabelTopologyZone}, ordinary},
		"a size is said":              {[]string{awsv1alpha1.LabelInstanceSize}, ordinary},
		"a type is said":              {[]string{corev1.LabelInstanceTypeStable}, nil},
		"a type by its beta label":    {[]string{corev1.LabelInstanceType}, nil},
		"a family is said":            {[]string{awsv1alpha1.LabelInstanceFamily}, nil},
		"a category is said":          {[]string{awsv1alpha1.LabelInstanceCategory}, nil},
		"a generation is said":        {[]string{awsv1alpha1.LabelInstanceGeneration}, nil},
		"a type among others is said": {[]string{"team", corev1.LabelInstanceTypeStable}, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, awsv1alpha1.DefaultRequirements(tc.keys)); diff != "" {
				t.Errorf("requirements (-want +got):\n%s", diff)
			}
		})
	}
}
