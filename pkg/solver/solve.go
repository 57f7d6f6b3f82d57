package solver

import (
	"cmp"
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Solve plans for all pods of the problem at the least cost per hour it finds: first on nodes that are there or on their way,
// then on machines of the heaviest provisioner that can host a pod. The same problem gives the same plan in whatever order its
// lists are; only a context that ends soon makes a difference. When half of its time is over, what is left is planned for in the
// quickest way rather than in the cheapest; when it ends, pods are left unplaced. Plan.CutShort says so.
//
// What it plans holds to all that is required: requests with those of DaemonSets on every instance type listed, the node selector
// and one term of the required node affinity, taints, limits, minValues, host ports, what volumes can be reached from and how many
// a node attaches, topology spread, and affinity and anti-affinity between pods, also those that run. Preferences count as
// requirements first and are given up one at a time where they cannot be met, unless Settings.IgnorePreferences says otherwise.
// Nothing is preempted. Pods that ask for what it does not plan for, resource claims and ties over too many topology keys, are
// left unplaced, with that as the reason.
func Solve(ctx context.Context, p Problem) Plan {
	at, done := newTempo(ctx)
	defer done()
	s := newSolution(&p, at)
	if at.Err() != nil {
		return s.unplanned()
	}
	s.rounds(at)
	s.seatStragglers(at)
	for _, shelf := range s.shelves {
		s.emit(shelf)
	}
	s.giveReasons(at)
	s.plan.LowerBoundPerHour = s.lowerBound(at)
	sortByPod(s.plan.Placements, s.pods, func(p *Placement) *corev1.Pod { return p.Pod })
	s.plan.CutShort = at.cut.Load()
	return s.plan
}

// placeAndBuy fills nodes and buys machines. What limits leave over still goes wherever there is room in the end.
func (s *solution) placeAndBuy(ctx context.Context) {
	s.fillAndBuy(ctx)
	for _, shelf := range s.shelves {
		s.topUp(shelf)
		s.eke(ctx, shelf)
	}
}

// fillAndBuy fills nodes and buys machines. As soon as only a few pods are left it settles them all in the best way.
func (s *solution) fillAndBuy(ctx context.Context) {
	s.fillPlanned()
	if len(s.shelves) > 0 {
		s.topUp(s.shelves[0])
	}
	if s.exactly(ctx, s.shelves) {
		return
	}
	s.fillNodes(ctx)
	for i, shelf := range s.shelves {
		if s.exactly(ctx, s.shelves[i:]) || ctx.Err() != nil {
			return
		}
		s.buy(ctx, shelf)
	}
}

// solution is a plan in the making.
type solution struct {
	problem    *Problem
	pods       []*corev1.Pod // of the problem, in order
	dimensions dimensions
	rulebook   *rulebook
	grouper    *grouper
	atlas      *atlas
	// groups are those that have a place to look for, in this round; settled ones have found it in an earlier one, lost ones
	// have none.
	groups, settled, lost []*group
	// changes is how often pods have got a place, or lost it again; known how often before this round.
	changes, known int
	// again are groups whose turn is in the next round.
	again   []*group
	shelves []*shelf // heaviest provisioner first
	nodes   []*host  // initialized first, then by name
	byName  map[string]*host
	effort  *effort // what is left of it
	// patience is what is left of the looks of rehearsals, coarsePatience of coarse ones.
	patience, coarsePatience int
	plan                     Plan
}

// newSolution sorts out what the problem is made of. If the time is over meanwhile, it stops there.
func newSolution(p *Problem, at *tempo) *solution {
	s := &solution{problem: p, dimensions: dimensionsOf(p), rulebook: newRulebook(p), effort: newEffort(p, at), patience: mostRehearsing, coarsePatience: mostGroupings}
	pending, ends := p.inOrder()
	nodes := byReadiness(p.Nodes)
	s.pods = pending
	mine, start := make([]*ties, 0, len(ends)), 0
	for i, end := range ends {
		if at.stops(i) {
			return s
		}
		mine, start = append(mine, s.rulebook.learn(pending[start])), end
	}
	theirs := make([][]*ties, len(nodes))
	for i, n := range nodes {
		if at.Err() != nil {
			return s
		}
		if n.Plain {
			theirs[i] = make([]*ties, len(n.Pods)+len(n.Yielding))
			continue
		}
		for _, pod := range slices.Concat(n.Pods, n.Yielding) {
			theirs[i] = append(theirs[i], s.rulebook.learnResident(pod))
		}
	}
	s.rulebook.learnDaemons(p.DaemonSets)
	s.rulebook.knows = p.knows()
	s.grouper = newGrouper(p, s.dimensions, s.rulebook)
	if s.groups = s.grouper.group(pending, ends, mine, at); at.Err() != nil {
		return s
	}
	s.nodes = hostsOf(nodes, theirs, s.dimensions, s.rulebook)
	s.byName = make(map[string]*host, len(s.nodes))
	for _, h := range s.nodes {
		s.byName[h.node.Name] = h
	}
	daemons := daemonsOf(p.DaemonSets, s.dimensions, s.rulebook)
	indexes := catalogues{dimensions: s.dimensions}
	for _, provisioner := range byWeight(p.Provisioners) {
		if at.Err() != nil {
			return s
		}
		s.shelves = append(s.shelves, newShelf(provisioner, indexes.of(provisioner.InstanceTypes), s.dimensions, daemons))
		s.shelves[len(s.shelves)-1].relaxed = p.Settings.MinValuesBestEffort
		s.shelves[len(s.shelves)-1].dearer = p.Settings.mostDearer()
	}
	s.atlas = newAtlas(&s.rulebook.topology, s.shelves, s.nodes, at)
	return s
}

// byWeight returns the provisioners, the heaviest first and equal ones by name.
func byWeight(provisioners []Provisioner) []*Provisioner {
	out := make([]*Provisioner, 0, len(provisioners))
	for i := range provisioners {
		out = append(out, &provisioners[i])
	}
	slices.SortFunc(out, func(a, b *Provisioner) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), cmp.Compare(a.Name, b.Name))
	})
	return out
}
