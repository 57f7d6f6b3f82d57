package state_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// world is the naive model: it keeps the objects, and works everything out anew.
type world struct {
	nodes    map[string]*corev1.Node
	machines map[string]*v1alpha5.Machine
	assumed  map[string]time.Time
	pods     map[types.UID]*corev1.Pod
}

func sorted[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// describe writes the world as describe of a snapshot does.
func (w *world) describe() []string {
	lines := map[string]string{}
	onNode := func(name string) string {
		out := ""
		for _, uid := range sorted(w.pods) {
			if w.pods[uid].Spec.NodeName == name {
				out += " " + string(uid)
			}
		}
		return out
	}
	for name := range w.nodes {
		lines[name] = name + ": node " + name + onNode(name)
	}
	for name, machine := range w.machines {
		lines[name] = name + ": machine " + name
		for nodeName, node := range w.nodes {
			if machine.Status.ProviderID != "" && node.Spec.ProviderID == machine.Status.ProviderID {
				delete(lines, name)
				lines[nodeName] = nodeName + ": node " + nodeName + " machine " + name + onNode(nodeName)
			}
		}
	}
	for name := range w.assumed {
		lines[name] = name + ": machine " + name
	}
	out := []string{}
	for _, name := range sorted(lines) {
		out = append(out, lines[name])
	}
	for _, uid := range sorted(w.pods) {
		if w.pods[uid].Spec.NodeName == "" {
			out = append(out, "pending "+string(uid))
		}
	}
	return out
}

// change makes one random event and applies it to both.
func (w *world) change(r *rand.Rand, c *state.Cluster, now time.Time) string {
	number := r.IntN(4)
	node, machine, pod := fmt.Sprintf("node%d", number), fmt.Sprintf("machine%d", number), fmt.Sprintf("pod%d", r.IntN(6))
	uid := types.UID("default/" + pod)
	switch kind := r.IntN(9); kind {
	case 0:
		w.nodes[node] = builders.Node(node, builders.ProviderID(fmt.Sprintf("i-%d", number)))
		c.UpdateNode(w.nodes[node])
		return "node " + node
	case 1:
		delete(w.nodes, node)
		c.DeleteNode(node)
		return "no node " + node
	case 2, 3:
		made := builders.Machine(machine, "p")
		if kind == 3 {
			made.Status.ProviderID = fmt.Sprintf("i-%d", number)
		}
		w.machines[machine] = made
		delete(w.assumed, machine)
		c.UpdateMachine(made)
		return fmt.Sprintf("machine %s %q", machine, made.Status.ProviderID)
	case 4:
		delete(w.machines, machine)
		delete(w.assumed, machine)
		c.DeleteMachine(machine)
		return "no machine " + machine
	case 5:
		if _, seen := w.machines[machine]; !seen {
			w.assumed[machine] = now
		}
		c.Assume(builders.Machine(machine, "p"), now)
		return "assume " + machine
	case 6, 7:
		made := builders.Pod(builders.Name(pod))
		if kind == 7 {
			made = builders.Pod(builders.Name(pod), builders.OnNode(node))
		}
		made.Status.Phase = []corev1.PodPhase{corev1.PodPending, corev1.PodRunning, corev1.PodFailed}[r.IntN(3)]
		w.pods[uid] = made
		if made.Status.Phase == corev1.PodFailed {
			delete(w.pods, uid)
		}
		c.UpdatePod(made)
		return fmt.Sprintf("pod %s on %q %s", pod, made.Spec.NodeName, made.Status.Phase)
	default:
		delete(w.pods, uid)
		c.DeletePod(uid)
		return "no pod " + pod
	}
}

// Whatever the order of events, the model is what one gets by looking at all the objects.
func TestTheModelEqualsWhatTheObjectsSay(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		c := state.NewCluster()
		w := &world{
			nodes: map[string]*corev1.Node{}, machines: map[string]*v1alpha5.Machine{},
			assumed: map[string]time.Time{}, pods: map[types.UID]*corev1.Pod{},
		}
		now := start()
		var history []string
		var old state.Snapshot
		var described []string
		for step := range 60 {
			history = append(history, w.change(r, c, now))
			now = now.Add(time.Duration(r.IntN(20)) * time.Second)
			snapshot := c.Snapshot(now)
			if diff := cmp.Diff(w.describe(), describe(snapshot)); diff != "" {
				t.Fatalf("seed %d after %v (-objects +model):\n%s", seed, history, diff)
			}
			if step == 30 {
				old, described = snapshot, describe(snapshot)
			}
		}
		if diff := cmp.Diff(described, describe(old)); diff != "" {
			t.Fatalf("seed %d: an old snapshot changed (-then +now):\n%s", seed, diff)
		}
	}
}
