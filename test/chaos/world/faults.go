package world

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/chaos/apiserver"
)

// Classes of faults that are no steps.
const (
	classCrash  = "crash"
	classFreeze = "frozen-watch"
	// ClassAPILost loses the answer of a write that the API server has committed; ClassAPIRefused refuses it before.
	ClassAPILost    = "api-answer-lost"
	ClassAPIRefused = "api-refused"
	// ClassLost loses the answer of a call that AWS has carried out.
	ClassLost = "answer-lost"
	// ClassThrottled and ClassDown refuse calls of AWS; ClassHang never answers them.
	ClassThrottled = "throttled"
	ClassDown      = "down"
	ClassHang      = "hang"
	// ClassEmpty answers lists of instances with none.
	ClassEmpty = "empty-list"
)

// errTimeout is what a client hears of an answer that was lost on its way.
var errTimeout = errors.New("http2: client connection lost")

// faults strike calls while their time has come.
type faults struct{ w *World }

func newFaults(w *World) *faults { return &faults{w: w} }

// open reports whether a fault of the class strikes now.
func (f *faults) open(class string) bool {
	since := f.w.since()
	i := slices.IndexFunc(f.w.plan.Windows, func(v Window) bool { return v.Class == class && since >= v.From && since < v.Until })
	if i < 0 || f.w.plan.Windows[i].Share < 1 && f.w.rand.Float64() >= f.w.plan.Windows[i].Share {
		return false
	}
	f.w.hits[class]++
	return true
}

// next returns when a fault of the plan begins or ends: nothing happens then by itself.
func (f *faults) next(time.Time) time.Time { return time.Time{} }

// decide says what becomes of a call of the API server; AWS has its own ways to fail.
func (f *faults) decide(call *parked) decision {
	if call.api == nil || !call.api.Write || !watched(call.api) {
		return decision{}
	}
	switch {
	case f.open(ClassAPIRefused):
		return decision{skip: true, err: apierrors.NewTooManyRequests("the API server is overloaded", 1)}
	case f.open(ClassAPILost):
		return decision{err: errTimeout}
	default:
		return decision{}
	}
}

// watched reports whether a write is of those that faults strike.
func watched(r *apiserver.Request) bool { return r.Kind != "Event" }

// hook strikes calls of AWS.
func (f *faults) hook(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
	if r.Service != "ec2" {
		return next(ctx, r)
	}
	switch {
	case f.open(ClassThrottled):
		return nil, apierror.New("RequestLimitExceeded", "Request limit exceeded.").WithStatus(http.StatusServiceUnavailable)
	case f.open(ClassDown):
		return nil, apierror.New("ServiceUnavailable", "The service is unavailable. Please try again shortly.").WithStatus(http.StatusServiceUnavailable)
	case f.open(ClassHang):
		<-ctx.Done()
		return &wire.Response{Abort: true}, nil
	case r.Action == "DescribeInstances" && !r.Form.Has("InstanceId.1") && f.open(ClassEmpty):
		r.Form.Set("Filter.99.Name", "instance-id")
		r.Form.Set("Filter.99.Value.1", "i-00000000000000000")
		return next(ctx, r)
	}
	response, err := next(ctx, r)
	if err == nil && f.open(ClassLost) {
		return &wire.Response{Abort: true}, nil
	}
	return response, err
}
