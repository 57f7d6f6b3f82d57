package marking

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

const (
	// driftPeriod is how often a Machine is compared that no event has led to.
	driftPeriod = 5 * time.Minute
	// missingFor is how long an instance type has to be missing to count as gone: an answer of the cloud may leave one out. An answer
	// that comes so long after the first without it has to be without it too: the time alone, in which nobody may have asked, tells nothing.
	missingFor = time.Hour
)

// drifted sets Drifted. What cannot be compared says nothing: while the template is not there or not resolved, what was stated
// stays. So it does for a Machine whose Provisioner is gone.
type drifted struct {
	provider   cloudprovider.Provider
	catalogues *catalogues
	clock      clock.PassiveClock
}

func (d *drifted) mark(ctx context.Context, machine *v1alpha5.Machine, provisioner *v1alpha5.Provisioner) (time.Duration, error) {
	if provisioner == nil {
		return 0, nil
	}
	found, err := drift.FromProvisioner(machine, provisioner)
	if err != nil {
		return 0, fmt.Errorf("comparing machine %s: %w", machine.Name, err)
	}
	if reason := machine.Annotations[v1alpha5.InterruptedAnnotation]; !found.There() && reason == v1alpha5.ReasonInstanceUnhealthy {
		found.Reason = reason // told while something kept it
		found.Message, _ = v1alpha5.InterruptionMessage(reason)
	}
	if !found.There() {
		found, err = d.provider.Drifted(ctx, machine)
	}
	switch {
	case cloudprovider.IsNotReady(err):
		d.disprove(machine)
		return driftPeriod, nil
	case err != nil:
		return 0, fmt.Errorf("comparing machine %s with its template: %w", machine.Name, err)
	case found.There():
		d.state(machine, metav1.ConditionTrue, found)
		return driftPeriod, nil
	}
	return min(driftPeriod, d.markType(ctx, machine, provisioner)), nil
}

// markType looks whether the Machine's instance type is still on offer to its Provisioner, and returns when that is to be looked at
// again. Since when it is not is on record as Drifted=Unknown, which an outage takes back: what was missing before it began may have been
// the first of it, so that the time counts anew from the first answer after it.
func (d *drifted) markType(ctx context.Context, machine *v1alpha5.Machine, provisioner *v1alpha5.Provisioner) time.Duration {
	known := machines.Conditions(machine).Get(v1alpha5.ConditionDrifted)
	counting := known != nil && known.Reason == v1alpha5.ReasonInstanceTypeNotFound
	settled := counting && known.Status == metav1.ConditionTrue
	list, surveyed := d.catalogues.of(ctx, provisioner)
	if surveyed.IsZero() && settled {
		return driftPeriod
	}
	name, missing := machine.Labels[corev1.LabelInstanceTypeStable], ""
	if !surveyed.IsZero() && name != "" {
		missing = list.Missing(name, drift.Requirements(provisioner))
	}
	if missing == "" {
		clearCondition(machine, v1alpha5.ConditionDrifted)
		return driftPeriod
	}
	found := drift.Finding{Reason: v1alpha5.ReasonInstanceTypeNotFound, Message: missing}
	left := missingFor
	if counting {
		left -= surveyed.Sub(known.LastTransitionTime.Time)
	}
	if settled || counting && left <= 0 {
		d.state(machine, metav1.ConditionTrue, found)
		return driftPeriod
	}
	d.state(machine, metav1.ConditionUnknown, found)
	return max(min(left, missingFor), catalogueAge)
}

// state writes a finding down. The transition has the time of the clock that it is measured by.
func (d *drifted) state(machine *v1alpha5.Machine, status metav1.ConditionStatus, found drift.Finding) {
	conditions, set := machines.Conditions(machine), machines.Conditions(machine).True
	if status == metav1.ConditionUnknown {
		set = conditions.Unknown
	}
	if set(v1alpha5.ConditionDrifted, found.Reason, found.Message) {
		// The API keeps whole seconds: rounded up, no type counts as gone too early.
		conditions.Get(v1alpha5.ConditionDrifted).LastTransitionTime = metav1.NewTime(d.clock.Now().Add(time.Second - time.Nanosecond).Truncate(time.Second))
	}
}

// disprove takes back what the comparison with the Provisioner alone has stated, which it does not find any more.
func (d *drifted) disprove(machine *v1alpha5.Machine) {
	known := machines.Conditions(machine).Get(v1alpha5.ConditionDrifted)
	if known != nil && (known.Reason == v1alpha5.ReasonProvisionerDrifted || known.Reason == v1alpha5.ReasonRequirementsDrifted) {
		clearCondition(machine, v1alpha5.ConditionDrifted)
	}
}
