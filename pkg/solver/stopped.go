package solver

import (
	"context"
	"fmt"
)

// outOfTime is the reason of pods whose turn never came.
const outOfTime = "the time for planning was over before its turn; planning again, or with more time, may find it a place"

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
