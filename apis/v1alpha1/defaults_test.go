package v1alpha1_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

func TestAProvisionerThatChoosesNoInstanceTypesGetsTheOrdinaryOnes(t *testing.T) {
	in := func(key string, values ...string) corev1.NodeSelectorRequirement {
		return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}
	}
	ordinary := []corev1.NodeSelectorRequirement{
		in(awsv1alpha1.LabelInstanceCategory, "c", "m", "r"),
		{Key: awsv1alpha1.LabelInstanceGeneration, Operator: corev1.NodeSelectorOpGt, Values: []string{"2"}},
	}
	tests := map[string]struct {
		said  []corev1.NodeSelectorRequirement
		added bool
	}{
		"nothing is said":             {nil, true},
		"a zone is said":              {[]corev1.NodeSelectorRequirement{in(corev1.LabelTopologyZone, "a")}, true},
		"a size is said":              {[]corev1.NodeSelectorRequirement{in(awsv1alpha1.LabelInstanceSize, "large")}, true},
		"a type is said":              {[]corev1.NodeSelectorRequirement{in(corev1.LabelInstanceTypeStable, "t3.small")}, false},
		"a type by its beta label":    {[]corev1.NodeSelectorRequirement{in(corev1.LabelInstanceType, "t3.small")}, false},
		"a family is said":            {[]corev1.NodeSelectorRequirement{in(awsv1alpha1.LabelInstanceFamily, "t3")}, false},
		"a category is said":          {[]corev1.NodeSelectorRequirement{in(awsv1alpha1.LabelInstanceCategory, "g")}, false},
		"a generation is said":        {[]corev1.NodeSelectorRequirement{in(awsv1alpha1.LabelInstanceGeneration, "1")}, false},
		"a type among others is said": {[]corev1.NodeSelectorRequirement{in("team", "a"), in(corev1.LabelInstanceTypeStable, "t3.small")}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			said := make([]corev1.NodeSelectorRequirement, len(tc.said), len(tc.said)+4)
			copy(said, tc.said)
			want := append([]corev1.NodeSelectorRequirement{}, tc.said...)
			if tc.added {
				want = append(want, ordinary...)
			}
			got := awsv1alpha1.WithDefaultRequirements(said)
			if diff := cmp.Diff(want, append([]corev1.NodeSelectorRequirement{}, got...)); diff != "" {
				t.Errorf("requirements (-want +got):\n%s", diff)
			}
			if room := said[:cap(said)][len(said)]; room.Key != "" {
				t.Error("the list that was handed in was written to")
			}
		})
	}
}
