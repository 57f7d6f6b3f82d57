package interruption

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/queue"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// asking creates a spot machine whose launch has no answer on record, and returns it with the provider id that the answer has.
func (p *post) asking() (machine *v1alpha5.Machine, providerID string) {
	p.t.Helper()
	machine = p.Machine(lent, func(m *v1alpha5.Machine) {
		m.Status.Launch = &v1alpha5.Launch{Group: m.Name, Attempt: 1, Size: 1, Token: m.Name, RequestHash: "0", Time: metav1.NewTime(p.Clock.Now())}
	})
	p.Create(machine)
	return machine, "aws:///" + p.Zone + "/" + instanceID()
}

// forget has a machine ask no more: the API server is that of all tests, and one machine that asks has all messages wait.
func (p *post) forget(machine *v1alpha5.Machine) {
	workbench.Update(p.Bench, machine, func(m *v1alpha5.Machine) { m.Status.Launch = nil })
}

func TestAWarningWaitsForTheMachineWhoseInstanceIsNotOnRecordYet(t *testing.T) {
	for name, event := range map[string]func(id string) admin.Event{
		"a warning":        admin.SpotWarning,
		"a reservation":    admin.ReservationWarning,
		"a recommendation": admin.Rebalance,
		"maintenance":      func(id string) admin.Event { return admin.ScheduledChange(id) },
	} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t, oneQueue(1), Settings{ReplaceOnRebalance: true})
			machine, providerID := p.asking()
			defer p.forget(machine)
			p.send(event(machines.InstanceID(providerID)))
			p.read(p.controller)
			if p.leaving(machine) || p.left() != 1 || len(p.Told.Lines()) > 0 {
				t.Fatalf("it goes: %t; %d messages are left, told %q", p.leaving(machine), p.left(), p.Told.Lines())
			}
			workbench.Update(p.Bench, machine, func(m *v1alpha5.Machine) { m.Status.ProviderID = providerID })
			p.Clock.Step(queue.Hold)
			p.read(p.with(p.Client, Settings{ReplaceOnRebalance: true})) // another process goes on where one ended
			if !p.leaving(machine) || p.left() != 0 {
				t.Errorf("it goes: %t; %d messages are left", p.leaving(machine), p.left())
			}
		})
	}
}

func TestAnInstanceThatNobodyComesToHaveIsWaitedForOnlySoLong(t *testing.T) {
	p := newPost(t, oneQueue(1), Settings{})
	machine, _ := p.asking()
	defer p.forget(machine)
	p.send(admin.SpotWarning(instanceID()), admin.ScheduledChange(instanceID(), instanceID()), admin.StateChange(instanceID(), "stopped"))
	for range mostDeliveries {
		if p.left() < 2 {
			t.Fatal("it was given up too soon")
		}
		p.read(p.controller)
		if p.left() > 2 {
			t.Fatal("a state of somebody else's instance is waited for")
		}
		p.Clock.Step(queue.Hold)
	}
	if p.left() != 0 || count(p.Journal.Metrics.MessagesDropped, droppedUnclaimed) != 2 || count(p.Journal.Metrics.MessagesDropped, droppedUnhandled) != 0 {
		t.Errorf("%d messages are left", p.left())
	}
	if p.leaving(machine) || len(p.market.marked)+len(p.Told.Lines()) > 0 {
		t.Errorf("it goes: %t; marked %v, told %q", p.leaving(machine), p.market.marked, p.Told.Lines())
	}
}

func TestWhereNoLaunchIsOpenOthersInstancesAreNotWaitedFor(t *testing.T) {
	p := newPost(t, oneQueue(1), Settings{})
	p.machine()
	going, _ := p.asking() // what its request has made is ended, whatever comes
	defer p.forget(going)
	p.Delete(going)
	p.send(admin.SpotWarning(instanceID()), admin.Rebalance(instanceID()), admin.ScheduledChange(instanceID()))
	p.read(p.controller)
	if p.left() != 0 {
		t.Errorf("%d messages are left", p.left())
	}
}

func TestAMessageAboutSeveralInstancesActsOnThoseThatAreKnown(t *testing.T) {
	p := newPost(t, oneQueue(1), Settings{})
	known, id := p.machine()
	asking, providerID := p.asking()
	defer p.forget(asking)
	p.send(admin.ScheduledChange(id, machines.InstanceID(providerID)))
	p.read(p.controller)
	if !p.leaving(known) || p.leaving(asking) || p.left() != 1 {
		t.Fatalf("the one that is known goes: %t, the other: %t; %d messages are left", p.leaving(known), p.leaving(asking), p.left())
	}
	workbench.Update(p.Bench, asking, func(m *v1alpha5.Machine) { m.Status.ProviderID = providerID })
	p.Clock.Step(queue.Hold + time.Second)
	p.read(p.controller)
	if !p.leaving(asking) || p.left() != 0 {
		t.Errorf("the other goes: %t; %d messages are left", p.leaving(asking), p.left())
	}
}
