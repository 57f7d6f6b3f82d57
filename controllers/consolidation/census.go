package consolidation

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// censusLasts is for how long machines are held by one count: where many empty at once, each would be counted once for each other.
const censusLasts = time.Second

// census is what is counted to ration removals.
type census struct {
	at time.Time
	// fleet is that of the provisioner.
	fleet disruption.Fleet
	// total is how many initialized machines the cluster has, emptied how many of them have begun to go for being empty within the window,
	// those that are gone included, and mostEmpty how many may.
	total, emptied, mostEmpty int
}

// census counts for the machines of a provisioner. Unless it is to count anew it may return what it counted a moment ago.
func (r *rations) census(ctx context.Context, provisioner string, now time.Time, anew bool) (census, error) {
	if last, ok := r.last(provisioner); ok && !anew && now.Sub(last.at) < censusLasts {
		return last, nil
	}
	var list v1alpha5.MachineList
	if err := r.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return census{}, fmt.Errorf("listing machines: %w", err)
	}
	ready, err := r.ready(ctx, provisioner)
	if err != nil {
		return census{}, err
	}
	out := census{at: now}
	going := r.lately(now)
	for i := range list.Items {
		m := &list.Items[i]
		if r.emptiedLately(m, now) {
			going.Insert(m.Name)
		}
		if !machines.Conditions(m).IsTrue(v1alpha5.ConditionInitialized) {
			continue
		}
		out.total++
		if m.ProvisionerName() == provisioner {
			r.count(&out.fleet, m, ready)
		}
	}
	out.emptied, out.mostEmpty = len(going), disruption.MostEmpty(out.total)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counted[provisioner] = out
	return out, nil
}

// last returns what was counted of a provisioner last.
func (r *rations) last(provisioner string) (census, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	last, ok := r.counted[provisioner]
	return last, ok
}

// count adds a machine to the fleet of its provisioner.
func (r *rations) count(fleet *disruption.Fleet, m *v1alpha5.Machine, ready sets.Set[string]) {
	conditions := machines.Conditions(m)
	ending := conditions.Get(v1alpha5.ConditionTerminated)
	if conditions.IsTrue(v1alpha5.ConditionTerminated) || ending != nil && ending.Reason == v1alpha5.ReasonTerminating {
		return
	}
	fleet.Total++
	if !m.DeletionTimestamp.IsZero() || r.decided(m) || !ready.Has(m.Status.NodeName) {
		fleet.Unavailable++
	}
}

// ready returns the names of the Nodes of a provisioner that are ready.
func (r *rations) ready(ctx context.Context, provisioner string) (sets.Set[string], error) {
	var nodes corev1.NodeList
	ofProvisioner := client.MatchingLabels{v1alpha5.ProvisionerNameLabel: provisioner}
	if err := r.client.List(ctx, &nodes, ofProvisioner, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing nodes of provisioner %s: %w", provisioner, err)
	}
	ready := sets.New[string]()
	for i := range nodes.Items {
		if machines.NodeIsReady(&nodes.Items[i]) {
			ready.Insert(nodes.Items[i].Name)
		}
	}
	return ready, nil
}

// emptiedLately reports whether it is on record that a machine has begun to go within the window for being empty. That outlives the process.
func (r *rations) emptiedLately(m *v1alpha5.Machine, now time.Time) bool {
	decided := machines.Conditions(m).Get(v1alpha5.ConditionDisrupting)
	return machines.Conditions(m).IsTrue(v1alpha5.ConditionDisrupting) && decided.Reason == disruption.ReasonEmpty &&
		now.Sub(decided.LastTransitionTime.Time) < r.emptyWindow
}

// lately returns the names of the machines of which this process has decided within the window that they go for being empty, and forgets the
// others. One that was given back counts as well: that somebody came to it says nothing about the others.
func (r *rations) lately(now time.Time) sets.Set[string] {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := sets.New[string]()
	for name, at := range r.emptied {
		if now.Sub(at) >= r.emptyWindow {
			delete(r.emptied, name)
			continue
		}
		out.Insert(name)
	}
	return out
}
