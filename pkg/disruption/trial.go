package disruption

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// longestWait is for how long pods that wait are expected on a node: as long as a machine may take to be ready.
const longestWait = 10 * time.Minute

// trialSteps bounds the work of the solver on a plan that may be thrown away.
const trialSteps = 200_000

// bench is where sets of candidates are tried.
type bench struct {
	in       *Input
	settings Settings
	// ready are the nodes that pods may be moved to.
	ready map[string]bool
	// leaving are nodes that have to go soon: pods that are moved there would be moved again.
	leaving map[string]bool
	// idle is what pods that wait already ask for while all candidates stay: by whether machines may be bought.
	idle map[bool]demand
	// effort is what is left of Settings.Effort.
	effort int
	prices priceList
	// provisioners may buy machines.
	provisioners []solver.Provisioner
	// rooms maps the name of a node -> what it has for pods in all.
	rooms map[string]room
	// guests has the pods that were looked at.
	guests map[*corev1.Pod]*guest
	// motion says that pods are about to come to nodes.
	motion bool
	// again is when time alone makes something worth it; zero for never.
	again time.Time
	// obliged makes moves whatever they cost.
	obliged bool
}

// demand is what pods that wait already get by a plan.
type demand struct {
	unplaced int
	cost     float64
}

// move is a number of machines that go together, and what comes in their place.
type move struct {
	candidates []*Candidate
	machines   []solver.Machine
	pods       int
	saving     float64
	cost       float64
	// refusal is why the move is not made; none where the reason is "".
	refusal Refusal
}

func newBench(ctx context.Context, in *Input) *bench {
	b := &bench{in: in, settings: in.Settings.withDefaults(), ready: map[string]bool{}, leaving: map[string]bool{}, idle: map[bool]demand{}, rooms: map[string]room{}, guests: map[*corev1.Pod]*guest{}}
	b.effort = b.settings.Effort
	base := in.World.Without(nil)
	for i := range base.Nodes {
		b.ready[base.Nodes[i].Name] = base.Nodes[i].Initialized
	}
	for i := range in.Candidates {
		c := &in.Candidates[i]
		if c.Drifted != "" || !c.ExpiresAt.IsZero() && !in.Now.Before(c.ExpiresAt) {
			b.leaving[c.Node] = true
		}
	}
	b.prices, b.provisioners = newPriceList(base.Provisioners), base.Provisioners
	if len(base.Pods) > 0 {
		for _, buy := range []bool{false, true} {
			plan := b.solve(ctx, nil, buy).plan
			b.idle[buy] = b.demandOf(plan, nil)
			b.motion = b.motion || b.moving(&plan)
		}
	}
	return b
}

// moving reports whether pods are about to come to nodes. Where is not known before they are there: the scheduler does as it likes. Pods
// that wait for long do so for a reason that a plan does not see, and are not waited for.
func (b *bench) moving(plan *solver.Plan) bool {
	comes := func(pod *corev1.Pod) bool {
		return pod.Spec.NodeName == "" && b.in.Now.Sub(pod.CreationTimestamp.Time) < longestWait
	}
	return slices.ContainsFunc(plan.Placements, func(p solver.Placement) bool { return comes(p.Pod) }) ||
		slices.ContainsFunc(plan.Machines, func(m solver.Machine) bool { return slices.ContainsFunc(m.Pods, comes) })
}

// solve plans for the pods of the candidates and those that wait already; without buying, on nodes that are there.
func (b *bench) solve(ctx context.Context, set []*Candidate, buy bool) attempt {
	nodes := make(map[string]bool, len(set))
	for _, c := range set {
		nodes[c.Node] = true
	}
	problem := b.in.World.Without(nodes)
	problem.Settings.Steps = trialSteps
	if len(b.leaving) > 0 {
		problem.Nodes = b.closed(problem.Nodes)
	}
	weight := 1
	if !buy {
		problem.Provisioners = nil
	} else {
		weight = 20
	}
	b.effort -= len(problem.Nodes) + weight*len(problem.Pods)
	return attempt{problem: problem, plan: solver.Solve(ctx, problem)}
}

// closed returns the nodes, with those that have to go soon closed to pods that do not tolerate that.
func (b *bench) closed(nodes []solver.Node) []solver.Node {
	out := slices.Clone(nodes)
	for i := range out {
		if b.leaving[out[i].Name] {
			out[i].Taints = append(slices.Clone(out[i].Taints), v1alpha5.DisruptedTaint())
		}
	}
	return out
}

// soonest notes that time alone makes something worth it.
func (b *bench) soonest(at time.Time) {
	if at.After(b.in.Now) && (b.again.IsZero() || at.Before(b.again)) {
		b.again = at
	}
}

// spent reports whether no more sets are to be tried.
func (b *bench) spent(ctx context.Context) bool { return b.effort <= 0 || ctx.Err() != nil }

// demandOf returns what pods get that belong to no candidate.
func (b *bench) demandOf(plan solver.Plan, of map[types.UID]int) demand {
	var out demand
	for _, u := range plan.Unplaced {
		if _, ours := of[u.Pod.UID]; !ours {
			out.unplaced++
		}
	}
	for i := range plan.Machines {
		alone := true
		for _, pod := range plan.Machines[i].Pods {
			_, ours := of[pod.UID]
			alone = alone && !ours
		}
		if alone {
			out.cost += plan.Machines[i].PricePerHour + b.settings.NodeFee
		}
	}
	return out
}

// attempt is a plan for a set of candidates, and the moves that come of it.
type attempt struct {
	problem solver.Problem
	plan    solver.Plan
	moves   []move
}

// try returns the moves that come of the set, whether they are worth it or not; none where pods that wait already would have it worse.
func (b *bench) try(ctx context.Context, set []*Candidate, buy bool) attempt {
	out := b.solve(ctx, set, buy)
	plan := &out.plan
	of := map[types.UID]int{} // UID of a pod -> place of its candidate in the set
	for i, c := range set {
		for _, pod := range b.in.World.Displaced(c.Node) {
			of[pod.UID] = i
		}
	}
	if got := b.demandOf(*plan, of); plan.CutShort || got.unplaced > b.idle[buy].unplaced || got.cost > b.idle[buy].cost+cent {
		return attempt{}
	}
	s := newSplit(set)
	for _, placement := range plan.Placements {
		if i, ours := of[placement.Pod.UID]; ours && !b.ready[placement.Node] {
			s.fail(i, "its pods would have to go to a node that is not ready yet")
		}
	}
	for _, u := range plan.Unplaced {
		if i, ours := of[u.Pod.UID]; ours {
			why := u.Reason
			if !buy { // the plan knows of no provisioner then, and says that
				why = "there is no room for it on the nodes that are there"
			}
			s.fail(i, "pod "+u.Pod.Namespace+"/"+u.Pod.Name+" has no other place: "+why)
		}
	}
	for m := range plan.Machines {
		s.host(m, plan.Machines[m].Pods, of)
	}
	for _, part := range s.parts() {
		out.moves = append(out.moves, b.finish(set, part, plan.Machines))
	}
	return out
}

// split takes a plan for a set of candidates apart into parts that have nothing to do with each other: candidates whose pods share no
// machine that is bought.
type split struct {
	set    []*Candidate
	parent []int
	failed map[int]string
	// machines maps the place of a candidate -> machines that host pods of it.
	machines map[int][]int
}

// part is a number of candidates, the machines that take their place, and why that fails.
type part struct {
	candidates, machines []int
	failed               string
}

func newSplit(set []*Candidate) *split {
	s := &split{set: set, parent: make([]int, len(set)), failed: map[int]string{}, machines: map[int][]int{}}
	for i := range s.parent {
		s.parent[i] = i
	}
	return s
}

func (s *split) root(i int) int {
	for s.parent[i] != i {
		i = s.parent[i]
	}
	return i
}

func (s *split) fail(i int, why string) {
	if s.failed[i] == "" {
		s.failed[i] = why
	}
}

// host notes which candidates share a machine. One that also hosts a pod that waits already is bought for that one's sake.
func (s *split) host(machine int, hosted []*corev1.Pod, of map[types.UID]int) {
	first, foreign := -1, false
	for _, pod := range hosted {
		i, ours := of[pod.UID]
		if !ours {
			foreign = true
			continue
		}
		if first < 0 {
			first = i
		}
		a, c := s.root(first), s.root(i)
		s.parent[max(a, c)] = min(a, c)
	}
	if first < 0 {
		return
	}
	s.machines[first] = append(s.machines[first], machine)
	if foreign {
		s.fail(first, "its pods would share a machine with pods that wait for one")
	}
}

func (s *split) parts() []part {
	byRoot := map[int]*part{}
	var roots []int
	for i := range s.set {
		root := s.root(i)
		p := byRoot[root]
		if p == nil {
			p = &part{}
			byRoot[root] = p
			roots = append(roots, root)
		}
		p.candidates = append(p.candidates, i)
		p.machines = append(p.machines, s.machines[i]...)
		if p.failed == "" {
			p.failed = s.failed[i]
		}
	}
	out := make([]part, 0, len(roots))
	for _, root := range roots {
		slices.Sort(byRoot[root].machines)
		out = append(out, *byRoot[root])
	}
	return out
}
