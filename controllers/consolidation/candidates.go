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
	awaited := awaited(facts.Snapshot)
	var out []disruption.Candidate
	for i := range facts.Snapshot.Entries {
		entry := &facts.Snapshot.Entries[i]
		if !mayGo(entry) {
			continue
		}
		offer, known := facts.Offers[entry.Machine.ProvisionerName()]
		if !known {
			continue // what its machines should be like is not known now
		}
		c := candidateOf(entry, offer)
		c.Nominated = awaited[c.Machine] || p.nominations.Nominated(c.Machine, now) || p.nominations.Nominated(c.Node, now)
		c.SettledAt = p.settling.at(entry.Node, now)
		if c.Consolidate || c.Drifted != "" || !c.ExpiresAt.IsZero() && !now.Before(c.ExpiresAt) {
			c.Held, c.HeldUntil = p.holding(entry, budgets, now)
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b disruption.Candidate) int { return cmp.Compare(a.Machine, b.Machine) })
	return out, nil
}

// holding returns what keeps a machine from going for any reason, "" for nothing, and until when if time will end it.
func (p *pass) holding(entry *state.Entry, budgets map[string][]policyv1.PodDisruptionBudget, now time.Time) (why string, until time.Time) {
	if rested := failedAt(entry.Machine).Add(failedRest); now.Before(rested) {
		return "the machine that was to take its place came to nothing a short while ago", rested
	}
	onNode := lo.Values(entry.Pods)
	holding := drain.Holding(onNode, of(budgets, onNode), p.policy, now)
	if len(holding) == 0 {
		return "", time.Time{}
	}
	first := slices.MinFunc(holding, func(a, b drain.Blocker) int { return cmp.Compare(a.Pod.UID, b.Pod.UID) })
	return fmt.Sprintf("pod %s/%s keeps it: %s", first.Pod.Namespace, first.Pod.Name, first.Message), first.Until
}

// failedRest is for how long a machine is left alone whose replacement came to nothing.
const failedRest = 15 * time.Minute

// failedAt returns when the replacement of a machine came to nothing; zero if none did.
func failedAt(machine *v1alpha5.Machine) time.Time {
	back := machines.Conditions(machine).Get(v1alpha5.ConditionDisrupting)
	if back == nil || back.Reason != v1alpha5.ReasonReplacementFailed {
		return time.Time{}
	}
	return back.LastTransitionTime.Time
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

// awaited returns the machines that are made to take the place of others that have not gone yet.
func awaited(snapshot state.Snapshot) map[string]bool {
	out := map[string]bool{}
	for i := range snapshot.Entries {
		if machine := snapshot.Entries[i].Machine; machine != nil && machine.Status.Disruption.Leads() {
			for _, name := range machine.Status.Disruption.Replacements {
				out[name] = true
			}
		}
	}
	return out
}

func candidateOf(entry *state.Entry, offer problem.Offer) disruption.Candidate {
	machine, node, provisioner := entry.Machine, entry.Node, offer.Provisioner
	c := disruption.Candidate{
		Machine: machine.Name, Node: node.Name, Provisioner: provisioner.Name, Protected: protected(machine, node),
		InstanceType: machine.Labels[corev1.LabelInstanceTypeStable], CapacityType: machine.Labels[v1alpha5.CapacityTypeLabel],
		Consolidate:  provisioner.Consolidates() && !keepsItsPlace(machine) && !keepsItsPlace(node),
		PricePerHour: priceOf(machine, offer),
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

// podBudgets maps a namespace -> its PodDisruptionBudgets.
func (p *pass) podBudgets(ctx context.Context) (map[string][]policyv1.PodDisruptionBudget, error) {
	var list policyv1.PodDisruptionBudgetList
	if err := p.client.List(ctx, &list); err != nil {
		return nil, fmt.Errorf("listing disruption budgets of pods: %w", err)
	}
	return lo.GroupBy(list.Items, func(b policyv1.PodDisruptionBudget) string { return b.Namespace }), nil
}

// of returns the budgets of the namespaces that pods are in.
func of(budgets map[string][]policyv1.PodDisruptionBudget, onNode []*corev1.Pod) []policyv1.PodDisruptionBudget {
	if len(budgets) == 0 {
		return nil
	}
	var out []policyv1.PodDisruptionBudget
	for _, namespace := range lo.Uniq(lo.Map(onNode, func(p *corev1.Pod, _ int) string { return p.Namespace })) {
		out = append(out, budgets[namespace]...)
	}
	return out
}
