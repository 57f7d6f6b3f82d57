package admission_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

const in, exists = corev1.NodeSelectorOpIn, corev1.NodeSelectorOpExists

func TestWhatIsDoubtfulAboutAProvisionerIsSaid(t *testing.T) {
	kubelet := func(change func(*v1alpha5.KubeletConfiguration)) builders.ProvisionerModifier {
		return func(p *v1alpha5.Provisioner) {
			p.Spec.KubeletConfiguration = &v1alpha5.KubeletConfiguration{}
			change(p.Spec.KubeletConfiguration)
		}
	}
	for name, tc := range map[string]struct {
		modify builders.ProvisionerModifier
		field  string // that the only warning is about; "" for none
	}{
		"nothing":                       {func(*v1alpha5.Provisioner) {}, ""},
		"a time after empty of 29":      {builders.TTLAfterEmpty(29), "spec.ttlSecondsAfterEmpty"},
		"a time after empty of 30":      {builders.TTLAfterEmpty(30), ""},
		"a kind of template":            {func(p *v1alpha5.Provisioner) { p.Spec.ProviderRef.Kind = "NodeTemplate" }, "spec.providerRef.kind"},
		"the kind of template":          {func(p *v1alpha5.Provisioner) { p.Spec.ProviderRef.Kind = "AWSNodeTemplate" }, ""},
		"a taint without an effect":     {builders.MachineTaint("a", "", ""), "spec.taints[0].effect"},
		"a taint that no node can have": {builders.MachineTaint("a", "b/c", "NoSchedule"), "spec.taints[0].value"},
		"values of Exists":              {builders.Requirement("team", exists, "a"), "spec.requirements[0].values"},
		"an unknown architecture":       {builders.Requirement("beta.kubernetes.io/arch", in, "aarch64"), "spec.requirements[0].values"},
		"an excluded architecture":      {builders.Requirement(corev1.LabelArchStable, corev1.NodeSelectorOpNotIn, "aarch64"), ""},
		"a label against the default":   {builders.MachineLabels(map[string]string{corev1.LabelOSStable: "windows"}), "spec.requirements"},
		"dockerd":                       {kubelet(func(k *v1alpha5.KubeletConfiguration) { k.ContainerRuntime = new("dockerd") }), "spec.kubeletConfiguration.containerRuntime"},
		"containerd":                    {kubelet(func(k *v1alpha5.KubeletConfiguration) { k.ContainerRuntime = new("containerd") }), ""},
		"a low threshold of 85":         {kubelet(func(k *v1alpha5.KubeletConfiguration) { k.ImageGCLowThresholdPercent = new(int32(85)) }), "spec.kubeletConfiguration.imageGCLowThresholdPercent"},
		"a low threshold of 84":         {kubelet(func(k *v1alpha5.KubeletConfiguration) { k.ImageGCLowThresholdPercent = new(int32(84)) }), ""},
		"a high threshold of 80":        {kubelet(func(k *v1alpha5.KubeletConfiguration) { k.ImageGCHighThresholdPercent = new(int32(80)) }), "spec.kubeletConfiguration.imageGCLowThresholdPercent"},
	} {
		verdict := admission.Provisioner(builders.Provisioner("p", tc.modify))
		if len(verdict.Errors) > 0 {
			t.Errorf("%s: %v", name, verdict.Errors)
		}
		switch {
		case tc.field == "" && len(verdict.Warnings) == 0:
		case tc.field != "" && len(verdict.Warnings) == 1 && strings.HasPrefix(verdict.Warnings[0], tc.field+": "):
		default:
			t.Errorf("%s: got %q, want a warning about %q", name, verdict.Warnings, tc.field)
		}
	}
}

func TestAnInlineProviderIsJudgedWhereItStands(t *testing.T) {
	p := builders.Provisioner("p", func(p *v1alpha5.Provisioner) {
		p.Spec.ProviderRef = nil
		p.Spec.Provider = &runtime.RawExtension{Raw: []byte(`{"subnetSelector": {"a": ""}, "colour": "red", "securityGroupSelector": {"a": "b"}}`)}
	})
	verdict := admission.Provisioner(p)
	var fields []string
	for _, e := range verdict.Errors {
		fields = append(fields, e.Field)
	}
	slices.Sort(fields)
	if diff := cmp.Diff([]string{"spec.provider.colour", "spec.provider.subnetSelector[a]"}, fields); diff != "" {
		t.Errorf("fields with errors (-want +got):\n%s", diff)
	}
	if len(verdict.Warnings) != 1 || !strings.Contains(verdict.Warnings[0], "deprecated") {
		t.Errorf("warnings: %q", verdict.Warnings)
	}
}

// The webhook that defaults and the one that judges are apart, and kerf may run without the former.
func TestDefaultsChangeNoVerdict(t *testing.T) {
	valid := 0
	for seed := range uint64(3000) {
		p := builders.RandomProvisioner(rand.New(rand.NewPCG(seed, 3)))
		defaulted := p.DeepCopy()
		admission.Default(defaulted)
		before, after := admission.Provisioner(p), admission.Provisioner(defaulted)
		if diff := cmp.Diff(before, after); diff != "" {
			t.Fatalf("seed %d (-before +after):\n%s", seed, diff)
		}
		if len(before.Errors) == 0 {
			valid++
		}
	}
	if valid < 1000 {
		t.Errorf("only %d objects were valid", valid)
	}
}

func TestDefaultsAreThereOnce(t *testing.T) {
	for seed := range uint64(1000) {
		once := builders.RandomProvisioner(rand.New(rand.NewPCG(seed, 4)))
		given := once.DeepCopy()
		admission.Default(once)
		twice := once.DeepCopy()
		admission.Default(twice)
		if diff := cmp.Diff(once, twice); diff != "" {
			t.Fatalf("seed %d (-once +twice):\n%s", seed, diff)
		}
		if diff := cmp.Diff(given.Spec.Requirements, once.Spec.Requirements[:len(given.Spec.Requirements)]); diff != "" && len(given.Spec.Requirements) > 0 {
			t.Fatalf("seed %d: defaults changed what was said (-before +after):\n%s", seed, diff)
		}
		once.Spec.Requirements = given.Spec.Requirements
		if diff := cmp.Diff(given, once); diff != "" {
			t.Fatalf("seed %d: defaults changed more than requirements (-before +after):\n%s", seed, diff)
		}
	}
}

func TestAProvisionerWithoutRequirementsGetsFive(t *testing.T) {
	p := builders.Provisioner("p")
	admission.Default(p)
	want := []v1alpha5.Requirement{
		{Key: "kubernetes.io/os", Operator: in, Values: []string{"linux"}},
		{Key: "kubernetes.io/arch", Operator: in, Values: []string{"amd64"}},
		{Key: "karpenter.sh/capacity-type", Operator: in, Values: []string{"on-demand"}},
		{Key: "karpenter.k8s.aws/instance-category", Operator: in, Values: []string{"c", "m", "r"}},
		{Key: "karpenter.k8s.aws/instance-generation", Operator: corev1.NodeSelectorOpGt, Values: []string{"2"}},
	}
	if diff := cmp.Diff(want, p.Spec.Requirements); diff != "" {
		t.Errorf("requirements (-want +got):\n%s", diff)
	}
}

func TestAChoiceOfInstanceTypesIsNotNarrowedDown(t *testing.T) {
	for _, key := range []string{
		"node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type", "karpenter.k8s.aws/instance-family",
		"karpenter.k8s.aws/instance-category", "karpenter.k8s.aws/instance-generation",
	} {
		p := builders.Provisioner("p", builders.Requirement(key, exists))
		admission.Default(p)
		if len(p.Spec.Requirements) != 4 {
			t.Errorf("%s: requirements are %v", key, p.Spec.Requirements)
		}
	}
}
