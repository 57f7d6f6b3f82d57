package chaos_test

import (
	"testing"

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
	job.Seeds(t, 1, 100, job.Share{}, expectWhole(t))
}

func TestASampleOfTheCrashPointsOfALaunchAndItsEndKeepsAllPromises(t *testing.T) {
	job.Points(t, 6, 23, job.Share{}, expectWhole(t))
}

// regressions are seeds that once broke a promise.
func regressions() map[string]uint64 {
	return map[string]uint64{
		"an instance ended below the pods of a node that had just joined": 159,
	}
}

func TestSeedsThatOnceBrokeAPromiseKeepIt(t *testing.T) {
	for name, seed := range regressions() {
		t.Run(name, func(t *testing.T) { job.Seeds(t, seed, seed, job.Share{}, expectWhole(t)) })
	}
}

func TestASeedMakesTheSameHistoryEachTime(t *testing.T) {
	for seed := uint64(1); seed <= 10; seed++ {
		var prints [2]string
		for i := range prints {
			result := world.Run(t, world.Draw(seed))
			print, err := result.History.Fingerprint()
			if err != nil {
				t.Fatal(err)
			}
			prints[i] = print
		}
		if prints[0] != prints[1] {
			t.Errorf("seed %d made two histories", seed)
		}
	}
}
