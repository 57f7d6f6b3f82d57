package solver_test

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// few returns a problem of at most eight pods and twelve instance types. Where there are limits there is one provisioner, for
// which pods the heavier of two leaves to the other is not a question of cost. Labels that a provisioner leaves open, and
// DaemonSets that run in some zones or for some teams, follow rules of their own; they are left out.
func (w world) few() solver.Problem {
	p := solver.Problem{Settings: solver.Settings{NodeFee: float64(w.IntN(3)) / 40}}
	types, most := w.instanceTypes(), 8
	provisioners := 1 + w.IntN(2)
	for i := range provisioners {
		q := w.provisioner(i, types)
		if q.Requirements.Has(teamLabel) && !q.Requirements.Get(teamLabel).Finite() {
			delete(q.Requirements, teamLabel)
		}
		if provisioners > 1 {
			q.Remaining = nil
		} else if q.Remaining != nil {
			most = 5
		}
		p.Provisioners = append(p.Provisioners, q)
	}
	for i := range w.IntN(3) {
		p.Nodes = append(p.Nodes, w.node(i))
	}
	p.Nodes = append(p.Nodes, w.full())
	for i := range w.IntN(3) {
		d := w.daemon(i)
		delete(d.Spec.NodeSelector, corev1.LabelTopologyZone)
		delete(d.Spec.NodeSelector, teamLabel)
		p.DaemonSets = append(p.DaemonSets, d)
	}
	for i := 0; len(p.Pods) < most && i < 6; i++ {
		modifiers := w.shape()
		for k := range 1 + w.IntN(3) {
			if len(p.Pods) < most {
				p.Pods = append(p.Pods, builders.Pod(append(modifiers, builders.Name(fmt.Sprintf("pod-%02d-%d", i, k)))...))
			}
		}
	}
	return p
}

func TestNothingIsCheaperThanThePlanForFewPods(t *testing.T) {
	bought := 0
	for seed := range uint64(2 * problems) {
		p := newWorld(seed).few()
		plan := solver.Solve(t.Context(), p)
		unplaced, cost := newBrute(p).optimum()
		bought += len(plan.Machines)
		if len(plan.Unplaced) != unplaced || math.Abs(plan.CostPerHour-cost) > 1e-9 {
			t.Errorf("problem %d: the plan costs $%v/h with %d pods unplaced, the best $%v/h with %d", seed, plan.CostPerHour, len(plan.Unplaced), cost, unplaced)
		}
		if plan.LowerBoundPerHour > cost+1e-9 {
			t.Errorf("problem %d: the lower bound is $%v/h, the best plan costs $%v/h", seed, plan.LowerBoundPerHour, cost)
		}
	}
	if bought < problems {
		t.Errorf("only %d machines are bought in all, too few to show anything", bought)
	}
}

// brute finds the best plan by trying all: who goes to which node, and every partition of the rest into machines.
type brute struct {
	problem solver.Problem
	// sites are the machines that each provisioner can buy, the heaviest provisioner first.
	sites [][]site
	// home is for each pod the provisioner that has to host it, -1 if none can.
	home []int
	// holds is for each provisioner and set of pods what there is to buy for all of them, at best.
	holds []map[int][]site
	// seats is for each node and set of pods whether it has room for all of them.
	seats []map[int]bool
	// best is for each set of pods what is left of it at best, and what the rest costs.
	best map[int]score
}

// site is a machine that can be bought.
type site struct {
	on      map[string]string
	taints  []corev1.Taint
	room    corev1.ResourceList
	daemons []*corev1.Pod
	price   float64
	charge  corev1.ResourceList
	accepts int // the set of pods that could be there alone
}

type score struct {
	unplaced int
	cost     float64
}

func (s score) better(o score) bool {
	return cmp.Or(cmp.Compare(s.unplaced, o.unplaced), cmp.Compare(s.cost, o.cost)) < 0
}

func newBrute(p solver.Problem) *brute {
	b := &brute{problem: p, best: map[int]score{}}
	provisioners := slices.Clone(p.Provisioners)
	slices.SortFunc(provisioners, func(a, b solver.Provisioner) int {
		return cmp.Or(cmp.Compare(b.Weight, a.Weight), cmp.Compare(a.Name, b.Name))
	})
	for _, q := range provisioners {
		b.sites, b.holds = append(b.sites, sitesOf(p, q)), append(b.holds, map[int][]site{})
	}
	for range p.Nodes {
		b.seats = append(b.seats, map[int]bool{})
	}
	for i := range p.Pods {
		b.home = append(b.home, slices.IndexFunc(provisioners, func(q solver.Provisioner) bool {
			k := slices.IndexFunc(provisioners, func(o solver.Provisioner) bool { return o.Name == q.Name })
			return len(b.holding(k, 1<<i)) > 0
		}))
	}
	return b
}

// sitesOf returns what a provisioner can buy, the cheapest first: each type in each zone as each capacity type, with each team
// that the provisioner allows.
func sitesOf(p solver.Problem, q solver.Provisioner) []site {
	own := q.Requirements.Union(scheduling.FromLabels(map[string]string{v1alpha5.ProvisionerNameLabel: q.Name}))
	variants := []scheduling.Requirements{own}
	if own.Has(teamLabel) {
		variants = variants[:0]
		for _, team := range own.Get(teamLabel).Values() {
			variants = append(variants, own.Union(scheduling.FromLabels(map[string]string{teamLabel: team})))
		}
	}
	var out []site
	for _, t := range q.InstanceTypes {
		if own.Conflict(t.Requirements) != "" {
			continue
		}
		for _, r := range variants {
			for _, on := range outcomes(r, t) {
				out = append(out, siteOf(p, q, t, on))
			}
		}
	}
	slices.SortStableFunc(out, func(a, b site) int { return cmp.Compare(a.price, b.price) })
	return out
}

func siteOf(p solver.Problem, q solver.Provisioner, t *cloudprovider.InstanceType, on map[string]string) site {
	s := site{on: on, taints: q.Taints, room: t.Allocatable(), charge: resources.Sum(t.Capacity, corev1.ResourceList{v1alpha5.ResourceNodes: resource.MustParse("1")})}
	for _, o := range t.Offerings {
		if o.Zone == on[corev1.LabelTopologyZone] && o.CapacityType == on[v1alpha5.CapacityTypeLabel] {
			s.price = o.Price + p.Settings.NodeFee
		}
	}
	for _, d := range p.DaemonSets {
		if tolerates(d, q.Taints) && selects(d, on) {
			s.daemons, s.room = append(s.daemons, d), resources.Sub(s.room, pods.Requests(d))
		}
	}
	for i, pod := range p.Pods {
		if broken(on, q.Taints, s.room, []*corev1.Pod{pod}, nil) == "" {
			s.accepts |= 1 << i
		}
	}
	return s
}

// of returns the pods of a set.
func (b *brute) of(set int) []*corev1.Pod {
	var out []*corev1.Pod
	for i, pod := range b.problem.Pods {
		if set&(1<<i) != 0 {
			out = append(out, pod)
		}
	}
	return out
}

// holding returns what one provisioner can buy to host a set of pods on one machine; the cheapest alone where there are no limits.
func (b *brute) holding(provisioner, set int) []site {
	if known, ok := b.holds[provisioner][set]; ok {
		return known
	}
	var out []site
	list, total := b.of(set), corev1.ResourceList{}
	for _, pod := range list {
		total = resources.Sum(total, pods.Requests(pod))
	}
	if rest := set & (set - 1); rest == 0 || len(b.holding(provisioner, rest)) > 0 {
		for i := range b.sites[provisioner] {
			s := &b.sites[provisioner][i]
			if s.accepts&set == set && len(resources.Exceeding(total, s.room)) == 0 && quarrel(slices.Concat(list, s.daemons)) == "" {
				out = append(out, *s)
				if b.problem.Provisioners[0].Remaining == nil {
					break
				}
			}
		}
	}
	b.holds[provisioner][set] = out
	return out
}

// optimum returns how many pods the best plan leaves unplaced, and what it costs.
func (b *brute) optimum() (int, float64) {
	best := score{unplaced: math.MaxInt}
	b.seat(0, (1<<len(b.problem.Pods))-1, func(left int) {
		if s := b.buy(left); s.better(best) {
			best = s
		}
	})
	return best.unplaced, best.cost
}

// seat yields what may be left to buy for once nodes have taken their part.
func (b *brute) seat(node, left int, yield func(int)) {
	if node == len(b.problem.Nodes) {
		yield(left)
		return
	}
	for part := left; ; part = (part - 1) & left {
		if part == 0 || b.takes(node, part) {
			b.seat(node+1, left&^part, yield)
		}
		if part == 0 {
			return
		}
	}
}

// takes reports whether a node has room for a set of pods.
func (b *brute) takes(node, set int) bool {
	known, ok := b.seats[node][set]
	if !ok {
		rest := set & (set - 1)
		known = (rest == 0 || b.takes(node, rest)) && b.room(b.problem.Nodes[node], b.of(set))
		b.seats[node][set] = known
	}
	return known
}

func (b *brute) room(n solver.Node, list []*corev1.Pod) bool {
	for _, zone := range append(n.Possible.Get(corev1.LabelTopologyZone).Values(), n.Labels[corev1.LabelTopologyZone]) {
		on := maps.Clone(n.Labels)
		if on[corev1.LabelTopologyZone] = zone; zone != "" && broken(on, n.Taints, n.Available, list, nil) != "" {
			return false
		}
	}
	return quarrel(slices.Concat(list, n.Pods)) == ""
}

// buy returns the best that can be bought for a set of pods.
func (b *brute) buy(set int) score {
	if known, ok := b.best[set]; ok {
		return known
	}
	var total score
	for k := range b.sites {
		own := 0
		for i, home := range b.home {
			if home == k && set&(1<<i) != 0 {
				own |= 1 << i
			}
		}
		best := score{unplaced: math.MaxInt}
		b.partition(k, own, score{}, b.problem.Provisioners[0].Remaining, &best)
		total = score{total.unplaced + best.unplaced, total.cost + best.cost}
	}
	for i, home := range b.home {
		if home < 0 && set&(1<<i) != 0 {
			total.unplaced++
		}
	}
	b.best[set] = total
	return total
}

// partition tries every machine for the first pod of the set with any of the others, and none.
func (b *brute) partition(provisioner, set int, so score, left corev1.ResourceList, best *score) {
	if set == 0 {
		if so.better(*best) {
			*best = so
		}
		return
	}
	if !so.better(*best) {
		return
	}
	first := set & -set
	others := set &^ first
	for part := others; ; part = (part - 1) & others {
		for _, s := range b.holding(provisioner, first|part) {
			if rest, ok := spend(left, s.charge); ok {
				b.partition(provisioner, others&^part, score{so.unplaced, so.cost + s.price}, rest, best)
			}
		}
		if part == 0 {
			break
		}
	}
	if left != nil {
		b.partition(provisioner, others, score{so.unplaced + 1, so.cost}, left, best)
	}
}

func spend(left, charge corev1.ResourceList) (corev1.ResourceList, bool) {
	if left == nil {
		return nil, true
	}
	out := corev1.ResourceList{}
	for name, q := range left {
		q = q.DeepCopy()
		q.Sub(charge[name])
		if out[name] = q; q.Sign() < 0 && !charge.Name(name, resource.DecimalSI).IsZero() {
			return nil, false
		}
	}
	return out, true
}
