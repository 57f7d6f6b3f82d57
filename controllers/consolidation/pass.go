package consolidation

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
)

const (
	// passEvery is how often it is looked whether anything has changed that a decision depends on.
	passEvery = 10 * time.Second
	// decidedAnew is how long after a decision another one is made though nothing has changed that is looked at: prices, for one, have.
	decidedAnew = 5 * time.Minute
)

// pass decides over all machines at once, for every reason but emptiness: which are due, and which are not worth what they cost.
type pass struct {
	client      client.Client
	market      Market
	nominations Nominations
	policy      drain.Policy
	settings    disruption.Settings
	steering    bool
	settling    settling
	ledger      *ledger
	rations     *rations
	executor    *executor
	journal     journal.Journal

	// seen is what the last decision was made on, and again when time alone may change it.
	seen  uint64
	again time.Time
	// rollouts are those of the last input.
	rollouts map[string]rollout
	// said maps the name of a machine -> when it was said last why it stays.
	said map[string]time.Time
	// costRefused says that the last pass could not write to some pods, which was said then.
	costRefused bool
	// held is what kept the last pass from deciding.
	held string
}

// Start decides time and again until ctx ends. A pass that fails is repeated.
func (p *pass) Start(ctx context.Context) error {
	ctx = ctrl.LoggerInto(ctx, ctrl.LoggerFrom(ctx).WithName("consolidation"))
	ticker := p.journal.Clock.NewTicker(passEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C():
		}
		if err := p.run(ctx); err != nil && ctx.Err() == nil {
			ctrl.LoggerFrom(ctx).Error(err, "consolidation pass ended early")
		}
	}
}

// run makes one decision, and writes it down.
func (p *pass) run(ctx context.Context) error {
	if kept, err := p.kept(ctx); err != nil || kept {
		return err
	}
	if asked, err := p.asked(ctx); err != nil || !asked {
		return err
	}
	facts, edition, err := p.market.Survey(ctx)
	if err != nil {
		return err
	}
	defer p.journal.Pulse.Begin("deciding on machines")()
	now := p.journal.Clock.Now()
	p.ledger.notice(facts.Snapshot, now)
	in, err := p.input(ctx, facts, now)
	if err != nil {
		return err
	}
	seen := fingerprint(facts, in)
	if seen == p.seen && now.Before(p.again) {
		return nil
	}
	in.World = problem.Simulate(facts)
	decision := p.decide(ctx, in)
	p.seen, p.again = seen, now.Add(decidedAnew)
	if len(decision.Commands) > 0 {
		p.seen = 0 // what comes next depends on what becomes of these
	}
	if !decision.Again.IsZero() && decision.Again.Before(p.again) {
		p.again = decision.Again
	}
	for i := range decision.Commands {
		if err := p.begin(ctx, &decision.Commands[i], facts, edition); err != nil {
			return err
		}
	}
	done, err := p.leave(ctx, facts, &decision)
	if !done {
		p.seen = 0 // there is more to write, or once more
	}
	return err
}

// leave writes to machines that stay, and to their nodes, and reports whether that is all there is to write.
func (p *pass) leave(ctx context.Context, facts problem.Facts, decision *disruption.Decision) (bool, error) {
	if decision.Partial {
		return p.tell(ctx, facts, decision.Refusals, true)
	}
	steered, err := p.steer(ctx, facts.Snapshot, decision.Waning)
	if err != nil {
		return false, err
	}
	told, err := p.tell(ctx, facts, decision.Refusals, false)
	if err != nil {
		return false, err
	}
	costed, err := p.cost(ctx, decision.DeletionCosts)
	return steered && told && costed, err
}

// decide asks for what is due first: it goes whatever it costs.
func (p *pass) decide(ctx context.Context, in *disruption.Input) disruption.Decision {
	measured := func(name string, method disruption.Method) disruption.Method {
		return func(ctx context.Context, in *disruption.Input) disruption.Decision {
			start := p.journal.Clock.Now()
			defer func() {
				p.journal.Metrics.DeprovisioningDuration.WithLabelValues(name).Observe(p.journal.Clock.Since(start).Seconds())
			}()
			return method(ctx, in)
		}
	}
	return disruption.Decide(ctx, in, measured("expiration", disruption.Expiration), measured("drift", disruption.Drift),
		measured("consolidation", disruption.Consolidation))
}

// asked reports whether anybody asks for more than that empty machines go: to look at a whole cluster costs something.
func (p *pass) asked(ctx context.Context) (bool, error) {
	var provisioners v1alpha5.ProvisionerList
	if err := p.client.List(ctx, &provisioners, client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("listing provisioners: %w", err)
	}
	for i := range provisioners.Items {
		if _, expires := provisioners.Items[i].TTLUntilExpired(); expires || provisioners.Items[i].Consolidates() {
			return true, nil
		}
	}
	return p.saidBefore(ctx)
}

// saidBefore reports whether there is something on machines or nodes that has to be taken back in the end.
func (p *pass) saidBefore(ctx context.Context) (bool, error) {
	var list v1alpha5.MachineList
	if err := p.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("listing machines: %w", err)
	}
	if slices.ContainsFunc(list.Items, func(m v1alpha5.Machine) bool {
		return machines.Conditions(&m).IsTrue(v1alpha5.ConditionDrifted) || machines.Conditions(&m).Get(v1alpha5.ConditionDisruptable) != nil
	}) {
		return true, nil
	}
	var nodes corev1.NodeList
	if err := p.client.List(ctx, &nodes, client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("listing nodes: %w", err)
	}
	if slices.ContainsFunc(nodes.Items, func(n corev1.Node) bool { return machines.IsConsolidationCandidate(&n) }) {
		return true, nil
	}
	return p.costedBefore(ctx)
}

// input returns what a decision depends on.
func (p *pass) input(ctx context.Context, facts problem.Facts, now time.Time) (*disruption.Input, error) {
	in := &disruption.Input{Now: now, Settings: p.settings, Allowed: map[disruption.Quota]int{}}
	in.Settings.Moves = p.ledger.moves(now)
	in.Settings.NodeFee = facts.Settings.NodeFee
	var err error
	if in.Candidates, err = p.candidates(ctx, facts, now); err != nil {
		return nil, err
	}
	counts := map[string]int{}
	for i := range in.Candidates {
		c := &in.Candidates[i]
		if c.ExpiresAt.Before(now) && !c.ExpiresAt.IsZero() {
			counts[disruption.ReasonExpired]++
		}
		if c.Drifted != "" {
			counts[disruption.ReasonDrifted]++
		}
		if c.Consolidate {
			counts[disruption.ReasonUnderutilized]++
		}
	}
	for _, reason := range []string{disruption.ReasonExpired, disruption.ReasonDrifted, disruption.ReasonUnderutilized} {
		p.journal.Metrics.DeprovisioningEligible.WithLabelValues(reason).Set(float64(counts[reason]))
	}
	return in, p.allow(ctx, in, facts)
}

// allow says how many machines of each provisioner may go for which reason.
func (p *pass) allow(ctx context.Context, in *disruption.Input, facts problem.Facts) error {
	for _, name := range lo.Uniq(lo.Map(in.Candidates, func(c disruption.Candidate, _ int) string { return c.Provisioner })) {
		account, err := p.rations.account(ctx, facts.Offers[name].Provisioner, in.Now)
		if err != nil {
			return err
		}
		for _, reason := range []string{disruption.ReasonExpired, disruption.ReasonDrifted, disruption.ReasonUnderutilized} {
			allowance := disruption.Allowed(account.Budgets, v1alpha5.DisruptionReason(reason), account.Fleet, in.Now)
			if allowance.Machines != disruption.Unbounded {
				in.Allowed[disruption.Quota{Provisioner: name, Reason: reason}] = allowance.Machines
			}
		}
	}
	p.rollouts = rollouts(facts, in.Now)
	for name, rollout := range p.rollouts {
		quota := disruption.Quota{Provisioner: name, Reason: disruption.ReasonDrifted}
		left, bounded := in.Allowed[quota]
		if most := rollout.most(); most != disruption.Unbounded && (!bounded || most < left) {
			in.Allowed[quota] = most
		}
	}
	return nil
}

// begin records a command and has its replacements made. A decision that was overtaken is made anew by the next pass.
func (p *pass) begin(ctx context.Context, command *disruption.Command, facts problem.Facts, edition int64) error {
	if len(command.Replacements) > 0 && p.market.Edition() != edition {
		return nil
	}
	defer p.executor.purchases.begin(command.Machines[0].Machine)() // who sees the record must not miss what is about to be made
	lead, err := p.record(ctx, command, facts)
	if err != nil || lead == nil || len(command.Replacements) == 0 {
		return err
	}
	p.executor.purchases.note(lead.Name, lead.Status.Disruption.Replacements...)
	bought, err := p.market.Buy(ctx, edition, disruption.Order{
		Machines: command.Replacements, Names: lead.Status.Disruption.Replacements, For: lead.Name,
	})
	if err != nil {
		return fmt.Errorf("replacing machine %s: %w", lead.Name, err) // what was made all the same is found by its name
	}
	if !bought {
		return p.executor.takeBack(ctx, lead, v1alpha5.ReasonOvertaken, "something else was decided on meanwhile")
	}
	p.announceLaunch(command, lead)
	return nil
}
