package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	simulated "github.com/kerf-autoscaler/kerf/test/awssim/world"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
	"github.com/kerf-autoscaler/kerf/test/chaos/invariant"
)

// SingleWriter is the promise that only these worlds judge: a process that does not lead any more changes nothing.
const SingleWriter = "single writer"

// Stuck is what is found where kerf does not get done.
const Stuck = "stuck"

const (
	// patience is how long kerf may take to launch all machines, or to end them, on a busy machine.
	patience = 90 * time.Second
	// endsWithin is how long processes that are asked to end may take.
	endsWithin = 40 * time.Second
	// overlap is how long after somebody else leads a process may still change something.
	overlap = time.Second
)

// World is one world while it runs.
type World struct {
	site     *Site
	plan     Plan
	sim      *awssim.Server
	toAWS    *http.Transport
	recorder *recorder
	observer *observer
	court    *court
	// running are the processes that have not returned yet, also of those that have been crashed.
	running sync.WaitGroup
	// outages are those of the cluster that are not over yet.
	outages sync.WaitGroup

	mu        sync.Mutex
	known     map[string]simulated.State // id of an instance -> its state when somebody looked last
	processes []*process
	started   int
	crashes   int
	// served is when a part of the control plane that was killed served again.
	served time.Time
	// recovered is how long kerf took from then on.
	recovered time.Duration
	outageErr error
}

// Result is what came of a world.
type Result struct {
	History    history.History
	Violations []invariant.Violation
	// Struck maps each class of the plan -> how often it has struck.
	Struck map[Class]int
	// Hit says that every class has: else the world shows nothing.
	Hit bool
	// Crashes is how many processes ended by a fault, Processes how many there were, Calls at how many calls one could have.
	Crashes, Processes, Calls int
	Took                      time.Duration
	// Recovered is how long kerf took to be done with the launch from when the control plane served again.
	Recovered time.Duration
	// Err is why the world could not be carried through.
	Err error
}

// Run carries a plan out.
func Run(ctx context.Context, site *Site, plan Plan) Result {
	w := &World{site: site, plan: plan, known: map[string]simulated.State{}, recorder: &recorder{}, toAWS: &http.Transport{}}
	w.court = newCourt(&w.plan, w.crashed, w.outside)
	w.observer = newObserver(site.direct, w.recorder, w.court.forced)
	begun := time.Now()
	violations, err := w.conduct(ctx)
	out := Result{Took: time.Since(begun), Err: err, Calls: w.court.total(), Violations: violations}
	w.mu.Lock()
	out.Crashes, out.Processes, out.Recovered = w.crashes, w.started, w.recovered
	w.mu.Unlock()
	out.History = w.recorder.history(history.Terms{
		ClusterUID: site.clusterUID, Staleness: plan.staleness(), PodsPerMachine: 1, Registration: registrationTimeout,
		Pause: plan.Restart + leaseDuration + 10*time.Second, Lateness: lateness,
	})
	if w.sim != nil {
		out.Struck = w.court.struck(w.sim.Faults().Hits)
		out.Hit = all(out.Struck)
	}
	out.Violations = append(out.Violations, w.usurpers()...)
	out.Violations = append(out.Violations, invariant.Judge(&out.History)...)
	return out
}

// conduct takes a world from its beginning to its end.
func (w *World) conduct(ctx context.Context) (found []invariant.Violation, err error) {
	if err := w.simulate(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.sim.Close()) }()
	defer w.toAWS.CloseIdleConnections()
	inner, stop := context.WithCancel(ctx)
	var others sync.WaitGroup
	defer others.Wait()
	defer stop()
	for kind, list := range kinds() {
		others.Go(func() { w.observer.follow(inner, kind, list) })
	}
	others.Go(func() { (&actors{world: w, bound: map[string]string{}, joined: map[string]bool{}}).run(inner) })
	defer func() { err = errors.Join(err, w.settle(), w.site.answered(ctx), w.clear(ctx)) }()
	if err := w.furnish(ctx); err != nil {
		return nil, err
	}
	living, end := context.WithCancel(ctx)
	defer func() { err = errors.Join(err, w.await(ctx, endsWithin, "the processes to end", w.ended())) }()
	defer end()
	for range w.plan.Replicas {
		others.Go(func() { w.revive(living) })
	}
	return w.tell(ctx)
}

// tell is the story of every world: kerf comes up, pods come, and when all run their machines are deleted.
func (w *World) tell(ctx context.Context) (found []invariant.Violation, err error) {
	if err := w.await(ctx, patience, "kerf to be ready", w.ready); err != nil {
		return nil, err
	}
	w.court.arm()
	if err := w.fill(ctx); err != nil {
		return nil, err
	}
	stuck := func(err error) {
		found = append(found, invariant.Violation{Invariant: Stuck, At: time.Now(), Text: err.Error()})
	}
	if err := w.await(ctx, patience, "all pods to run", w.launched); err != nil {
		stuck(err)
	}
	if err := w.settle(); err != nil {
		return found, err
	}
	w.mark(history.MarkFault, "all machines are deleted", 0)
	if err := w.await(ctx, patience, "all machines to go", func() error { return errors.Join(w.remove(ctx), w.gone()) }); err != nil {
		stuck(err)
	}
	w.court.calm()
	if err := w.sim.SetFaults(faults.Plan{}); err != nil {
		return found, fmt.Errorf("ending what goes wrong at AWS: %w", err)
	}
	w.mark(history.MarkCalm, "", 0)
	w.mark(history.MarkEnd, "", 0)
	w.recorder.end()
	return found, nil
}

// settle waits for the cluster to be in order: its users are not the ones who are tested.
func (w *World) settle() error {
	w.outages.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.served.IsZero() {
		w.recovered = time.Since(w.served)
	}
	return w.outageErr
}

// revive keeps a process alive, as a Deployment does.
func (w *World) revive(ctx context.Context) {
	for ctx.Err() == nil {
		w.live(ctx)
		timer := time.NewTimer(w.plan.Restart)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
	}
}

// next counts processes.
func (w *World) next() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.started++
	return w.started
}

func (w *World) join(p *process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.processes = append(w.processes, p)
}

// crashed takes note of a process that a trouble ends.
func (w *World) crashed(p *process, t Trouble) {
	w.mu.Lock()
	w.crashes++
	w.mu.Unlock()
	go w.mark(history.MarkCrash, t.String(), p.number)
}

// usurpers returns the processes that changed something although another one had begun to lead.
func (w *World) usurpers() (out []invariant.Violation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.processes {
		led, last := p.reign()
		for _, other := range w.processes {
			if since, _ := other.reign(); !led.IsZero() && since.After(led) && last.After(since.Add(overlap)) && w.plan.Replicas > 1 {
				out = append(out, invariant.Violation{Invariant: SingleWriter, At: last, Text: fmt.Sprintf(
					"process %d changes something %s after process %d has begun to lead", p.number, last.Sub(since), other.number)})
			}
		}
	}
	return out
}

// version asks the API server for the version of all that it has committed.
func (w *World) version(ctx context.Context) uint64 {
	var list corev1.NodeList
	if err := w.site.direct.List(ctx, &list, client.Limit(1)); err != nil {
		return w.recorder.newest() // it is away: nothing has been committed since
	}
	return number(list.ResourceVersion)
}

func (w *World) mark(name, detail string, process int) {
	w.recorder.add(w.version(context.Background()), history.Event{Process: process, Mark: &history.Mark{Name: name, Detail: detail}})
}

// await waits until there is nothing left to say against it.
func (w *World) await(ctx context.Context, most time.Duration, what string, lacks func() error) error {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	ticks := time.NewTicker(actEvery)
	defer ticks.Stop()
	for {
		err := lacks()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, err)
		case <-w.observer.changed:
		case <-ticks.C:
		}
	}
}

func (w *World) ready() error {
	all := observed[*v1alpha5.Provisioner](w.observer, kindProvisioner)
	if len(all) == 0 {
		return errors.New("there is no provisioner")
	}
	if p := all[0]; !meta.IsStatusConditionTrue(p.Status.Conditions, v1alpha5.ConditionReady) {
		return fmt.Errorf("provisioner %s is not ready: %v", p.Name, p.Status.Conditions)
	}
	return nil
}

func (w *World) launched() error {
	var waiting []string
	for _, pod := range observed[*corev1.Pod](w.observer, kindPod) {
		if pod.Status.Phase != corev1.PodRunning {
			waiting = append(waiting, pod.Name)
		}
	}
	if len(waiting) > 0 {
		slices.Sort(waiting)
		return fmt.Errorf("%s do not run; %s", strings.Join(waiting, ", "), w.state())
	}
	return nil
}

// state describes the machines, for the reader of a failure.
func (w *World) state() string {
	counts := map[string]int{}
	for _, m := range observed[*v1alpha5.Machine](w.observer, kindMachine) {
		var said []string
		for _, c := range m.Status.Conditions {
			said = append(said, c.Type+"="+string(c.Status)+" "+c.Reason)
		}
		if !m.DeletionTimestamp.IsZero() {
			said = append(said, "deleted")
		}
		counts[strings.Join(said, ",")]++
	}
	return fmt.Sprintf("%d live instances; machines: %v", len(w.liveInstances()), counts)
}

func (w *World) gone() error {
	left := map[string]int{}
	for kind := range kinds() {
		if kind != kindProvisioner {
			left[kind] = len(w.observer.copy(kind))
		}
	}
	left["instance"] = len(w.liveInstances())
	for _, n := range left {
		if n > 0 {
			return fmt.Errorf("there are %v; %s", left, w.state())
		}
	}
	return nil
}

// ended returns what tells whether all processes have returned.
func (w *World) ended() func() error {
	done := make(chan struct{})
	var once sync.Once
	return func() error {
		once.Do(func() {
			go func() {
				w.running.Wait()
				close(done)
			}()
		})
		select {
		case <-done:
			return nil
		default:
			return errors.New("some have not")
		}
	}
}

// clearKind deletes all objects of a kind, whatever holds them.
func (w *World) clearKind(ctx context.Context, list client.ObjectList) error {
	if err := w.site.direct.List(ctx, list); err != nil {
		return fmt.Errorf("listing what is left: %w", err)
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return fmt.Errorf("reading what is left: %w", err)
	}
	for _, item := range items {
		object, ok := item.(client.Object)
		if !ok {
			continue
		}
		free := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		if err := errors.Join(
			client.IgnoreNotFound(w.site.direct.Delete(ctx, object, client.GracePeriodSeconds(0))),
			client.IgnoreNotFound(w.site.direct.Patch(ctx, object, free)),
		); err != nil {
			return fmt.Errorf("taking away what is left: %w", err)
		}
	}
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: operator.LeaderElectionID}}
	return client.IgnoreNotFound(w.site.direct.Delete(ctx, lease))
}
