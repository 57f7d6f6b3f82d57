package solver

import (
	"context"
	"slices"
)

// thrift says how dear the limits of a provisioner are when they stop a plan: on top of its price an offer costs the part of
// the limits that it takes, at so much per whole. The zero value does not mind.
type thrift struct {
	perLimit float64 // US dollars per hour
	whole    vector  // what the limits left at first
}

// cost returns what the charge counts for.
func (t thrift) cost(charge vector) float64 {
	total := 0.0
	for i, n := range charge {
		if t.perLimit > 0 && n > 0 {
			total += t.perLimit * float64(n) / float64(max(t.whole[i], 1))
		}
	}
	return total
}

// thrifts are how dear whole limits are, as multiples of what the first plan costs, in the attempts to place more pods.
func thrifts() []float64 { return []float64{1, 10} }

// buy plans machines for what is left. If limits stop it, it tries again with machines that take less of the limits for what
// they hold, and keeps the attempt that leaves the fewest pods.
func (p *packer) buy(ctx context.Context) []bin {
	start, whole := slices.Clone(p.left), p.lot.shelf.budget.left.clone()
	best := p.exhaust(ctx)
	if len(whole) == 0 || sum(p.left) == 0 {
		return best
	}
	price, left := p.total(best), slices.Clone(p.left)
	for _, times := range thrifts() {
		if p.effort.tempo.hasty() {
			break
		}
		p.spend(best, -1)
		p.load(start)
		p.thrift = thrift{perLimit: max(price, leastWorth) * times, whole: whole}
		bins := p.exhaust(ctx)
		if sum(p.left) < sum(left) || sum(p.left) == sum(left) && p.total(bins) < p.total(best) {
			best, left = bins, slices.Clone(p.left)
			continue
		}
		p.spend(bins, -1)
		p.spend(best, 1)
	}
	p.load(left)
	return best
}

const (
	// mostAttempted bounds the units that are packed in several ways: among more there is something for every gap anyway. Units
	// that columns are made for, or that do not go with each other, gain by it only if there are no more than fewUnits.
	mostAttempted = 1500
	fewUnits      = 100
)

// windows are how many shapes are compared when machines are filled, in the attempts to find a cheaper plan: which is best
// depends on the pods, and only trying tells.
func windows() []int { return []int{1, 4, 32} }

// attempts returns in how many ways so many units are packed.
func (p *packer) attempts(start []int, interchangeable bool) int {
	switch n := sum(start); {
	case n <= fewUnits || n <= mostAttempted && !interchangeable && p.lot.plain():
		return len(windows())
	case !p.lot.plain():
		return 2
	default:
		return 1
	}
}

// exhaust buys for what is left and makes it cheaper; what that frees of the limits is used for what they had stopped.
func (p *packer) exhaust(ctx context.Context) []bin {
	start := slices.Clone(p.left)
	bins := p.pack(ctx)
	interchangeable := p.interchangeable(start)
	if p.done() && p.effort.tempo.hasty() {
		return bins
	}
	if attempts := p.attempts(start, interchangeable); p.done() && attempts > 1 {
		bins = p.retry(ctx, start, bins, windows()[1:attempts])
	}
	if p.done() && interchangeable {
		bins = p.cheaper(ctx, start, bins)
	}
	bins = p.improve(ctx, bins)
	for {
		more := p.pack(ctx)
		if len(more) == 0 {
			return bins
		}
		bins = p.improve(ctx, append(bins, more...))
	}
}

// retry packs what there was at first in other windows, for as long as that takes less than the effort that is left, and returns
// the cheapest bins.
func (p *packer) retry(ctx context.Context, start []int, best []bin, others []int) []bin {
	p.shrink(best)
	for _, window := range others {
		before := p.effort.steps
		p.spend(best, -1)
		p.load(start)
		p.filler.window = window
		bins := p.pack(ctx)
		p.filler.window = windows()[0]
		p.shrink(bins)
		if p.done() && p.total(bins) < p.total(best)*(1-leastGain) {
			best = bins
		} else {
			p.spend(bins, -1)
			p.spend(best, 1)
		}
		p.empty()
		if spent := before - p.effort.steps; spent > p.effort.steps || ctx.Err() != nil {
			break
		}
	}
	return best
}

// cheaper returns the bins or a plan by columns, whichever costs less, and spends the limits accordingly.
func (p *packer) cheaper(ctx context.Context, start []int, bins []bin) []bin {
	p.spend(bins, -1)
	other, ok := p.columned(ctx, start, bins)
	if ok && p.total(other) < p.total(bins) {
		return other
	}
	p.spend(other, -1)
	p.spend(bins, 1)
	return bins
}

func sum(numbers []int) int {
	total := 0
	for _, n := range numbers {
		total += n
	}
	return total
}
