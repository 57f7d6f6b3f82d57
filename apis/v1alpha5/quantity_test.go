package v1alpha5_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func TestQuantitiesAreEndlessByTheirExponentAlone(t *testing.T) {
	for text, endless := range map[string]bool{
		"1": false, "1E": false, "1Ei": false, "10e9": false, "1e999": false, "1e-99": false, "+.5E+12": false,
		"1e1000": true, "1e-100": true, "1.5E+100": true, "-.1e2147483647": true,
		"hello there": false, "1e1.5000": false, "": false, // which are no quantities
	} {
		if got := v1alpha5.EndlessQuantity(field.NewPath("q"), text) != nil; got != endless {
			t.Errorf("%q is endless: %t, want %t", text, got, endless)
		}
	}
}

func TestRulesComeToAnEndWithQuantitiesThatWereReadAlready(t *testing.T) {
	endless := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1e100000000")}
	p := &v1alpha5.Provisioner{Spec: v1alpha5.ProvisionerSpec{
		ProviderRef: &v1alpha5.TemplateReference{Name: "a"}, Limits: &v1alpha5.Limits{Resources: endless},
		KubeletConfiguration: &v1alpha5.KubeletConfiguration{SystemReserved: endless, KubeReserved: endless},
	}}
	if errs := p.Validate(func(string) bool { return false }); len(errs) != 3 {
		t.Errorf("got %v, want an error for each of three", errs)
	}
}
