package consolidation

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// rationRecheck is how soon a machine is looked at again that a budget keeps: other machines come and go without waking it.
const rationRecheck = 10 * time.Second

// rations hold decisions that budgets, or a pause of the whole cluster, do not allow.
type rations struct {
	client client.Reader
	// pausedBySetting is a pause that lasts as long as the process.
	pausedBySetting bool
	brake           *brake

	// turn lets one decision at a time be counted and recorded, of those that count.
	turn *semaphore.Weighted
	mu   sync.Mutex
	// recorded maps the name of a machine -> the version on which a decision was recorded: a cache that shows that version does not show
	// the decision.
	recorded map[string]string
	// emptyWindow is the time in which a tenth of the machines may go for being empty; 0 lets any number go.
	emptyWindow time.Duration
	// emptied maps the name of a machine -> when it was decided that it goes for being empty: those that are gone are on no record any more.
	emptied map[string]time.Time
	// counted maps the name of a provisioner -> what was counted of it last.
	counted map[string]census
}

func newRations(client client.Reader, settings Settings) *rations {
	return &rations{
		client: client, pausedBySetting: settings.PauseDisruption, emptyWindow: settings.EmptyWindow,
		brake: &brake{client: client, settings: settings.Brake}, turn: semaphore.NewWeighted(1),
		recorded: map[string]string{}, emptied: map[string]time.Time{}, counted: map[string]census{},
	}
}

// record has a decision about a machine written down, unless something holds it, which is what it returns.
func (r *rations) record(ctx context.Context, machine *v1alpha5.Machine, budgets []v1alpha5.Budget, c disruption.Command, now time.Time,
	write func() error,
) (*disruption.Hold, error) {
	paused, err := r.paused(ctx)
	if err != nil {
		return nil, err
	}
	if braked, err := r.brake.pulled(ctx); err != nil || braked != "" && paused == "" {
		return &disruption.Hold{Command: c, Why: braked}, err
	}
	// Most provisioners have no budget for empty machines: then nobody waits for anybody, but for the cap.
	about := slices.ContainsFunc(budgets, func(b v1alpha5.Budget) bool { return b.About(v1alpha5.DisruptionReason(c.Reason)) })
	capped := r.emptyWindow > 0 && c.Reason == disruption.ReasonEmpty
	if about || capped {
		if err := r.turn.Acquire(ctx, 1); err != nil {
			return nil, fmt.Errorf("waiting for another decision: %w", err)
		}
		defer r.turn.Release(1)
	}
	asked := rationing{provisioner: machine.ProvisionerName(), budgets: budgets, paused: paused, now: now, counts: about || capped, capped: capped}
	if hold, err := r.holds(ctx, c, asked); err != nil || hold != nil {
		return hold, err
	}
	if about || capped { // before it is known whether it was written: what had no answer may have been
		r.remember(machine)
	}
	if capped {
		r.empties(machine, now)
	}
	return nil, write()
}

// rationing is what a command is held by: the budgets of its provisioner, a pause, and the cap; counts says that machines have to be counted.
type rationing struct {
	provisioner    string
	budgets        []v1alpha5.Budget
	paused         string
	now            time.Time
	counts, capped bool
}

// holds returns what holds a command; nil for nothing. What was counted a moment ago may hold a machine, and never let one go.
func (r *rations) holds(ctx context.Context, c disruption.Command, asked rationing) (*disruption.Hold, error) {
	var counted census
	for _, anew := range []bool{false, true} {
		if asked.counts {
			var err error
			if counted, err = r.census(ctx, asked.provisioner, asked.now, anew); err != nil {
				return nil, err
			}
		}
		account := disruption.Account{Budgets: asked.budgets, Fleet: counted.fleet}
		allowed := disruption.Rations{Now: asked.now, Paused: asked.paused, Accounts: map[string]disruption.Account{asked.provisioner: account}}
		if hold := r.hold(c, allowed, counted, asked.capped); hold != nil {
			return hold, nil
		}
		if !counted.at.Before(asked.now) {
			break
		}
	}
	return nil, nil
}

// hold returns what holds a command by what was counted; nil for nothing.
func (r *rations) hold(c disruption.Command, allowed disruption.Rations, counted census, capped bool) *disruption.Hold {
	if _, held := disruption.Ration([]disruption.Command{c}, allowed); len(held) > 0 {
		return &held[0]
	}
	if !capped || counted.emptied < counted.mostEmpty {
		return nil
	}
	return &disruption.Hold{Command: c, Until: allowed.Now.Add(r.emptyWindow), Why: fmt.Sprintf(
		"%d empty nodes have begun to go within %s, and of %d nodes %d may", counted.emptied, r.emptyWindow, counted.total, counted.mostEmpty)}
}

// recheck says when a machine that is held is looked at again; 0 where the end of a pause wakes it.
func recheck(hold *disruption.Hold, now time.Time) time.Duration {
	switch {
	case hold.Paused:
		return 0
	case hold.Until.IsZero():
		return rationRecheck
	default:
		return min(rationRecheck, hold.Until.Sub(now))
	}
}

// decided reports whether it is decided that a machine goes, be it that the cache does not show that yet.
func (r *rations) decided(m *v1alpha5.Machine) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.recorded[m.Name] == m.ResourceVersion {
		return true
	}
	delete(r.recorded, m.Name)
	return machines.Conditions(m).IsTrue(v1alpha5.ConditionDisrupting)
}

// remember notes that a decision is recorded on a machine as it is in the cache.
func (r *rations) remember(m *v1alpha5.Machine) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.recorded[m.Name] = m.ResourceVersion
	clear(r.counted)
}

// empties notes that it is decided that a machine goes for being empty.
func (r *rations) empties(m *v1alpha5.Machine, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.emptied[m.Name] = now
}

// gone forgets a machine that is there no more.
func (r *rations) gone(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.recorded, name)
	clear(r.counted)
}

// paused returns who has paused disruption, "" if nobody has.
func (r *rations) paused(ctx context.Context) (string, error) {
	if r.pausedBySetting {
		return "the setting pause-disruption", nil
	}
	var namespace corev1.Namespace
	if err := r.client.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &namespace); client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("getting namespace %s: %w", metav1.NamespaceSystem, err)
	}
	if isPaused(&namespace) {
		return "the annotation " + v1alpha5.PauseDisruptionAnnotation + " of namespace " + metav1.NamespaceSystem, nil
	}
	return "", nil
}

// held returns what keeps all machines that could stay, "" for nothing.
func (r *rations) held(ctx context.Context) (string, error) {
	by, err := r.paused(ctx)
	if err != nil || by != "" {
		return "disruption is paused by " + by, err
	}
	return r.brake.pulled(ctx)
}

func isPaused(namespace *corev1.Namespace) bool {
	return namespace.Annotations[v1alpha5.PauseDisruptionAnnotation] == "true"
}
