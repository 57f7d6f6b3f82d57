package v1alpha5_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/admission/schema"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestDomainsAreReservedByTheirEnd(t *testing.T) {
	for key, may := range map[string]struct{ require, set bool }{
		"team":                                   {true, true},
		"example.com/team":                       {true, true},
		"kubernetes.io.example.com/a":            {true, true},
		"sh/a":                                   {true, true},
		"kubernetes.io/a":                        {false, false},
		"a.kubernetes.io/a":                      {false, false},
		"akubernetes.io/a":                       {false, false},
		"k8s.io/a":                               {false, false},
		"ak8s.io/a":                              {false, false},
		"karpenter.sh/a":                         {false, false},
		"a.karpenter.sh/a":                       {false, false},
		"karpenter.k8s.aws/a":                    {false, false},
		"compatibility.karpenter.k8s.aws/a":      {false, false},
		"kops.k8s.io/a":                          {true, true},
		"a.kops.k8s.io/a":                        {true, true},
		"node.kubernetes.io/a":                   {true, true},
		"a.node.kubernetes.io/a":                 {true, true},
		"node-restriction.kubernetes.io/a":       {true, true},
		"a.node-restriction.kubernetes.io/a":     {true, true},
		"kubernetes.io/hostname":                 {false, false},
		"kubernetes.io/arch":                     {true, true},
		"beta.kubernetes.io/arch":                {true, false},
		"beta.kubernetes.io/instance-type":       {true, false},
		"failure-domain.beta.kubernetes.io/zone": {true, false},
		"beta.kubernetes.io/other":               {false, false},
		"node.kubernetes.io/windows-build":       {true, true},
		"karpenter.sh/capacity-type":             {true, true},
		"karpenter.sh/provisioner-name":          {false, false},
		"karpenter.sh/emptiness-timestamp":       {false, false},
		"karpenter.k8s.aws/instance-cpu":         {true, true},
		"karpenter.k8s.aws/instance-ami-id":      {false, false},
	} {
		required := builders.Provisioner("p", builders.Requirement(key, corev1.NodeSelectorOpExists))
		if got := len(required.Validate(wellKnown)) == 0; got != may.require {
			t.Errorf("%s may be required: %t, want %t", key, got, may.require)
		}
		set := builders.Provisioner("p", builders.MachineLabels(map[string]string{key: "a"}))
		if got := len(set.Validate(wellKnown)) == 0; got != may.set {
			t.Errorf("%s may be set: %t, want %t", key, got, may.set)
		}
	}
}

func TestAMistakeSaysWhatToWriteInstead(t *testing.T) {
	for name, tc := range map[string]struct {
		provisioner *v1alpha5.Provisioner
		says        string
	}{
		"a label by its old name":  {builders.Provisioner("p", builders.MachineLabels(map[string]string{"beta.kubernetes.io/os": "linux"})), "kubernetes.io/os"},
		"an operator":              {builders.Provisioner("p", builders.Requirement("a", "Is")), `"In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"`},
		"an effect":                {builders.Provisioner("p", builders.MachineTaint("a", "", "Is")), `"NoSchedule", "PreferNoSchedule", "NoExecute"`},
		"In without values":        {builders.Provisioner("p", builders.Requirement("a", corev1.NodeSelectorOpIn)), "Exists"},
		"a label of kerf's domain": {builders.Provisioner("p", builders.Requirement("karpenter.sh/a", corev1.NodeSelectorOpExists)), "kubectl explain provisioner.spec.requirements.key"},
		"a template and a provider": {builders.Provisioner("p", func(p *v1alpha5.Provisioner) {
			p.Spec.Provider = providerOf("{}")
		}), "remove one of the two"},
	} {
		mistakes := tc.provisioner.Validate(wellKnown)
		if len(mistakes) != 1 || !strings.Contains(mistakes[0].Error(), tc.says) {
			t.Errorf("%s: got %v, want one mistake that says %s", name, mistakes, tc.says)
		}
	}
}

// The requirements' documentation is where people are sent for the labels that they may ask for.
func TestTheDocumentationListsEveryLabelThatMayBeRequired(t *testing.T) {
	description := describedKey(t)
	labels := append(awsv1alpha1.WellKnownLabels(), corev1.LabelTopologyZone, corev1.LabelTopologyRegion, corev1.LabelInstanceTypeStable,
		corev1.LabelArchStable, corev1.LabelOSStable, corev1.LabelWindowsBuild, v1alpha5.CapacityTypeLabel)
	words := strings.FieldsFunc(description, func(r rune) bool { return strings.ContainsRune(" ,:()\n", r) })
	for _, label := range labels {
		name := strings.TrimPrefix(label, "karpenter.k8s.aws/")
		if !slices.ContainsFunc(words, func(word string) bool { return strings.TrimSuffix(word, ".") == name }) {
			t.Errorf("%s is missing from:\n%s", label, description)
		}
	}
}

func TestMistakesComeInTheSameOrderEveryTime(t *testing.T) {
	for seed := range uint64(300) {
		first := builders.RandomProvisioner(rand.New(rand.NewPCG(seed, 1))).Validate(wellKnown)
		again := builders.RandomProvisioner(rand.New(rand.NewPCG(seed, 1))).Validate(wellKnown)
		if diff := cmp.Diff(texts(first), texts(again)); diff != "" {
			t.Fatalf("seed %d (-first +again):\n%s", seed, diff)
		}
	}
}

func TestJudgingChangesNothing(t *testing.T) {
	for seed := range uint64(300) {
		p := builders.RandomProvisioner(rand.New(rand.NewPCG(seed, 2)))
		before := p.DeepCopy()
		p.Validate(wellKnown)
		if diff := cmp.Diff(before, p); diff != "" {
			t.Fatalf("seed %d (-before +after):\n%s", seed, diff)
		}
	}
}

func texts(mistakes field.ErrorList) []string {
	out := make([]string, 0, len(mistakes))
	for _, e := range mistakes {
		out = append(out, e.Error())
	}
	return out
}

func providerOf(text string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(text)} }

// describedKey returns what kubectl explain says of the key of a requirement.
func describedKey(t *testing.T) string {
	t.Helper()
	kinds, err := schema.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	description, found, err := unstructured.NestedString(kinds["Provisioner"].Spec,
		"properties", "requirements", "items", "properties", "key", "description")
	if err != nil || !found {
		t.Fatalf("the schema has no such description (%v)", err)
	}
	return description
}
