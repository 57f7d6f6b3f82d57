package consolidation

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
)

// record writes a command down on the first of its machines, with the names that its replacements will have, and returns that machine; nil
// if it was held, or overtaken by a change of the machine.
func (p *pass) record(ctx context.Context, command *disruption.Command, facts problem.Facts) (*v1alpha5.Machine, error) {
	there := map[string]*v1alpha5.Machine{}
	for i := range facts.Snapshot.Entries {
		if machine := facts.Snapshot.Entries[i].Machine; machine != nil {
			there[machine.Name] = machine
		}
	}
	now := p.journal.Clock.Now()
	written := &v1alpha5.DisruptionRecord{Time: metav1.NewTime(now), Pods: int32(min(command.Pods, 1<<30))} //nolint:gosec // bounded
	for _, target := range command.Machines {
		written.Machines = append(written.Machines, v1alpha5.RecordedMachine{Name: target.Machine, UID: there[target.Machine].UID})
	}
	for i := range command.Replacements {
		written.Replacements = append(written.Replacements, machines.NewName(command.Replacements[i].Provisioner))
	}
	stored := there[command.Machines[0].Machine]
	lead := stored.DeepCopy()
	machines.Conditions(lead).True(v1alpha5.ConditionDisrupting, command.Reason, command.Message)
	machines.Conditions(lead).Clear(v1alpha5.ConditionDisruptable)
	lead.Status.Disruption = written
	hold, err := p.rations.grant(ctx, command, facts, there, now, func() error { return machines.Write(ctx, p.client, stored, lead) })
	switch {
	case apierrors.IsConflict(err):
		return nil, nil // the machine is another one by now than it was decided on
	case err != nil:
		return nil, err
	case hold != nil:
		return nil, nil // somebody else was faster; the next pass says so
	}
	p.announce(ctx, command, lead, facts)
	return lead, nil
}

// announce tells of a command that is on record.
func (p *pass) announce(ctx context.Context, command *disruption.Command, lead *v1alpha5.Machine, facts problem.Facts) {
	names := make([]string, len(command.Machines))
	for i, target := range command.Machines {
		names[i] = target.Machine
	}
	action := "delete"
	if len(command.Replacements) > 0 {
		action = "replace"
	}
	p.journal.Metrics.DeprovisioningActions.WithLabelValues(action, command.Reason).Inc()
	ctrl.LoggerFrom(ctx).Info("decided to remove machines", "machines", names, "reason", command.Reason, "why", command.Message,
		"pods", command.Pods, "replacements", lead.Status.Disruption.Replacements, "savingPerHour", command.SavingPerHour, "cost", command.Cost,
		"candidates", len(facts.Snapshot.Entries))
}

// announceLaunch tells that what takes the place of machines is on its way.
func (p *pass) announceLaunch(command *disruption.Command, lead *v1alpha5.Machine) {
	p.journal.Events.Publish(events.Event{Object: lead, Reason: events.ReasonDeprovisioningLaunching, Message: fmt.Sprintf(
		"%s: launching %d machines in place of %d; %s", command.Reason, len(command.Replacements), len(command.Machines), command.Message)})
}
