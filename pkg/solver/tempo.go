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
}

// newTempo returns the tempo of a plan that begins now, and what has to be called when it is done.
func newTempo(ctx context.Context) (*tempo, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return &tempo{Context: ctx, leisure: ctx, looking: ctx}, func() {}
	}
	left := time.Until(deadline) //nolint:forbidigo // the deadline is an argument, how far off it is can only be asked
	leisure, cancel := context.WithTimeout(ctx, left/2)
	if left <= 0 {
		cancel() // a deadline that is past is nearer than half of what is left
	}
	looking, stop := context.WithTimeout(ctx, left*3/4)
	return &tempo{Context: ctx, leisure: leisure, looking: looking}, func() { cancel(); stop() }
}

// Err returns why the time is over; nil if it is not.
func (p *tempo) Err() error { return p.noted(p.Context.Err()) }

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
