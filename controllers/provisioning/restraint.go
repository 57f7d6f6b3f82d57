package provisioning

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// restraint is what keeps a provisioner from making one machine after the other that comes to nothing.
type restraint struct {
	rows rows
	// onTheWay are the workloads of machines that may soon be ready; tried are those of machines that this pass makes.
	onTheWay, tried map[string]bool
	// probing says that a machine is on its way whose fate will tell whether the next ones are of use.
	probing bool
}

// restrain looks at what came of the machines of each provisioner, notes it, and closes the offers of those that have to wait.
// What is noted comes before what is made: a machine that is made after a failure is made with the failure on record.
func (c *Controller) restrain(ctx context.Context, snapshot state.Snapshot, offers *catalogue, now time.Time) error {
	fates := fatesOf(snapshot, now)
	for _, name := range slices.Sorted(maps.Keys(offers.offers)) {
		offer := offers.offers[name]
		before := rows(offer.Provisioner.Status.FruitlessLaunches)
		after := before.continued(offers.bases[name], fates[name], now)
		if err := c.note(ctx, offer.Provisioner, before, after); err != nil {
			return err
		}
		offers.restraints[name] = newRestraint(after, offers.bases[name], fates[name])
		if row := after.of(everybody); row != nil && row.Holds() && (now.Before(row.RetryTime.Time) || offers.restraints[name].probing) {
			offers.offers[name] = problem.NewOffer(offer.Provisioner, shut(offer.InstanceTypes))
			offers.leftOut = append(offers.leftOut, fmt.Sprintf("provisioner %s waits: %s", name, row.String()))
		}
	}
	return nil
}

// fatesOf maps a provisioner -> what came of its machines.
func fatesOf(snapshot state.Snapshot, now time.Time) map[string][]fate {
	waiting := patienceOf(snapshot.Pending)
	out := map[string][]fate{}
	add := func(entries []state.Entry, ended bool) {
		for _, entry := range entries {
			if entry.Machine != nil {
				name := entry.Machine.ProvisionerName()
				out[name] = append(out[name], fateOf(entry, ended, waiting, now))
			}
		}
	}
	add(snapshot.Entries, false)
	add(snapshot.Ended, true)
	return out
}

func newRestraint(rows rows, basis string, fates []fate) *restraint {
	out := &restraint{rows: rows, onTheWay: map[string]bool{}, tried: map[string]bool{}}
	for i := range fates {
		if !fates[i].onItsWay || fates[i].basis != basis {
			continue
		}
		out.probing = true
		for _, workload := range fates[i].workloads {
			out.onTheWay[workload] = true
		}
	}
	return out
}

// note writes down rows that have changed, and tells of those that make machines wait.
func (c *Controller) note(ctx context.Context, provisioner *v1alpha5.Provisioner, before, after rows) error {
	if len(before)+len(after) == 0 || equality.Semantic.DeepEqual(before, after) {
		return nil
	}
	noted := provisioner.DeepCopy()
	noted.Status.FruitlessLaunches = after
	if err := c.client.Status().Patch(ctx, noted, client.MergeFrom(provisioner)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("noting fruitless launches of provisioner %s: %w", provisioner.Name, err)
	}
	for i := range after {
		row := &after[i]
		if old := before.of(row.Workload); old != nil && old.Failures == row.Failures && old.Machine == row.Machine {
			continue
		}
		if row.Workload == everybody {
			c.journal.Metrics.MachinesFruitless.WithLabelValues(provisioner.Name, row.Reason).Inc()
		}
		if row.Holds() {
			c.journal.Events.Publish(events.Event{Object: provisioner, Warning: true, Reason: row.Reason, Message: row.String()})
		}
	}
	return nil
}

// shut returns the instance types with nothing on offer; what is on its way is still known by them.
func shut(instanceTypes cloudprovider.InstanceTypes) cloudprovider.InstanceTypes {
	out := make(cloudprovider.InstanceTypes, 0, len(instanceTypes))
	for _, t := range instanceTypes {
		copied := *t
		copied.Offerings = slices.Clone(t.Offerings)
		for i := range copied.Offerings {
			copied.Offerings[i].Available = false
		}
		out = append(out, &copied)
	}
	return out
}

// steer keeps pods that have to wait for a provisioner away from it: those that wait for a place, and those on nodes that go. It
// returns the snapshot with such pods, and why each waits.
func (c *catalogue) steer(snapshot state.Snapshot, now time.Time) (state.Snapshot, map[types.UID]string) {
	why := map[types.UID]string{}
	if !c.steers(now) {
		return snapshot, why
	}
	snapshot.Pending = slices.Clone(snapshot.Pending)
	for i, pod := range snapshot.Pending {
		snapshot.Pending[i] = c.steered(pod, now, why)
	}
	snapshot.Entries = slices.Clone(snapshot.Entries)
	for i := range snapshot.Entries {
		entry := &snapshot.Entries[i]
		if !entry.Deleting() {
			continue
		}
		there := make(map[types.UID]*corev1.Pod, len(entry.Pods))
		for uid, pod := range entry.Pods {
			there[uid] = c.steered(pod, now, why)
		}
		entry.Pods = there
	}
	return snapshot, why
}

// steers reports whether any workload has to wait.
func (c *catalogue) steers(now time.Time) bool {
	for _, r := range c.restraints {
		for i := range r.rows {
			if r.rows[i].Workload != everybody && r.rows.waiting(r.rows[i].Workload, now) {
				return true
			}
		}
	}
	return false
}

// steered returns the pod as it is to be planned for, and notes why it keeps away from a provisioner. One that may have its machine
// on the way does not: it is expected there.
func (c *catalogue) steered(pod *corev1.Pod, now time.Time, why map[types.UID]string) *corev1.Pod {
	workload := machines.WorkloadOf(pod)
	var away, told []string
	for _, name := range slices.Sorted(maps.Keys(c.restraints)) {
		r := c.restraints[name]
		if r.rows.waiting(workload, now) && !r.onTheWay[workload] {
			away = append(away, name)
			told = append(told, fmt.Sprintf("provisioner %s waits before it makes another machine for it: %s", name, r.rows.of(workload).String()))
		}
	}
	if len(away) == 0 {
		return pod
	}
	why[pod.UID] = strings.Join(told, "; ")
	return avoiding(pod, away)
}

// avoiding returns a copy of the pod that takes no machine of some provisioners.
func avoiding(pod *corev1.Pod, provisioners []string) *corev1.Pod {
	out := pod.DeepCopy()
	if out.Spec.Affinity == nil {
		out.Spec.Affinity = &corev1.Affinity{}
	}
	if out.Spec.Affinity.NodeAffinity == nil {
		out.Spec.Affinity.NodeAffinity = &corev1.NodeAffinity{}
	}
	affinity := out.Spec.Affinity.NodeAffinity
	if affinity.RequiredDuringSchedulingIgnoredDuringExecution == nil {
		affinity.RequiredDuringSchedulingIgnoredDuringExecution = &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{}}}
	}
	terms := affinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms
	for i := range terms {
		terms[i].MatchExpressions = append(terms[i].MatchExpressions, corev1.NodeSelectorRequirement{
			Key: v1alpha5.ProvisionerNameLabel, Operator: corev1.NodeSelectorOpNotIn, Values: provisioners,
		})
	}
	return out
}

// restrains reports whether a planned machine has to wait for the fate of another: where machines came to nothing, one at a time
// is made. Pods that are not in doubt themselves do not wait for those that are.
func (r *restraint) restrains(planned *solver.Machine) bool {
	if r == nil {
		return false
	}
	if row := r.rows.of(everybody); row != nil && row.Holds() {
		if r.probing {
			return true
		}
		r.probing = true
	}
	var doubted []string
	for _, pod := range planned.Pods {
		workload := machines.WorkloadOf(pod)
		row := r.rows.of(workload)
		if row == nil || row.RecoveryTime != nil {
			return false
		}
		doubted = append(doubted, workload)
	}
	if slices.ContainsFunc(doubted, func(w string) bool { return r.onTheWay[w] || r.tried[w] }) {
		return true
	}
	for _, workload := range doubted {
		r.tried[workload] = true
	}
	return false
}
