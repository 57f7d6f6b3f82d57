package provisioning

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

const familyLabel = "karpenter.k8s.aws/instance-family"

// asking adds a requirement with minValues.
func asking(key string, least int32) builders.ProvisionerModifier {
	return func(p *v1alpha5.Provisioner) {
		p.Spec.Requirements = append(p.Spec.Requirements, v1alpha5.Requirement{Key: key, Operator: corev1.NodeSelectorOpExists, MinValues: &least})
	}
}

func TestAMachineKeepsWhatMinValuesAskFor(t *testing.T) {
	tests := map[string]struct {
		exhausted  []string
		bestEffort bool
		want       int // machines
		relaxed    string
	}{
		"there is enough":                {want: 1},
		"there is enough on best effort": {bestEffort: true, want: 1},
		"there is too little":            {exhausted: []string{"m5.large", "m5.xlarge", "m5.4xlarge"}},
		"too little is the best":         {exhausted: []string{"m5.large", "m5.xlarge", "m5.4xlarge"}, bestEffort: true, want: 1, relaxed: "true"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			p := newPass(t, asking(familyLabel, 2), builders.Requirement(familyLabel, corev1.NodeSelectorOpIn, "c5", "m5"))
			if tc.exhausted != nil {
				p.provider.Exhaust(tc.exhausted...)
			}
			p.settings = Settings{Solver: solver.Settings{MinValuesBestEffort: tc.bestEffort}}
			p.controller = p.with(p.Client)
			p.pending("a")
			p.provision(t)
			list := p.machines(t)
			if len(list) != tc.want {
				t.Fatalf("%d machines were made, want %d; told: %q", len(list), tc.want, p.Told.Lines())
			}
			policy := v1alpha5.MinValuesStrict
			if tc.bestEffort {
				policy = v1alpha5.MinValuesBestEffort
			}
			for _, m := range list {
				if m.Spec.MinValues[familyLabel] != 2 || len(m.Spec.MinValues) != 1 || m.Spec.MinValuesPolicy != policy {
					t.Errorf("the machine asks for %v, policy %q", m.Spec.MinValues, m.Spec.MinValuesPolicy)
				}
				if got := m.Annotations[v1alpha5.MinValuesRelaxedAnnotation]; got != tc.relaxed {
					t.Errorf("annotated with %q, want %q", got, tc.relaxed)
				}
			}
			if tc.want == 0 && !p.Told.Contains("Warning FailedScheduling", "minValues") {
				t.Errorf("told: %q", p.Told.Lines())
			}
		})
	}
}

// What a plan holds for manifold enough has to be so when its machines are launched, or they would be planned and given up without end.
func TestAPlansMachinesHaveTheChoiceThatTheyAskFor(t *testing.T) {
	const seeds = 100
	keys := []string{familyLabel, corev1.LabelInstanceTypeStable, corev1.LabelTopologyZone, v1alpha5.CapacityTypeLabel, "karpenter.k8s.aws/instance-category", "karpenter.k8s.aws/instance-cpu", "team"}
	made := 0
	for seed := range uint64(seeds) {
		r := rand.New(rand.NewPCG(seed, 7))
		p := builders.Provisioner("p", builders.MachineLabels(map[string]string{"team": "a"}))
		for range 1 + r.IntN(2) {
			key, most := keys[r.IntN(len(keys))], 3
			if key == v1alpha5.CapacityTypeLabel || key == "team" {
				most = 1
			}
			asking(key, int32(1+r.IntN(most)))(p)
		}
		market := soldOutAtRandom(r)
		offers := problem.Offers{"p": problem.NewOffer(p, market)}
		cluster := state.NewCluster()
		for i := range 1 + r.IntN(6) {
			pod := builders.Pod(builders.Name(fmt.Sprint("p", i)), builders.CPU(fmt.Sprint(1+r.IntN(4))))
			if r.IntN(4) == 0 {
				pod.Spec.NodeSelector = map[string]string{corev1.LabelTopologyZone: fake.ZoneA}
			}
			cluster.UpdatePod(pod)
		}
		plan := solver.Solve(t.Context(), problem.Build(problem.Facts{Snapshot: cluster.Snapshot(builders.Pod().CreationTimestamp.Time), Offers: offers}))
		list, err := buildMachines(plan.Machines, catalogue{offers: offers}, v1alpha5.MinValuesStrict)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range list {
			made++
			if lack, lacks := market.Lack(m); lacks {
				t.Errorf("seed %d: %s (%v, %v)", seed, lack, m.Spec.MinValues, m.Spec.Requirements)
			}
		}
	}
	if made < seeds {
		t.Errorf("only %d machines were looked at", made)
	}
}

// soldOutAtRandom returns what the fake cloud offers, with a third of the offerings sold out.
func soldOutAtRandom(r *rand.Rand) cloudprovider.InstanceTypes {
	out := fake.InstanceTypes()
	for _, t := range out {
		t.Offerings = slices.Clone(t.Offerings)
		for i := range t.Offerings {
			t.Offerings[i].Available = t.Offerings[i].Available && r.IntN(3) > 0
		}
	}
	return out
}
