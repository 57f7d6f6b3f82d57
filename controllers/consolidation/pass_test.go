package consolidation

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

func TestAMachineGoesWhosePodsFitElsewhere(t *testing.T) {
	y := newYard(t)
	a, b := y.machine("m5.large", "500m"), y.machine("m5.large", "600m")
	y.pass(30 * time.Second)
	if y.record(a) != nil || y.record(b) != nil {
		t.Fatal("decided before the nodes have settled")
	}
	y.pass(40 * time.Second)
	goes, other := a, b
	if y.record(a) == nil {
		goes, other = b, a
	}
	if record := y.record(goes); !record.Leads() || len(record.Machines) != 1 || len(record.Replacements) != 0 || record.Pods != 1 || y.record(other) != nil {
		t.Fatalf("on record: %v and %v", record, y.record(other))
	}
	if y.tainted(goes) || y.going(goes) {
		t.Error("something was done before it was on record")
	}
	y.drive(a, b)
	if !y.going(goes) || !y.tainted(goes) || y.going(other) || y.tainted(other) {
		t.Errorf("going: %t and %t", y.going(goes), y.going(other))
	}
	if y.sold != 0 {
		t.Errorf("%d machines were bought", y.sold)
	}
}

// replaced returns a yard in which a machine is to be replaced by a smaller one, which is bought.
func replaced(t *testing.T) (*yard, *v1alpha5.Machine) {
	t.Helper()
	y := newYard(t)
	machine := y.machine("m5.4xlarge", "500m")
	y.pass(2 * time.Minute)
	if record := y.record(machine); record == nil || len(record.Replacements) != 1 {
		t.Fatalf("on record: %v", record)
	}
	return y, machine
}

func TestAMachineGoesOnceItsReplacementIsReady(t *testing.T) {
	y, machine := replaced(t)
	y.drive(machine)
	if y.going(machine) || !y.tainted(machine) || y.sold != 1 {
		t.Fatalf("before its replacement is ready it is going: %t, tainted: %t; %d were bought", y.going(machine), y.tainted(machine), y.sold)
	}
	name := machine.Status.Disruption.Replacements[0]
	y.pass(10 * time.Second) // another pass changes nothing
	if other := y.join(name); other.Labels[corev1.LabelInstanceTypeStable] != "m5.large" {
		t.Errorf("it is replaced by %s", other.Labels[corev1.LabelInstanceTypeStable])
	}
	y.drive(machine)
	if !y.going(machine) || !machine.Status.Disruption.Committed || y.sold != 1 {
		t.Errorf("going: %t, record: %v, bought: %d", y.going(machine), machine.Status.Disruption, y.sold)
	}
	if !y.Told.Contains("Underutilized", "saves $") {
		t.Errorf("told: %q", y.Told.Lines())
	}
}

func TestWhatIsAboutToBeMadeIsNotMissed(t *testing.T) {
	y := newYard(t)
	machine := y.machine("m5.4xlarge", "500m")
	y.beforehand = func(order disruption.Order) { y.Reconcile(y.controller, order.For) }
	y.pass(2 * time.Minute)
	if y.record(machine) == nil || y.sold != 1 {
		t.Errorf("on record: %v; %d bought", machine.Status.Disruption, y.sold)
	}
}

func TestAProcessGoesOnWhereAnotherEnded(t *testing.T) {
	y, machine := replaced(t)
	y.restart()
	y.drive(machine)
	if y.record(machine) == nil || y.going(machine) {
		t.Fatalf("on record: %v", machine.Status.Disruption)
	}
	y.join(machine.Status.Disruption.Replacements[0])
	y.restart()
	y.drive(machine)
	if !y.going(machine) {
		t.Error("its replacement is ready, and it stays")
	}
}

func TestWhatIsGivenUpIsUndone(t *testing.T) {
	tests := map[string]struct {
		happens func(y *yard, machine *v1alpha5.Machine)
		reason  string
		kept    bool // what was bought is
	}{
		"the replacement comes to nothing": {func(y *yard, machine *v1alpha5.Machine) {
			other := &v1alpha5.Machine{ObjectMeta: metav1.ObjectMeta{Name: machine.Status.Disruption.Replacements[0]}}
			y.Reload(other)
			y.Release(other)
			y.Delete(other)
		}, v1alpha5.ReasonReplacementFailed, false},
		"the replacement is never ready": {func(y *yard, _ *v1alpha5.Machine) { y.Clock.Step(21 * time.Minute) }, v1alpha5.ReasonReplacementFailed, false},
		"a pod came before the node was closed": {func(y *yard, machine *v1alpha5.Machine) {
			y.RunningPod(y.namespace, machine.Status.NodeName, builders.CPU("1"))
		}, v1alpha5.ReasonOvertaken, false},
		"a pod asks to be left alone": {func(y *yard, machine *v1alpha5.Machine) {
			y.RunningPod(y.namespace, machine.Status.NodeName, builders.OwnedBy("apps/v1", "DaemonSet", "ds"), builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true"))
		}, v1alpha5.ReasonHeld, false},
		"its node is to be left alone": {func(y *yard, machine *v1alpha5.Machine) {
			workbench.Update(y.Bench, machine, func(m *v1alpha5.Machine) {
				metav1.SetMetaDataAnnotation(&m.ObjectMeta, v1alpha5.DoNotDisruptAnnotation, "true")
			})
		}, v1alpha5.ReasonHeld, false},
		"other pods took the room": {func(y *yard, machine *v1alpha5.Machine) {
			other := y.join(machine.Status.Disruption.Replacements[0])
			y.RunningPod(y.namespace, other.Status.NodeName, builders.CPU("1500m"))
		}, v1alpha5.ReasonOvertaken, true},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			y, machine := replaced(t)
			start := y.Clock.Now()
			other := &v1alpha5.Machine{ObjectMeta: metav1.ObjectMeta{Name: machine.Status.Disruption.Replacements[0]}}
			tc.happens(y, machine)
			y.drive(machine)
			y.stays(machine, tc.reason)
			if gone := y.Gone(other); gone == tc.kept {
				y.Reload(other)
				if other.DeletionTimestamp.IsZero() != tc.kept {
					t.Errorf("kept what was bought: %t, want %t", !tc.kept, tc.kept)
				}
			}
			sold := y.sold
			y.pass(5 * time.Minute)
			late := tc.reason == v1alpha5.ReasonReplacementFailed && y.Clock.Since(start) < failedRest // conditions have the API server's time
			if late && (y.sold > sold || y.record(machine) != nil) {
				t.Error("it is tried again at once")
			}
		})
	}
}

func TestADecisionThatIsOvertakenIsMadeAnew(t *testing.T) {
	y := newYard(t)
	machine := y.machine("m5.4xlarge", "500m")
	y.pass(0)
	y.Clock.Step(2 * time.Minute)
	facts, edition, err := y.Survey(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in, err := y.controller.pass.input(t.Context(), facts, y.Clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	in.World = problem.Simulate(facts)
	commands := disruption.Decide(t.Context(), in, disruption.Consolidation).Commands
	y.edition++ // it is decided on pods, before anything is on record
	if err := y.controller.pass.begin(t.Context(), &commands[0], facts, edition); err != nil {
		t.Fatal(err)
	}
	if y.record(machine) != nil || machines.Conditions(machine).Get(v1alpha5.ConditionDisrupting) != nil {
		t.Errorf("on record: %v", machine.Status)
	}
	y.beforehand = func(disruption.Order) { y.edition++ } // and again, after that
	if y.pass(10 * time.Second); y.sold != 0 {
		t.Errorf("%d bought", y.sold)
	}
	y.stays(machine, v1alpha5.ReasonOvertaken)
	y.beforehand = nil
	if y.pass(10 * time.Second); y.record(machine) != nil {
		t.Error("it is tried again at once")
	}
	if y.pass(takenBackRest); y.record(machine) == nil || y.sold != 1 {
		t.Errorf("on record: %v; %d bought", machine.Status.Disruption, y.sold)
	}
}

func TestWhatWasBegunToBeTakenBackIsTakenBack(t *testing.T) {
	y, machine := replaced(t)
	workbench.Update(y.Bench, machine, func(m *v1alpha5.Machine) { m.Status.Disruption.TakenBack = v1alpha5.ReasonHeld + ": somebody asked" })
	y.restart()
	y.join(machine.Status.Disruption.Replacements[0])
	y.drive(machine)
	y.stays(machine, v1alpha5.ReasonHeld)
}

func TestABudgetThatIsDrawnOnIsWaitedFor(t *testing.T) {
	y, machine := replaced(t)
	labels := map[string]string{"app": "a"}
	var list corev1.PodList
	if err := y.Client.List(t.Context(), &list, client.InNamespace(y.namespace)); err != nil {
		t.Fatal(err)
	}
	workbench.Update(y.Bench, &list.Items[0], func(p *corev1.Pod) { p.Labels = labels })
	budget := y.Budget(y.namespace, 0, labels)
	y.join(machine.Status.Disruption.Replacements[0])
	y.drive(machine)
	if y.record(machine) == nil || y.going(machine) {
		t.Fatalf("on record: %v; going: %t", machine.Status.Disruption, y.going(machine))
	}
	y.Allow(budget, 1)
	y.drive(machine)
	if !y.going(machine) {
		t.Error("the budget lets a pod go, and the machine stays")
	}
}

func TestPodsThatGiveWayToOthersDoNotMove(t *testing.T) {
	y := newYard(t)
	y.settings.ExpendableBelow = problem.DefaultExpendableBelow
	y.restart()
	machine := y.machine("m5.4xlarge", "500m")
	balloons := &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: y.Name("balloons")}, Value: -20}
	y.Create(balloons)
	y.RunningPod(y.namespace, machine.Status.NodeName, builders.CPU("4"), func(p *corev1.Pod) { p.Spec.PriorityClassName = balloons.Name })
	y.pass(2 * time.Minute)
	y.join(y.record(machine).Replacements[0])
	y.drive(machine)
	if !y.going(machine) {
		t.Errorf("it stays: %v", machines.Conditions(machine).Get(v1alpha5.ConditionDisrupting))
	}
}

func TestAMachineThatIsWhatIsAskedForAgainStays(t *testing.T) {
	y := newYard(t, func(p *v1alpha5.Provisioner) { p.Spec.Consolidation = nil })
	machine := y.machine("m5.large", "1500m")
	drift(y, machine)
	y.pass(time.Second)
	if y.record(machine) == nil {
		t.Fatal("it has drifted, and stays")
	}
	workbench.Update(y.Bench, machine, func(m *v1alpha5.Machine) { machines.Conditions(m).Clear(v1alpha5.ConditionDrifted) })
	y.join(machine.Status.Disruption.Replacements[0])
	y.drive(machine)
	y.stays(machine, v1alpha5.ReasonOvertaken)
}

func TestAPurchaseWithoutAnAnswerIsNoneOrOne(t *testing.T) {
	for name, tc := range map[string]struct {
		lost, restart bool
		reason        string
	}{
		"nothing was made":                         {false, false, v1alpha5.ReasonReplacementFailed},
		"nothing was made, and nobody knows of it": {false, true, v1alpha5.ReasonOvertaken},
		"it was made all the same":                 {true, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard(t)
			machine := y.machine("m5.4xlarge", "500m")
			if y.lost = tc.lost; !tc.lost {
				y.trouble = errors.New("no connection")
			}
			y.pass(2 * time.Minute)
			y.trouble, y.lost = nil, false
			if y.record(machine) == nil {
				t.Fatal("nothing is on record")
			}
			if tc.restart {
				y.restart()
			}
			y.drive(machine)
			if tc.reason != "" {
				y.stays(machine, tc.reason)
				return
			}
			y.join(machine.Status.Disruption.Replacements[0])
			y.drive(machine)
			if !y.going(machine) || y.sold != 1 {
				t.Errorf("going: %t; %d bought", y.going(machine), y.sold)
			}
		})
	}
}

func TestManyGoForOne(t *testing.T) {
	y := newYard(t)
	list := []*v1alpha5.Machine{y.machine("m5.4xlarge", "300m"), y.machine("m5.4xlarge", "300m"), y.machine("m5.4xlarge", "300m")}
	y.pass(2 * time.Minute)
	var lead *v1alpha5.Machine
	for _, machine := range list {
		if y.record(machine) != nil {
			lead = machine
		}
	}
	if lead == nil || len(lead.Status.Disruption.Machines) != 3 || len(lead.Status.Disruption.Replacements) != 1 {
		t.Fatalf("on record: %v", lead)
	}
	y.drive(list...)
	for _, machine := range list {
		if record := y.record(machine); record == nil || !y.tainted(machine) || y.going(machine) || machine != lead && record.Lead != lead.Name {
			t.Fatalf("on record: %v", record)
		}
	}
	y.join(lead.Status.Disruption.Replacements[0])
	y.drive(list...)
	for _, machine := range list {
		if !y.going(machine) {
			t.Errorf("machine %s stays: %v", machine.Name, machine.Status)
		}
	}
}

func TestThoseThatFollowStayWhenTheirLeadGoesAlone(t *testing.T) {
	y := newYard(t)
	list := []*v1alpha5.Machine{y.machine("m5.4xlarge", "300m"), y.machine("m5.4xlarge", "300m")}
	y.pass(2 * time.Minute)
	lead, follower := list[0], list[1]
	if y.record(lead) == nil {
		lead, follower = follower, lead
	}
	y.drive(list...)
	y.Delete(lead)
	y.drive(list...)
	y.stays(follower, v1alpha5.ReasonOvertaken)
}

func TestAMachineSaysOnceWhyItStays(t *testing.T) {
	y := newYard(t)
	machine := y.machine("m5.large", "1500m")
	y.pass(2 * time.Minute)
	said := func() *metav1.Condition {
		y.Reload(machine)
		return machines.Conditions(machine).Get(v1alpha5.ConditionDisruptable)
	}
	if got := said(); got == nil || got.Status != metav1.ConditionFalse {
		t.Fatalf("it says %v", got)
	}
	y.pass(time.Minute)
	version := machine.ResourceVersion
	if got := said(); got.Reason != disruption.ReasonNeeded || machine.ResourceVersion != version && got == nil {
		t.Errorf("it says %v", got)
	}
	version = machine.ResourceVersion
	for range 5 {
		y.pass(10 * time.Minute)
	}
	if y.Reload(machine); machine.ResourceVersion != version {
		t.Errorf("it said the same again: %v", said())
	}
}

func TestWhatIsDueIsReplaced(t *testing.T) {
	y := newYard(t, func(p *v1alpha5.Provisioner) {
		p.Spec.Consolidation, p.Spec.TTLSecondsUntilExpired = nil, new(int64(3600))
	})
	machine := y.machine("m5.large", "1500m")
	y.pass(30 * time.Minute)
	if y.record(machine) != nil {
		t.Fatal("it goes before its time")
	}
	y.pass(time.Hour)
	if record := y.record(machine); record == nil || machines.Conditions(machine).Get(v1alpha5.ConditionDisrupting).Reason != disruption.ReasonExpired {
		t.Fatalf("on record: %v", record)
	}
	y.join(machine.Status.Disruption.Replacements[0])
	y.drive(machine)
	if !y.going(machine) {
		t.Error("it stays")
	}
}

func drift(y *yard, list ...*v1alpha5.Machine) {
	for _, machine := range list {
		workbench.Update(y.Bench, machine, func(m *v1alpha5.Machine) {
			machines.Conditions(m).True(v1alpha5.ConditionDrifted, v1alpha5.ReasonAMIDrifted, "it has another image")
			m.Status.Conditions[len(m.Status.Conditions)-1].LastTransitionTime = metav1.NewTime(y.Clock.Now())
		})
	}
}

func TestDriftedMachinesFollowTheirCanary(t *testing.T) {
	y := newYard(t, func(p *v1alpha5.Provisioner) { p.Spec.Consolidation = nil })
	list := []*v1alpha5.Machine{y.machine("m5.large", "1500m"), y.machine("m5.large", "1500m"), y.machine("m5.large", "1500m")}
	going := func() (names []*v1alpha5.Machine) {
		for _, machine := range list {
			if y.record(machine) != nil {
				names = append(names, machine)
			}
		}
		return names
	}
	drift(y, list...)
	y.pass(time.Second)
	first := going()
	if len(first) != 1 {
		t.Fatalf("%d go at once", len(first))
	}
	y.pass(time.Second)
	if again := going(); len(again) != 1 {
		t.Fatalf("%d go before it shows whether the first one's replacement works", len(again))
	}
	for _, machine := range list {
		if y.Reload(machine); machine != first[0] && machines.Conditions(machine).Get(v1alpha5.ConditionDisruptable).Reason != disruption.ReasonCanary {
			t.Errorf("it says %v", machines.Conditions(machine).Get(v1alpha5.ConditionDisruptable))
		}
	}

	// It comes to nothing: nothing goes for some time.
	other := &v1alpha5.Machine{ObjectMeta: metav1.ObjectMeta{Name: first[0].Status.Disruption.Replacements[0]}}
	y.Reload(other)
	y.Release(other)
	y.Delete(other)
	y.drive(first[0])
	y.pass(time.Second)
	if again := going(); len(again) != 0 {
		t.Fatalf("%d go after the first one's replacement came to nothing", len(again))
	}

	// The next one works: all others follow.
	y.Clock.Step(failedRest)
	y.pass(time.Second)
	first = going()
	if len(first) != 1 {
		t.Fatalf("%d go, want another canary", len(first))
	}
	y.join(first[0].Status.Disruption.Replacements[0])
	y.drive(first[0])
	if !y.going(first[0]) {
		t.Fatal("the canary works, and what it replaces stays")
	}
}

func TestNothingGoesWhileTooMuchIsNotReady(t *testing.T) {
	y := newYard(t)
	y.settings.Brake = BrakeSettings{MostUnready: 1, FewUnready: 0}
	y.restart()
	machine := y.machine("m5.4xlarge", "500m")
	sick := y.machine("m5.large")
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: sick.Status.NodeName}}
	workbench.Update(y.Bench, node, func(n *corev1.Node) { builders.NotReady()(n) })
	y.pass(2 * time.Minute)
	if y.record(machine) != nil {
		t.Fatal("it goes")
	}
	workbench.Update(y.Bench, node, func(n *corev1.Node) { n.Status.Conditions[0].Status = corev1.ConditionTrue })
	y.Delete(sick)
	y.pass(2 * time.Minute)
	if y.record(machine) == nil {
		t.Fatal("all nodes are ready, and it stays")
	}
}
