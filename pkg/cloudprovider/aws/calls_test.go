package aws_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
)

// workers is how many Machines kerf's controllers look after at a time.
const workers = 100

// each does something for every machine, as the workers of a controller would, and returns what came of it.
func each(machines []*v1alpha5.Machine, do func(int, *v1alpha5.Machine) error) []error {
	errs := make([]error, len(machines))
	slots := make(chan struct{}, workers)
	var group sync.WaitGroup
	for i, m := range machines {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			errs[i] = do(i, m)
		})
	}
	group.Wait()
	return errs
}

// wantAll fails the test unless everything went well.
func wantAll(t *testing.T, what string, errs []error) {
	t.Helper()
	if i := slices.IndexFunc(errs, func(err error) bool { return err != nil }); i >= 0 {
		t.Fatalf("%s machine %d: %v", what, i, errs[i])
	}
}

// group launches n machines together.
func (s *sim) group(name string, n int32) []*v1alpha5.Machine {
	s.t.Helper()
	out := make([]*v1alpha5.Machine, n)
	for i := range out {
		out[i] = machine(name, n, int32(i)) //nolint:gosec // few
	}
	wantAll(s.t, "creating", each(out, func(i int, m *v1alpha5.Machine) (err error) {
		out[i], err = s.provider.Create(s.t.Context(), m)
		return err
	}))
	return out
}

func TestAThousandMachinesTakeFewCalls(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	before := s.Calls().Actions
	machines := s.group("thousand", 1000)
	wantAll(t, "getting", each(machines, func(_ int, m *v1alpha5.Machine) error {
		_, err := s.provider.Get(t.Context(), m.Status.ProviderID)
		return err
	}))
	wantAll(t, "deleting", each(machines, func(_ int, m *v1alpha5.Machine) error { return s.provider.Delete(t.Context(), m) }))
	if s.live() > 0 {
		t.Errorf("%d instances are left", s.live())
	}
	for action, most := range map[string]int{"ec2:CreateFleet": 1, "ec2:DescribeInstances": 40, "ec2:TerminateInstances": 20} {
		got := s.calls(action) - before[action].Count
		t.Logf("%s: %d calls", action, got)
		if got > most {
			t.Errorf("%d calls of %s for a thousand machines, want at most %d", got, action, most)
		}
	}
	if refused := s.Calls().Errors; len(refused) > 0 {
		t.Errorf("refused calls: %v", refused)
	}
}

func TestAnInstanceThatEC2DoesNotKnowFailsAlone(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	machines := s.group("mixed", 20)
	for _, i := range []int{3, 11} {
		machines[i].Status.ProviderID = fmt.Sprintf("aws:///us-east-1a/i-%017x", i)
	}
	machines[7].Status.ProviderID = "aws:///us-east-1a/i-malformed"
	for i, err := range each(machines, func(_ int, m *v1alpha5.Machine) error { return s.provider.Delete(t.Context(), m) }) {
		switch unknown := i == 3 || i == 11; {
		case unknown && !cloudprovider.IsNotFound(err), i == 7 && (err == nil || cloudprovider.IsNotFound(err)), !unknown && i != 7 && err != nil:
			t.Errorf("machine %d: %v", i, err)
		}
	}
	if s.live() != 3 { // those whose ids were exchanged
		t.Errorf("%d instances are left, want 3", s.live())
	}
}

func TestAPolicyThatProtectsOneInstanceProtectsNoOther(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	machines := s.group("guarded", 20)
	guarded := machines[5].Status.ProviderID[strings.LastIndex(machines[5].Status.ProviderID, "/")+1:]
	s.inject(on("TerminateInstances", -1, func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
		for _, values := range r.Form {
			if slices.Contains(values, guarded) {
				return refuse("UnauthorizedOperation")(ctx, r, next)
			}
		}
		return next(ctx, r)
	}))
	for i, err := range each(machines, func(_ int, m *v1alpha5.Machine) error { return s.provider.Delete(t.Context(), m) }) {
		if (err != nil) != (i == 5) {
			t.Errorf("machine %d: %v", i, err)
		}
	}
}

func TestAPolicyThatAllowsNoTerminationAtAllTakesFewCallsToTell(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	machines := s.group("denied", workers)
	s.inject(on("TerminateInstances", -1, refuse("UnauthorizedOperation")))
	before := s.calls("ec2:TerminateInstances")
	for i, err := range each(machines, func(_ int, m *v1alpha5.Machine) error { return s.provider.Delete(t.Context(), m) }) {
		if err == nil || cloudprovider.IsNotFound(err) || !strings.Contains(err.Error(), "credentials refused by ec2:TerminateInstances") {
			t.Fatalf("machine %d: %v", i, err)
		}
	}
	calls := s.calls("ec2:TerminateInstances") - before
	if most := 25; calls > most {
		t.Errorf("%d calls of TerminateInstances for %d machines, want at most %d", calls, len(machines), most)
	}
}

// budget refuses what exceeds EC2's bucket for launches, counted by the time that passes in the test.
type budget struct {
	mu      sync.Mutex
	tokens  float64
	last    time.Time
	refused int
}

func (b *budget) hook(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
	const size, refill = 50, 5
	if r.Action != "CreateFleet" {
		return next(ctx, r)
	}
	b.mu.Lock()
	now := time.Now()
	if b.last.IsZero() {
		b.tokens, b.last = size, now
	}
	b.tokens = min(size, b.tokens+refill*now.Sub(b.last).Seconds())
	b.last = now
	short := b.tokens < 1
	if short {
		b.refused++
	} else {
		b.tokens--
	}
	b.mu.Unlock()
	if short {
		return refuse("RequestLimitExceeded")(ctx, r, next)
	}
	return next(ctx, r)
}

func TestEC2NeverHasToThrottleLaunchesAndTerminationsDoNotWaitForThem(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	ended := s.group("ended", 1)[0]
	b := &budget{}
	s.inject(b.hook)
	launches := make([]*v1alpha5.Machine, 60)
	for i := range launches {
		launches[i] = machine(fmt.Sprint("storm-", i), 1, 0)
	}
	done := make(chan []error)
	go func() {
		done <- each(launches, func(_ int, m *v1alpha5.Machine) error {
			_, err := s.provider.Create(context.WithoutCancel(t.Context()), m)
			return err
		})
	}()
	start := time.Now()
	if err := s.provider.Delete(t.Context(), ended); err != nil {
		t.Error(err)
	}
	waited := time.Since(start)
	wantAll(t, "launching", <-done)
	if took := time.Since(start); b.refused > 0 || took < 3*time.Second || waited > 3*time.Second {
		t.Errorf("EC2 throttled %d calls; 60 launches took %s, a termination among them %s", b.refused, took, waited)
	}
	if got := s.calls("ec2:CreateFleet"); got != 61 {
		t.Errorf("%d calls of CreateFleet, want one for each launch", got)
	}
}
