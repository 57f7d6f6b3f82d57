// Package world runs kerf in a world of its own: its real controllers and AWS adapter over an API server in memory and the simulated
// AWS, with time that passes at once, and with everything that can go wrong going wrong when the plan says so. One goroutine decides
// what happens next, so that a plan makes the same history each time.
package world

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/uuid"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	simulated "github.com/kerf-autoscaler/kerf/test/awssim/world"
	"github.com/kerf-autoscaler/kerf/test/chaos/apiserver"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

const (
	region      = "us-east-1"
	clusterName = "chaos"
	clusterUID  = "c4a05000-0000-4000-8000-000000000000"
	// foreignUID is that of another cluster of the same name, in the same account.
	foreignUID = "f0e1d000-0000-4000-8000-000000000000"
)

// lastCalls is longer than what processes have asked of AWS goes on without them: kerf bounds its calls by two minutes. No goroutine may
// outlive its world.
const lastCalls = 5 * time.Minute

// World is one world while it runs.
type World struct {
	plan    Plan
	start   time.Time
	scheme  *runtime.Scheme
	store   *apiserver.Store
	sim     *awssim.Server
	gate    *gate
	rand    *rand.Rand
	names   *stream // what kerf makes unique names of
	process *process
	// processes counts those that there were.
	processes int
	// calls counts where a crash could have been.
	calls   int
	actions map[string][]int // action -> which of those are of it
	// places are those calls, and answered maps the key of an answer that is on its way -> which of them it belongs to.
	places   []Place
	answered map[string]int
	// orders counts the calls of AWS that may have changed something.
	orders int
	// hits counts how often each class of fault struck.
	hits map[string]int
	// revived is when the next process starts, while there is none.
	revived time.Time
	// doomed is the key of the answer after which the process ends.
	doomed string
	actors *actors
	// written is how many changes of the store are in the history.
	written int
	// lastWrite is when kerf wrote last.
	lastWrite time.Time
	known     map[string]simulated.State // id of an instance -> its state when it was last looked at
	// tape is kept of the first process; nil for none.
	tape *Tape
	// sprung counts, for each ambush, the moments that it was in wait for.
	sprung map[int]int

	mu      sync.Mutex
	history history.History
	// told is what kerf has told that is not in the history yet.
	told    []history.Event
	failure error
}

// Result is what came of a run.
type Result struct {
	History history.History
	// Calls is how many calls there were at which a crash could have been, Places what each of them was like.
	Calls  int
	Places []Place
	// Launch is how many of them were made until the machines were deleted at the end; 0 where they were not.
	Launch int
	// Crashes is how many processes ended before their time.
	Crashes int
	// Hits counts how often each class of fault struck.
	Hits map[string]int
	// Err is why the run could not be carried through: a fault of the harness, or of kerf's wiring.
	Err error
}

// Run carries a plan out.
func Run(t *testing.T, plan Plan) Result {
	t.Helper()
	return inBubble(t, plan, func(*World) {})
}

// inBubble carries a plan out in a world that something is done to before the conductor comes.
func inBubble(t *testing.T, plan Plan, before func(*World)) Result {
	t.Helper()
	var result Result
	synctest.Test(t, func(t *testing.T) {
		result = run(t.Context(), plan, before)
	})
	return result
}

func run(ctx context.Context, plan Plan, before func(*World)) Result {
	ctrl.SetLogger(logr.Discard())
	w := &World{
		plan: plan, start: time.Now(), gate: newGate(), hits: map[string]int{}, actions: map[string][]int{}, answered: map[string]int{},
		known: map[string]simulated.State{}, sprung: map[int]int{},
		rand:  rand.New(rand.NewPCG(plan.Seed, 1)), //nolint:gosec // to be repeated, not to be secret
		names: newStream(plan.Seed),
	}
	uuid.SetRand(w.names)
	defer uuid.SetRand(nil)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := w.set(); err != nil {
		return Result{Err: err}
	}
	w.revived = w.start
	before(w)
	w.conduct(ctx)
	if p := w.process; p != nil { // what it would still do is no part of the history
		w.process = nil
		p.die()
		p.end()
		for _, c := range w.gate.list() {
			w.gate.take(c, decision{skip: true, err: errDead})
		}
	}
	<-time.After(lastCalls)
	for counter, n := range w.sim.Faults().Hits {
		w.hits["aws."+counter] += n
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return Result{
		History: w.history, Calls: w.calls, Places: w.places, Launch: w.actors.launch, Crashes: w.hits[ClassCrash], Hits: w.hits, Err: w.failure,
	}
}

// stream is bytes that look random and are not. It is safe for concurrent use.
type stream struct {
	seed uint64

	mu     sync.Mutex
	source *rand.ChaCha8
}

func newStream(seed uint64) *stream {
	s := &stream{seed: seed}
	s.begin(0)
	return s
}

// begin begins the bytes of a process: what it names things does not depend on how much those before it have drawn.
func (s *stream) begin(process int) {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], s.seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(process)) //nolint:gosec // it counts up from zero
	s.mu.Lock()
	defer s.mu.Unlock()
	s.source = rand.NewChaCha8(key)
}

// Read fills p.
func (s *stream) Read(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.source.Read(p)
}

// newScheme is called once: the kinds are the same in all worlds.
//
//nolint:gochecknoglobals // It never changes, and takes as long to make as a small world.
var newScheme = sync.OnceValues(operator.NewScheme)

// set makes the world as it is before kerf comes.
func (w *World) set() error {
	scheme, err := newScheme()
	if err != nil {
		return fmt.Errorf("making the scheme: %w", err)
	}
	w.scheme = scheme
	w.store = apiserver.NewStore(scheme, time.Now)
	described, err := awssim.DefaultWorld(region, clusterName)
	if err != nil {
		return fmt.Errorf("describing the world: %w", err)
	}
	described.Clock, described.InstanceTypes = clock.RealClock{}, instanceTypes() // few, so that plans are made fast
	config := awssim.Config{
		World: described, Plan: w.plan.AWS, Faults: []awssim.Hook{note},
		Latency: -1, // an answer waits for its turn; those that wait for the same moment go on in any order
	}
	if w.sim, err = awssim.New(config); err != nil {
		return fmt.Errorf("making the simulator: %w", err)
	}
	w.history.Terms = history.Terms{
		ClusterUID: clusterUID, Staleness: w.plan.staleness(), PodsPerMachine: 1, Registration: registrationTimeout, Pause: w.plan.Restart,
		Skew: w.plan.skew(),
	}
	w.actors = newActors(w)
	return w.furnish()
}

// since is how long the world has been.
func (w *World) since() time.Duration { return time.Since(w.start) }

func (w *World) record(event history.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	event.At = time.Now()
	w.history.Events = append(w.history.Events, event)
}

func (w *World) mark(name, detail string) {
	w.record(history.Event{Process: w.processes, Mark: &history.Mark{Name: name, Detail: detail}})
}

func (w *World) tell(process int, uid, reason, message string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.told = append(w.told, history.Event{Process: process, Told: &history.Told{UID: uid, Reason: reason, Message: message}})
}

// recordTold puts what kerf told since the last time into the history. Who is woken at the same time as others tells at the same time,
// so that there is no order but that of the words.
func (w *World) recordTold() {
	w.mu.Lock()
	told := w.told
	w.told = nil
	w.mu.Unlock()
	slices.SortFunc(told, func(a, b history.Event) int {
		return cmp.Or(cmp.Compare(a.Told.UID, b.Told.UID), cmp.Compare(a.Told.Reason, b.Told.Reason), cmp.Compare(a.Told.Message, b.Told.Message))
	})
	for _, event := range told {
		w.record(event)
	}
	if len(told) > 0 {
		w.keep(entry{told: told})
	}
}

func (w *World) fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failure = errors.Join(w.failure, err)
}

// recordWrites puts what was written to the store since the last time into the history.
func (w *World) recordWrites(process int) {
	changes := w.store.Changes()
	for ; w.written < len(changes); w.written++ {
		c := changes[w.written]
		if c.By == history.ByKerf {
			w.lastWrite = c.At
		}
		w.record(history.Event{Process: process, Write: &history.Write{By: c.By, Verb: c.Verb, Kind: c.Kind, Before: c.Before, After: c.After}})
	}
}

// recordCall puts a call of AWS into the history, with what came of it.
func (w *World) recordCall(process int, call *history.Call) {
	w.observe(call)
	w.record(history.Event{Process: process, Call: call})
}

// observe notes on a call which instances began, ended and went since the last time, whoever was the cause.
func (w *World) observe(call *history.Call) {
	for _, i := range w.sim.World().Instances() {
		was, known := w.known[i.ID]
		w.known[i.ID] = i.State
		if !known {
			call.Made = append(call.Made, history.Instance{
				ID: i.ID, ClusterUID: i.Tags[awsv1alpha1.TagClusterUID], Group: i.Tags[awsv1alpha1.TagLaunchGroup],
				Attempt: i.Tags[awsv1alpha1.TagLaunchAttempt], Type: i.Type, Zone: i.Subnet.Zone,
			})
		}
		if (!known || live(was)) && !live(i.State) {
			call.Ended = append(call.Ended, i.ID)
		}
		if was != simulated.Terminated && i.State == simulated.Terminated {
			call.Gone = append(call.Gone, i.ID)
		}
	}
	if call.Action == "CreateFleet" {
		for n := call.Size; n < len(call.Made); n++ { // EC2 makes more than it was asked for; who comes last nobody waits for
			call.Made[n].Surplus = call.By == history.ByKerf
		}
	}
}

// live reports whether an instance in the state costs money and may run pods.
func live(state simulated.State) bool {
	return state == simulated.Pending || state == simulated.Running
}

// lag says when a process sees a change of a kind that was made at a time.
func (w *World) lag(kind string, at time.Time) time.Time {
	due := at
	if w.plan.settledBefore(at.Sub(w.start)) {
		return due
	}
	if lag, ok := w.plan.Lags[kind]; ok {
		// A function of the change, not of when it is asked for.
		spread := lag.Most - lag.Least
		due = at.Add(lag.Least)
		if spread > 0 {
			due = due.Add(time.Duration(uint64(at.UnixNano()) * 2654435761 % uint64(spread))) //nolint:gosec // a hash
		}
	}
	for _, freeze := range w.plan.Freezes {
		from, until := w.start.Add(freeze.From), w.start.Add(freeze.Until)
		if freeze.Kind == kind && !due.Before(from) && due.Before(until) {
			w.hits[ClassFreeze]++
			due = until
		}
	}
	return due
}

// instanceTypes are those that there are, all with two cores.
func instanceTypes() []string { return []string{"c5.large", "c6i.large", "m5.large", "m6i.large"} }
