package solver

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// mostEvictions bounds how often pods of one group are taken off again because what they relied on has not come.
const mostEvictions = 3

// audit looks whether pods that have a place can come there, now that it is known which others have one: limits may have stopped
// a machine for a pod that somebody wants to be with, or that balances a spread. Those that cannot come in any order that is tried
// are taken off their nodes and machines and returned as groups that look for another place.
//
// What is planned in one go holds by the way it is planned, but for ties that only single pods show: it is looked at again where
// that takes little time. Short says that something is left, or was placed later than the rest.
func (s *solution) audit(short bool) []*group {
	absent := absentees(s.missing(short))
	if len(absent) == 0 {
		return nil
	}
	s.changes++
	gone := map[*corev1.Pod]bool{}
	for _, pods := range absent {
		maps.Copy(gone, pods)
	}
	s.leaveNodes(gone, s.units())
	for _, shelf := range s.shelves {
		shelf.takeBack(gone)
	}
	var out []*group
	for _, g := range slices.Clone(s.settled) {
		if pods := absent[g]; pods != nil {
			out = append(out, s.evict(g, pods)...)
		}
	}
	return out
}

// mostRehearsed is up to how many pods a plan is rehearsed of which nothing is left.
const mostRehearsed = 2000

// missing returns who cannot come where the plan has them.
func (s *solution) missing(short bool) []*arrival {
	if !short && len(s.problem.Pods) > mostRehearsed {
		return nil
	}
	if s.patience > 0 {
		if absent, known := s.rehearse().run(); known {
			return absent
		}
	}
	if !short || s.coarsePatience <= 0 {
		return nil
	}
	absent, _ := s.rehearseCoarsely().run()
	return absent
}

// evict takes pods out of a group and returns them as a group of their own, unless that has happened too often.
func (s *solution) evict(g *group, gone map[*corev1.Pod]bool) []*group {
	out := *g
	out.pods, out.left, out.pins, out.place = nil, len(gone)/g.size, nil, nil
	var stay []*corev1.Pod
	for _, pod := range g.pods {
		if gone[pod] {
			out.pods = append(out.pods, pod)
		} else {
			stay = append(stay, pod)
		}
	}
	g.pods = stay
	if s.effort.tempo.Err() != nil {
		out.miss = out.miss.nearer(miss{stage: missTime, text: outOfTime})
		return []*group{&out}
	}
	if out.evictions++; out.evictions > mostEvictions {
		out.miss = out.miss.nearer(miss{stage: missTopology, text: "pods that it has to be with, or that balance its topology spread, found no place; see what keeps those"})
		s.lose(&out)
		return nil
	}
	if len(out.members) > 0 {
		return s.concede(&out)
	}
	return []*group{&out}
}

// leaveNodes takes placements back.
func (s *solution) leaveNodes(gone map[*corev1.Pod]bool, units map[*corev1.Pod]unit) {
	touched := map[string]bool{}
	s.plan.Placements = slices.DeleteFunc(s.plan.Placements, func(p Placement) bool {
		if gone[p.Pod] {
			touched[p.Node] = true
		}
		return gone[p.Pod]
	})
	if len(touched) == 0 {
		return
	}
	for name := range touched {
		s.byName[name].reset(s.dimensions)
	}
	for _, p := range s.plan.Placements {
		if u, first := units[p.Pod]; first && touched[p.Node] {
			s.byName[p.Node].take(u.group, 1)
		}
	}
}

// takeBack takes pods off the machines that the shelf has sold, and gives back machines that are left without any.
func (s *shelf) takeBack(gone map[*corev1.Pod]bool) {
	s.sold = slices.DeleteFunc(s.sold, func(p purchase) bool {
		return !slices.ContainsFunc(p.pods, func(pod *corev1.Pod) bool { return !gone[pod] }) && s.refund(&p)
	})
	for i := range s.sold {
		p := &s.sold[i]
		if !slices.ContainsFunc(p.pods, func(pod *corev1.Pod) bool { return gone[pod] }) {
			continue
		}
		var picks []pick
		from := 0
		for _, k := range p.bin.picks {
			size := p.lot.items[k.item].group.size
			to := from + k.count*size
			for ; from < to; from += size {
				if gone[p.pods[from]] {
					k.count--
				}
			}
			if k.count > 0 {
				picks = append(picks, k)
			}
		}
		p.bin.picks = picks
		p.pods = slices.DeleteFunc(slices.Clone(p.pods), func(pod *corev1.Pod) bool { return gone[pod] })
	}
}

// refund gives back what a machine has taken of the limits.
func (s *shelf) refund(p *purchase) bool {
	s.budget.spend(s.stocks[p.lot.offers[p.bin.offer].stock].capacity, -1)
	return true
}
