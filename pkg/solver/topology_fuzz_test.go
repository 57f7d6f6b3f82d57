package solver_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// draws are choices that a fuzzer makes, a byte each; zero once there are no more.
type draws []byte

func (d *draws) below(n int) int {
	if len(*d) == 0 {
		return 0
	}
	b := (*d)[0]
	*d = (*d)[1:]
	return int(b) % n
}

func (d *draws) pick(of ...string) string { return of[d.below(len(of))] }

func (d *draws) app() map[string]string {
	return map[string]string{"app": d.pick("web", "db", "batch")}
}

func (d *draws) key() string { return d.pick(corev1.LabelTopologyZone, corev1.LabelHostname) }

// terms returns up to three constraints between pods.
func (d *draws) terms() []builders.PodModifier {
	var out []builders.PodModifier
	for range d.below(4) {
		switch d.below(3) {
		case 0:
			out = append(out, builders.Spread(d.key(), int32(1+d.below(2)), d.app())) //nolint:gosec // 1 or 2
		case 1:
			out = append(out, builders.Affinity(d.key(), d.app()))
		case 2:
			out = append(out, builders.AntiAffinity(d.key(), d.app()))
		}
	}
	return out
}

// problem draws a few nodes with running pods and a few workloads.
func (d *draws) problem() solver.Problem {
	zones := []string{"zone-a", "zone-b", "zone-c"}[:1+d.below(3)]
	p := solver.Problem{Provisioners: []solver.Provisioner{{Name: "default"}}}
	for i, cores := range []int{2, 4, 16} {
		price := []float64{0.1, 0.19, 0.7}[i]
		p.Provisioners[0].InstanceTypes = append(p.Provisioners[0].InstanceTypes, builders.InstanceType(fmt.Sprint("type-", i),
			builders.Capacity(fmt.Sprint(cores), fmt.Sprintf("%dGi", 4*cores), 4*cores), builders.OnDemand(price, zones...)))
	}
	for i := range d.below(4) {
		name := fmt.Sprint("node-", i)
		n := solver.Node{
			Name: name, Initialized: d.below(2) == 0, Available: builders.InstanceType("", builders.Capacity(fmt.Sprint(d.below(5)), "16Gi", 8)).Capacity,
			Labels: map[string]string{corev1.LabelHostname: name, corev1.LabelTopologyZone: zones[d.below(len(zones))]},
		}
		for k := range d.below(3) {
			n.Pods = append(n.Pods, builders.Pod(append(d.terms(), builders.Labels(d.app()), builders.Name(fmt.Sprintf("running-%d-%d", i, k)), builders.OnNode(name))...))
		}
		p.Nodes = append(p.Nodes, n)
	}
	for i := range 1 + d.below(4) {
		shape := append(d.terms(), builders.Labels(d.app()), builders.CPU(d.pick("100m", "1", "1900m")))
		for k := range 1 + d.below(5) {
			p.Pods = append(p.Pods, builders.Pod(append(shape, builders.Name(fmt.Sprintf("pod-%d-%d", i, k)))...))
		}
	}
	return p
}

// Whatever pods ask of each other, the scheduler can bind all that are planned for, one after the other in some order, on the nodes
// as they will be, in whichever of its zones each machine comes up.
func FuzzTopology(f *testing.F) {
	for seed := range uint64(64) {
		w, in := newWorld(seed), make([]byte, 64)
		for i := range in {
			in[i] = byte(w.IntN(256))
		}
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		d := draws(in)
		p := d.problem()
		plan := solver.Solve(t.Context(), p)
		total := len(plan.Placements) + len(plan.Unplaced)
		for _, m := range plan.Machines {
			total += len(m.Pods)
		}
		if total != len(p.Pods) {
			t.Errorf("%d pods are in the plan, %d in the problem", total, len(p.Pods))
		}
		for _, last := range []bool{false, true} {
			if stuck := bind(p, plan, last); len(stuck) > 0 {
				t.Errorf("the scheduler binds all but these:\n%s\nplan:\n%s", strings.Join(stuck, "\n"), text(plan))
			}
		}
		if plan.LowerBoundPerHour > plan.CostPerHour {
			t.Errorf("the plan costs $%v/h, its lower bound is $%v/h", plan.CostPerHour, plan.LowerBoundPerHour)
		}
	})
}

// scheduler binds pods as Kubernetes' does, as far as they look at each other.
type scheduler struct {
	nodes   []map[string]string // labels
	bound   []binding
	waiting []binding
}

// binding is a pod on the node of an index.
type binding struct {
	pod  *corev1.Pod
	node int
}

// newScheduler knows all nodes of the plan; machines are in the first or the last of their zones.
func newScheduler(p solver.Problem, plan solver.Plan, last bool) *scheduler {
	s := &scheduler{}
	index := map[string]int{}
	for i, n := range p.Nodes {
		index[n.Name] = i
		s.nodes = append(s.nodes, n.Labels)
		for _, pod := range n.Pods {
			s.bound = append(s.bound, binding{pod, i})
		}
	}
	for _, placement := range plan.Placements {
		s.waiting = append(s.waiting, binding{placement.Pod, index[placement.Node]})
	}
	for i, m := range plan.Machines {
		zones := m.Requirements.Get(corev1.LabelTopologyZone).Values()
		zone := zones[0]
		if last {
			zone = zones[len(zones)-1]
		}
		for _, pod := range m.Pods {
			s.waiting = append(s.waiting, binding{pod, len(s.nodes)})
		}
		s.nodes = append(s.nodes, map[string]string{corev1.LabelHostname: fmt.Sprint("machine-", i), corev1.LabelTopologyZone: zone})
	}
	return s
}

// bind returns what is wrong with the pods that are left when all others are bound, nothing if some order binds all. Pods that are
// counted but do not care may have to come after those that do: now and then, who was left most often comes first.
func bind(p solver.Problem, plan solver.Plan, last bool) []string {
	var out []string
	left := map[*corev1.Pod]int{}
	for seed := range uint64(60) {
		s := newScheduler(p, plan, last)
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(s.waiting), func(i, j int) { s.waiting[i], s.waiting[j] = s.waiting[j], s.waiting[i] })
		if seed%2 == 0 {
			slices.SortStableFunc(s.waiting, func(a, b binding) int {
				return cmp.Compare(min(1, len(b.pod.Spec.TopologySpreadConstraints)), min(1, len(a.pod.Spec.TopologySpreadConstraints)))
			})
		}
		if seed%4 == 1 { // whoever waits for nobody
			slices.SortStableFunc(s.waiting, func(a, b binding) int { return cmp.Compare(joins(a.pod), joins(b.pod)) })
		}
		if seed%3 == 2 {
			slices.SortStableFunc(s.waiting, func(a, b binding) int { return cmp.Compare(left[b.pod], left[a.pod]) })
		}
		if out = s.bind(seed%3 == 2); len(out) == 0 {
			return nil
		}
		for _, b := range s.waiting {
			left[b.pod]++
		}
	}
	return out
}

// joins is 1 for pods that require the company of others.
func joins(pod *corev1.Pod) int {
	if pod.Spec.Affinity != nil && pod.Spec.Affinity.PodAffinity != nil {
		return 1
	}
	return 0
}

// bind binds the first that can be until none can, and returns what is wrong with the rest. It may prefer one that lets the first in
// who waits.
func (s *scheduler) bind(unlocking bool) []string {
	for {
		i := slices.IndexFunc(s.waiting, func(b binding) bool { return s.objection(b) == "" })
		if i < 0 {
			break
		}
		if i > 0 && unlocking {
			i = s.key(i)
		}
		s.bound = append(s.bound, s.waiting[i])
		s.waiting = slices.Delete(s.waiting, i, i+1)
	}
	var out []string
	for _, b := range s.waiting {
		out = append(out, fmt.Sprintf("%s on %v: %s", b.pod.Name, s.nodes[b.node], s.objection(b)))
	}
	return out
}

// key returns who, from a pod that can be bound on, can be and lets the first in who waits; that pod if there is nobody.
func (s *scheduler) key(from int) int {
	for i := from; i < len(s.waiting); i++ {
		if s.objection(s.waiting[i]) != "" {
			continue
		}
		s.bound = append(s.bound, s.waiting[i])
		opens := s.objection(s.waiting[0]) == ""
		s.bound = s.bound[:len(s.bound)-1]
		if opens {
			return i
		}
	}
	return from
}

// objection returns why the pod cannot be bound now, or "".
func (s *scheduler) objection(b binding) string {
	for _, c := range b.pod.Spec.TopologySpreadConstraints {
		if why := s.skew(b, c); why != "" {
			return why
		}
	}
	if why := s.apart(b); why != "" {
		return why
	}
	return s.together(b)
}

func chosen(by map[string]string, pod *corev1.Pod) bool {
	return labels.SelectorFromSet(by).Matches(labels.Set(pod.Labels))
}

// skew counts by domain over all nodes.
func (s *scheduler) skew(b binding, c corev1.TopologySpreadConstraint) string {
	count := map[string]int{}
	for _, n := range s.nodes {
		count[n[c.TopologyKey]] += 0
	}
	for _, other := range s.bound {
		if chosen(c.LabelSelector.MatchLabels, other.pod) {
			count[s.nodes[other.node][c.TopologyKey]]++
		}
	}
	here := count[s.nodes[b.node][c.TopologyKey]]
	if chosen(c.LabelSelector.MatchLabels, b.pod) {
		here++
	}
	for domain, n := range count {
		if here-n > int(c.MaxSkew) {
			return fmt.Sprintf("spread over %s: %d here, %d in %s", c.TopologyKey, here, n, domain)
		}
	}
	return ""
}

// apart looks at anti-affinity in both directions.
func (s *scheduler) apart(b binding) string {
	repels := func(from, whom binding) bool {
		a := from.pod.Spec.Affinity
		return a != nil && a.PodAntiAffinity != nil && slices.ContainsFunc(a.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution,
			func(term corev1.PodAffinityTerm) bool {
				return s.nodes[from.node][term.TopologyKey] == s.nodes[whom.node][term.TopologyKey] && chosen(term.LabelSelector.MatchLabels, whom.pod)
			})
	}
	for _, other := range s.bound {
		if repels(b, other) || repels(other, b) {
			return "anti-affinity with " + other.pod.Name
		}
	}
	return ""
}

// together wants, for each term of affinity, a pod in the same domain that all terms select; the first of its kind may come alone.
func (s *scheduler) together(b binding) string {
	if b.pod.Spec.Affinity == nil || b.pod.Spec.Affinity.PodAffinity == nil {
		return ""
	}
	terms := b.pod.Spec.Affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	all := func(pod *corev1.Pod) bool {
		return !slices.ContainsFunc(terms, func(term corev1.PodAffinityTerm) bool { return !chosen(term.LabelSelector.MatchLabels, pod) })
	}
	if all(b.pod) && !slices.ContainsFunc(s.bound, func(other binding) bool { return all(other.pod) }) {
		return ""
	}
	for _, term := range terms {
		near := func(other binding) bool {
			return all(other.pod) && s.nodes[other.node][term.TopologyKey] == s.nodes[b.node][term.TopologyKey]
		}
		if !slices.ContainsFunc(s.bound, near) {
			return "no company over " + term.TopologyKey
		}
	}
	return ""
}
