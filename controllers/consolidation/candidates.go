package consolidation

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// candidates returns the machines that may go, in order of name.
func (p *pass) candidates(ctx context.Context, facts problem.Facts, now time.Time) ([]disruption.Candidate, error) {
	budgets, err := p.podBudgets(ctx)
	if err != nil {
		return nil, err
	}
	p.settling.look(facts.Snapshot, now)
	awaited, taken := recorded(facts.Snapshot)
	var out []disruption.Candidate
	for i := range facts.Snapshot.Entries {
		entry := &facts.Snapshot.Entries[i]
		if !mayGo(entry) || taken[entry.Machine.UID] {
			continue
		}
		offer, known := facts.Offers[entry.Machine.ProvisionerName()]
		if !known {
			continue // what its machines should be like is not known now
		}
		c := candidateOf(entry, offer)
		c.Nominated = awaited[c.Machine] || p.nominations.Nominated(c.Machine, now) || p.nominations.Nominated(c.Node, now)
		c.SettledAt, c.QuietSince = p.settling.at(entry.Node, now), p.settling.quietSince(entry.Node)
		if c.Consolidate || c.Drifted != "" || !c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt) {
			c.Held, c.HeldUntil = p.holding(entry, budgets, now)
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b disruption.Candidate) int { return cmp.Compare(a.Machine, b.Machine) })
	return out, nil
}

// holding returns what keeps a machine from going for any reason, "" for nothing, and until when if time will end it.
func (p *pass) holding(entry *state.Entry, budgets drain.Budgets, now time.Time) (why string, until time.Time) {
	if why, rested := restsUntil(entry.Machine); now.Before(rested) {
		return why, rested
	}
	return heldBy(drain.Holding(lo.Values(entry.Pods), budgets, p.policy, now))
}

// heldBy says which pod keeps a node, always the same one of several, and until when if time will end it.
func heldBy(holding []drain.Blocker) (why string, until time.Time) {
	if len(holding) == 0 {
		return "", time.Time{}
	}
	first := slices.MinFunc(holding, func(a, b drain.Blocker) int { return cmp.Compare(a.Pod.UID, b.Pod.UID) })
	return fmt.Sprintf("pod %s/%s keeps it: %s", first.Pod.Namespace, first.Pod.Name, first.Message), first.Until
}

const (
	// failedRest is for how long a machine is left alone whose replacement came to nothing, and takenBackRest the same for any other reason
	// why a decision was taken back: each try may launch instances.
	failedRest    = 15 * time.Minute
	takenBackRest = 3 * time.Minute
)

// restsUntil returns why a machine is left alone of which a decision was taken back, and until when; zero if none was.
func restsUntil(machine *v1alpha5.Machine) (why string, until time.Time) {
	back := machines.Conditions(machine).Get(v1alpha5.ConditionDisrupting)
	switch {
	case back == nil || back.Status != metav1.ConditionFalse:
		return "", time.Time{}
	case back.Reason == v1alpha5.ReasonReplacementFailed:
		return "the machine that was to take its place came to nothing a short while ago", back.LastTransitionTime.Add(failedRest)
	default:
		return "a decision on it was taken back a short while ago: " + back.Message, back.LastTransitionTime.Add(takenBackRest)
	}
}

// mayGo reports whether an entry is a machine that works, and of which nothing is decided.
func mayGo(entry *state.Entry) bool {
	if entry.Machine == nil || entry.Node == nil || entry.Deleting() || entry.Machine.Status.Disruption != nil {
		return false
	}
	set := machines.Conditions(entry.Machine)
	return set.IsTrue(v1alpha5.ConditionInitialized) && entry.Initialized() && !set.IsTrue(v1alpha5.ConditionDisrupting) &&
		entry.Machine.Annotations[v1alpha5.OrphanAnnotation] == ""
}

// recorded returns, of the decisions on record, the names of the machines that are made to take the place of others, and the UIDs of those
// that go: those that follow a lead may not say so themselves yet.
func recorded(snapshot state.Snapshot) (awaited map[string]bool, taken map[types.UID]bool) {
	awaited, taken = map[string]bool{}, map[types.UID]bool{}
	for i := range snapshot.Entries {
		machine := snapshot.Entries[i].Machine
		if machine == nil || !machine.Status.Disruption.Leads() {
			continue
		}
		for _, name := range machine.Status.Disruption.Replacements {
			awaited[name] = true
		}
		for _, of := range machine.Status.Disruption.Machines {
			taken[of.UID] = true
		}
	}
	return awaited, taken
}

func candidateOf(entry *state.Entry, offer problem.Offer) disruption.Candidate {
	machine, node, provisioner := entry.Machine, entry.Node, offer.Provisioner
	c := disruption.Candidate{
		Machine: machine.Name, Node: node.Name, Provisioner: provisioner.Name, Protected: protected(machine, node),
		InstanceType: machine.Labels[corev1.LabelInstanceTypeStable], CapacityType: machine.Labels[v1alpha5.CapacityTypeLabel],
		Consolidate:  provisioner.Consolidates() && !keepsItsPlace(machine) && !keepsItsPlace(node),
		PricePerHour: priceOf(machine, offer), Waning: machines.IsConsolidationCandidate(node),
	}
	if ttl, ok := provisioner.TTLUntilExpired(); ok {
		c.ExpiresAt = machine.CreationTimestamp.Add(ttl)
	}
	if drifted := machines.Conditions(machine).Get(v1alpha5.ConditionDrifted); machines.Conditions(machine).IsTrue(v1alpha5.ConditionDrifted) {
		c.Drifted, c.DriftedSince = drifted.Reason+": "+drifted.Message, drifted.LastTransitionTime.Time
	}
	return c
}

// keepsItsPlace reports whether somebody asks that a machine or node does not go to save money.
func keepsItsPlace(object client.Object) bool {
	return object.GetAnnotations()[v1alpha5.DoNotConsolidateAnnotation] == "true"
}

// priceOf returns what a machine costs per hour, US dollars: what its offering costs now or, where that is not known any more, what the
// machine was planned to cost.
func priceOf(machine *v1alpha5.Machine, offer problem.Offer) float64 {
	for _, t := range offer.InstanceTypes {
		if t.Name != machine.Labels[corev1.LabelInstanceTypeStable] {
			continue
		}
		for i := range t.Offerings {
			o := &t.Offerings[i]
			if o.Zone == machine.Labels[corev1.LabelTopologyZone] && o.CapacityType == machine.Labels[v1alpha5.CapacityTypeLabel] && o.Price > 0 {
				return o.Price
			}
		}
	}
	planned, err := strconv.ParseFloat(machine.Annotations[v1alpha5.PriceAnnotation], 64)
	if err != nil {
		return 0
	}
	return planned
}

// podBudgets returns all PodDisruptionBudgets.
func (p *pass) podBudgets(ctx context.Context) (drain.Budgets, error) {
	var list policyv1.PodDisruptionBudgetList
	if err := p.client.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing disruption budgets of pods: %w", err)
	}
	return drain.NewBudgets(list.Items), nil
}
