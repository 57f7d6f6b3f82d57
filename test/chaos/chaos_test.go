package chaos_test

import (
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/test/chaos/job"
	"github.com/kerf-autoscaler/kerf/test/chaos/world"
)

// expectWhole fails the test for each run that shows a bug.
func expectWhole(t *testing.T) func(job.Report) {
	return func(r job.Report) {
		if r.Broken() {
			t.Errorf("%s (replay it with make chaos %s): %v %s", r.Name, r.Name, r.Violations, r.Err)
		}
	}
}

func TestSomeSeedsKeepAllPromises(t *testing.T) {
	job.Seeds(t, 1, 25, job.Share{}, expectWhole(t))
}

func TestASampleOfTheCrashPointsOfALaunchAndItsEndKeepsAllPromises(t *testing.T) {
	job.Points(t, 6, 23, job.Share{}, expectWhole(t))
}

// regressions are worlds in which a promise was once broken.
func regressions() map[string]world.Plan {
	return map[string]world.Plan{
		"an instance ended below the pods of a node that had just joined": {
			Seed: 159, Pods: 1, Shapes: 1, Workers: 4, Calm: 2 * time.Minute, Shuffle: true, Lags: map[string]world.Lag{"Node": {Least: 3 * time.Second, Most: 4 * time.Second}},
			Steps: []world.Step{{At: 2 * time.Second, Action: world.StepScale, Number: 1}, {At: 5 * time.Second, Action: world.StepAmbush}},
		},
	}
}

func TestWorldsThatOnceBrokeAPromiseKeepIt(t *testing.T) {
	for name, plan := range regressions() {
		t.Run(name, func(t *testing.T) { expectWhole(t)(job.Run(t, "regression", name, plan)) })
	}
}

func TestASeedMakesTheSameHistoryEachTime(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		var prints [2]string
		for i := range prints {
			result := world.Run(t, world.Draw(seed))
			fingerprint, err := result.History.Fingerprint()
			if err != nil {
				t.Fatal(err)
			}
			prints[i] = fingerprint
		}
		if prints[0] != prints[1] {
			t.Errorf("seed %d made two histories", seed)
		}
	}
}
