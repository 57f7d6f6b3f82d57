package solver

import (
	"context"
	"fmt"
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
	if len(s.rulebook.traits) > 0 {
		s.lost = append(s.lost, s.audit(true)...)
	}
	for _, g := range s.lost {
		if g.miss.stage == missTopology { // where others are was not settled yet
			g.miss = miss{stage: missTime, text: outOfTime}
		}
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
