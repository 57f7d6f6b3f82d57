package kubelets

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// planned is a world with one instance whose machine is planned to join in some way, and the hits of it.
func planned(t *testing.T, boot faults.Boot) (*world, map[string]int) {
	t.Helper()
	hits := map[string]int{}
	w := newWorld(t, func(o *Options) { o.JoinDelay, o.Hit = time.Second, func(counter string) { hits[counter]++ } })
	i := w.run("m5.large")
	i.Boot = &boot
	w.instances[i.ID] = i
	w.pass(0)
	w.pass(time.Second)
	return w, hits
}

func wantHits(t *testing.T, got, want map[string]int) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("hits (-want +got):\n%s", diff)
	}
}

func TestAMachineMayJoinLate(t *testing.T) {
	w, hits := planned(t, faults.Boot{Kind: faults.Late, Delay: faults.Duration(time.Minute)})
	w.pass(59 * time.Second)
	if w.node() != nil {
		t.Error("it joined too early")
	}
	wantHits(t, hits, map[string]int{})
	w.pass(time.Second)
	w.wantAlive(true)
	wantHits(t, hits, map[string]int{"boot.late": 1})
}

func TestAMachineMayNeverJoin(t *testing.T) {
	w, hits := planned(t, faults.Boot{Kind: faults.Never})
	w.pass(time.Hour)
	if w.node() != nil {
		t.Error("it joined")
	}
	wantHits(t, hits, map[string]int{"boot.never": 1})
}

func TestAMachineMayJoinTwice(t *testing.T) {
	w, hits := planned(t, faults.Boot{Kind: faults.Twice})
	w.pass(time.Minute)
	var nodes corev1.NodeList
	if err := w.client.List(t.Context(), &nodes); err != nil {
		t.Fatal(err)
	}
	var names, providers []string
	for _, n := range nodes.Items {
		names, providers = append(names, n.Name), append(providers, n.Spec.ProviderID)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"ip-10-0-0-7.ec2.internal", "ip-10-0-0-7.ec2.internal-again"}, names); diff != "" || len(slices.Compact(providers)) != 1 {
		t.Errorf("nodes of %v (-want +got):\n%s", providers, diff)
	}
	wantHits(t, hits, map[string]int{"boot.twice": 1})
}

func TestAMachineMayJoinWithoutItsLabels(t *testing.T) {
	w, hits := planned(t, faults.Boot{Kind: faults.WrongLabels})
	labels := w.node().Labels
	if labels["karpenter.sh/provisioner-name"] != "" || labels[corev1.LabelHostname] == "" || labels[corev1.LabelTopologyZone] == "" {
		t.Errorf("labels %v; want those of the kubelet and the cloud, and none that the user data gives", labels)
	}
	wantHits(t, hits, map[string]int{"boot.wrongLabels": 1})
}

func (w *world) ready() corev1.ConditionStatus {
	for _, c := range w.node().Status.Conditions {
		if c.Type == corev1.NodeReady {
			return c.Status
		}
	}
	return corev1.ConditionUnknown
}

// makeReady does what kwok does.
func (w *world) makeReady() {
	w.t.Helper()
	node := w.node()
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}, {Type: corev1.NodeDiskPressure, Status: corev1.ConditionFalse}}
	if err := w.client.Status().Update(w.t.Context(), node); err != nil {
		w.t.Fatal(err)
	}
}

func TestAMachineMayFlap(t *testing.T) {
	w, hits := planned(t, faults.Boot{Kind: faults.Flapping, Delay: faults.Duration(10 * time.Second)})
	for range 3 {
		w.wantAlive(true)
		w.makeReady()
		w.pass(9 * time.Second)
		if w.wantAlive(true); w.ready() != corev1.ConditionTrue {
			t.Error("it is not ready, too early")
		}
		w.pass(time.Second)
		if w.wantAlive(false); w.ready() != corev1.ConditionFalse || len(w.node().Status.Conditions) != 2 {
			t.Errorf("conditions %v; want only that of being ready to change", w.node().Status.Conditions)
		}
		w.pass(10 * time.Second)
	}
	w.setState("terminated")
	w.pass(10 * time.Second)
	w.wantAlive(false)
	wantHits(t, hits, map[string]int{"boot.flapping": 3})
}

func TestAMachineThatWasStoppedComesBackWhenItIsStarted(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.ReadyDelay = 5 * time.Second })
	w.run("m5.large")
	w.pass(0)
	w.pass(5 * time.Second)
	w.wantAlive(true)
	for _, state := range []string{"stopping", "stopped", "pending"} {
		w.setState(state)
		w.pass(time.Minute)
		w.wantAlive(false)
	}
	w.setState("running")
	w.pass(time.Minute)
	w.wantAlive(false) // it takes its time
	w.pass(5 * time.Second)
	w.wantAlive(true)
}

func TestARebootedMachineIsNotReadyForAWhile(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.ReadyDelay = 5 * time.Second })
	i := w.run("m5.large")
	w.pass(0)
	w.pass(5 * time.Second)
	w.makeReady()
	i.Reboots = 1
	w.instances[i.ID] = i
	w.pass(time.Minute)
	if w.wantAlive(false); w.ready() != corev1.ConditionFalse {
		t.Errorf("ready: %s", w.ready())
	}
	w.pass(5 * time.Second)
	w.wantAlive(true)
	w.makeReady()
	w.pass(time.Minute)
	w.wantAlive(true) // one reboot is one
}
