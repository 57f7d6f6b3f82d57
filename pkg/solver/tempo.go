package solver

import (
	"context"
	"sync/atomic"
	"time"
)

// tempo is the context of a plan in the making. In the first half of its time, plans are made as cheap as the steps allow; in the
// second one, what is left only gets some machine, so that a pass that is too short for all pods still serves some. Whoever asks
// it whether the time is over, and hears that it is, leaves work undone, which is noted.
type tempo struct {
	context.Context //nolint:containedctx // it is a context itself
	// leisure ends when half of the time is over; if the time has no known end, with the context.
	leisure context.Context //nolint:containedctx // likewise
	// looking ends when three quarters of the time are over.
	looking context.Context //nolint:containedctx // likewise
	cut     atomic.Bool
	// grace is how much may still be done after the time is over of what is worth a moment, but no long wait.
	grace int
}

const (
	// graceLooks is the grace of a plan: a look at a pod takes up to a millisecond where a provisioner offers a thousand types.
	graceLooks = 32
	// stride is how many short steps are taken between two looks at the time.
	stride = 1024
)

// newTempo returns the tempo of a plan that begins now, and what has to be called when it is done.
func newTempo(ctx context.Context) (*tempo, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return &tempo{Context: ctx, leisure: ctx, looking: ctx, grace: graceLooks}, func() {}
	}
	left := time.Until(deadline) //nolint:forbidigo // the deadline is an argument, how far off it is can only be asked
	leisure, cancel := context.WithTimeout(ctx, left/2)
	if left <= 0 {
		cancel() // a deadline that is past is nearer than half of what is left
	}
	looking, stop := context.WithTimeout(ctx, left*3/4)
	return &tempo{Context: ctx, leisure: leisure, looking: looking, grace: graceLooks}, func() { cancel(); stop() }
}

// Err returns why the time is over; nil if it is not.
func (p *tempo) Err() error { return p.noted(p.Context.Err()) }

// spare reports whether there is time for one more thing that is worth a moment, or grace.
func (p *tempo) spare() bool {
	if p.Err() == nil {
		return true
	}
	p.grace--
	return p.grace >= 0
}

// stops reports whether the time is over; of so many steps in a row it looks at every stride-th only.
func (p *tempo) stops(step int) bool { return step%stride == 0 && p.Err() != nil }

// hasty reports whether it is too late to make anything cheaper.
func (p *tempo) hasty() bool { return p.noted(p.leisure.Err()) != nil }

// late reports whether it is time to buy for those pods that were looked at.
func (p *tempo) late() bool { return p.looking.Err() != nil }

func (p *tempo) noted(err error) error {
	if err != nil {
		p.cut.Store(true)
	}
	return err
}
