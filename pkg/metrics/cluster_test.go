package metrics_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

// nodes returns so many nodes of several types, zones and provisioners, each with all that is measured.
func nodes(n int) metrics.Figures {
	list := func(cpu string) corev1.ResourceList {
		return corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("1Gi"),
			corev1.ResourcePods: resource.MustParse("10"), corev1.ResourceEphemeralStorage: resource.MustParse("20Gi"),
		}
	}
	out := metrics.Figures{Pods: map[metrics.PodState]int{{Provisioner: "p-0", Phase: "Running"}: 7}, BlockedDrains: map[string]int{"p-0": 1}}
	for i := range n {
		out.Nodes = append(out.Nodes, metrics.NodeFigures{
			Place: metrics.Place{
				Node: fmt.Sprintf("node-%d", i), Provisioner: fmt.Sprintf("p-%d", i%20), InstanceType: fmt.Sprintf("type-%d", i%300),
				Zone: fmt.Sprintf("zone-%d", i%3), CapacityType: "spot", Arch: "amd64", OS: "linux",
			},
			Allocatable: list("1900m"), SystemOverhead: list("100m"), DaemonRequests: list("200m"), DaemonLimits: list("300m"),
			PodRequests: list("1500m"), PodLimits: list("2"),
		})
	}
	return out
}

// gather returns the series of nodes, and the sum of what they have allocatable in CPU.
func gather(t *testing.T, figures metrics.Figures, tell bool) (series int, cpu float64) {
	t.Helper()
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(metrics.NewCluster(func() (metrics.Figures, bool) { return figures, tell })); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		series += len(family.GetMetric())
		for _, metric := range family.GetMetric() {
			for _, pair := range metric.GetLabel() {
				if family.GetName() == "karpenter_nodes_allocatable" && pair.GetName() == "resource_type" && pair.GetValue() == "cpu" {
					cpu += metric.GetGauge().GetValue()
				}
			}
		}
	}
	return series, cpu
}

func TestTheSeriesOfNodesAreBoundedAndTheirSumsAreNot(t *testing.T) {
	for _, n := range []int{1, 100, 125, 126, 500, 5000} {
		series, cpu := gather(t, nodes(n), true)
		if want := 1.9 * float64(n); math.Abs(cpu-want) > 0.001*want {
			t.Errorf("%d nodes have %f CPUs, want %f", n, cpu, want)
		}
		if n <= 125 && series != 24*n+2 {
			t.Errorf("%d nodes have %d series, want those of each", n, series)
		}
		if series > 3010 {
			t.Errorf("%d nodes have %d series", n, series)
		}
	}
}

func TestAReplicaThatDoesNotLeadTellsNothingOfTheCluster(t *testing.T) {
	if series, _ := gather(t, nodes(3), false); series != 0 {
		t.Errorf("it tells %d series", series)
	}
}
