package throttle

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
)

// Throttle makes calls wait for their turn. It is safe for concurrent use.
type Throttle struct {
	clock clock.Clock
	share float64
	waits *prometheus.HistogramVec

	mu      sync.Mutex
	buckets map[string]*bucket // name -> bucket
}

// New returns a throttle that takes a share of what AWS allows an account: 1 is all of it. That is not positive stands for all.
func New(clock clock.Clock, share float64) *Throttle {
	if !(share > 0) {
		share = 1
	}
	return &Throttle{
		clock: clock, share: share, buckets: map[string]*bucket{},
		waits: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "karpenter", Subsystem: "cloudprovider", Name: "api_wait_seconds",
			Help:    "Time that calls of AWS were held back to stay within request limits, by action and whether they are urgent.",
			Buckets: []float64{0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10, 30, 60},
		}, []string{"action", "urgent"}),
	}
}

// Collector returns the measure of how long calls waited.
func (t *Throttle) Collector() prometheus.Collector { return t.waits }

// urgency is the key of what Urgent and Now say.
type urgency struct{}

// rank is how a call is treated: urgent ones go before others, and prompt ones do not wait besides.
type rank int

const (
	patient rank = iota
	urgent
	prompt
)

// promptly is how long a call waits that is to be made now.
const promptly = 20 * time.Millisecond

// Urgent returns a context whose calls go before others: they end machines, or find out whether these have ended.
func Urgent(ctx context.Context) context.Context { return context.WithValue(ctx, urgency{}, urgent) }

// Now returns a context whose calls are urgent, and which are not made, with an UnavailableError, if they would have to wait.
func Now(ctx context.Context) context.Context { return context.WithValue(ctx, urgency{}, prompt) }

// asked is the key of the call in the values of an SDK stack.
type asked struct{}

// Middleware adds the throttle to the stack of an SDK operation; it goes into the APIOptions of an SDK configuration. Each attempt
// waits, retries too, before it is signed: a signature ages.
func (t *Throttle) Middleware(stack *middleware.Stack) error {
	err := stack.Initialize.Add(middleware.InitializeMiddlewareFunc("ThrottleCost", func(
		ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
	) (middleware.InitializeOutput, middleware.Metadata, error) {
		c := callOf(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), in.Parameters)
		return next.HandleInitialize(middleware.WithStackValue(ctx, asked{}, c), in)
	}), middleware.After)
	if err != nil {
		return fmt.Errorf("adding the throttle: %w", err)
	}
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("Throttle", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		c, ok := middleware.GetStackValue(ctx, asked{}).(call)
		if !ok || !bounded(awsmiddleware.GetServiceID(ctx)) {
			return next.HandleFinalize(ctx, in)
		}
		if err := t.wait(ctx, c); err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, fmt.Errorf("waiting to call %s: %w", c.action, err)
		}
		out, metadata, err := next.HandleFinalize(ctx, in)
		if awserr.Is(err, awserr.Throttled) {
			t.refused(c)
		}
		return out, metadata, err
	}), "Retry", middleware.After)
}

// wait waits for the call's turn.
func (t *Throttle) wait(ctx context.Context, c call) error {
	rank, _ := ctx.Value(urgency{}).(rank)
	most := c.patience()
	if rank == prompt {
		most = promptly
	}
	start := t.clock.Now()
	defer func() {
		t.waits.WithLabelValues(c.action, fmt.Sprint(rank > patient)).Observe(t.clock.Since(start).Seconds())
	}()
	err := t.requests(c).take(ctx, want{tokens: 1, urgent: rank > patient, most: most})
	if errors.Is(err, errLate) {
		limit := c.requests()
		return cloudprovider.NewUnavailableError(fmt.Errorf("EC2 would throttle it: an account may make %g such calls at once and %g each second from then on "+
			"(if AWS has raised that, raise --aws-api-share)", limit.size, limit.refill))
	}
	if err != nil {
		return err
	}
	pool, ok := c.resources()
	if !ok {
		return nil
	}
	err = t.bucket(pool).take(ctx, want{tokens: c.instances, urgent: rank > patient, most: most})
	if errors.Is(err, errLate) {
		return cloudprovider.NewUnavailableError(fmt.Errorf("EC2 would throttle it: an account may %s %g instances at once and %g each second "+
			"from then on (if AWS has raised that, raise --aws-api-share)", pool.verb, pool.size, pool.refill))
	}
	return err
}

// refused lowers what a call is thought to have left: AWS had less than it took, and does not say of what.
func (t *Throttle) refused(c call) {
	t.requests(c).lower(0)
	if pool, ok := c.resources(); ok {
		t.bucket(pool).lower(max(c.instances-1, 0))
	}
}

func (t *Throttle) requests(c call) *bucket {
	name := c.service + c.action
	if c.whole {
		name += " of all"
	}
	return t.bucket(pool{name: name, limit: c.requests(), reserve: reserve})
}

func (t *Throttle) bucket(p pool) *bucket {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok := t.buckets[p.name]
	if !ok {
		b = newBucket(t.clock, p.limit, t.share, p.reserve)
		t.buckets[p.name] = b
	}
	return b
}
