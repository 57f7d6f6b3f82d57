package chaos_test

import (
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/chaos/history"
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
	job.Points(t, job.Scope{Machines: 6, Every: 11}, job.Share{}, expectWhole(t))
}

func TestASampleOfTheCrashPointsAfterAChoiceKeepsAllPromises(t *testing.T) {
	job.Choices(t, 17, job.Share{}, expectWhole(t))
}

// regressions are worlds in which a promise was once broken.
func regressions() map[string]world.Plan {
	return map[string]world.Plan{
		"an instance ended below the pods of a node that had just joined": {
			Seed: 159, Pods: 1, Shapes: 1, Workers: 4, Calm: 2 * time.Minute, Shuffle: true, Lags: map[string]world.Lag{"Node": {Least: 3 * time.Second, Most: 4 * time.Second}},
			Steps: []world.Step{{At: 2 * time.Second, Action: world.StepScale, Number: 1}, {At: 5 * time.Second, Action: world.StepAmbush}},
		},
		"a pod came to an empty node and ended before any watch told of it": world.DrawRace(6985),
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

// aftermath are the lines of a history that follow the first crash, without the names that launches draw.
func aftermath(t *testing.T, plan world.Plan) []string {
	t.Helper()
	result := world.Run(t, plan)
	if result.Err != nil || result.Crashes != 1 {
		t.Fatalf("%d crashes (%v), want 1", result.Crashes, result.Err)
	}
	events := result.History.Events
	crash := slices.IndexFunc(events, func(e history.Event) bool { return e.Mark != nil && e.Mark.Name == history.MarkCrash })
	drawn := regexp.MustCompile(`(token|group)([: ])[0-9a-f-]+`)
	var out []string
	for i := range events[crash+1:] {
		out = append(out, drawn.ReplaceAllString(events[crash+1+i].Line(events[0].At), "$1$2*"))
	}
	return out
}

func TestCrashPointsThatLeaveTheSameWorldBehindAreFollowedByTheSame(t *testing.T) {
	inOrder := func(p job.Point) world.Plan {
		plan := p.Plan(2)
		plan.Shuffle = false // what is drawn would be drawn from another place of the same dice
		return plan
	}
	without := world.Launch(2, true)
	without.Shuffle = false
	whole := world.Run(t, without)
	points, compared := job.PointsOf(&whole), 0
	for i := 0; i < len(points); i += 7 {
		if len(points[i].Alike) == 0 {
			continue
		}
		compared++
		last := points[i].Alike[len(points[i].Alike)-1]
		if diff := cmp.Diff(aftermath(t, inOrder(points[i])), aftermath(t, inOrder(last))); diff != "" {
			t.Errorf("%s is followed by something else than %s (-/+):\n%s", points[i], last, diff)
		}
	}
	if compared < 5 {
		t.Errorf("%d pairs of %d points were compared, want at least 5", compared, len(points))
	}
}
