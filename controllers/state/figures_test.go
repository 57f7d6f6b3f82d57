package state

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// amounts writes a list of resources for comparison.
func amounts(list corev1.ResourceList) map[string]string {
	out := map[string]string{}
	for name, quantity := range list {
		out[string(name)] = quantity.String()
	}
	return out
}

func TestNodesAreMeasuredByWhatTheyHaveAndWhatIsTaken(t *testing.T) {
	cluster := state.NewCluster()
	limited := func(p *corev1.Pod) {
		p.Spec.Containers[0].Resources.Limits = corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("1Gi")}
	}
	cluster.UpdateNode(builders.Node("n", builders.Managed("p"), builders.Allocatable("2", "4Gi", 10), func(n *corev1.Node) {
		n.Status.Capacity = n.Status.Allocatable.DeepCopy()
		n.Status.Allocatable[corev1.ResourceCPU] = n.Status.Capacity[corev1.ResourcePods] // 10, so that the overhead is -8
	}))
	cluster.UpdateNode(builders.Node("foreign"))
	cluster.UpdatePod(builders.Pod(builders.Name("w"), builders.CPU("500m"), builders.OnNode("n"), limited))
	cluster.UpdatePod(builders.Pod(builders.Name("d"), builders.CPU("100m"), builders.OnNode("n"), builders.OwnedBy("apps/v1", "DaemonSet", "ds")))
	cluster.UpdatePod(builders.Pod(builders.Name("f"), builders.OnNode("foreign")))
	cluster.UpdatePod(builders.Pod(builders.Name("waits")))
	going := builders.Machine("m", "p")
	machines.Conditions(going).False(v1alpha5.ConditionDrained, v1alpha5.ReasonDrainBlocked, "")
	cluster.UpdateMachine(going)

	got := figuresOf(cluster.Snapshot(time.Now()))
	if len(got.Nodes) != 1 || got.Nodes[0].Node != "n" || got.Nodes[0].Provisioner != "p" {
		t.Fatalf("measured are %+v", got.Nodes)
	}
	node := got.Nodes[0]
	if diff := cmp.Diff(map[string]string{"cpu": "500m"}, amounts(corev1.ResourceList{"cpu": node.PodRequests["cpu"]})); diff != "" {
		t.Errorf("requests of pods (-want +got):\n%s", diff)
	}
	if got, want := node.DaemonRequests.Cpu().String(), "100m"; got != want {
		t.Errorf("requests of DaemonSets are %s, want %s", got, want)
	}
	if _, limits := node.PodLimits[corev1.ResourceMemory]; !limits || len(node.DaemonLimits) > 0 {
		t.Errorf("limits are %v and %v", node.PodLimits, node.DaemonLimits)
	}
	if got, want := node.SystemOverhead.Cpu().String(), "-8"; got != want {
		t.Errorf("overhead is %s, want %s", got, want)
	}
	pending := string(corev1.PodPending)
	running := phaseOf(builders.Pod(builders.OnNode("n")))
	want := map[metrics.PodState]int{{Provisioner: "p", Phase: running}: 2, {Phase: pending}: 1}
	want[metrics.PodState{Phase: running}]++
	if diff := cmp.Diff(want, got.Pods); diff != "" {
		t.Errorf("pods (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{"p": 1}, got.BlockedDrains); diff != "" {
		t.Errorf("blocked drains (-want +got):\n%s", diff)
	}
}

func TestTheStartOfAPodIsMeasuredOnceAndByTheLeader(t *testing.T) {
	registry := prometheus.NewRegistry()
	recorded, err := metrics.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	informers := NewInformers(nil, state.NewCluster(), journal.Journal{Metrics: recorded})
	elected := make(chan struct{})
	informers.elected = elected
	waiting := builders.Pod()
	waiting.CreationTimestamp = metav1.NewTime(time.Unix(1000, 0))
	ready := waiting.DeepCopy()
	ready.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue, LastTransitionTime: metav1.NewTime(time.Unix(1042, 0))}}
	informers.measureStart(waiting, ready)
	close(elected)
	informers.measureStart(waiting, ready)
	informers.measureStart(ready, ready)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != "karpenter_pods_startup_time_seconds" {
			continue
		}
		starts := family.GetMetric()[0].GetHistogram()
		if starts.GetSampleCount() != 1 || starts.GetSampleSum() != 42 {
			t.Errorf("%d starts took %f s, want one of 42 s", starts.GetSampleCount(), starts.GetSampleSum())
		}
		return
	}
	t.Error("starts are not measured")
}
