package state_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func start() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// describe writes a snapshot as one line an entry: its node, its machine, its pods.
func describe(s state.Snapshot) []string {
	out := []string{}
	for _, entry := range s.Entries {
		line := entry.Name() + ":"
		if entry.Node != nil {
			line += " node " + entry.Node.Name
		}
		if entry.Machine != nil {
			line += " machine " + entry.Machine.Name
		}
		for _, uid := range sorted(entry.Pods) {
			line += " " + string(uid)
		}
		out = append(out, line)
	}
	for _, pod := range s.Pending {
		out = append(out, "pending "+string(pod.UID))
	}
	for _, daemonSet := range s.DaemonSets {
		out = append(out, "daemonset "+string(daemonSet.UID))
	}
	return out
}

func TestNodesAndMachinesJoinByProviderID(t *testing.T) {
	c := state.NewCluster()
	c.UpdateMachine(builders.Machine("m1", "p", builders.LaunchedAs("i-1", "2", "4Gi", 10)))
	c.UpdateMachine(builders.Machine("m2", "p", builders.LaunchedAs("i-2", "2", "4Gi", 10)))
	c.UpdateMachine(builders.Machine("m3", "p"))
	c.UpdateNode(builders.Node("a", builders.ProviderID("i-1")))
	c.UpdateNode(builders.Node("foreign", builders.ProviderID("i-9")))
	c.UpdateNode(builders.Node("bare"))
	c.UpdatePod(builders.Pod(builders.Name("x"), builders.OnNode("a")))
	c.UpdatePod(builders.Pod(builders.Name("y"), builders.OnNode("bare")))
	want := []string{
		"a: node a machine m1 default/x", "bare: node bare default/y", "foreign: node foreign", "m2: machine m2", "m3: machine m3",
	}
	if diff := cmp.Diff(want, describe(c.Snapshot(start()))); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
}

func TestAMachineWithoutInstanceIsNotANodeWithoutProviderID(t *testing.T) {
	c := state.NewCluster()
	c.UpdateMachine(builders.Machine("m", "p"))
	c.UpdateNode(builders.Node("bare"))
	want := []string{"bare: node bare", "m: machine m"}
	if diff := cmp.Diff(want, describe(c.Snapshot(start()))); diff != "" {
		t.Errorf("snapshot (-want +got):\n%s", diff)
	}
}

func TestAnAssumedMachineCountsUntilTheWatchShowsIt(t *testing.T) {
	c := state.NewCluster()
	c.Assume(builders.Machine("m", "p"), start())
	if diff := cmp.Diff([]string{"m: machine m"}, describe(c.Snapshot(start()))); diff != "" {
		t.Errorf("assumed (-want +got):\n%s", diff)
	}
	seen := builders.Machine("m", "p", builders.LaunchedAs("i-1", "2", "4Gi", 10))
	c.UpdateMachine(seen)
	entries := c.Snapshot(start()).Entries
	if len(entries) != 1 || entries[0].Machine != seen {
		t.Errorf("after the watch showed it there are %v", describe(c.Snapshot(start())))
	}
}

func TestAnAssumptionThatComesLateIsNone(t *testing.T) {
	c := state.NewCluster()
	seen := builders.Machine("m", "p", builders.LaunchedAs("i-1", "2", "4Gi", 10))
	c.UpdateMachine(seen)
	c.Assume(builders.Machine("m", "p"), start())
	entries := c.Snapshot(start()).Entries
	if len(entries) != 1 || entries[0].Machine != seen {
		t.Errorf("the watch was there first, yet there are %v", describe(c.Snapshot(start())))
	}
}

func TestAnAssumptionEnds(t *testing.T) {
	tests := map[string]struct {
		change func(*state.Cluster)
		after  time.Duration
		want   int
	}{
		"never by time":             {func(*state.Cluster) {}, time.Hour, 1},
		"when it is forgotten":      {func(c *state.Cluster) { c.Forget("m") }, 0, 0},
		"not with another's end":    {func(c *state.Cluster) { c.Forget("other") }, 0, 1},
		"when it is deleted":        {func(c *state.Cluster) { c.DeleteMachine("m") }, 0, 0},
		"not with another's":        {func(c *state.Cluster) { c.DeleteMachine("other") }, 0, 1},
		"when it is seen and gone":  {func(c *state.Cluster) { c.UpdateMachine(builders.Machine("m", "p")); c.DeleteMachine("m") }, 0, 0},
		"not when it was confirmed": {func(c *state.Cluster) { c.UpdateMachine(builders.Machine("m", "p")) }, time.Hour, 1},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := state.NewCluster()
			c.Assume(builders.Machine("m", "p"), start())
			tc.change(c)
			if got := c.Snapshot(start().Add(tc.after)).Entries; len(got) != tc.want {
				t.Errorf("%d entries, want %d", len(got), tc.want)
			}
		})
	}
}

func TestForgettingLeavesWhatTheWatchShowed(t *testing.T) {
	c := state.NewCluster()
	c.UpdateMachine(builders.Machine("m", "p"))
	c.Forget("m")
	if got := c.Snapshot(start()).Entries; len(got) != 1 {
		t.Errorf("%d entries, want the machine that the watch showed", len(got))
	}
}

func TestOnlyOldAssumptionsAreUnconfirmed(t *testing.T) {
	c := state.NewCluster()
	for name, age := range map[string]time.Duration{"b": 11 * time.Second, "a": time.Hour, "new": 10 * time.Second, "seen": time.Hour} {
		c.Assume(builders.Machine(name, "p"), start().Add(-age))
	}
	c.UpdateMachine(builders.Machine("seen", "p"))
	if diff := cmp.Diff([]string{"a", "b"}, c.Unconfirmed(start(), 10*time.Second)); diff != "" {
		t.Errorf("unconfirmed (-want +got):\n%s", diff)
	}
}

func TestAMachineWhoseNodeIsGoneHasVanished(t *testing.T) {
	launched := builders.LaunchedAs("i-1", "2", "4Gi", 10)
	tests := map[string]struct {
		machine *v1alpha5.Machine
		nodes   []*corev1.Node
		want    bool
	}{
		"on its way":          {builders.Machine("m", "p", launched), nil, false},
		"joined":              {builders.Machine("m", "p", launched, builders.RegisteredAs("a")), []*corev1.Node{builders.Node("a", builders.ProviderID("i-1"))}, false},
		"back by another":     {builders.Machine("m", "p", launched, builders.RegisteredAs("a")), []*corev1.Node{builders.Node("b", builders.ProviderID("i-1"))}, false},
		"joined and gone":     {builders.Machine("m", "p", launched, builders.RegisteredAs("a")), nil, true},
		"its name is another": {builders.Machine("m", "p", launched, builders.RegisteredAs("a")), []*corev1.Node{builders.Node("a", builders.ProviderID("i-2"))}, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			c := state.NewCluster()
			c.UpdateMachine(tc.machine)
			for _, node := range tc.nodes {
				c.UpdateNode(node)
			}
			got := false
			for _, entry := range c.Snapshot(start()).Entries {
				got = got || entry.Vanished()
			}
			if got != tc.want {
				t.Errorf("vanished: %t, want %t", got, tc.want)
			}
		})
	}
}

func TestPodsMoveAndEnd(t *testing.T) {
	pod := func(modifiers ...builders.PodModifier) *corev1.Pod {
		return builders.Pod(append([]builders.PodModifier{builders.Name("x")}, modifiers...)...)
	}
	phase := func(phase corev1.PodPhase) builders.PodModifier {
		return func(p *corev1.Pod) { p.Status.Phase = phase }
	}
	c := state.NewCluster()
	c.UpdateNode(builders.Node("a"))
	c.UpdateNode(builders.Node("b"))
	steps := []struct {
		what   string
		change func()
		want   []string
	}{
		{"pending", func() { c.UpdatePod(pod()) }, []string{"a: node a", "b: node b", "pending default/x"}},
		{"bound", func() { c.UpdatePod(pod(builders.OnNode("a"))) }, []string{"a: node a default/x", "b: node b"}},
		{"a static pod that moved", func() { c.UpdatePod(pod(builders.OnNode("b"))) }, []string{"a: node a", "b: node b default/x"}},
		{"updated in place", func() { c.UpdatePod(pod(builders.OnNode("b"))) }, []string{"a: node a", "b: node b default/x"}},
		{"ended", func() { c.UpdatePod(pod(builders.OnNode("b"), phase(corev1.PodSucceeded))) }, []string{"a: node a", "b: node b"}},
		{"deleted after its end", func() { c.DeletePod("default/x") }, []string{"a: node a", "b: node b"}},
		{"back", func() { c.UpdatePod(pod(builders.OnNode("a"))) }, []string{"a: node a default/x", "b: node b"}},
		{"its node is gone", func() { c.DeleteNode("a") }, []string{"b: node b"}},
		{"its node is back", func() { c.UpdateNode(builders.Node("a")) }, []string{"a: node a default/x", "b: node b"}},
		{"deleted", func() { c.DeletePod("default/x") }, []string{"a: node a", "b: node b"}},
		{"another is deleted", func() { c.DeletePod("default/y") }, []string{"a: node a", "b: node b"}},
	}
	for _, step := range steps {
		step.change()
		if diff := cmp.Diff(step.want, describe(c.Snapshot(start()))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.what, diff)
		}
	}
}

func TestASnapshotNeverChanges(t *testing.T) {
	c := state.NewCluster()
	c.UpdateNode(builders.Node("a", builders.ProviderID("i-1")))
	c.UpdateMachine(builders.Machine("m", "p", builders.LaunchedAs("i-1", "2", "4Gi", 10)))
	c.Assume(builders.Machine("assumed", "p"), start())
	c.UpdatePod(builders.Pod(builders.Name("x"), builders.OnNode("a")))
	c.UpdatePod(builders.Pod(builders.Name("y")))
	c.UpdateDaemonSet(&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{UID: "d"}})
	before := c.Snapshot(start())
	want := describe(before)

	c.UpdatePod(builders.Pod(builders.Name("z"), builders.OnNode("a")))
	c.UpdatePod(builders.Pod(builders.Name("y"), builders.OnNode("a")))
	c.DeletePod("default/x")
	c.DeleteDaemonSet("d")
	c.DeleteMachine("m")
	c.DeleteMachine("assumed")
	c.DeleteNode("a")
	if diff := cmp.Diff(want, describe(before)); diff != "" {
		t.Errorf("an old snapshot (-then +now):\n%s", diff)
	}
}

func TestANominationLastsUntilItsTime(t *testing.T) {
	c := state.NewCluster()
	c.Nominate("a", start().Add(time.Minute))
	tests := map[string]struct {
		name  string
		after time.Duration
		want  bool
	}{
		"before":     {"a", time.Minute - 1, true},
		"at its end": {"a", time.Minute, false},
		"after":      {"a", time.Hour, false},
		"another":    {"b", 0, false},
	}
	for name, tc := range tests {
		if got := c.Nominated(tc.name, start().Add(tc.after)); got != tc.want {
			t.Errorf("%s: nominated is %t, want %t", name, got, tc.want)
		}
	}
	c.Snapshot(start().Add(30 * time.Second))
	if !c.Nominated("a", start().Add(30*time.Second)) {
		t.Error("a snapshot ended a nomination that lasts")
	}
	c.DeleteNode("a")
	if c.Nominated("a", start()) {
		t.Error("a node that is gone is still nominated")
	}
}

func TestEntriesSayWhetherTheyGoAndWhetherTheyAreReady(t *testing.T) {
	now := metav1.NewTime(start())
	deletingMachine := builders.Machine("m", "p", func(m *v1alpha5.Machine) { m.DeletionTimestamp = &now })
	deletingNode := builders.Node("n", func(n *corev1.Node) { n.DeletionTimestamp = &now })
	tests := map[string]struct {
		entry                         state.Entry
		wantDeleting, wantInitialized bool
	}{
		"a node of somebody else":         {state.Entry{Node: builders.Node("n")}, false, true},
		"a node of somebody else, going":  {state.Entry{Node: deletingNode}, true, true},
		"a machine without node":          {state.Entry{Machine: builders.Machine("m", "p")}, false, false},
		"a machine without node, going":   {state.Entry{Machine: deletingMachine}, true, false},
		"a machine that joined":           {state.Entry{Machine: builders.Machine("m", "p"), Node: builders.Node("n")}, false, false},
		"a machine that is ready":         {state.Entry{Machine: builders.Machine("m", "p"), Node: builders.Node("n", builders.Managed("p"))}, false, true},
		"a machine that goes with a node": {state.Entry{Machine: deletingMachine, Node: builders.Node("n", builders.Managed("p"))}, true, true},
		"a machine whose node goes":       {state.Entry{Machine: builders.Machine("m", "p"), Node: deletingNode}, true, false},
		"a node tainted to go": {
			state.Entry{Machine: builders.Machine("m", "p"), Node: builders.Node("n", builders.Managed("p"),
				builders.Taint(v1alpha5.DisruptedTaintKey, "", corev1.TaintEffectNoSchedule))}, true, true,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := tc.entry.Deleting(); got != tc.wantDeleting {
				t.Errorf("deleting is %t, want %t", got, tc.wantDeleting)
			}
			if got := tc.entry.Initialized(); got != tc.wantInitialized {
				t.Errorf("initialized is %t, want %t", got, tc.wantInitialized)
			}
		})
	}
}

// Two Nodes of one instance appear when a kubelet comes back under another name. Which one is the machine's must not change
// from snapshot to snapshot, or decisions would.
func TestOfTwoNodesOfOneInstanceItIsAlwaysTheSame(t *testing.T) {
	for range 50 {
		c := state.NewCluster()
		c.UpdateMachine(builders.Machine("m", "p", builders.LaunchedAs("i-1", "2", "4Gi", 10), builders.RegisteredAs("b")))
		for _, name := range []string{"c", "a", "b"} {
			c.UpdateNode(builders.Node(name, builders.ProviderID("i-1")))
		}
		want := []string{"a: node a", "b: node b machine m", "c: node c"}
		if diff := cmp.Diff(want, describe(c.Snapshot(start()))); diff != "" {
			t.Fatalf("snapshot (-want +got):\n%s", diff)
		}
	}
}
