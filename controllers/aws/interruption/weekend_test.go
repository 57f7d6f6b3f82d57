package interruption

import (
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/hack/iam/policy"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	awssimsqs "github.com/kerf-autoscaler/kerf/test/awssim/sqs"
)

// Nobody reads the queue of the installation from Friday to Monday.
func TestAfterAWeekendWhatIsStillToComeIsHandledAndWhatIsPastDoesNothing(t *testing.T) {
	p := newPost(t, awssim.Config{Queues: []awssimsqs.Config{{Name: cluster, Retention: policy.QueueRetention}}}, Settings{ReplaceOnRebalance: true})
	announced, id := p.machine()
	done, doneID := p.machine()
	warned, warnedID := p.machine()
	advised, advisedID := p.machine()
	stopped, stoppedID := p.machine()
	p.running[stoppedID] = true
	maintained := admin.ScheduledChange(doneID)
	maintained.Detail["endTime"] = p.Clock.Now().Add(24 * time.Hour).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	p.send(admin.ScheduledChange(id), maintained, admin.SpotWarning(warnedID), admin.Rebalance(advisedID), admin.StateChange(stoppedID, "stopped"))
	p.Clock.Step(3 * 24 * time.Hour)
	p.read(p.controller)
	if !p.leaving(announced) {
		t.Error("a change that was announced on Friday is lost")
	}
	if p.leaving(done) || p.leaving(warned) || p.leaving(advised) || p.leaving(stopped) {
		t.Errorf("what is past removes machines: maintained %t, warned %t, advised %t, stopped %t",
			p.leaving(done), p.leaving(warned), p.leaving(advised), p.leaving(stopped))
	}
	if len(p.market.marked) > 0 || p.left() != 0 || count(p.Journal.Metrics.MessagesDropped, droppedStale) != 4 {
		t.Errorf("marked %v, %d messages are left", p.market.marked, p.left())
	}
}

// A warning that waited for some minutes is too late to say anything of what EC2 has now, and its machine still goes.
func TestAWarningWhoseTimeIsOverLeavesItsOfferingAlone(t *testing.T) {
	p := newPost(t, oneQueue(1), Settings{})
	machine, id := p.machine()
	p.send(admin.SpotWarning(id))
	p.Clock.Step(5 * time.Minute)
	p.read(p.controller)
	if !p.leaving(machine) || len(p.market.marked) > 0 || p.left() != 0 {
		t.Errorf("the machine goes: %t; marked %v, %d messages are left", p.leaving(machine), p.market.marked, p.left())
	}
}
