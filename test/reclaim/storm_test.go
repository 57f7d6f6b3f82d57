package reclaim

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// stormVariable names a variable of the environment: set, the storm is as large as it is promised for. Without it there are few nodes, and no
// time is judged but by generous deadlines.
const stormVariable = "KERF_RECLAIMS"

// size is how large a storm is.
type size struct {
	nodes, interrupted, backlog int
	// within is the time in which the warnings come.
	within time.Duration
	// judged says that the promised times count.
	judged bool
}

// What is promised of a storm: how soon after its warning 95 of 100 nodes are tainted and replacements launched, after which time pods run
// elsewhere, and how many messages are handled in a second.
const (
	taintedIn, launchedIn = 10 * time.Second, 15 * time.Second
	reclaimedIn           = 2 * time.Minute
	perSecond             = 100
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard()) // what watches have to say helps nobody here
	os.Exit(m.Run())
}

func TestNodesAreDrainedAndReplacedBeforeTheirInstancesAreTakenAway(t *testing.T) {
	s := size{nodes: 8, interrupted: 4, backlog: 600, within: 2 * time.Second}
	if os.Getenv(stormVariable) != "" {
		s = size{nodes: 200, interrupted: 100, backlog: 15_000, within: 10 * time.Second, judged: true}
	}
	w := startWorld(t, s.nodes)
	victims := w.victims(s.interrupted)
	w.strike(victims, s.within)
	w.settle(s.nodes)
	w.judge(victims, s)
	w.clearBacklog(s)
}

// victims picks instances and returns them by their machines.
func (w *world) victims(n int) map[string]v1alpha5.Machine {
	w.t.Helper()
	all := w.machines()
	rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	out := map[string]v1alpha5.Machine{}
	for _, m := range all[:n] {
		out[m.Name] = m
	}
	return out
}

// strike has EC2 take the victims' instances away. Each warning comes three times more than it has to, half of all messages are about unknown
// instances, and some are malformed or forged.
func (w *world) strike(victims map[string]v1alpha5.Machine, within time.Duration) {
	w.t.Helper()
	pause := time.NewTicker(within / time.Duration(len(victims)))
	defer pause.Stop()
	for name, m := range victims {
		id := machines.InstanceID(m.Status.ProviderID)
		w.warned(name)
		if err := w.AWS().Befall(id, faults.Interrupt); err != nil {
			w.t.Fatal(err)
		}
		repeated, unknown, forged := admin.SpotWarning(id), admin.SpotWarning(w.unknown()), admin.SpotWarning(w.bystander(victims))
		repeated.Copies, unknown.Copies, forged.Account = 3, 4, "999999999999"
		w.send(repeated, unknown, forged, admin.Event{Body: `{"detail-type": "EC2 Spot Instance Interruption Warning"}`})
		<-pause.C
	}
}

func (w *world) unknown() string { return fmt.Sprintf("i-%017x", rand.Uint64()) }

// bystander is the instance of a machine that nothing happens to.
func (w *world) bystander(victims map[string]v1alpha5.Machine) string {
	w.t.Helper()
	for _, m := range w.machines() {
		if _, struck := victims[m.Name]; !struck && m.Status.ProviderID != "" {
			return machines.InstanceID(m.Status.ProviderID)
		}
	}
	w.t.Fatal("every machine is struck")
	return ""
}

// judge holds what was seen against what is promised.
func (w *world) judge(victims map[string]v1alpha5.Machine, s size) {
	w.t.Helper()
	seen := w.seen()
	for name := range seen.deleted {
		if _, struck := victims[name]; !struck {
			w.t.Errorf("machine %s was deleted, and nothing had happened to it", name)
		}
	}
	var tainted, launched, ran []time.Duration
	for name := range victims {
		at, ok := seen.tainted[victims[name].Status.NodeName]
		if !ok {
			w.t.Errorf("node %s was never tainted", victims[name].Status.NodeName)
			continue
		}
		tainted = append(tainted, at.Sub(seen.warned[name]))
	}
	// A replacement is nobody's in particular: the first to be launched counts for the first to be warned.
	warnings, launches, runs := sorted(seen.warned), sorted(seen.launched), sorted(seen.ran)
	if len(launches) < len(warnings) || len(runs) < len(warnings) {
		w.t.Fatalf("%d replacements were launched and %d pods ran anew for %d machines", len(launches), len(runs), len(warnings))
	}
	for i, at := range warnings {
		launched, ran = append(launched, launches[i].Sub(at)), append(ran, runs[i].Sub(at))
	}
	for _, id := range w.reclaimed() {
		w.t.Errorf("EC2 has taken %s away before it was drained and terminated", id)
	}
	w.t.Logf("%d of %d nodes interrupted within %s: tainted after %s, replacements launched after %s, pods run elsewhere after %s",
		len(victims), s.nodes, s.within, quantiles(tainted), quantiles(launched), quantiles(ran))
	if slices.Max(ran) > reclaimedIn {
		w.t.Errorf("a pod ran elsewhere only after %s", slices.Max(ran))
	}
	if s.judged && (quantile(tainted, 0.95) > taintedIn || quantile(launched, 0.95) > launchedIn) {
		w.t.Errorf("95 %% are promised to be tainted within %s, and replacements launched within %s", taintedIn, launchedIn)
	}
}

// clearBacklog has many messages of no worth wait at once: three quarters are about unknown instances, the rest about such as are gone or no
// messages at all.
func (w *world) clearBacklog(s size) {
	w.t.Helper()
	before := len(w.seen().deleted)
	if err := w.Controller().Stop(); err != nil {
		w.t.Fatal(err)
	}
	gone := w.AWS().Instances()[0].ID
	for i := range s.backlog {
		event := admin.StateChange(w.unknown(), "stopping")
		switch {
		case i%20 == 0:
			event = admin.Event{Body: "no event"}
		case i%5 == 0:
			event = admin.StateChange(gone, "running")
		case i%2 == 0:
			event = admin.SpotWarning(w.unknown())
		}
		w.send(event)
	}
	if err := w.Controller().Start(); err != nil {
		w.t.Fatal(err)
	}
	var began time.Time
	w.await("the backlog to be handled", func(context.Context) error {
		q := w.AWS().Queues()[0]
		left := q.Visible + q.InFlight
		if began.IsZero() && left < s.backlog {
			began = time.Now()
		}
		if left > 0 {
			return fmt.Errorf("%d messages are left", left)
		}
		return nil
	})
	took := max(time.Since(began), time.Millisecond)
	rate := float64(s.backlog) / took.Seconds()
	w.t.Logf("%d messages handled in %s: %.0f a second", s.backlog, took.Round(time.Millisecond), rate)
	if s.judged && rate < perSecond {
		w.t.Errorf("%d a second are promised", perSecond)
	}
	if now := len(w.seen().deleted); now != before {
		w.t.Errorf("%d machines were deleted for messages that are about none", now-before)
	}
}
