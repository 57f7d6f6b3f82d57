package consolidation

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// commandRecheck is how soon a command is looked at again that waits for machines.
const commandRecheck = 5 * time.Second

// drive carries out the command that is recorded on a machine, as far as it can be now: its machines are closed to new pods, those that take
// their place become ready, it still holds what the command was decided on, and the machines go.
func (e *executor) drive(ctx context.Context, cached *v1alpha5.Machine) (reconcile.Result, error) {
	machine, err := e.recorded(ctx, cached)
	if err != nil || machine == nil {
		return reconcile.Result{}, err
	}
	if !machine.Status.Disruption.Leads() {
		return reconcile.Result{}, e.follow(ctx, machine)
	}
	if e.purchases.isUnderway(machine.Name) {
		return reconcile.Result{RequeueAfter: commandRecheck}, nil
	}
	members, err := e.members(ctx, machine)
	if err != nil {
		return reconcile.Result{}, err
	}
	if machine.Status.Disruption.Committed {
		return reconcile.Result{}, e.finish(ctx, machine, members)
	}
	wait, back, err := e.prepare(ctx, machine, members)
	switch {
	case err != nil:
		return reconcile.Result{}, err
	case back != nil:
		return reconcile.Result{}, e.takeBack(ctx, machine, back.reason, back.why)
	case wait > 0:
		return reconcile.Result{RequeueAfter: wait}, nil
	}
	if err := e.commit(ctx, machine, members); err != nil {
		return reconcile.Result{}, err
	}
	return reconcile.Result{}, e.finish(ctx, machine, members)
}

// objection is why a command is taken back.
type objection struct{ reason, why string }

// prepare does what comes before the machines go. It returns how long to wait until it can go on, or why it never will; neither where all
// is ready.
func (e *executor) prepare(ctx context.Context, lead *v1alpha5.Machine, members []*v1alpha5.Machine) (time.Duration, *objection, error) {
	if reason, why, found := strings.Cut(lead.Status.Disruption.TakenBack, ": "); found {
		return 0, &objection{reason, why}, nil // somebody has begun to, and did not come to the end
	}
	for _, machine := range members {
		if machine != lead && machine.Status.Disruption.Leads() {
			return 0, &objection{v1alpha5.ReasonOvertaken, "another decision is on record of machine " + machine.Name}, nil
		}
	}
	ready, failed, err := e.replacements(ctx, lead)
	if err != nil || failed != nil {
		return 0, failed, err
	}
	settles, err := e.closeAll(ctx, lead, members)
	if err != nil {
		return 0, nil, err
	}
	against, passing, err := e.against(ctx, lead, members, ready)
	switch {
	case err != nil || against != nil:
		return 0, against, err
	case !ready || passing != "" && e.journal.Clock.Since(lead.Status.Disruption.Time.Time) < e.patience:
		return commandRecheck, nil, nil
	case passing != "":
		return 0, &objection{v1alpha5.ReasonHeld, passing}, nil
	}
	return max(settles, 0), nil, nil
}

// recorded returns the Machine as the API server itself has it, nil when there is no command on its record any more.
func (e *executor) recorded(ctx context.Context, cached *v1alpha5.Machine) (*v1alpha5.Machine, error) {
	machine, err := e.current(ctx, v1alpha5.RecordedMachine{Name: cached.Name, UID: cached.UID})
	if err != nil || machine == nil || machine.Status.Disruption == nil {
		return nil, err
	}
	return machine, nil
}

// current returns a Machine as the API server itself has it, nil when it is gone or about to go.
func (e *executor) current(ctx context.Context, of v1alpha5.RecordedMachine) (*v1alpha5.Machine, error) {
	machine := &v1alpha5.Machine{}
	if err := e.live.Get(ctx, client.ObjectKey{Name: of.Name}, machine); err != nil {
		if apierrors.IsNotFound(err) {
			return nil, nil
		}
		return nil, fmt.Errorf("getting machine %s: %w", of.Name, err)
	}
	if of.UID != "" && machine.UID != of.UID || !machine.DeletionTimestamp.IsZero() {
		return nil, nil
	}
	return machine, nil
}

// members returns the machines of a command that are still there, the lead as it is given.
func (e *executor) members(ctx context.Context, lead *v1alpha5.Machine) ([]*v1alpha5.Machine, error) {
	out := make([]*v1alpha5.Machine, 0, len(lead.Status.Disruption.Machines))
	for _, of := range lead.Status.Disruption.Machines {
		if of.UID == lead.UID {
			out = append(out, lead)
			continue
		}
		machine, err := e.current(ctx, of)
		if err != nil {
			return nil, err
		}
		if machine != nil {
			out = append(out, machine)
		}
	}
	return out, nil
}

// follow gives a machine back whose lead knows nothing of it, or goes by itself.
func (e *executor) follow(ctx context.Context, machine *v1alpha5.Machine) error {
	lead, err := e.current(ctx, v1alpha5.RecordedMachine{Name: machine.Status.Disruption.Lead})
	if err != nil || lead != nil && lead.Status.Disruption.Takes(machine) {
		return err
	}
	return e.release(ctx, machine, v1alpha5.ReasonOvertaken, "machine "+machine.Status.Disruption.Lead+", which it was to go with, has gone or stays")
}

// replacements reports whether all machines are ready that are made in place of others, and why they never will be, nil if they may. One that
// nobody has made says nothing of what is asked for: the process ended that was about to.
func (e *executor) replacements(ctx context.Context, lead *v1alpha5.Machine) (ready bool, failed *objection, err error) {
	record := lead.Status.Disruption
	ready = true
	for _, name := range record.Replacements {
		machine, err := e.current(ctx, v1alpha5.RecordedMachine{Name: name})
		switch {
		case err != nil:
			return false, nil, err
		case machine == nil && !e.purchases.wasTried(lead.Name, name):
			return false, &objection{v1alpha5.ReasonOvertaken, fmt.Sprintf("machine %s, which was to take its place, was not made", name)}, nil
		case machine == nil:
			return false, &objection{v1alpha5.ReasonReplacementFailed, fmt.Sprintf("machine %s, which was to take its place, is not there any more", name)}, nil
		}
		e.purchases.note(lead.Name, name)
		ready = ready && machines.Conditions(machine).IsTrue(v1alpha5.ConditionInitialized)
	}
	if waited := e.journal.Clock.Since(record.Time.Time); !ready && waited > e.patience {
		return false, &objection{v1alpha5.ReasonReplacementFailed, fmt.Sprintf("what was to take its place is not ready after %s", waited.Round(time.Second))}, nil
	}
	return ready, nil, nil
}

// closeAll puts the command on record of those machines that follow, and keeps new pods off all their Nodes. It returns how long to wait until
// those have come that schedulers were about to bind there.
func (e *executor) closeAll(ctx context.Context, lead *v1alpha5.Machine, members []*v1alpha5.Machine) (time.Duration, error) {
	var longest time.Duration
	decided := machines.Conditions(lead).Get(v1alpha5.ConditionDisrupting)
	for _, machine := range members {
		if machine != lead && (machine.Status.Disruption == nil || machine.Status.Disruption.Lead != lead.Name) {
			stored := machine.DeepCopy()
			machine.Status.Disruption = &v1alpha5.DisruptionRecord{Lead: lead.Name, Time: lead.Status.Disruption.Time}
			machines.Conditions(machine).True(v1alpha5.ConditionDisrupting, decided.Reason, "together with machine "+lead.Name+": "+decided.Message)
			machines.Conditions(machine).Clear(v1alpha5.ConditionDisruptable)
			if err := machines.Write(ctx, e.client, stored, machine); err != nil {
				return 0, err
			}
		}
		node, err := machines.LiveNode(ctx, e.live, machine)
		if err != nil {
			return 0, err
		}
		if node == nil {
			continue
		}
		wait, err := e.close(ctx, node)
		if err != nil {
			return 0, err
		}
		longest = max(longest, wait)
	}
	return longest, nil
}

// commit notes that there is no way back, and what is moved.
func (e *executor) commit(ctx context.Context, lead *v1alpha5.Machine, members []*v1alpha5.Machine) error {
	moving, err := e.moving(ctx, members)
	if err != nil {
		return err
	}
	stored := lead.DeepCopy()
	lead.Status.Disruption.Committed = true
	if err := machines.Write(ctx, e.client, stored, lead); err != nil {
		return err
	}
	e.ledger.add(moving, e.journal.Clock.Now())
	if len(lead.Status.Disruption.Replacements) > 0 {
		e.journal.Metrics.ReplacementsInitialized.Observe(e.journal.Clock.Since(lead.Status.Disruption.Time.Time).Seconds())
	}
	return nil
}

// finish deletes the machines of a command, the lead last: as long as it is there somebody knows what is to be done.
func (e *executor) finish(ctx context.Context, lead *v1alpha5.Machine, members []*v1alpha5.Machine) error {
	e.purchases.forget(lead.Name)
	for _, machine := range append(slices.DeleteFunc(slices.Clone(members), func(m *v1alpha5.Machine) bool { return m == lead }), lead) {
		node, err := machines.LiveNode(ctx, e.live, machine)
		if err != nil {
			return err
		}
		if err := e.remove(ctx, machine, node); err != nil {
			return err
		}
	}
	return nil
}
