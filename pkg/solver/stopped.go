package solver

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// outOfTime is the reason of pods whose turn never came.
const outOfTime = "the time for planning was over before its turn; planning again, or with more time, may find it a place"

// abandon gives up what is left, now that the time is over, and those who cannot come where they were to be without it.
func (s *solution) abandon(left, stuck []*group) {
	for _, g := range left {
		rest := g
		if g.placed() > 0 {
			rest = g.part(g.placed(), g.placed()+g.left)
			g.pods, g.left = g.pods[:g.placed()*g.size], 0
		}
		s.lost = append(s.lost, rest)
	}
	s.lost = append(append(s.lost, stuck...), s.again...)
	s.again = nil
	if len(s.rulebook.counters) > 0 {
		s.lost = append(s.lost, s.audit()...)
	}
	for _, g := range s.lost {
		if g.miss.stage == missTopology { // where others are was not settled yet
			g.miss = miss{stage: missTime, text: outOfTime}
		}
	}
}

// withdraw takes the last units of settled groups off their nodes and machines, so many of each, and returns them as groups.
func (s *solution) withdraw(units []int) []*group {
	var out []*group
	gone := map[*corev1.Pod]*group{}
	for i, g := range s.settled {
		if units[i] == 0 {
			continue
		}
		from := g.placed() - units[i]
		rest := g.part(from, g.placed())
		g.pods, rest.pins, rest.place = g.pods[:from*g.size:from*g.size], nil, nil
		rest.miss = rest.miss.nearer(miss{stage: missTime, text: outOfTime})
		for _, pod := range rest.pods {
			gone[pod] = g
		}
		out = append(out, rest)
	}
	if len(gone) == 0 {
		return nil
	}
	s.changes++
	s.plan.Placements = slices.DeleteFunc(s.plan.Placements, func(p Placement) bool { return gone[p.Pod] != nil })
	for _, shelf := range s.shelves {
		shelf.withdraw(gone)
	}
	return out
}

// withdraw takes pods out of what the shelf has sold, and machines that are left without any. What these took of the limits stays
// spent, for nothing more is bought.
func (s *shelf) withdraw(gone map[*corev1.Pod]*group) {
	s.sold = slices.DeleteFunc(s.sold, func(p purchase) bool {
		return !slices.ContainsFunc(p.pods, func(pod *corev1.Pod) bool { return gone[pod] == nil })
	})
	for i := range s.sold {
		p := &s.sold[i]
		fewer := map[*group]int{}
		for _, pod := range p.pods {
			if g := gone[pod]; g != nil {
				fewer[g]++
			}
		}
		if len(fewer) == 0 {
			continue
		}
		p.pods = slices.DeleteFunc(slices.Clone(p.pods), func(pod *corev1.Pod) bool { return gone[pod] != nil })
		p.bin.picks = slices.Clone(p.bin.picks)
		for k := range p.bin.picks {
			pick := &p.bin.picks[k]
			g := p.lot.items[pick.item].group
			n := min(pick.count, fewer[g]/g.size)
			pick.count -= n
			fewer[g] -= n * g.size
		}
		p.bin.picks = slices.DeleteFunc(p.bin.picks, func(k pick) bool { return k.count == 0 })
	}
}

// stopped returns why pods that the shelf could host were not planned for.
func (s *shelf) stopped(ctx context.Context, g *group, options []option) miss {
	if ctx.Err() != nil {
		return miss{stage: missTime, text: outOfTime}
	}
	if m := s.overspent(g, options); m.stage != missNothing {
		return m
	}
	return miss{stage: missLimit, text: fmt.Sprintf("the limits of provisioner %s were reached when its turn came; raise spec.limits", s.provisioner.Name)}
}
