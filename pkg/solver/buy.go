package solver

import "context"

const (
	// plentySteps, and stepsPerPod for each pod, but not more than mostSteps, are what a plan may take to become cheaper where
	// the settings do not say: on an ordinary core some ten milliseconds per million.
	plentySteps = 2_000_000
	stepsPerPod = 1000
	mostSteps   = 12_000_000
)

// effort is how many more steps the making of a plan may take beyond what placing the pods needs.
type effort struct {
	steps int
	tempo *tempo
}

// newEffort returns the effort for a problem.
func newEffort(p *Problem, at *tempo) *effort {
	e := &effort{steps: p.Settings.Steps, tempo: at}
	if e.steps <= 0 {
		e.steps = min(plentySteps+stepsPerPod*len(p.Pods), mostSteps)
	}
	return e
}

func (e *effort) spend(steps int) { e.steps -= steps }

func (e *effort) over() bool { return e.steps <= 0 || e.tempo.hasty() }

// share returns a part of what is left of the effort.
func (e *effort) share(part, whole int) *effort {
	return e.most(int(float64(e.steps) * float64(part) / float64(max(whole, 1))))
}

// most returns an effort of so many steps, or of what is left if that is less.
func (e *effort) most(steps int) *effort { return &effort{steps: min(e.steps, steps), tempo: e.tempo} }

// buy plans machines of one provisioner for all groups that it can host: what machines bought before have left is used first.
func (s *solution) buy(ctx context.Context, shelf *shelf) {
	s.topUp(shelf)
	s.buyLots(ctx, shelf.lots(s.effort.tempo, s.groups, s.problem.Settings.NodeFee, shelf.viable))
}

// buyLots plans machines for lots of one shelf.
func (s *solution) buyLots(ctx context.Context, lots []*lot) {
	units := 0
	for _, l := range lots {
		units += l.units()
	}
	for _, l := range lots {
		mine := s.effort.share(l.units(), units)
		units -= l.units()
		s.effort.spend(mine.steps)
		s.buyFor(ctx, l, mine)
		s.effort.spend(-mine.steps)
	}
}

// buyFor plans machines for a lot.
func (s *solution) buyFor(ctx context.Context, l *lot, e *effort) {
	p := newPacker(l, e)
	for i, it := range l.items {
		p.want(i, it.group.left)
	}
	bins := p.buy(ctx)
	l.sort(bins)
	for _, b := range bins {
		sold := purchase{lot: l, bin: b}
		sold.pods = sold.take()
		l.shelf.sold = append(l.shelf.sold, sold)
	}
	for i, it := range l.items {
		if p.left[i] > 0 {
			it.group.miss = it.group.miss.nearer(l.shelf.stopped(ctx, it.group, it.class.options))
		}
	}
}

// units returns how many units the lot's items have left.
func (l *lot) units() int {
	total := 0
	for _, it := range l.items {
		total += it.group.left
	}
	return total
}
