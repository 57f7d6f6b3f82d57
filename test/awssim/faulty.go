package awssim

import (
	"context"
	"net/http"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/ec2"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
)

// failBefore fails calls before anything of them is carried out, or holds them up.
func (s *Server) failBefore(ctx context.Context, r *wire.Request, next Handler) (*wire.Response, error) {
	trouble := s.world.Faults().Before(r.Service, r.Action, s.world.Now())
	if trouble.Kind == faults.Slow {
		if !s.world.Wait(ctx, trouble.Delay) {
			return &wire.Response{Abort: true}, nil
		}
		return next(ctx, r)
	}
	if response, err := fail(ctx, trouble.Kind); response != nil || err != nil {
		return response, err
	}
	return next(ctx, r)
}

// loseAnswer carries calls out and loses their answers. A call that was refused has committed nothing, so its refusal arrives.
func (s *Server) loseAnswer(ctx context.Context, r *wire.Request, next Handler) (*wire.Response, error) {
	answer, refusal := next(ctx, r)
	if refusal != nil {
		return nil, refusal
	}
	if response, err := fail(ctx, s.world.Faults().Lost(r.Service, r.Action, s.world.Now()).Kind); response != nil || err != nil {
		return response, err
	}
	return answer, nil
}

// fail answers a call that fails; nothing if it does not.
func fail(ctx context.Context, kind string) (*wire.Response, error) {
	switch kind {
	case faults.Failure:
		return nil, apierror.New("InternalError", "An internal error has occurred").WithStatus(http.StatusInternalServerError)
	case faults.Unavailable:
		return nil, errUnavailable()
	case faults.Drop:
		return &wire.Response{Abort: true}, nil
	case faults.Hang:
		<-ctx.Done()
		return &wire.Response{Abort: true}, nil
	}
	return nil, nil //nolint:nilnil // neither: the call does not fail
}

// throttle refuses calls of EC2 that come too fast.
func (s *Server) throttle(ctx context.Context, r *wire.Request, next Handler) (*wire.Response, error) {
	if r.Service == "ec2" && s.world.Faults().Throttled(ec2.Weigh(r.Action, r.Form), s.world.Now()) {
		return nil, apierror.New("RequestLimitExceeded", "Request limit exceeded.").WithStatus(http.StatusServiceUnavailable)
	}
	return next(ctx, r)
}

func errUnavailable() *apierror.Error {
	return apierror.New("ServiceUnavailable", "The service is unavailable. Please try again shortly.").WithStatus(http.StatusServiceUnavailable)
}
