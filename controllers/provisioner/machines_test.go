package provisioner

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

func TestAProvisionerSaysThatItsMachinesComeToNothing(t *testing.T) {
	r := newReport(t)
	template := r.template(resolved(""))
	now := r.Clock.Now()
	row := func(workload string, failures int32, reason string) v1alpha5.FruitlessLaunch {
		return v1alpha5.FruitlessLaunch{
			Workload: workload, Basis: drift.Basis(r.provisioner, template), Failures: failures, Reason: reason, Machine: "machine-" + reason,
			MachineCreated: metav1.NewTime(now), FailureTime: metav1.NewTime(now), RetryTime: metav1.NewTime(now.Add(time.Hour)),
		}
	}
	note := func(list ...v1alpha5.FruitlessLaunch) {
		workbench.Update(r.Bench, r.provisioner, func(p *v1alpha5.Provisioner) { p.Status.FruitlessLaunches = list })
		r.look()
	}
	r.look()
	r.expect(t, v1alpha5.ConditionMachinesUsable, metav1.ConditionTrue, v1alpha5.ReasonUsable, "")
	note(row("a", 1, v1alpha5.ReasonNeverJoined))
	r.expect(t, v1alpha5.ConditionMachinesUsable, metav1.ConditionTrue, v1alpha5.ReasonUsable, "")
	note(row("", 2, v1alpha5.ReasonPodsStayedAway), row("a", 3, v1alpha5.ReasonNeverJoined))
	r.expect(t, v1alpha5.ConditionMachinesUsable, metav1.ConditionFalse, v1alpha5.ReasonNeverJoined,
		"3 machines in a row came to nothing, the last of which, machine-NeverJoined, did not join the cluster")
	r.expect(t, v1alpha5.ConditionReady, metav1.ConditionTrue, v1alpha5.ConditionReady, "") // other pods still get machines

	recovered := row("a", 3, v1alpha5.ReasonNeverJoined)
	recovered.RecoveryTime = &metav1.Time{Time: now}
	note(recovered)
	r.expect(t, v1alpha5.ConditionMachinesUsable, metav1.ConditionTrue, v1alpha5.ReasonUsable, "")

	note(row("a", 3, v1alpha5.ReasonNeverJoined))
	r.expect(t, v1alpha5.ConditionMachinesUsable, metav1.ConditionFalse, v1alpha5.ReasonNeverJoined, "")
	r.provisioner.Spec.Labels = map[string]string{"mended": "true"}
	if err := r.Client.Update(t.Context(), r.provisioner); err != nil {
		t.Fatal(err)
	}
	r.look()
	r.expect(t, v1alpha5.ConditionMachinesUsable, metav1.ConditionTrue, v1alpha5.ReasonUsable, "")
}

func TestThatMachinesCameToNothingIsForgottenInTime(t *testing.T) {
	r := newReport(t, builders.Limit("cpu", "10"))
	failed := v1alpha5.FruitlessLaunch{
		Workload: "a", Basis: drift.Basis(r.provisioner, nil), Failures: 2, Reason: v1alpha5.ReasonNodeDeleted, Machine: "m",
		MachineCreated: metav1.NewTime(r.Clock.Now()), FailureTime: metav1.NewTime(r.Clock.Now()), RetryTime: metav1.NewTime(r.Clock.Now()),
	}
	workbench.Update(r.Bench, r.provisioner, func(p *v1alpha5.Provisioner) { p.Status.FruitlessLaunches = []v1alpha5.FruitlessLaunch{failed} })
	result := r.Reconcile(r.controller, r.provisioner.Name)
	r.Reload(r.provisioner)
	r.expect(t, v1alpha5.ConditionMachinesUsable, metav1.ConditionFalse, v1alpha5.ReasonNodeDeleted, "lost its node")
	if result.RequeueAfter <= 0 || result.RequeueAfter > 7*time.Hour {
		t.Fatalf("it is looked at again after %s", result.RequeueAfter)
	}
	r.Clock.Step(result.RequeueAfter)
	r.look()
	r.expect(t, v1alpha5.ConditionMachinesUsable, metav1.ConditionTrue, v1alpha5.ReasonUsable, "")
}

func TestARolloutStandsStillAfterItsCanaryFailed(t *testing.T) {
	r := newReport(t)
	template := r.template(resolved(""))
	r.look()
	if r.Reload(r.provisioner); meta.FindStatusCondition(r.provisioner.Status.Conditions, v1alpha5.ConditionRolloutProceeding) != nil {
		t.Error("nothing has drifted, and it speaks of a roll-out")
	}
	machine := builders.Machine(r.Name("machine"), r.provisioner.Name)
	r.Create(machine)
	workbench.Update(r.Bench, machine, func(m *v1alpha5.Machine) {
		m.Status.Conditions = []metav1.Condition{{
			Type: v1alpha5.ConditionDrifted, Status: metav1.ConditionTrue, Reason: v1alpha5.ReasonAMIDrifted, LastTransitionTime: metav1.NewTime(r.Clock.Now()),
		}}
	})
	r.look()
	r.expect(t, v1alpha5.ConditionRolloutProceeding, metav1.ConditionTrue, v1alpha5.ReasonProceeding, "1 machines have drifted")
	failed := v1alpha5.FruitlessLaunch{
		Basis: drift.Basis(r.provisioner, template), Failures: 1, Reason: v1alpha5.ReasonNeverJoined, Machine: "canary",
		MachineCreated: metav1.NewTime(r.Clock.Now()), FailureTime: metav1.NewTime(r.Clock.Now()), RetryTime: metav1.NewTime(r.Clock.Now()),
	}
	note := func(row v1alpha5.FruitlessLaunch) {
		workbench.Update(r.Bench, r.provisioner, func(p *v1alpha5.Provisioner) { p.Status.FruitlessLaunches = []v1alpha5.FruitlessLaunch{row} })
		r.look()
	}
	note(failed)
	r.expect(t, v1alpha5.ConditionRolloutProceeding, metav1.ConditionFalse, v1alpha5.ReasonCanaryFailed, "machine canary, the last that was made")
	r.expect(t, v1alpha5.ConditionReady, metav1.ConditionTrue, v1alpha5.ConditionReady, "") // pods still get machines
	recovered := failed
	recovered.RecoveryTime = &metav1.Time{Time: r.Clock.Now()}
	note(recovered)
	r.expect(t, v1alpha5.ConditionRolloutProceeding, metav1.ConditionTrue, v1alpha5.ReasonProceeding, "")
	note(failed)
	r.Clock.Step(7 * time.Hour)
	r.look()
	r.expect(t, v1alpha5.ConditionRolloutProceeding, metav1.ConditionTrue, v1alpha5.ReasonProceeding, "")
}
