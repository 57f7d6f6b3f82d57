package throttle

import (
	"context"
	"fmt"
	"sync"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/smithy-go/middleware"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

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

// urgency is the key of what Urgent says.
type urgency struct{}

// Urgent returns a context whose calls go before others: they end machines, or find out whether these have ended.
func Urgent(ctx context.Context) context.Context { return context.WithValue(ctx, urgency{}, true) }

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
			t.requests(c).empty()
		}
		return out, metadata, err
	}), "Retry", middleware.After)
}

// wait waits for the call's turn.
func (t *Throttle) wait(ctx context.Context, c call) error {
	urgent, _ := ctx.Value(urgency{}).(bool)
	start := t.clock.Now()
	defer func() { t.waits.WithLabelValues(c.action, fmt.Sprint(urgent)).Observe(t.clock.Since(start).Seconds()) }()
	if l, ok := c.resources(); ok {
		if err := t.bucket(c.action+" of instances", l).take(ctx, c.instances, urgent); err != nil {
			return err
		}
	}
	return t.requests(c).take(ctx, 1, urgent)
}

func (t *Throttle) requests(c call) *bucket {
	name := c.service + c.action
	if c.whole {
		name += " of all"
	}
	return t.bucket(name, c.requests())
}

func (t *Throttle) bucket(name string, l limit) *bucket {
	t.mu.Lock()
	defer t.mu.Unlock()
	b, ok := t.buckets[name]
	if !ok {
		b = newBucket(t.clock, l, t.share)
		t.buckets[name] = b
	}
	return b
}
