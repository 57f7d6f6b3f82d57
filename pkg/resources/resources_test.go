package resources_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/pkg/resources"
)

func list(pairs ...string) corev1.ResourceList {
	out := corev1.ResourceList{}
	for pair := range slices.Chunk(pairs, 2) {
		out[corev1.ResourceName(pair[0])] = resource.MustParse(pair[1])
	}
	return out
}

func TestListsAreAddedNameByName(t *testing.T) {
	for name, tc := range map[string]struct{ got, want corev1.ResourceList }{
		"sum of nothing":                      {resources.Sum(), list()},
		"sum of several":                      {resources.Sum(list("cpu", "1"), nil, list("cpu", "500m", "memory", "1Gi")), list("cpu", "1500m", "memory", "1Gi")},
		"difference":                          {resources.Sub(list("cpu", "1"), list("cpu", "3", "memory", "1Gi")), list("cpu", "-2", "memory", "-1Gi")},
		"larger of each":                      {resources.Max(list("cpu", "1", "memory", "2Gi"), list("cpu", "2"), nil), list("cpu", "2", "memory", "2Gi")},
		"larger of what is less than nothing": {resources.Max(list("cpu", "-1")), list("cpu", "-1")},
		"no less than nothing":                {resources.Positive(list("cpu", "-1", "memory", "1Gi")), list("cpu", "0", "memory", "1Gi")},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, tc.got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestArithmeticLeavesItsArgumentsAlone(t *testing.T) {
	a, b := list("cpu", "1", "memory", "1Gi"), list("cpu", "2")
	for _, do := range []func(){
		func() { resources.Sum(a, b) }, func() { resources.Sub(a, b) }, func() { resources.Max(a, b) }, func() { resources.Positive(a) },
	} {
		do()
	}
	if diff := cmp.Diff([]corev1.ResourceList{list("cpu", "1", "memory", "1Gi"), list("cpu", "2")}, []corev1.ResourceList{a, b}); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNotNamedCountsAsZero(t *testing.T) {
	for name, tc := range map[string]struct {
		asked, there corev1.ResourceList
		want         []corev1.ResourceName
	}{
		"within":               {asked: list("cpu", "1"), there: list("cpu", "1")},
		"above":                {asked: list("cpu", "2"), there: list("cpu", "1"), want: []corev1.ResourceName{"cpu"}},
		"not there":            {asked: list("gpu", "1"), there: list("cpu", "1"), want: []corev1.ResourceName{"gpu"}},
		"nothing of not there": {asked: list("gpu", "0"), there: list("cpu", "1")},
		"several, in order":    {asked: list("gpu", "1", "cpu", "2"), there: list("cpu", "1"), want: []corev1.ResourceName{"cpu", "gpu"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := resources.Exceeding(tc.asked, tc.there)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
