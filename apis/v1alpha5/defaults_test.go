package v1alpha5_test

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestWhatAProvisionerDoesNotSayIsAssumed(t *testing.T) {
	in := func(key string, values ...string) v1alpha5.Requirement {
		return v1alpha5.Requirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}
	}
	linux, amd64 := in(corev1.LabelOSStable, "linux"), in(corev1.LabelArchStable, "amd64")
	onDemand := in(v1alpha5.CapacityTypeLabel, "on-demand")
	exists := v1alpha5.Requirement{Key: v1alpha5.CapacityTypeLabel, Operator: corev1.NodeSelectorOpExists}
	tests := map[string]struct {
		said, want []v1alpha5.Requirement
	}{
		"nothing is said":                    {nil, []v1alpha5.Requirement{linux, amd64, onDemand}},
		"a capacity type is said":            {[]v1alpha5.Requirement{in(v1alpha5.CapacityTypeLabel, "spot")}, []v1alpha5.Requirement{in(v1alpha5.CapacityTypeLabel, "spot"), linux, amd64}},
		"any capacity type is said":          {[]v1alpha5.Requirement{exists}, []v1alpha5.Requirement{exists, linux, amd64}},
		"an architecture by its beta label":  {[]v1alpha5.Requirement{in("beta.kubernetes.io/arch", "arm64")}, []v1alpha5.Requirement{in("beta.kubernetes.io/arch", "arm64"), linux, onDemand}},
		"something else is said":             {[]v1alpha5.Requirement{in("team", "a")}, []v1alpha5.Requirement{in("team", "a"), linux, amd64, onDemand}},
		"everything is said in another way ": {[]v1alpha5.Requirement{linux, amd64, onDemand}, []v1alpha5.Requirement{linux, amd64, onDemand}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := builders.Provisioner("p")
			p.Spec.Requirements = tc.said
			for range 2 { // once more changes nothing
				p.SetDefaults()
				if diff := cmp.Diff(tc.want, p.Spec.Requirements); diff != "" {
					t.Errorf("requirements (-want +got):\n%s", diff)
				}
			}
		})
	}
}

func TestALabelOfTheProvisionerIsNoRequirement(t *testing.T) {
	p := builders.Provisioner("p", builders.MachineLabels(map[string]string{corev1.LabelArchStable: "arm64"}))
	p.SetDefaults()
	if len(p.Spec.Requirements) != 3 {
		t.Errorf("requirements are %v", p.Spec.Requirements)
	}
}

func TestBetaLabelsAreTheStableOnes(t *testing.T) {
	for key, want := range map[string]string{
		"failure-domain.beta.kubernetes.io/zone":   "topology.kubernetes.io/zone",
		"failure-domain.beta.kubernetes.io/region": "topology.kubernetes.io/region",
		"beta.kubernetes.io/arch":                  "kubernetes.io/arch",
		"beta.kubernetes.io/os":                    "kubernetes.io/os",
		"beta.kubernetes.io/instance-type":         "node.kubernetes.io/instance-type",
		"topology.ebs.csi.aws.com/zone":            "topology.kubernetes.io/zone",
		"kubernetes.io/arch":                       "kubernetes.io/arch",
		"example.com/any":                          "example.com/any",
	} {
		if got := v1alpha5.NormalizeLabel(key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

func TestAProvisionerThatSaysLittle(t *testing.T) {
	p := &v1alpha5.Provisioner{}
	if p.Weight() != 0 || p.TemplateName() != "" {
		t.Errorf("weight %d, template %q", p.Weight(), p.TemplateName())
	}
	p = builders.Provisioner("p", builders.Weight(7))
	if p.Weight() != 7 || p.TemplateName() != "p" {
		t.Errorf("weight %d, template %q", p.Weight(), p.TemplateName())
	}
	if (&v1alpha5.Machine{}).ProvisionerName() != "" || builders.Machine("m", "p").ProvisionerName() != "p" {
		t.Error("a machine's provisioner is not the one that its label names")
	}
}

func TestATimeBeyondAllDurationsIsTheLongestOne(t *testing.T) {
	for name, tc := range map[string]struct {
		seconds *int64
		want    time.Duration
		ok      bool
	}{
		"never":         {nil, 0, false},
		"at once":       {new(int64(0)), 0, true},
		"half a minute": {new(int64(30)), 30 * time.Second, true},
		"317 years":     {new(int64(9_999_999_999)), math.MaxInt64 - math.MaxInt64%time.Second, true},
	} {
		p := &v1alpha5.Provisioner{Spec: v1alpha5.ProvisionerSpec{TTLSecondsAfterEmpty: tc.seconds}}
		if got, ok := p.TTLAfterEmpty(); got != tc.want || ok != tc.ok {
			t.Errorf("%s: %s, %t; want %s, %t", name, got, ok, tc.want, tc.ok)
		}
	}
}
