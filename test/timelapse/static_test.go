package timelapse_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/timelapse"
)

// clusters is how many random clusters are lived through.
func clusters(t *testing.T, short int) int {
	t.Helper()
	value := os.Getenv("KERF_STATIC_CLUSTERS")
	if value == "" {
		return short
	}
	n, err := strconv.Atoi(value)
	if err != nil {
		t.Fatalf("KERF_STATIC_CLUSTERS: %s", err)
	}
	return n
}

// TestStaticClustersComeToRest has random clusters lose a part of their pods, and looks on while what is left is packed again.
func TestStaticClustersComeToRest(t *testing.T) {
	commands, saved, before := 0, 0.0, 0.0
	n := clusters(t, 12)
	for seed := range n {
		c := random(uint64(seed))
		start := c.CostPerHour()
		settle(t, seed, c)
		commands, saved, before = commands+c.Commands, saved+start-c.CostPerHour(), before+start
		if t.Failed() {
			return
		}
	}
	t.Logf("%d clusters: %d commands, %.1f %% of the cost saved", n, commands, 100*saved/before)
	if commands == 0 {
		t.Error("nothing was ever moved")
	}
}

// settle lives through the time until the cluster rests, and two hours more.
func settle(t *testing.T, seed int, c *timelapse.Cluster) {
	t.Helper()
	c.OnCommand = func(command disruption.Command) {
		if command.SavingPerHour <= 0 {
			t.Errorf("seed %d: a command saves nothing: %s", seed, command.Message)
		}
	}
	cost := c.CostPerHour()
	for hours := 0; hours < 72 && !c.AtRest(); hours++ {
		c.Run(t.Context(), time.Hour, nil)
		for c.Busy() {
			c.Run(t.Context(), timelapse.Tick, nil)
		}
		if now := c.CostPerHour(); now > cost+1e-9 {
			t.Errorf("seed %d: the cluster costs $%.4f/h after an hour, before it was $%.4f/h", seed, now, cost)
		}
		cost = c.CostPerHour()
	}
	if !c.AtRest() {
		t.Errorf("seed %d: the cluster does not come to rest in three days", seed)
	}
	at := c.Commands
	c.Run(t.Context(), 2*time.Hour, nil)
	if c.Commands != at {
		t.Errorf("seed %d: %d commands in two hours in which nothing happened", seed, c.Commands-at)
	}
	if pending := c.Pending(); pending > 0 {
		t.Errorf("seed %d: %d pods are left without a node", seed, pending)
	}
	for name, times := range c.Moved {
		if times > 4 {
			t.Errorf("seed %d: pod %s was moved %d times", seed, name, times)
		}
	}
	for node := range c.Held {
		if !c.Has(node) {
			t.Errorf("seed %d: node %s went, which was held", seed, node)
		}
	}
}

// random returns a cluster that was bought for more pods than there are now.
func random(seed uint64) *timelapse.Cluster {
	r := rand.New(rand.NewPCG(seed, 5)) //nolint:gosec // clusters that can be made again
	c := timelapse.New(timelapse.Options{
		Offers: offers(r), SettleFor: 5 * time.Minute, DecideEvery: time.Minute, Share: 10 + r.IntN(90),
		Settings: disruption.Settings{LineageRest: time.Hour}, Taint: true,
	})
	gone := map[string]bool{}
	for group := range 1 + r.IntN(8) {
		size := 1 + r.IntN(20)
		left := r.IntN(size + 1)
		for i := range size {
			pod := podOf(seed, group, i)
			c.Add(pod)
			if i >= left {
				gone[pod.Name] = true
			}
		}
	}
	c.Off = true
	c.Run(context.Background(), 30*time.Minute, nil)
	c.Remove(gone)
	for _, node := range c.Names() {
		if r.IntN(6) == 0 && c.Running()[node] > 0 {
			c.Held[node] = "a budget lets no pod go"
		}
	}
	c.Off, c.Figures = false, timelapse.Figures{}
	return c
}

func podOf(seed uint64, group, i int) *corev1.Pod {
	labels := map[string]string{"app": fmt.Sprint("app-", group)}
	shape := rand.New(rand.NewPCG(seed, uint64(group))) //nolint:gosec // the same for all pods of a group
	modifiers := []builders.PodModifier{
		builders.Name(fmt.Sprintf("app-%d-%d", group, i)), builders.Labels(labels), builders.OwnedBy("apps/v1", "ReplicaSet", labels["app"]),
		builders.CPU(fmt.Sprintf("%dm", 100+100*shape.IntN(20))), builders.Memory(fmt.Sprintf("%dMi", 128+256*shape.IntN(16))),
	}
	switch shape.IntN(6) {
	case 0:
		modifiers = append(modifiers, builders.Spread(corev1.LabelTopologyZone, 1, labels))
	case 1:
		modifiers = append(modifiers, builders.AntiAffinity(corev1.LabelHostname, labels))
	case 2:
		modifiers = append(modifiers, builders.NodeSelector(map[string]string{corev1.LabelTopologyZone: "zone-a"}))
	}
	return builders.Pod(modifiers...)
}

// offers are one or two provisioners over a market with holes.
func offers(r *rand.Rand) problem.Offers {
	var types cloudprovider.InstanceTypes
	for family := range 4 {
		for size := range 5 {
			cores := 2 << size
			price := 0.04*float64(cores) + 0.004*float64(cores*(2<<family))
			modifiers := []builders.InstanceTypeModifier{
				builders.Capacity(fmt.Sprint(cores), fmt.Sprintf("%dGi", cores*(2<<family)), 30+cores), builders.Reserved("100m", "400Mi"),
				builders.OnDemand(price*(0.9+0.2*r.Float64()), "zone-a", "zone-b", "zone-c"),
			}
			if r.IntN(2) == 0 {
				modifiers = append(modifiers, builders.Spot(price*(0.2+0.4*r.Float64()), "zone-a", "zone-b", "zone-c"))
			}
			if r.IntN(4) == 0 {
				modifiers = append(modifiers, builders.SoldOut("zone-b"))
			}
			types = append(types, builders.InstanceType(fmt.Sprintf("f%d.s%d", family, size), modifiers...))
		}
	}
	out := problem.Offers{}
	for i := range 1 + r.IntN(2) {
		capacityTypes := []string{"on-demand"}
		if r.IntN(2) == 0 {
			capacityTypes = append(capacityTypes, "spot")
		}
		p := builders.Provisioner(fmt.Sprint("p", i), builders.Weight(int32(r.IntN(3))), //nolint:gosec // small
			builders.Requirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, capacityTypes...))
		out[p.Name] = problem.NewOffer(p, types)
	}
	return out
}
