package disruption

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

const (
	// fewEnough candidates are tried in all combinations.
	fewEnough = 5
	// fewToSwap candidates are swapped for others until none is better.
	fewToSwap = 16
	// mostTogether bounds how many machines are bought anew together: beyond that plans take longer and save hardly more.
	mostTogether = 32
)

// Consolidation finds machines whose pods cost less elsewhere: on nodes that are there, or on fewer or cheaper machines that are bought
// in their place. What it finds pays back what the moves cost, and holds together: all commands of one decision can be carried out.
func Consolidation(ctx context.Context, in *Input) Decision {
	var out Decision
	b := newBench(ctx, in)
	s := &search{bench: b, verdicts: map[string]Refusal{}}
	for i := range in.Candidates {
		c := &in.Candidates[i]
		if !c.Consolidate {
			continue
		}
		if b.motion {
			out.again(in.Now.Add(nominationRecheck))
			s.verdicts[c.Machine] = Refusal{Machine: c.Machine, Reason: ReasonUnsettled, Message: "pods that wait are about to come to nodes"}
			continue
		}
		reason, why, until := s.bars(c)
		if reason != "" {
			out.again(until)
			s.verdicts[c.Machine] = Refusal{Machine: c.Machine, Reason: reason, Message: why}
			continue
		}
		if why := s.tooDear(c); why != "" {
			s.verdicts[c.Machine] = Refusal{Machine: c.Machine, Reason: ReasonNotWorthIt, Message: why}
			continue
		}
		s.order = append(s.order, c)
	}
	s.sort()
	s.run(ctx)
	s.untried()
	for i := range s.best.moves {
		out.Commands = append(out.Commands, b.command(&s.best.moves[i]))
		for _, c := range s.best.moves[i].candidates {
			delete(s.verdicts, c.Machine)
		}
	}
	byName(out.Commands)
	for _, refusal := range s.verdicts {
		out.Refusals = append(out.Refusals, refusal)
	}
	out.Refusals = firstOfEach(out.Refusals)
	out.again(s.again)
	out.Waning = s.waning()
	if b.settings.DeletionCosts {
		out.DeletionCosts = s.deletionCosts()
	}
	return out
}

// search looks for the set of candidates whose moves are worth most.
type search struct {
	*bench
	// order has the candidates, the most promising first.
	order []*Candidate
	// moved maps the UID of a pod that was moved lately -> until when it is left alone.
	moved map[types.UID]time.Time
	best  outcome
	// verdicts maps the name of a machine -> why it stays, by what was tried last with fewest others.
	verdicts map[string]Refusal
	// alone maps the name of a machine -> how many went with it when its verdict was found.
	alone map[string]int
}

// outcome is a number of moves and what they are worth together, US dollars.
type outcome struct {
	moves []move
	worth float64
}

// bars returns what keeps a machine from going to save money, and until when if time will end it.
func (s *search) bars(c *Candidate) (reason, why string, until time.Time) {
	if reason, why, until := s.in.keeps(c); reason != "" {
		return reason, why, until
	}
	if s.moved == nil {
		s.moved = map[types.UID]time.Time{}
		if !s.settings.Eager {
			s.moved = s.movedLately()
		}
	}
	switch {
	case s.in.Now.Before(c.SettledAt):
		return ReasonUnsettled, "pods have come or gone a short while ago", c.SettledAt
	case c.PricePerHour <= 0:
		return ReasonPriceUnknown, "nobody knows what it costs", time.Time{}
	}
	for _, pod := range s.in.World.Displaced(c.Node) {
		if rested := s.moved[pod.UID]; s.in.Now.Before(rested) && rested.After(until) {
			reason, why, until = ReasonMovedLately, fmt.Sprintf("pod %s/%s, or one of its like, was moved a short while ago", pod.Namespace, pod.Name), rested
		}
	}
	return reason, why, until
}

// tooDear returns why a machine is not worth being emptied even if its pods cost nothing elsewhere, "" if it may be.
func (s *search) tooDear(c *Candidate) string {
	m := s.vanishing(c)
	if m.saving > s.leastSaving(&m) {
		return ""
	}
	s.soonest(s.paysFrom(&m))
	return fmt.Sprintf("without it $%.4f/h would be saved at most, which is $%.4f while that is taken to last; moving %d pods is taken to cost $%.4f",
		m.saving, m.saving*s.horizon(&m), m.pods, m.cost)
}

// vanishing is the best that can become of a machine: it goes, and its pods cost nothing elsewhere.
func (s *search) vanishing(c *Candidate) move {
	moving := s.in.World.Displaced(c.Node)
	return move{
		candidates: []*Candidate{c}, pods: len(moving), saving: c.PricePerHour + s.settings.NodeFee, cost: s.settings.costOf(c, moving, s.in.Now),
	}
}

func (s *search) movedLately() map[types.UID]time.Time {
	var all []*corev1.Pod
	for i := range s.in.Candidates {
		all = append(all, s.in.World.Displaced(s.in.Candidates[i].Node)...)
	}
	return s.settings.Moves.resting(all, s.in.Now, s.settings.LineageRest)
}

// sort puts those first that are worth most if their pods cost nothing elsewhere, the emptiest first of all: that they do is the likelier.
func (s *search) sort() {
	promise, left := make(map[*Candidate]float64, len(s.order)), s.emptiness()
	for _, c := range s.order {
		m := s.vanishing(c)
		promise[c] = s.net(&m) * (nearlyFull + left[c.Node]*left[c.Node])
	}
	slices.SortStableFunc(s.order, func(a, b *Candidate) int { return cmp.Compare(promise[b], promise[a]) })
}

// nearlyFull is what a node promises of which nothing is left: its pods may still fit machines that cost less.
const nearlyFull = 0.01

// emptiness maps the name of a node -> which part of it is left, of cpu or of memory, whatever is less.
func (s *search) emptiness() map[string]float64 {
	out := map[string]float64{}
	base := s.in.World.Without(nil)
	for i := range base.Nodes {
		left := roomOf(base.Nodes[i].Available)
		all := left
		for _, pod := range s.in.World.Displaced(base.Nodes[i].Name) {
			asked := roomOf(pods.Requests(pod))
			all.milliCPU, all.memory = all.milliCPU+asked.milliCPU, all.memory+asked.memory
		}
		out[base.Nodes[i].Name] = min(share(left.milliCPU, all.milliCPU), share(left.memory, all.memory))
	}
	return out
}

func share(of, all int64) float64 { return float64(max(of, 0)) / float64(max(all, 1)) }

// untried tells candidates apart that budgets would have let go, had they been tried, from those that budgets keep.
func (s *search) untried() {
	best := s.best.candidates()
	for _, c := range s.order {
		if s.verdicts[c.Machine].Reason == ReasonBudget && s.alone[c.Machine] == 0 && s.allowed(append(slices.Clone(best), c)) {
			s.verdicts[c.Machine] = Refusal{Machine: c.Machine, Reason: ReasonUntried, Message: "others promise to save more, and trying those was all that there was time for"}
		}
	}
}

// withinBudget returns the first that budgets let go together. The others are only tried where those are of no use.
func (s *search) withinBudget() []*Candidate {
	left := s.in.quotas()
	var out []*Candidate
	for _, c := range s.order {
		if left.take(Quota{c.Provisioner, ReasonUnderutilized}) {
			out = append(out, c)
			continue
		}
		s.verdicts[c.Machine] = overBudget(c, ReasonUnderutilized)
	}
	return out
}

// run tries sets of candidates, the more promising the earlier, until the effort is spent.
func (s *search) run(ctx context.Context) {
	s.alone = map[string]int{}
	within := s.withinBudget()
	if len(within) <= fewEnough {
		s.combinations(ctx, within)
	} else {
		for n := len(within); n > 1; n /= 2 {
			s.consider(ctx, within[:n], false)
			if n <= mostTogether {
				s.consider(ctx, within[:n], true)
			}
		}
		for _, c := range within {
			s.consider(ctx, []*Candidate{c}, true)
		}
	}
	s.grow(ctx)
	if len(s.order) <= fewToSwap {
		s.swap(ctx)
	}
}

// combinations tries all sets there are, the small ones first.
func (s *search) combinations(ctx context.Context, among []*Candidate) {
	n := len(among)
	sets := make([]int, 0, 1<<n)
	for bits := 1; bits < 1<<n; bits++ {
		sets = append(sets, bits)
	}
	slices.SortStableFunc(sets, func(a, b int) int { return cmp.Compare(ones(a), ones(b)) })
	for _, bits := range sets {
		var set []*Candidate
		for i, c := range among {
			if bits&(1<<i) != 0 {
				set = append(set, c)
			}
		}
		s.consider(ctx, set, true)
	}
}

func ones(bits int) int {
	n := 0
	for ; bits > 0; bits &= bits - 1 {
		n++
	}
	return n
}

// grow adds candidates one at a time to the best set, as far as budgets go, for as long as that makes it better.
func (s *search) grow(ctx context.Context) {
	for _, c := range s.order {
		set := s.best.candidates()
		if slices.Contains(set, c) || len(set) >= mostTogether {
			continue
		}
		if set = append(set, c); s.allowed(set) {
			s.consider(ctx, set, true)
		}
	}
}

// swap starts anew from each candidate, as what is best to begin with need not be part of the best set, and puts candidates in the place
// of one or two others for as long as that makes the set better.
func (s *search) swap(ctx context.Context) {
	best := s.best
	for _, c := range s.order {
		s.best = outcome{}
		s.consider(ctx, []*Candidate{c}, true)
		s.climb(ctx)
		if s.best.worth > best.worth+cent {
			best = s.best
		}
	}
	s.best = best
	s.climb(ctx)
}

// climb changes the best set by one or two candidates for as long as that makes it better.
func (s *search) climb(ctx context.Context) {
	for before := -1.0; s.best.worth > before+cent; {
		before = s.best.worth
		s.grow(ctx)
		for _, c := range s.order {
			set := s.best.candidates()
			for i := 0; i < len(set) && !slices.Contains(set, c); i++ {
				other := slices.Clone(set)
				if other[i] = c; s.allowed(other) {
					s.consider(ctx, other, true)
				}
			}
		}
	}
}

// allowed reports whether budgets let all of a set go.
func (s *search) allowed(set []*Candidate) bool {
	left := s.in.quotas()
	return !slices.ContainsFunc(set, func(c *Candidate) bool { return !left.take(Quota{c.Provisioner, ReasonUnderutilized}) })
}

func (o *outcome) candidates() []*Candidate {
	var out []*Candidate
	for i := range o.moves {
		out = append(out, o.moves[i].candidates...)
	}
	return out
}

// consider tries a set and keeps what is worth more than the best so far.
func (s *search) consider(ctx context.Context, set []*Candidate, buy bool) {
	if s.spent(ctx) {
		return
	}
	var got outcome
	tried := s.try(ctx, set, buy)
	for i := range tried.moves {
		m := &tried.moves[i]
		if m.refusal.Reason == "" {
			got.moves, got.worth = append(got.moves, *m), got.worth+s.net(m)
			continue
		}
		s.note(m, len(set))
	}
	if got.worth > s.best.worth+cent || s.best.moves == nil && len(got.moves) > 0 {
		// What was refused is not moved after all: the rest has to hold without it.
		if len(got.moves) < len(tried.moves) {
			s.consider(ctx, got.candidates(), buy)
			return
		}
		if s.rehearse(ctx, &tried.problem, &tried.plan) {
			s.best = got
			return
		}
		for i := range tried.moves {
			tried.moves[i].refusal = Refusal{Reason: ReasonNeeded, Message: "its pods would fit elsewhere only if the scheduler packed them tightly, which it does not"}
			s.note(&tried.moves[i], len(set))
		}
	}
}

// note keeps why a move was refused that few others were tried with: that is the nearest to what keeps the machine.
func (s *search) note(m *move, together int) {
	for _, c := range m.candidates {
		if before, tried := s.alone[c.Machine]; !tried || together < before {
			s.alone[c.Machine] = together
			s.verdicts[c.Machine] = Refusal{Machine: c.Machine, Reason: m.refusal.Reason, Message: m.refusal.Message}
		}
	}
}

// command turns a move into what is recorded of it.
func (b *bench) command(m *move) Command {
	out := Command{
		Replacements: m.machines, Reason: ReasonUnderutilized, Pods: m.pods, SavingPerHour: m.saving, Cost: m.cost,
	}
	price := 0.0
	for _, c := range m.candidates {
		out.Machines = append(out.Machines, c.target())
		price += c.PricePerHour
	}
	slices.SortFunc(out.Machines, func(a, b Target) int { return cmp.Compare(a.Machine, b.Machine) })
	instead := "on nodes that are there"
	if len(m.machines) > 0 {
		var types []string
		for i := range m.machines {
			types = append(types, fmt.Sprintf("%s %s at $%.4f/h", m.machines[i].CapacityType, m.machines[i].InstanceTypes[0], m.machines[i].PricePerHour))
		}
		instead = "on " + strings.Join(types, ", ")
	}
	out.Message = fmt.Sprintf("%d pods of %d machines at $%.4f/h fit %s; saves $%.4f/h, moving them is taken to cost $%.4f",
		m.pods, len(m.candidates), price, instead, m.saving, m.cost)
	return out
}
