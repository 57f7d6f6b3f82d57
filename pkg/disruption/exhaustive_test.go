package disruption

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// TestWhatIsFoundIsNearlyTheBestThereIs holds what is found in small clusters against the best of all sets of their machines, each of
// which is judged like those that the search tries. Any saving counts, as the search is asked about here and not what moves cost.
func TestWhatIsFoundIsNearlyTheBestThereIs(t *testing.T) {
	found, best, worse, something := 0.0, 0.0, 0, 0
	for seed := range uint64(60) {
		in := small(seed)
		here := 0.0
		decision := Consolidation(t.Context(), in)
		for i := range decision.Commands {
			here += decision.Commands[i].SavingPerHour
		}
		most, set := exhaust(t.Context(), in)
		if here < 0.95*most-cent {
			worse++
			var gone []string
			for i := range decision.Commands {
				for _, target := range decision.Commands[i].Machines {
					gone = append(gone, target.Machine)
				}
			}
			t.Logf("seed %d: found $%.4f/h with %v, of %d candidates %v would have saved $%.4f/h", seed, here, gone, len(in.Candidates), set, most)
		}
		if most > 0 {
			something++
		}
		found, best = found+here, best+most
	}
	t.Logf("%d clusters in which something can be saved: $%.2f/h found of $%.2f/h, in %d less than 95 %%", something, found, best, worse)
	if found < 0.95*best {
		t.Errorf("$%.4f/h are found, the best is $%.4f/h: want 95 %%", found, best)
	}
	if something < 40 {
		t.Errorf("only in %d clusters there is anything to find", something)
	}
}

// exhaust returns the most that any set of candidates saves, and that set.
func exhaust(ctx context.Context, in *Input) (float64, []string) {
	b := newBench(ctx, in)
	most, best := 0.0, []string(nil)
	for bits := 1; bits < 1<<len(in.Candidates); bits++ {
		var set []*Candidate
		for i := range in.Candidates {
			if bits&(1<<i) != 0 {
				set = append(set, &in.Candidates[i])
			}
		}
		tried, worth := b.try(ctx, set, true), 0.0
		for i := range tried.moves {
			if worth += b.net(&tried.moves[i]); tried.moves[i].refusal.Reason != "" {
				worth = 0
				break
			}
		}
		if worth <= most+cent || !b.rehearse(ctx, &tried.problem, &tried.plan) {
			continue
		}
		most, best = worth, nil
		for _, c := range set {
			best = append(best, c.Machine)
		}
	}
	return most, best
}

// small is a cluster of three to seven machines, with pods that are spread, choose zones or keep off each other.
func small(seed uint64) *Input {
	r := rand.New(rand.NewPCG(seed, 11)) //nolint:gosec // the same clusters each time
	var all cloudprovider.InstanceTypes
	zones := []string{"zone-a", "zone-b"}
	for size := range 4 {
		cores := 2 << size
		price := 0.05 * float64(cores) * (0.8 + 0.4*r.Float64())
		modifiers := []builders.InstanceTypeModifier{
			builders.Capacity(fmt.Sprint(cores), fmt.Sprintf("%dGi", 4*cores), 50), builders.OnDemand(price, zones...),
		}
		if r.IntN(2) == 0 {
			modifiers = append(modifiers, builders.Spot(price*(0.3+0.4*r.Float64()), zones...))
		}
		all = append(all, builders.InstanceType(fmt.Sprint("size-", size), modifiers...))
	}
	model, in := state.NewCluster(), &Input{Now: noon(), Settings: Settings{Eager: true, LeastSpotAlternatives: 1, Effort: 1 << 40}}
	for i := range 3 + r.IntN(5) {
		in.Candidates = append(in.Candidates, member(model, r, all, fmt.Sprint("node-", i)))
	}
	in.World = problem.Simulate(problem.Facts{
		Snapshot: model.Snapshot(noon()), ExpendableBelow: problem.DefaultExpendableBelow,
		Offers: problem.Offers{"default": problem.NewOffer(builders.Provisioner("default",
			builders.Requirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpExists)), all)},
	})
	return in
}

// member adds a node that is partly full.
func member(model *state.Cluster, r *rand.Rand, all cloudprovider.InstanceTypes, name string) Candidate {
	t := all[r.IntN(len(all))]
	offering := t.Offerings[r.IntN(len(t.Offerings))]
	labels := map[string]string{
		v1alpha5.ProvisionerNameLabel: "default", corev1.LabelTopologyZone: offering.Zone, corev1.LabelHostname: name,
		v1alpha5.CapacityTypeLabel: offering.CapacityType, corev1.LabelInstanceTypeStable: t.Name,
	}
	machine := builders.Machine(name, "default", builders.RegisteredAs(name))
	machine.Labels, machine.Status.ProviderID = labels, "aws:///"+offering.Zone+"/"+name
	machine.Status.Capacity, machine.Status.Allocatable = t.Capacity, t.Allocatable()
	node := builders.Node(name, builders.ProviderID(machine.Status.ProviderID), builders.NodeLabels(labels), builders.Managed("default"))
	node.Status.Capacity, node.Status.Allocatable = t.Capacity, t.Allocatable()
	model.UpdateMachine(machine)
	model.UpdateNode(node)
	allocatable := t.Allocatable()
	room, full := allocatable.Cpu().MilliValue(), 0.2+0.6*r.Float64()
	for used, i := int64(0), 0; ; i++ {
		app := r.IntN(6)
		shape := rand.New(rand.NewPCG(uint64(app), 3)) //nolint:gosec // the same for all pods of an app
		cpu := int64(100 * (2 + shape.IntN(20)))
		if used += cpu; float64(used) > full*float64(room) {
			break
		}
		model.UpdatePod(of(app, cpu, fmt.Sprintf("%s-%d", name, i), name))
	}
	return Candidate{
		Machine: name, Node: name, Provisioner: "default", PricePerHour: offering.Price, InstanceType: t.Name, CapacityType: offering.CapacityType,
		Consolidate: true, SettledAt: noon().Add(-time.Hour),
	}
}

// of returns a pod of an app on a node.
func of(app int, milliCPU int64, name, node string) *corev1.Pod {
	labels := map[string]string{"app": fmt.Sprint("app-", app)}
	modifiers := []builders.PodModifier{
		builders.Name(name), builders.Labels(labels), builders.OwnedBy("apps/v1", "ReplicaSet", labels["app"]), builders.OnNode(node),
		builders.CPU(fmt.Sprintf("%dm", milliCPU)), builders.Memory("256Mi"),
	}
	switch app {
	case 0:
		modifiers = append(modifiers, builders.Spread(corev1.LabelTopologyZone, 2, labels))
	case 1:
		modifiers = append(modifiers, builders.NodeSelector(map[string]string{v1alpha5.CapacityTypeLabel: "on-demand"}))
	}
	pod := builders.Pod(modifiers...)
	pod.UID, pod.CreationTimestamp = types.UID(name), metav1.NewTime(noon().Add(-10*time.Hour))
	return pod
}
