// Package outage notices when EC2 does not answer, and has the many who want something of it wait for the one who asks again.
package outage

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
)

const (
	// tolerated is how many attempts of an action fail in a row before it is taken to be out.
	tolerated = 3
	// probeInterval is how often one attempt of an action that is out goes through.
	probeInterval = 5 * time.Second
	// probeTimeout bounds such an attempt: one that hangs must not hide that EC2 answers again.
	probeTimeout = 10 * time.Second
)

// Gate lets attempts of an action pass while EC2 answers it, whatever the answer is. Once it does not, one attempt at a time passes,
// now and then, and all others are turned down at once with an UnavailableError, which costs nobody anything. The first answer
// opens it. Actions are looked at one by one, as not all of EC2 need be out. It is safe for concurrent use.
type Gate struct {
	clock clock.PassiveClock
	out   *prometheus.GaugeVec

	mu      sync.Mutex
	actions map[string]*action // name -> how it goes
}

// action is how it goes with one action.
type action struct {
	failures int       // in a row
	next     time.Time // when an attempt may pass while it is out
}

// New returns an open gate.
func New(clock clock.PassiveClock) *Gate {
	return &Gate{
		clock: clock, actions: map[string]*action{},
		out: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "karpenter", Subsystem: "cloudprovider", Name: "api_unavailable",
			Help: "1 for each action of EC2 that does not answer; not there for the others.",
		}, []string{"action"}),
	}
}

// Collector returns the measure of what does not answer.
func (g *Gate) Collector() prometheus.Collector { return g.out }

// Middleware adds the gate to the stack of an SDK operation; it goes into the APIOptions of an SDK configuration, after all that
// makes attempts wait: what is turned down takes nobody's turn.
func (g *Gate) Middleware(stack *middleware.Stack) error {
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("OutageGate", func(
		ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler,
	) (middleware.FinalizeOutput, middleware.Metadata, error) {
		if awsmiddleware.GetServiceID(ctx) != ec2.ServiceID {
			return next.HandleFinalize(ctx, in) // other services are asked seldom
		}
		name := awsmiddleware.GetOperationName(ctx)
		probe, err := g.enter(name)
		if err != nil {
			return middleware.FinalizeOutput{}, middleware.Metadata{}, err
		}
		within := ctx
		if probe {
			var cancel context.CancelFunc
			within, cancel = context.WithTimeout(ctx, probeTimeout)
			defer cancel()
		}
		out, metadata, err := next.HandleFinalize(within, in)
		switch {
		case ctx.Err() != nil: // who asked has given up, which says nothing of EC2
		case cloudprovider.IsUnavailable(err): // nobody was asked
		case isOutage(err):
			g.failed(name)
			err = cloudprovider.NewUnavailableError(err)
		default:
			g.answered(name)
		}
		return out, metadata, err
	}), "Retry", middleware.After)
}

// enter says whether an attempt may pass, and whether it is a probe.
func (g *Gate) enter(name string) (probe bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a, ok := g.actions[name]
	if !ok || a.failures < tolerated {
		return false, nil
	}
	now := g.clock.Now()
	if now.Before(a.next) {
		return false, cloudprovider.NewUnavailableError(fmt.Errorf("ec2:%s does not answer; it is asked again every %s", name, probeInterval))
	}
	a.next = now.Add(probeInterval)
	return true, nil
}

func (g *Gate) failed(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a, ok := g.actions[name]
	if !ok {
		a = &action{}
		g.actions[name] = a
	}
	a.failures++
	if a.failures == tolerated {
		a.next = g.clock.Now().Add(probeInterval)
		g.out.WithLabelValues(name).Set(1)
	}
}

func (g *Gate) answered(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.actions[name]; ok {
		delete(g.actions, name)
		g.out.DeleteLabelValues(name)
	}
}

// isOutage reports whether err says that EC2 did not answer, or only that it is not well. A refusal is an answer, and so is that
// there were too many requests or that there is no capacity, whatever their status.
func isOutage(err error) bool {
	if err == nil || !awserr.Is(err, awserr.Unknown) {
		return false
	}
	if answer, ok := errors.AsType[*smithyhttp.ResponseError](err); ok && answer.HTTPStatusCode() > 0 { // 0 stands for none
		return answer.HTTPStatusCode() >= 500
	}
	if _, ok := errors.AsType[*smithyhttp.RequestSendError](err); ok {
		return true
	}
	return errors.Is(err, context.DeadlineExceeded)
}
