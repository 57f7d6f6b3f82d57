package throttle

import (
	"context"
	"errors"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/utils/clock"
)

// reserve is the part of a bucket that only urgent calls take from.
const reserve = 0.2

// bucket is a token bucket with two queues. The first of each takes what it needs as soon as it is there; one that is not urgent
// leaves the reserve alone. It is safe for concurrent use.
type bucket struct {
	clock   clock.Clock
	tokens  *rate.Limiter
	kept    float64       // tokens that are kept for urgent calls
	urgent  chan struct{} // holds a value while somebody is first in the queue
	patient chan struct{} // the same
}

func newBucket(clock clock.Clock, l limit, share, reserve float64) *bucket {
	size := max(int(l.size*share), 1)
	b := &bucket{
		clock: clock, tokens: rate.NewLimiter(rate.Limit(l.refill*share), size), urgent: make(chan struct{}, 1), patient: make(chan struct{}, 1),
	}
	if size > 1 {
		b.kept = reserve * float64(size)
	}
	return b
}

// want is what a call takes.
type want struct {
	tokens int
	urgent bool
	// most is how long it waits for them; 0 is for as long as it takes.
	most time.Duration
}

// errLate says that the tokens come later than a call waits for them.
var errLate = errors.New("too few tokens")

// take waits until the tokens are there for the call, and takes them. More than the bucket ever holds count as all that it holds. It
// returns errLate, and takes none, as soon as it is clear that they come too late.
func (b *bucket) take(ctx context.Context, w want) error {
	queue, kept, start := b.patient, b.kept, b.clock.Now()
	if w.urgent {
		queue, kept = b.urgent, 0
	}
	select {
	case queue <- struct{}{}:
		defer func() { <-queue }()
	case <-ctx.Done():
		return ctx.Err()
	}
	n := min(w.tokens, int(float64(b.tokens.Burst())-kept))
	for {
		now := b.clock.Now()
		lacking := float64(n) + kept - b.tokens.TokensAt(now)
		if lacking <= 0 && b.tokens.AllowN(now, n) {
			return ctx.Err()
		}
		left := max(time.Duration(lacking/float64(b.tokens.Limit())*float64(time.Second)), time.Millisecond)
		if w.most > 0 && now.Sub(start)+left > w.most {
			return errLate
		}
		timer := b.clock.NewTimer(left) // the other queue may be faster; then it takes another round
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// lower takes what there is beyond n tokens: AWS has said that it has no more, others may have taken them.
func (b *bucket) lower(n int) {
	now := b.clock.Now()
	if beyond := int(b.tokens.TokensAt(now)) - n; beyond > 0 {
		b.tokens.AllowN(now, beyond)
	}
}
