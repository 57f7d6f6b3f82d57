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
	"k8s.io/apimachinery/pkg/util/sets"
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
}

// record has a decision about a machine written down, unless something holds it, which is what it returns.
func (r *rations) record(ctx context.Context, machine *v1alpha5.Machine, budgets []v1alpha5.Budget, c disruption.Command, now time.Time,
	write func() error,
) (*disruption.Hold, error) {
	paused, err := r.paused(ctx)
	if err != nil {
		return nil, err
	}
	if paused == "" {
		if braked, err := r.brake.pulled(ctx); err != nil || braked != "" {
			return &disruption.Hold{Command: c, Why: braked}, err
		}
	}
	account := disruption.Account{Budgets: budgets}
	// Most provisioners have no budget for empty machines: then nobody waits for anybody.
	counts := slices.ContainsFunc(budgets, func(b v1alpha5.Budget) bool { return b.About(v1alpha5.DisruptionReason(c.Reason)) })
	if counts {
		if err := r.turn.Acquire(ctx, 1); err != nil {
			return nil, fmt.Errorf("waiting for another decision: %w", err)
		}
		defer r.turn.Release(1)
		if account.Fleet, err = r.fleet(ctx, machine.ProvisionerName()); err != nil {
			return nil, err
		}
	}
	granted, held := disruption.Ration([]disruption.Command{c}, disruption.Rations{
		Now: now, Paused: paused, Accounts: map[string]disruption.Account{machine.ProvisionerName(): account},
	})
	if len(granted) == 0 {
		return &held[0], nil
	}
	if counts { // before it is known whether it was written: what had no answer may have been
		r.remember(machine)
	}
	return nil, write()
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

// fleet counts the machines of a provisioner.
func (r *rations) fleet(ctx context.Context, provisioner string) (disruption.Fleet, error) {
	ofProvisioner := client.MatchingLabels{v1alpha5.ProvisionerNameLabel: provisioner}
	var list v1alpha5.MachineList
	if err := r.client.List(ctx, &list, ofProvisioner, client.UnsafeDisableDeepCopy); err != nil {
		return disruption.Fleet{}, fmt.Errorf("listing machines of provisioner %s: %w", provisioner, err)
	}
	var nodes corev1.NodeList
	if err := r.client.List(ctx, &nodes, ofProvisioner, client.UnsafeDisableDeepCopy); err != nil {
		return disruption.Fleet{}, fmt.Errorf("listing nodes of provisioner %s: %w", provisioner, err)
	}
	ready := sets.New[string]()
	for i := range nodes.Items {
		if machines.NodeIsReady(&nodes.Items[i]) {
			ready.Insert(nodes.Items[i].Name)
		}
	}
	var out disruption.Fleet
	for i := range list.Items {
		m := &list.Items[i]
		conditions := machines.Conditions(m)
		ending := conditions.Get(v1alpha5.ConditionTerminated)
		if !conditions.IsTrue(v1alpha5.ConditionInitialized) || conditions.IsTrue(v1alpha5.ConditionTerminated) ||
			ending != nil && ending.Reason == v1alpha5.ReasonTerminating {
			continue
		}
		out.Total++
		if !m.DeletionTimestamp.IsZero() || r.decided(m) || !ready.Has(m.Status.NodeName) {
			out.Unavailable++
		}
	}
	return out, nil
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
}

// gone forgets a machine that is there no more.
func (r *rations) gone(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.recorded, name)
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
