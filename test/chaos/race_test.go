package chaos_test

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/test/chaos/history"
	"github.com/kerf-autoscaler/kerf/test/chaos/invariant"
	"github.com/kerf-autoscaler/kerf/test/chaos/job"
	"github.com/kerf-autoscaler/kerf/test/chaos/world"
)

// races is how many worlds there are in the short form, and interleavings how many times something comes to a node in them at least.
const races, interleavings = 100, 300

func TestNoPodIsLostToARaceWithEmptiness(t *testing.T) {
	came := 0
	job.Races(t, 1, races, job.Share{}, func(r job.Report) {
		expectWhole(t)(r)
		came += r.Hits[world.ClassAmbush] + r.Hits[world.StepVisit]
	})
	if came < interleavings {
		t.Errorf("something came to a node %d times in %d worlds, want %d at least", came, races, interleavings)
	}
}

// emptying is a world in which one machine becomes empty, and somebody lies in wait for its end.
func emptying(ttl int64, ambushes ...world.Ambush) world.Plan {
	return world.Plan{
		Seed: 1, Pods: 1, Shapes: 1, Workers: 4, Shuffle: true, Calm: 4 * time.Minute,
		Steps: []world.Step{{At: 2 * time.Second, Action: world.StepScale, Number: 1}, {At: 75 * time.Second, Action: world.StepShrink}},
		Race:  &world.Race{TTL: ttl, From: 70 * time.Second, Ambushes: ambushes},
	}
}

// fate is what became of a race.
type fate struct {
	// deleted says that kerf deleted the machine before all was calm, evicted that it evicted a pod, ran how many visitors ran to the end of
	// the world.
	deleted, evicted bool
	ran              int
}

func fateOf(t *testing.T, plan world.Plan) fate {
	t.Helper()
	result := world.Run(t, plan)
	if violations := invariant.Judge(&result.History); result.Err != nil || len(violations) > 0 {
		t.Fatalf("%v, %v", violations, result.Err)
	}
	if n := result.Hits[world.ClassAmbush] + result.Hits[world.StepVisit]; n != len(plan.Race.Ambushes)+len(plan.Race.Visits) {
		t.Fatalf("%d came, of %d", n, len(plan.Race.Ambushes)+len(plan.Race.Visits))
	}
	var out fate
	result.History.Walk(nil, func(v *history.View, e *history.Event) {
		if w := e.Write; w != nil && w.By == history.ByKerf && e.At.Before(result.History.Events[0].At.Add(plan.Calm)) {
			out.deleted = out.deleted || w.Kind == "Machine" && w.Verb == "delete"
			out.evicted = out.evicted || w.Kind == "Pod" && w.Verb == "evict"
		}
		if e.Mark != nil && e.Mark.Name == history.MarkEnd {
			for _, pod := range v.Pods {
				if pod.Labels["shape"] == "visitor" && pod.Status.Phase == corev1.PodRunning {
					out.ran++
				}
			}
		}
	})
	return out
}

// Karpenter's issue 2916: the pods of a node are read, a pod is bound to it, and the node goes as if there was none.
func TestK2916APodIsBoundBetweenTheCheckAndTheDeletion(t *testing.T) {
	pod, protected := world.Visit{Who: world.VisitPod}, world.Visit{Who: world.VisitNoDisrupt, Stays: 2 * time.Minute}
	at := func(moment world.Moment, after bool, skip int, visit world.Visit) world.Plan {
		return emptying(0, world.Ambush{Moment: moment, After: after, Skip: skip, Visit: visit})
	}
	tests := map[string]struct {
		plan world.Plan
		want fate
	}{
		"before it is decided":                            {at(world.MomentRecord, false, 0, pod), fate{ran: 1}},
		"after it is decided":                             {at(world.MomentRecord, true, 0, pod), fate{ran: 1}},
		"after the first check":                           {at(world.MomentLook, true, 0, pod), fate{ran: 1}},
		"by a scheduler that has not seen the taint":      {at(world.MomentTaint, true, 0, pod), fate{ran: 1}},
		"before another check":                            {at(world.MomentLook, false, 2, pod), fate{ran: 1}},
		"just after the last check":                       {at(world.MomentDelete, false, 0, pod), fate{deleted: true, evicted: true}},
		"just after it, a pod that must not be disrupted": {at(world.MomentDelete, false, 0, protected), fate{deleted: true}},
		"after the deletion":                              {at(world.MomentDelete, true, 0, pod), fate{deleted: true, evicted: true}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := fateOf(t, tc.plan); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

// Karpenter's issue 3185: while the API server takes next to no writes, pods that must not be disrupted come to nodes that were empty. What is
// on record says so still, and the nodes go by it, with the pods that run there.
func TestK3185NodesFillWhileWhatIsOnRecordCannotBeRenewed(t *testing.T) {
	for name, lag := range map[string]time.Duration{"watches show it at once": 0, "the watch of pods is half a minute behind": 30 * time.Second} {
		t.Run(name, func(t *testing.T) {
			plan := emptying(30)
			plan.Lags = map[string]world.Lag{"Pod": {Least: lag, Most: lag}}
			plan.Windows = []world.Window{{Class: world.ClassAPIRefused, From: 85 * time.Second, Until: 150 * time.Second, Share: 0.97}}
			for i := range 8 {
				plan.Race.Visits = append(plan.Race.Visits, world.Visit{Who: world.VisitNoDisrupt})
				plan.Steps = append(plan.Steps, world.Step{At: 95*time.Second + time.Duration(i)*time.Second, Action: world.StepVisit, Number: i})
			}
			if got, want := fateOf(t, plan), (fate{ran: 8}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

func TestASeedOfTheRaceMakesTheSameHistoryEachTime(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		var prints []string
		for range 2 {
			result := world.Run(t, world.DrawRace(seed))
			fingerprint, err := result.History.Fingerprint()
			if err != nil {
				t.Fatal(err)
			}
			prints = append(prints, fingerprint)
		}
		if len(slices.Compact(prints)) != 1 {
			t.Errorf("seed %d made two histories", seed)
		}
	}
}
