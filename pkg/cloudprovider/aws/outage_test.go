package aws_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
)

// TestLaunchTemplatesDoNotPileUpWhileNothingCanBeLaunched has EC2 make launch templates for ten minutes, and neither launch anything
// from them nor remove them.
func TestLaunchTemplatesDoNotPileUpWhileNothingCanBeLaunched(t *testing.T) {
	s := startSim(t)
	s.settings.APIShare = 1000 // it is not about request limits
	s.attempts = 1
	s.provider = s.newProvider(clusterUID)
	s.makeTemplate()
	create(t, s.provider, machine("before", 1, 0))
	usual := len(s.LaunchTemplates())
	s.inject(func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
		if r.Action == "CreateFleet" || r.Action == "DeleteLaunchTemplate" {
			return refuse("InternalError")(ctx, r, next)
		}
		return next(ctx, r)
	})
	for minute := range 10 {
		for n := range 10 {
			if _, err := s.provider.Create(t.Context(), machine(fmt.Sprintf("during-%d-%d", minute, n), 1, 0)); err == nil {
				t.Fatal("EC2 is out of order, and something was launched")
			}
		}
		for _, task := range s.provider.Tasks() {
			if task.Name == "sweeping launch templates" {
				_ = task.Run(t.Context()) // it fails as well once there is something to remove
			}
		}
		s.clock.Step(time.Minute)
	}
	if got := len(s.LaunchTemplates()); got > usual {
		t.Errorf("%d launch templates after ten minutes, want the %d of one launch", got, usual)
	}
	s.inject(nil)
	restarted := s.newProvider(clusterUID) // it has made none of them
	for range 2 {
		s.run(restarted, "sweeping launch templates")
		s.clock.Step(time.Minute)
	}
	if left := len(s.LaunchTemplates()); left > 0 {
		t.Errorf("%d launch templates are left after the outage", left)
	}
}
