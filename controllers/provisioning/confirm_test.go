package provisioning

import (
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestAWatchThatStallsDoesNotMakeMachinesTwice(t *testing.T) {
	p := newPass(t)
	p.pending("a", "b", "c")
	p.provision(t)
	want := len(p.machines(t))
	p.Clock.Step(time.Hour)
	p.provision(t)
	if got := len(p.machines(t)); got != want {
		t.Errorf("after an hour without news of %d machines there are %d", want, got)
	}
}

func TestAMachineThatWasDeletedBeforeItWasSeenIsMadeAgain(t *testing.T) {
	p := newPass(t)
	p.pending("a")
	p.provision(t)
	for _, machine := range p.machines(t) {
		p.Release(&machine)
		p.Delete(&machine)
	}
	p.Clock.Step(confirmAfter + time.Second)
	p.provision(t)
	if len(p.machines(t)) == 0 {
		t.Error("a machine that is gone still counts as on its way")
	}
}

func TestAMachineWhoseNodeVanishedHostsNothing(t *testing.T) {
	machine := builders.Machine("m", "default")
	machine.Status.ProviderID, machine.Status.NodeName = "fake:///a/i-1", "was-here"
	cluster := state.NewCluster()
	cluster.UpdateMachine(machine)
	cluster.UpdatePod(builders.Pod(builders.Name("pending"), builders.CPU("1")))
	problem := buildProblem(cluster.Snapshot(time.Now()), catalogue{})
	if len(problem.Nodes) != 0 || len(problem.Pods) != 1 {
		t.Errorf("%d pods are offered %d nodes, of which the only one is gone", len(problem.Pods), len(problem.Nodes))
	}
}
