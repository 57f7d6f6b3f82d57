package solver

import (
	"math"
	"slices"
)

// coarseBound returns a bound that takes no time to find, and says less: what the resource that is dearest in sum costs where it is
// cheapest, whoever may be there.
func (s *solution) coarseBound(order []onMachine, counts map[onMachine]int) float64 {
	total := make([]float64, len(s.dimensions.names))
	for _, o := range order {
		for r, q := range o.group.requests {
			total[r] += float64(max(q, 0)) * float64(counts[o])
		}
	}
	least := slices.Repeat([]float64{math.Inf(1)}, len(total)) // price of a thousandth of the resource
	fee := max(s.problem.Settings.NodeFee, 0)
	for _, shelf := range s.shelves {
		for _, st := range shelf.stocks {
			for k := range st.wares {
				w := &st.wares[k]
				if !w.sold {
					continue
				}
				price := slices.Min(w.prices) + fee
				for r, q := range w.usable {
					if q > 0 {
						least[r] = min(least[r], price/float64(q))
					}
				}
			}
		}
	}
	bound := 0.0
	for r, q := range total {
		if q > 0 && !math.IsInf(least[r], 1) {
			bound = max(bound, q*least[r])
		}
	}
	return bound * (1 - belowRounding)
}
