package solver

import (
	"context"
	"fmt"
)

// outOfTime is the reason of pods whose turn never came.
const outOfTime = "the time for planning was over before its turn; it is planned for again in the next pass"

// stopped returns why pods that the shelf could host were not planned for.
func (s *shelf) stopped(ctx context.Context, l *lot, it *item) miss {
	if ctx.Err() != nil {
		return miss{missTime, outOfTime}
	}
	for i := range it.class.fits.all {
		o := &l.offers[i]
		if !it.group.requests.within(o.ware.usable) {
			continue
		}
		if k, over := s.budget.exhausted(s.stocks[o.stock].capacity); over {
			name := s.budget.names[k]
			return miss{missLimit, fmt.Sprintf("limit %s of provisioner %s is reached: %s is left; raise it in spec.limits",
				name, s.provisioner.Name, amount(name, max(s.budget.left[k], 0)))}
		}
	}
	return miss{missLimit, fmt.Sprintf("the limits of provisioner %s were reached when its turn came; raise spec.limits", s.provisioner.Name)}
}
