package solver

import (
	"cmp"
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

// Solve plans for all pods of the problem at the least cost per hour it finds: first on nodes that are there or on their way,
// then on machines of the heaviest provisioner that can host a pod. The same problem gives the same plan in whatever order its
// lists are; only a context that ends before the plan is done makes a difference, by leaving pods unplaced.
//
// What it plans holds: requests with DaemonSets on every instance type listed, required node affinity, taints, limits, host
// ports, required anti-affinity over hostnames, binding topology spread over hostnames and zones. Preferences are disregarded.
// Pods that require what it does not plan for are left unplaced, with that as the reason.
func Solve(ctx context.Context, p Problem) Plan {
	s := newSolution(&p)
	s.placeAndBuy(ctx)
	for _, shelf := range s.shelves {
		s.emit(shelf)
	}
	s.giveReasons(ctx)
	s.plan.LowerBoundPerHour = s.lowerBound()
	return s.plan
}

// placeAndBuy fills nodes and buys machines. As soon as only a few pods are left it settles them all in the best way.
func (s *solution) placeAndBuy(ctx context.Context) {
	s.fillPlanned()
	if s.exactly(ctx, s.shelves) {
		return
	}
	s.fillNodes(ctx)
	for i, shelf := range s.shelves {
		if s.exactly(ctx, s.shelves[i:]) {
			return
		}
		s.buy(ctx, shelf)
	}
}

// solution is a plan in the making.
type solution struct {
	problem    *Problem
	dimensions dimensions
	rulebook   *rulebook
	groups     []*group
	shelves    []*shelf // heaviest provisioner first
	nodes      []*host  // initialized first, then by name
	plan       Plan
}

func newSolution(p *Problem) *solution {
	s := &solution{problem: p, dimensions: dimensionsOf(p)}
	lists := [][]*corev1.Pod{p.Pods, p.DaemonSets}
	for i := range p.Nodes {
		lists = append(lists, p.Nodes[i].Pods)
	}
	s.rulebook = newRulebook(lists...)
	refuser := newRefuser(s.rulebook, p.Nodes)
	s.groups = groupsOf(p.Pods, s.dimensions, s.rulebook, refuser.refuse)
	for _, g := range s.groups {
		g.plan(p.Planned)
	}
	s.nodes = hostsOf(p.Nodes, s.dimensions, s.rulebook)
	daemons := daemonsOf(p.DaemonSets, s.dimensions, s.rulebook)
	known := map[*cloudprovider.InstanceType]vector{}
	for _, provisioner := range byWeight(p.Provisioners) {
		shelf := newShelf(provisioner, s.dimensions, known)
		shelf.reserve(daemons)
		s.shelves = append(s.shelves, shelf)
	}
	s.spreadOverZones()
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

// giveReasons lists the pods that are not placed.
func (s *solution) giveReasons(ctx context.Context) {
	for _, g := range s.groups {
		if g.left == 0 {
			continue
		}
		switch {
		case g.miss.stage == missNothing && ctx.Err() != nil:
			g.miss = miss{missTime, outOfTime}
		case g.miss.stage == missNothing && len(s.shelves) == 0:
			g.miss = miss{missNone, "no provisioner exists; create one"}
		}
		reason := g.miss.reason()
		for _, pod := range g.take(g.left) {
			s.plan.Unplaced = append(s.plan.Unplaced, Unplaced{Pod: pod, Reason: reason})
		}
	}
	slices.SortStableFunc(s.plan.Unplaced, func(a, b Unplaced) int { return comparePods(a.Pod, b.Pod) })
}
