package awssim

import (
	"context"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
)

// Handler carries out a request. An error that is an *apierror.Error answers in AWS's words; any other one is an internal error.
type Handler func(context.Context, *wire.Request) (*wire.Response, error)

// Hook is a link of the chain that every request passes. It may answer itself, call next and change the answer, or call next and answer
// something else although the work is done: faults are hooks.
type Hook func(ctx context.Context, r *wire.Request, next Handler) (*wire.Response, error)

// link puts hooks before a handler; the first hook sees the request first.
func link(hooks []Hook, last Handler) Handler {
	for _, hook := range slices.Backward(hooks) {
		next := last
		last = func(ctx context.Context, r *wire.Request) (*wire.Response, error) { return hook(ctx, r, next) }
	}
	return last
}

// authenticate refuses requests without a signature, signed with a key that the world does not know, or signed for another region.
func (s *Server) authenticate(ctx context.Context, r *wire.Request, next Handler) (*wire.Response, error) {
	service, ok := s.services[r.Service]
	if !ok {
		return nil, apierror.New("UnknownService", "The simulator has no service %q", r.Service).WithStatus(http.StatusNotFound)
	}
	if !r.Credential.Signed || !s.world.KnowsAccessKey(r.Credential.AccessKeyID) {
		return nil, service.BadCredentials(!r.Credential.Signed)
	}
	if region := r.Credential.Region; isRegional(r.Service) && region != s.world.Region() {
		return nil, apierror.New("AuthFailure", "Credential should be scoped to a valid region: the simulated one is %s, not %s", s.world.Region(), region).
			WithStatus(http.StatusUnauthorized)
	}
	return next(ctx, r)
}

// isRegional is false for the services whose answers are the same from every region's endpoint.
func isRegional(service string) bool { return service != "pricing" && service != "sts" }

// authorize refuses what the policies do not allow: those of the identity that calls, and those of queues, which are all that have their own.
func (s *Server) authorize(ctx context.Context, r *wire.Request, next Handler) (*wire.Response, error) {
	if s.auditor == nil && s.services[r.Service] != s.queues {
		return next(ctx, r)
	}
	service, principal := s.services[r.Service], s.world.Principal()
	for _, ask := range service.Asks(r) {
		// Made here and not by the services, as it is the same for all of them.
		request := ask.Request
		request.Context = maps.Clone(request.Context)
		if request.Context == nil {
			request.Context = map[string][]string{}
		}
		request.Context["aws:RequestedRegion"] = []string{r.Credential.Region}
		request.Context["aws:PrincipalArn"] = []string{principal}
		decision := iam.Decision{Allowed: true}
		if s.auditor != nil {
			decision = s.auditor.Authorize(request)
		}
		decision = decision.Within(ask.Policy, iam.Identity(principal), request)
		if decision.Allowed {
			continue
		}
		s.world.Faults().Hit(faults.IAMDenied)
		refusal := service.Denied(principal, request, decision)
		if !ask.Late {
			return nil, refusal
		}
		r.LaunchRefused = refusal
		break
	}
	return next(ctx, r)
}

// ledger counts calls. Refused and failed ones count too.
type ledger struct {
	now func() time.Time

	mu    sync.Mutex
	calls admin.Calls
}

func newLedger(now func() time.Time) *ledger {
	return &ledger{now: now, calls: admin.Calls{Actions: map[string]admin.Action{}, Errors: map[string]int{}}}
}

// codeAborted stands for an answer that never came.
const codeAborted = "ConnectionAborted"

func (l *ledger) count(ctx context.Context, r *wire.Request, next Handler) (*wire.Response, error) {
	response, err := next(ctx, r)
	code := ""
	switch {
	case err != nil:
		code = apierror.From(err).Code
	case response.Abort:
		code = codeAborted
	}
	l.record(r.Service+":"+r.Action, code)
	return response, err
}

func (l *ledger) record(name, code string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	action, ok := l.calls.Actions[name]
	if !ok {
		action = admin.Action{Errors: map[string]int{}, First: now}
	}
	action.Count++
	action.Last = now
	if code != "" {
		action.Errors[code]++
		l.calls.Errors[code]++
	}
	l.calls.Total++
	l.calls.Actions[name] = action
}

func (l *ledger) snapshot() admin.Calls {
	l.mu.Lock()
	defer l.mu.Unlock()
	copied := admin.Calls{Total: l.calls.Total, Actions: maps.Clone(l.calls.Actions), Errors: maps.Clone(l.calls.Errors)}
	for name, action := range copied.Actions {
		action.Errors = maps.Clone(action.Errors)
		copied.Actions[name] = action
	}
	return copied
}

// delay makes no answer come sooner than a network would bring it. That is not for looks: a Go SDK that gets its answer while its transport still
// winds up the request drops the connection and the answer with it.
func delay(least time.Duration) Hook {
	return func(ctx context.Context, r *wire.Request, next Handler) (*wire.Response, error) {
		if least < 0 {
			return next(ctx, r)
		}
		over := time.NewTimer(least)
		defer over.Stop()
		response, err := next(ctx, r)
		select {
		case <-over.C:
		case <-ctx.Done():
		}
		return response, err
	}
}

// outage makes all of AWS unreachable while it is on.
type outage struct {
	mu   sync.Mutex
	mode string
}

func (o *outage) set(mode string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mode = mode
}

func (o *outage) hook(ctx context.Context, r *wire.Request, next Handler) (*wire.Response, error) {
	o.mu.Lock()
	mode := o.mode
	o.mu.Unlock()
	switch mode {
	case admin.OutageUnavailable:
		return nil, errUnavailable()
	case admin.OutageDrop:
		return &wire.Response{Abort: true}, nil
	case admin.OutageHang:
		<-ctx.Done()
		return &wire.Response{Abort: true}, nil
	}
	return next(ctx, r)
}
