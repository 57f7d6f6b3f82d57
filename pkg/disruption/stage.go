package disruption

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// room is how much of what all pods ask for there is, or is asked for, and of what else.
type room struct {
	milliCPU, memory, pods int64
	// rest has the other resources, as few pods ask for any.
	rest corev1.ResourceList
}

func roomOf(list corev1.ResourceList) room {
	out := room{milliCPU: list.Cpu().MilliValue(), memory: list.Memory().Value(), pods: list.Pods().Value()}
	for name, quantity := range list {
		switch name {
		case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourcePods:
		default:
			if out.rest == nil {
				out.rest = corev1.ResourceList{}
			}
			out.rest[name] = quantity
		}
	}
	return out
}

func (r *room) holds(asked *room) bool {
	if r.milliCPU < asked.milliCPU || r.memory < asked.memory || r.pods < asked.pods {
		return false
	}
	for name, quantity := range asked.rest {
		if there := r.rest[name]; there.Cmp(quantity) < 0 {
			return false
		}
	}
	return true
}

// take takes asked away; what is left may be negative.
func (r *room) take(asked *room) {
	r.milliCPU, r.memory, r.pods = r.milliCPU-asked.milliCPU, r.memory-asked.memory, r.pods-asked.pods
	if len(asked.rest) > 0 {
		r.rest = resources.Sub(r.rest, asked.rest)
	}
}

func (r *room) list() corev1.ResourceList {
	out := maps.Clone(r.rest)
	if out == nil {
		out = corev1.ResourceList{}
	}
	out[corev1.ResourceCPU] = milli(r.milliCPU)
	out[corev1.ResourceMemory], out[corev1.ResourcePods] = whole(r.memory), whole(r.pods)
	return out
}

// guest is a pod that looks for a place.
type guest struct {
	pod    *corev1.Pod
	asked  room
	admits []scheduling.Requirements
	// anywhere says that it asks for nothing of a node but room.
	anywhere bool
}

// Names of machines that are not there yet: some before and some behind those of all nodes, as the solver takes nodes in order of name.
const boughtFirst, boughtLast = "!bought", "~bought"

// stand is a node, or a machine that will be one.
type stand struct {
	node solver.Node
	free room
	// seated are the pods that have come.
	seated []*corev1.Pod
}

// row has stands of the same size, those in front of which most is left.
type row struct {
	all    room
	stands []*stand
}

// left is which part of a stand is left, of cpu and memory together.
func (w *row) left(s *stand) float64 {
	return float64(s.free.milliCPU)/float64(max(w.all.milliCPU, 1)) + float64(s.free.memory)/float64(max(w.all.memory, 1))
}

// stage is where it is tried out what becomes of a plan once the Kubernetes scheduler has its way.
type stage struct {
	rows []*row
	// byPod maps the UID of a pod -> where the plan has it.
	byPod map[types.UID]*stand
}

// newStage sets up what a plan leaves: the nodes that pods may go to, and what is bought.
func (b *bench) newStage(problem *solver.Problem, plan *solver.Plan) *stage {
	s := &stage{byPod: map[types.UID]*stand{}}
	byName, rows := map[string]*stand{}, map[[2]int64]*row{}
	add := func(at *stand, all room) {
		key := [2]int64{all.milliCPU, all.memory}
		if rows[key] == nil {
			rows[key] = &row{all: all}
			s.rows = append(s.rows, rows[key])
		}
		rows[key].stands = append(rows[key].stands, at)
	}
	for i := range problem.Nodes {
		node := &problem.Nodes[i]
		if !node.Initialized || b.leaving[node.Name] {
			continue
		}
		at := &stand{node: *node, free: roomOf(node.Available)}
		byName[node.Name] = at
		add(at, b.allocatable(node))
	}
	for i := range plan.Machines {
		at, all := b.bought(&plan.Machines[i], i)
		for _, pod := range plan.Machines[i].Pods {
			s.byPod[pod.UID] = at
		}
		add(at, all)
	}
	for _, p := range plan.Placements {
		s.byPod[p.Pod.UID] = byName[p.Node]
	}
	for _, w := range s.rows {
		slices.SortStableFunc(w.stands, func(a, c *stand) int { return cmp.Compare(w.left(c), w.left(a)) })
	}
	return s
}

// bought returns a machine as the node that it will be, and what that has for pods in all.
func (b *bench) bought(machine *solver.Machine, i int) (*stand, room) {
	t := b.prices.types[machine.Provisioner][machine.InstanceTypes[0]]
	labels := t.Requirements.Labels()
	maps.Copy(labels, machine.Requirements.Labels())
	labels[corev1.LabelHostname] = fmt.Sprintf("%s-%d", boughtFirst, i)
	possible := machine.Requirements.Union(t.Requirements)
	maps.DeleteFunc(possible, func(key string, r scheduling.Requirement) bool { return labels[key] != "" || r.AllowsAbsent() })
	allocatable := t.Allocatable()
	free := resources.Sub(allocatable, machine.Requests)
	for _, pod := range machine.Pods {
		resources.Add(free, pods.Requests(pod))
	}
	return &stand{free: roomOf(free), node: solver.Node{
		Name: labels[corev1.LabelHostname], Initialized: true, Labels: labels, Possible: possible, Taints: b.prices.taints[machine.Provisioner],
	}}, roomOf(allocatable)
}

// allocatable returns what a node has for pods in all.
func (b *bench) allocatable(node *solver.Node) room {
	if all, known := b.rooms[node.Name]; known {
		return all
	}
	total := maps.Clone(node.Available)
	if total == nil {
		total = corev1.ResourceList{}
	}
	for _, pod := range node.Pods {
		resources.Add(total, pods.Requests(pod))
	}
	all := roomOf(total)
	b.rooms[node.Name] = all
	return all
}

// seat puts a pod where most is left, as the scheduler does by default; false where nothing has room.
func (s *stage) seat(g *guest) bool {
	var in *row
	at, most := 0, 0.0
	for _, w := range s.rows {
		i := slices.IndexFunc(w.stands, func(host *stand) bool { return host.free.holds(&g.asked) && g.accepts(host) })
		if i < 0 {
			continue
		}
		taken := float64(g.asked.milliCPU)/float64(max(w.all.milliCPU, 1)) + float64(g.asked.memory)/float64(max(w.all.memory, 1))
		if left := w.left(w.stands[i]) - taken; in == nil || left > most {
			in, at, most = w, i, left
		}
	}
	if in == nil {
		return false
	}
	host := in.stands[at]
	host.seated = append(host.seated, g.pod)
	in.take(at, &g.asked)
	return true
}

// take takes room away from a stand, and moves it back to where it belongs in the row.
func (w *row) take(at int, asked *room) {
	host := w.stands[at]
	host.free.take(asked)
	left := w.left(host)
	to := at
	for ; to+1 < len(w.stands) && w.left(w.stands[to+1]) > left; to++ {
		w.stands[to] = w.stands[to+1]
	}
	w.stands[to] = host
}

// accepts reports whether a pod may go to a stand, or may do so once all labels are settled.
func (g *guest) accepts(host *stand) bool {
	if len(host.node.Taints) > 0 && scheduling.Taints(host.node.Taints).Tolerated(g.pod) != "" {
		return false
	}
	return g.anywhere || slices.ContainsFunc(g.admits, func(r scheduling.Requirements) bool {
		for key, requirement := range r {
			value, has := host.node.Labels[key]
			open, unsettled := host.node.Possible[key]
			switch {
			case has && requirement.Has(value), !has && unsettled && requirement.Compatible(open), !has && !unsettled && requirement.AllowsAbsent():
			default:
				return false
			}
		}
		return true
	})
}
