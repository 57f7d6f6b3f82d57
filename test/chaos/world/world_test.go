package world_test

import (
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/test/chaos/world"
)

func TestTry(t *testing.T) {
	plan := world.Plan{
		Seed: 1, Pods: 20, Shapes: 1, Workers: 4, Calm: 5 * time.Minute, Drain: true,
		Steps: []world.Step{{At: 5 * time.Second, Action: world.StepScale, Number: 20}},
	}
	start := time.Now()
	r := world.Run(t, plan)
	t.Logf("took %s, %d calls, %v", time.Since(start), r.Calls, r.Err)
}
