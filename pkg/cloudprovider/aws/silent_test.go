package aws_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
)

// distort has every fleet come out odd.
func (s *sim) distort(kind string) {
	s.t.Helper()
	if err := s.SetFaults(faults.Plan{Seed: 1, Partial: []faults.Partial{{Kind: kind}}}); err != nil {
		s.t.Fatal(err)
	}
}

// written is a machine whose intent is written now.
func (s *sim) written(group string, size, index int32) *v1alpha5.Machine {
	return machine(group, size, index, func(m *v1alpha5.Machine) { m.Status.Launch.Time = metav1.NewTime(s.clock.Now()) })
}

func TestAnAnswerOfNothingAtAllIsNoLackOfCapacity(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	s.distort(faults.Silent)
	before := s.available(s.provider)
	m := s.written("silent", 2, 0)
	for range 3 { // as the controller repeats it
		if _, err := s.provider.Create(t.Context(), m); err == nil || cloudprovider.IsAnswered(err) || !strings.Contains(err.Error(), "neither instances nor errors") {
			t.Fatalf("error = %v, want one to wait on", err)
		}
		s.clock.Step(time.Minute)
	}
	s.clock.Step(5 * time.Minute)
	for index := range int32(2) { // all of the group get the same answer
		_, err := s.provider.Create(t.Context(), machine("silent", 2, index, func(other *v1alpha5.Machine) { other.Status.Launch.Time = m.Status.Launch.Time }))
		if cloudprovider.IsInsufficientCapacity(err) || !cloudprovider.IsAnswered(err) || cloudprovider.CreateReason(err, "") != "NothingLaunched" {
			t.Errorf("error = %v, want one that says that nothing was launched", err)
		}
	}
	if after := s.available(s.provider); after != before || before == 0 {
		t.Errorf("%d offerings are available, before %d", after, before)
	}
	if fleets, calls := len(s.Fleets()), s.calls("ec2:CreateFleet"); fleets != 1 || calls < 4 || s.Faults().Hits["partial."+faults.Silent] != 1 {
		t.Errorf("%d calls made %d fleets, faults met %v; want one, asked for again under its token", calls, fleets, s.Faults().Hits)
	}
}

func TestInstancesThatTheAnswerLeavesOutAreFoundByTheirTags(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	s.distort(faults.Untold)
	got := create(t, s.provider, s.written("untold", 1, 0)) // of a single instance the answer tells nothing
	launched := s.Instances()
	if len(launched) != 1 || got != "aws:///"+launched[0].Zone+"/"+launched[0].ID || s.Faults().Hits["partial."+faults.Untold] != 1 {
		t.Errorf("got %s, launched were %v, faults met %v", got, launched, s.Faults().Hits)
	}
}

// A machine is let go once none of its instances has come to light in the window: no request may be under way then.
func TestALaunchThatIsHeldUpIsGivenUpBeforeTheSearchForItsInstancesEnds(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	s.settings.VisibilityWindow = 2 * time.Second
	provider := s.newProvider(clusterUID)
	s.inject(func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
		if r.Action == "CreateFleet" {
			<-ctx.Done()
		}
		return next(ctx, r)
	})
	_, err := provider.Create(t.Context(), s.written("held", 1, 0))
	if !errors.Is(err, context.DeadlineExceeded) || cloudprovider.IsAnswered(err) {
		t.Errorf("error = %v, want that the time was over and nothing is settled", err)
	}
	if calls := s.calls("ec2:CreateFleet"); calls > 1 {
		t.Errorf("it was asked for %d times", calls)
	}
}
