package admission_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestProvisionersThatTakeTheSamePodsAreNamed(t *testing.T) {
	type modifiers []builders.ProvisionerModifier
	team := func(name string) builders.ProvisionerModifier {
		return builders.MachineLabels(map[string]string{"team": name})
	}
	spot := builders.Requirement(v1alpha5.CapacityTypeLabel, in, "spot")
	for name, tc := range map[string]struct {
		this, other modifiers
		want        bool
	}{
		"both say nothing":                     {nil, nil, true},
		"their weights differ":                 {nil, modifiers{builders.Weight(1)}, false},
		"their weights are equal":              {modifiers{builders.Weight(5)}, modifiers{builders.Weight(5)}, true},
		"one asks for what the default is not": {modifiers{spot}, nil, false},
		"both ask for spot":                    {modifiers{spot}, modifiers{spot}, true},
		"their requirements share a value": {
			modifiers{builders.Requirement("zone", in, "a", "b")}, modifiers{builders.Requirement("zone", in, "b", "c")}, true,
		},
		"their bounds exclude each other": {
			modifiers{builders.Requirement("n", corev1.NodeSelectorOpGt, "4")}, modifiers{builders.Requirement("n", corev1.NodeSelectorOpLt, "5")}, false,
		},
		"they ask by old and new names of one label": {
			modifiers{builders.Requirement("beta.kubernetes.io/arch", in, "arm64")}, modifiers{builders.Requirement(corev1.LabelArchStable, in, "amd64")}, false,
		},
		"their labels differ":                    {modifiers{team("a")}, modifiers{team("b")}, false},
		"one has a label":                        {modifiers{team("a")}, nil, true},
		"a label is what the other excludes":     {modifiers{team("a")}, modifiers{builders.Requirement("team", corev1.NodeSelectorOpDoesNotExist)}, false},
		"one has a taint":                        {modifiers{builders.MachineTaint("a", "", "NoSchedule")}, nil, false},
		"both have the taint":                    {modifiers{builders.MachineTaint("a", "", "NoSchedule")}, modifiers{builders.MachineTaint("a", "", "NoSchedule")}, true},
		"their taints have different values":     {modifiers{builders.MachineTaint("a", "x", "NoSchedule")}, modifiers{builders.MachineTaint("a", "y", "NoSchedule")}, false},
		"one has a taint that keeps nobody away": {modifiers{builders.MachineTaint("a", "", "PreferNoSchedule")}, nil, true},
		"one can have no machine":                {modifiers{builders.Requirement("a", in, "x"), builders.Requirement("a", in, "y")}, nil, false},
		"the other is being deleted":             {nil, modifiers{deleting}, false},
		"this one is being deleted":              {modifiers{deleting}, nil, false},
	} {
		this, other := builders.Provisioner("this", tc.this...), builders.Provisioner("other", tc.other...)
		warnings := admission.Overlaps(this, []v1alpha5.Provisioner{*other, *this})
		if got := len(warnings) == 1 && strings.HasSuffix(warnings[0], ": other"); got != tc.want || len(warnings) > 1 {
			t.Errorf("%s: got %q, want a warning: %t", name, warnings, tc.want)
		}
	}
}

func deleting(p *v1alpha5.Provisioner) { p.DeletionTimestamp = &metav1.Time{} }

func TestOfManyProvisionersTheFirstAreNamed(t *testing.T) {
	var others []v1alpha5.Provisioner
	for i := range 9 {
		others = append(others, *builders.Provisioner(fmt.Sprintf("other-%d", 8-i)))
	}
	warnings := admission.Overlaps(builders.Provisioner("this"), others)
	if len(warnings) != 1 || !strings.HasSuffix(warnings[0], ": other-0, other-1, other-2, other-3, other-4 and 4 more") {
		t.Errorf("got %q", warnings)
	}
}

func TestToOverlapIsMutual(t *testing.T) {
	both := 0
	for seed := range uint64(4000) {
		source := rand.New(rand.NewPCG(seed, 5))
		a, b := builders.RandomProvisioner(source), builders.RandomProvisioner(source)
		a.Name, b.Name = "a", "b"
		a.Spec.Weight, a.Spec.Taints, b.Spec.Weight, b.Spec.Taints = nil, nil, nil, nil
		ab, ba := admission.Overlaps(a, []v1alpha5.Provisioner{*b}), admission.Overlaps(b, []v1alpha5.Provisioner{*a})
		if len(ab) != len(ba) {
			t.Fatalf("seed %d: one overlaps the other and not the other way round: %q, %q", seed, ab, ba)
		}
		both += len(ab)
	}
	if both < 100 {
		t.Errorf("only %d pairs overlapped", both)
	}
}

// A pair overlaps if and only if some machine can be of both: tried out over all machines that there are with two labels.
func TestToOverlapIsToHaveAMachineInCommon(t *testing.T) {
	values := []string{"", "-1", "0", "1", "2", "3", "4", "5"} // "" stands for absent
	counts := map[bool]int{}
	for seed := range uint64(3000) {
		source := rand.New(rand.NewPCG(seed, 6))
		a, b := randomChoice(source, "a"), randomChoice(source, "b")
		want := false
		for n := range len(values) * len(values) {
			machine := map[string]string{"word": values[n%len(values)], "number": values[n/len(values)]}
			want = want || takes(a, machine) && takes(b, machine)
		}
		counts[want]++
		if got := len(admission.Overlaps(a, []v1alpha5.Provisioner{*b})) == 1; got != want {
			t.Fatalf("seed %d: overlap %t, want %t:\n%v\n%v", seed, got, want, a.Spec.Requirements, b.Spec.Requirements)
		}
	}
	if counts[true] < 300 || counts[false] < 300 {
		t.Errorf("the choices are one-sided: %v", counts)
	}
}

// randomChoice returns a provisioner with requirements on two labels. A word has no bounds, and of a number no single value
// is excluded: whether bounds leave one then is not counted out.
func randomChoice(source *rand.Rand, name string) *v1alpha5.Provisioner {
	p := builders.Provisioner(name)
	for range source.IntN(4) {
		q := v1alpha5.Requirement{Key: "word", Operator: []corev1.NodeSelectorOperator{"In", "NotIn", "Exists", "DoesNotExist"}[source.IntN(4)]}
		if source.IntN(2) == 0 {
			q = v1alpha5.Requirement{Key: "number", Operator: []corev1.NodeSelectorOperator{"In", "Gt", "Lt"}[source.IntN(3)]}
		}
		switch q.Operator {
		case "Gt", "Lt":
			q.Values = []string{fmt.Sprint(source.IntN(5))}
		case "In", "NotIn":
			for range source.IntN(3) + 1 {
				q.Values = append(q.Values, fmt.Sprint(source.IntN(3)))
			}
		}
		p.Spec.Requirements = append(p.Spec.Requirements, q)
	}
	return p
}

// takes is what a provisioner's requirements mean, said in the plainest way.
func takes(p *v1alpha5.Provisioner, machine map[string]string) bool {
	for _, q := range p.Spec.Requirements {
		value := machine[q.Key]
		listed := slices.Contains(q.Values, value)
		met := map[corev1.NodeSelectorOperator]bool{
			"In": value != "" && listed, "NotIn": value == "" || !listed, "Exists": value != "", "DoesNotExist": value == "",
		}
		if len(q.Values) == 1 && value != "" {
			met["Gt"], met["Lt"] = value > q.Values[0], value < q.Values[0] // of single digits
		}
		if !met[q.Operator] {
			return false
		}
	}
	return true
}
