package throttle

import (
	"context"
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

func newBucket(clock clock.Clock, l limit, share float64) *bucket {
	size := max(int(l.size*share), 1)
	b := &bucket{
		clock: clock, tokens: rate.NewLimiter(rate.Limit(l.refill*share), size), urgent: make(chan struct{}, 1), patient: make(chan struct{}, 1),
	}
	if size > 1 {
		b.kept = reserve * float64(size)
	}
	return b
}

// take waits until n tokens are there for the call, and takes them. More than the bucket ever holds count as all that it holds.
func (b *bucket) take(ctx context.Context, n int, urgent bool) error {
	queue, kept := b.patient, b.kept
	if urgent {
		queue, kept = b.urgent, 0
	}
	select {
	case queue <- struct{}{}:
		defer func() { <-queue }()
	case <-ctx.Done():
		return ctx.Err()
	}
	n = min(n, int(float64(b.tokens.Burst())-kept))
	for {
		now := b.clock.Now()
		lacking := float64(n) + kept - b.tokens.TokensAt(now)
		if lacking <= 0 && b.tokens.AllowN(now, n) {
			return ctx.Err()
		}
		// The other queue may be faster; then it takes another round.
		timer := b.clock.NewTimer(max(time.Duration(lacking/float64(b.tokens.Limit())*float64(time.Second)), time.Millisecond))
		select {
		case <-timer.C():
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// empty takes all that is there: AWS has said that there is nothing, others may have taken it.
func (b *bucket) empty() {
	now := b.clock.Now()
	if n := int(b.tokens.TokensAt(now)); n > 0 {
		b.tokens.AllowN(now, n)
	}
}
