package disruption

import (
	"cmp"
	"context"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// rehearse reports whether the pods of a plan find room in whatever order they come. Pods that a plan packs tightly the scheduler puts
// where most is left, and the last of them may find no room that is large enough: then one more machine is bought, and nothing is saved.
// Pods that are tied to others come first, where the plan has them, or last, where they still may go.
func (b *bench) rehearse(ctx context.Context, problem *solver.Problem, plan *solver.Plan) bool {
	var tied, loose []*guest
	for _, pod := range problem.Pods {
		if isTied(pod) {
			tied = append(tied, b.guest(pod))
		} else {
			loose = append(loose, b.guest(pod))
		}
	}
	orders := []func(a, c *guest) int{
		func(a, c *guest) int { return cmp.Compare(a.pod.UID, c.pod.UID) },
		func(a, c *guest) int { return cmp.Compare(size(a), size(c)) },
		func(a, c *guest) int { return cmp.Compare(size(c), size(a)) },
	}
	for _, order := range orders {
		s := b.newStage(problem, plan)
		for _, g := range tied {
			if host := s.byPod[g.pod.UID]; host != nil {
				s.reserve(host, g)
			}
		}
		slices.SortStableFunc(loose, order)
		if !s.seatAll(loose) {
			return false
		}
	}
	if len(tied) > 0 && len(loose) > 0 {
		s := b.newStage(problem, plan)
		if !s.seatAll(loose) || !b.placed(ctx, problem, s, tied) {
			return false
		}
	}
	return b.placed(ctx, problem, b.newStage(problem, plan), slices.Concat(tied, loose))
}

// reserve takes the room that a pod has by the plan.
func (s *stage) reserve(host *stand, g *guest) {
	for _, w := range s.rows {
		if at := slices.Index(w.stands, host); at >= 0 {
			w.take(at, &g.asked)
			return
		}
	}
}

// seatAll seats those pods for which the plan has a place, in order; false as soon as one finds none.
func (s *stage) seatAll(guests []*guest) bool {
	for _, g := range guests {
		if s.byPod[g.pod.UID] != nil && !s.seat(g) {
			return false
		}
	}
	return true
}

// placed reports whether guests that the plan has a place for find one on the stage as it is, whatever names machines come to have: until
// the pods have moved, each decision on pods that wait plans for them anew, and must not buy what is on its way already.
func (b *bench) placed(ctx context.Context, problem *solver.Problem, s *stage, guests []*guest) bool {
	after := *problem
	after.Provisioners, after.Pods, after.Nodes = b.provisioners, nil, nil
	for _, g := range guests {
		if s.byPod[g.pod.UID] != nil {
			after.Pods = append(after.Pods, g.pod)
		}
	}
	for _, w := range s.rows {
		for _, host := range w.stands {
			node := host.node
			if len(host.seated) > 0 || node.Available == nil {
				node.Available, node.Pods, node.Plain = host.free.list(), slices.Concat(node.Pods, host.seated), false
			}
			after.Nodes = append(after.Nodes, node)
		}
	}
	b.effort -= len(after.Nodes) + len(after.Pods)
	renamed := false
	for _, name := range []string{boughtFirst, boughtLast} {
		after.Planned = map[types.UID]string{}
		for i := range after.Nodes {
			if number, bought := strings.CutPrefix(after.Nodes[i].Name, boughtFirst); bought {
				after.Nodes[i].Name, renamed = name+number, true
			}
		}
		for _, g := range guests {
			if number, bought := strings.CutPrefix(s.planned(g), boughtFirst); bought {
				after.Planned[g.pod.UID] = name + number
			}
		}
		if again := solver.Solve(ctx, after); len(again.Unplaced)+len(again.Machines) > 0 {
			return false
		}
		if !renamed {
			break
		}
	}
	return true
}

// planned returns where the plan has a pod, "" for nowhere.
func (s *stage) planned(g *guest) string {
	if at := s.byPod[g.pod.UID]; at != nil {
		return at.node.Name
	}
	return ""
}

// guest returns what there is to know of a pod, which is found out once.
func (b *bench) guest(pod *corev1.Pod) *guest {
	if known := b.guests[pod]; known != nil {
		return known
	}
	g := &guest{pod: pod, asked: roomOf(pods.Requests(pod)), admits: scheduling.PodRequirements(pod)}
	g.anywhere = slices.ContainsFunc(g.admits, func(r scheduling.Requirements) bool { return len(r) == 0 })
	b.guests[pod] = g
	return g
}

func size(g *guest) int64 { return g.asked.milliCPU + g.asked.memory/(4<<20) }

// isTied reports whether where a pod may go depends on others, or on volumes.
func isTied(pod *corev1.Pod) bool {
	return len(pod.Spec.TopologySpreadConstraints) > 0 ||
		pod.Spec.Affinity != nil && (pod.Spec.Affinity.PodAffinity != nil || pod.Spec.Affinity.PodAntiAffinity != nil) ||
		slices.ContainsFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.PersistentVolumeClaim != nil || v.Ephemeral != nil })
}

func milli(value int64) resource.Quantity {
	return *resource.NewMilliQuantity(value, resource.DecimalSI)
}

func whole(value int64) resource.Quantity { return *resource.NewQuantity(value, resource.BinarySI) }
