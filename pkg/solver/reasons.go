package solver

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// giveReasons lists the pods that are not placed. Once the time is over, only what few of them lack is looked into; the others
// learn what is known.
func (s *solution) giveReasons(at *tempo) {
	unasked, pods := s.problem.unasked(), 0
	for _, g := range s.lost {
		pods += g.left * g.size
	}
	s.plan.Unplaced = slices.Grow(s.plan.Unplaced, pods)
	for _, g := range s.lost {
		if g.left == 0 {
			continue
		}
		e := excuse{group: g, each: unasked}
		if at.spare() {
			g.miss = s.missOf(at, g)
			g.miss = s.nearest(at, g)
			e.each, e.keys = s.misses(at, g)
		} else {
			g.miss = g.miss.brief()
		}
		e.reason = g.filter.candid(g.miss.reason(g))
		for _, pod := range g.take(g.left) {
			s.plan.Unplaced = append(s.plan.Unplaced, e.of(pod, s.problem.Volumes))
		}
	}
	sortByPod(s.plan.Unplaced, s.pods, func(u *Unplaced) *corev1.Pod { return u.Pod })
}

// missOf returns the miss of a group, also if nobody has looked for one.
func (s *solution) missOf(ctx context.Context, g *group) miss {
	switch {
	case g.miss.stage != missNothing:
		return g.miss
	case ctx.Err() != nil:
		return miss{stage: missTime, text: outOfTime}
	case len(s.shelves) == 0:
		return miss{stage: missNone, text: "no provisioner exists; create one"}
	default: // the rounds were over while it still had something to give up
		return miss{stage: missTopology, text: "no places were found that suit the pod and all those that it looks at; ask for less company, or see what keeps those"}
	}
}

// excuse is why the pods of a group are not placed.
type excuse struct {
	group  *group
	reason string
	// each has the miss of each provisioner, keys the label that is asked of it in vain; nil for none.
	each []Miss
	keys []string
}

// of returns the excuse in the words for one pod: labels that its volumes ask for are on account of a claim.
func (e *excuse) of(pod *corev1.Pod, volumes map[types.UID]Volumes) Unplaced {
	out := Unplaced{Pod: pod, Reason: e.reason, Misses: e.each}
	v, ok := volumes[pod.UID]
	if !ok || len(v.Claims) == 0 {
		return out
	}
	own := e.group.filter.own.alternatives
	if len(e.group.members) > 0 {
		own = scheduling.PodRequirements(pod)
	}
	out.Reason = v.blame(own, e.group.miss.key, e.reason)
	for i, key := range e.keys {
		if told := v.blame(own, key, e.each[i].Reason); told != e.each[i].Reason {
			if &out.Misses[0] == &e.each[0] {
				out.Misses = slices.Clone(e.each)
			}
			out.Misses[i].Reason = told
		}
	}
	return out
}

// unplanned is the plan for which there was no time.
func (s *solution) unplanned() Plan {
	plan := Plan{CutShort: true, Unplaced: make([]Unplaced, 0, len(s.pods))}
	unasked := s.problem.unasked()
	for _, pod := range s.pods {
		plan.Unplaced = append(plan.Unplaced, Unplaced{Pod: pod, Reason: outOfTime, Misses: unasked})
	}
	return plan
}

// unasked are the misses of pods that no provisioner was asked about for want of time.
func (p *Problem) unasked() []Miss {
	out := make([]Miss, 0, len(p.Provisioners))
	for _, provisioner := range byWeight(p.Provisioners) {
		out = append(out, Miss{Provisioner: provisioner.Name, Reason: outOfTime})
	}
	return out
}
