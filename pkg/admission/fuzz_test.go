package admission_test

import (
	"math/big"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func FuzzABoundIsAnIntegerThatIsNotNegative(f *testing.F) {
	for _, seed := range []string{"0", "-0", "+1", "007", "9223372036854775807", "9223372036854775808", "1_000", "0x1", "1e3", "", " 1", "١"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		p := builders.Provisioner("p", builders.Requirement("a", corev1.NodeSelectorOpGt, value))
		n, isInteger := new(big.Int).SetString(value, 10)
		want := isInteger && n.IsInt64() && strings.Trim(value, "0123456789") == ""
		if got := len(admission.Provisioner(p).Errors) == 0; got != want {
			t.Errorf("%q is accepted: %t, want %t", value, got, want)
		}
	})
}

// What is accepted as a threshold the kubelet can read, and nothing in it means anything to a shell.
func FuzzAThresholdIsReadableAndHarmless(f *testing.F) {
	for _, seed := range []string{"5%", "100%", "100.0%", "00.5%", ".5%", "%", "101%", "NaN%", "500Mi", "1e3", "1e1000", "-1", "5 %", "5%\n", "1.5.5%", "0x5%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		p := builders.Provisioner("p", func(p *v1alpha5.Provisioner) {
			p.Spec.KubeletConfiguration = &v1alpha5.KubeletConfiguration{EvictionHard: map[string]string{"memory.available": value}}
		})
		if len(admission.Provisioner(p).Errors) > 0 {
			return
		}
		if strings.ContainsAny(value, " \n'\"`$&|;<>,=") {
			t.Errorf("%q is accepted", value)
		}
		if percent, isPercent := strings.CutSuffix(value, "%"); isPercent {
			if part, err := strconv.ParseFloat(percent, 32); err != nil || part < 0 || part > 100 {
				t.Errorf("%q is accepted: %g, %v", value, part, err)
			}
			return
		}
		if q, err := resource.ParseQuantity(value); err != nil || q.Sign() < 0 {
			t.Errorf("%q is accepted: %s, %v", value, q.String(), err)
		}
	})
}
