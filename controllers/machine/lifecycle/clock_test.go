package lifecycle

import (
	"errors"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
)

// In these tests the clock of this process is an hour away from that of the API server, as after it took over from a replica whose
// host keeps better time.

func TestAClockThatIsAheadTakesNothingOfTheTimeToLaunch(t *testing.T) {
	l := newLife(t)
	machine := l.group(1)[0]
	l.cloud.Fail(fake.OperationCreate, errors.New("not now"))
	l.Clock.Step(time.Hour)
	for range 3 {
		_, _ = l.TryReconcile(l.controller, machine.Name)
		if l.Reload(machine); !machine.DeletionTimestamp.IsZero() {
			t.Fatal("a machine was given up before it had its time")
		}
		l.Clock.Step(100*time.Second - slack)
	}
	l.Clock.Step(4 * slack)
	_, _ = l.TryReconcile(l.controller, machine.Name)
	if l.Reload(machine); machine.DeletionTimestamp.IsZero() {
		t.Error("it is never given up")
	}
}

func TestAClockThatIsAheadTakesNothingOfTheTimeToJoin(t *testing.T) {
	l := newLife(t)
	machine := l.launched()
	l.Clock.Step(time.Hour)
	l.controller = l.with(l.Client, l.cloud)
	for range 2 {
		l.Reconcile(l.controller, machine.Name)
	}
	if l.Reload(machine); !machine.DeletionTimestamp.IsZero() {
		t.Fatal("a machine was given up whose instance was launched a moment ago")
	}
	l.Clock.Step(15*time.Minute + slack)
	for range 2 {
		l.Reconcile(l.controller, machine.Name)
	}
	if l.Reload(machine); machine.DeletionTimestamp.IsZero() {
		t.Error("it is never given up")
	}
}

func TestAClockThatIsAheadTakesNothingOfTheTimeToComeBack(t *testing.T) {
	l := newLife(t)
	machine, node := l.registered()
	l.lose(node)
	l.Reconcile(l.controller, machine.Name)
	l.Clock.Step(time.Hour)
	l.controller = l.with(l.Client, l.cloud)
	l.Reconcile(l.controller, machine.Name)
	if l.Reload(machine); !machine.DeletionTimestamp.IsZero() {
		t.Error("a machine was given up whose node vanished a moment ago")
	}
}

func TestAClockThatIsBehindHoldsNoMachineForLonger(t *testing.T) {
	l := newLife(t)
	machine := l.launched()
	l.Clock.SetTime(l.Clock.Now().Add(-time.Hour))
	l.controller = l.with(l.Client, l.cloud)
	l.Reconcile(l.controller, machine.Name)
	l.Clock.Step(15*time.Minute + slack)
	for range 2 {
		l.Reconcile(l.controller, machine.Name)
	}
	if l.Reload(machine); machine.DeletionTimestamp.IsZero() {
		t.Error("the machine is kept for the hour that the clock is behind")
	}
}

func TestAClockThatIsAheadBreaksNoLaunchGroup(t *testing.T) {
	l := newLife(t)
	name := l.Name("group")
	of := func(m *v1alpha5.Machine) { m.Spec.LaunchGroup = &v1alpha5.LaunchGroup{Name: name, Size: 2} }
	first, second := l.Machine(of), l.Machine(of)
	l.Create(first)
	l.Clock.Step(time.Hour)
	l.Reconcile(l.controller, first.Name)
	l.Create(second)
	for range 3 {
		for _, m := range []client.Object{first, second} {
			l.Reconcile(l.controller, m.GetName())
		}
	}
	l.Reload(first)
	l.Reload(second)
	if first.Status.Launch.Token != second.Status.Launch.Token || l.cloud.Launches() != 1 {
		t.Errorf("%d requests for a group whose machines came within a moment", l.cloud.Launches())
	}
}
