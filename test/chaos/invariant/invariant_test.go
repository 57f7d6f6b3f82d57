package invariant

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

const clusterUID = "cluster"

// story is a history that is made by hand.
type story struct {
	history.History
	now time.Time
}

func newStory() *story {
	return &story{
		History: history.History{Terms: history.Terms{ClusterUID: clusterUID, PodsPerMachine: 1, Registration: 15 * time.Minute}},
		now:     time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC),
	}
}

func (s *story) add(e history.Event) *story {
	e.At = s.now
	s.Events = append(s.Events, e)
	return s
}

// wait lets time pass.
func (s *story) wait(d time.Duration) *story {
	s.now = s.now.Add(d)
	return s
}

func (s *story) mark(name string) *story {
	return s.add(history.Event{Mark: &history.Mark{Name: name}})
}

// write has somebody write an object; a nil before creates it, a nil after removes it.
func (s *story) write(by, verb string, before, after client.Object) *story {
	kind := "Machine"
	for _, o := range []client.Object{before, after} {
		switch o.(type) {
		case *corev1.Node:
			kind = "Node"
		case *corev1.Pod:
			kind = "Pod"
		case *v1alpha5.Provisioner:
			kind = "Provisioner"
		}
	}
	return s.add(history.Event{Process: 1, Write: &history.Write{By: by, Verb: verb, Kind: kind, Before: before, After: after}})
}

// fleet has kerf ask for instances, and EC2 make some.
func (s *story) fleet(token string, size int, group string, ids ...string) *story {
	call := &history.Call{By: history.ByKerf, Action: "CreateFleet", Token: token, Size: size, Group: group, Attempt: "1"}
	for _, id := range ids {
		call.Made = append(call.Made, history.Instance{ID: id, ClusterUID: clusterUID, Group: group, Attempt: "1"})
	}
	return s.add(history.Event{Process: 1, Call: call})
}

func (s *story) terminate(ids ...string) *story {
	return s.add(history.Event{Process: 1, Call: &history.Call{By: history.ByKerf, Action: "TerminateInstances", IDs: ids, Ended: ids, Gone: ids}})
}

// machine returns a machine with an intent, held by its finalizer.
func machine(name, group string, modifiers ...func(*v1alpha5.Machine)) *v1alpha5.Machine {
	m := builders.Machine(name, "p")
	m.UID, m.Finalizers = types.UID(name), []string{v1alpha5.TerminationFinalizer}
	m.Status.Launch = &v1alpha5.Launch{Group: group, Attempt: 1, Size: 1, Token: "token-" + group}
	for _, modify := range modifiers {
		modify(m)
	}
	return m
}

func has(id string) func(*v1alpha5.Machine) {
	return func(m *v1alpha5.Machine) { m.Status.ProviderID, m.Status.Launch.Answered = "aws:///z/"+id, true }
}

func joined(m *v1alpha5.Machine) { m.Status.NodeName = "n" }

func disrupting(m *v1alpha5.Machine) {
	m.Status.Conditions = append(m.Status.Conditions, metav1.Condition{
		Type: v1alpha5.ConditionDisrupting, Status: metav1.ConditionTrue, Reason: v1alpha5.ReasonEmpty,
	})
}

// replaced says that a machine goes once the one called new is ready, or does so by now.
func replaced(committed bool) func(*v1alpha5.Machine) {
	return func(m *v1alpha5.Machine) {
		m.Status.Disruption = &v1alpha5.DisruptionRecord{
			Machines: []v1alpha5.RecordedMachine{{Name: m.Name, UID: m.UID}}, Replacements: []string{"new"}, Committed: committed,
		}
	}
}

func inPlaceOf(name string) func(*v1alpha5.Machine) {
	return func(m *v1alpha5.Machine) { m.Annotations = map[string]string{v1alpha5.ReplacesAnnotation: name} }
}

func deleting(m *v1alpha5.Machine) {
	m.DeletionTimestamp = new(metav1.NewTime(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)))
}

func node(taints ...corev1.Taint) *corev1.Node {
	n := builders.Node("n", builders.ProviderID("aws:///z/i-1"))
	n.Spec.Taints, n.Finalizers = taints, []string{v1alpha5.TerminationFinalizer}
	return n
}

func pod(on string) *corev1.Pod {
	p := builders.Pod(builders.Name("a"), builders.Labels(map[string]string{shapeLabel: "0"}))
	p.Spec.NodeName = on
	return p
}

func provisioner(cores string) *v1alpha5.Provisioner {
	return builders.Provisioner("p", builders.Limit(corev1.ResourceCPU, cores))
}

// life is a machine from its making to its end, in which nothing is wrong.
func life() *story {
	disrupted := v1alpha5.DisruptedTaint()
	s := newStory().mark(history.MarkStart).write("user", "create", nil, provisioner("2"))
	s.write("user", "create", nil, pod(""))
	m := machine("m", "g")
	s.write(history.ByKerf, "create", nil, m).fleet("token-g", 1, "g", "i-1")
	launched := machine("m", "g", has("i-1"))
	s.write(history.ByKerf, "status", m, launched).wait(time.Minute).write("kubelet", "create", nil, node())
	registered := machine("m", "g", has("i-1"), joined)
	s.write(history.ByKerf, "status", launched, registered).write("scheduler", "update", pod(""), pod("n")).mark(history.MarkCalm).wait(time.Hour)
	ending := machine("m", "g", has("i-1"), joined, deleting)
	s.write("user", "delete", registered, ending).write(history.ByKerf, "update", node(), node(disrupted))
	gone := pod("n")
	gone.DeletionTimestamp = new(metav1.NewTime(s.now))
	s.write(history.ByKerf, "evict", pod("n"), gone).write("kubelet", "delete", gone, nil).terminate("i-1")
	s.write(history.ByKerf, "delete", node(disrupted), nil).write(history.ByKerf, "delete", ending, nil)
	return s.wait(time.Hour).mark(history.MarkEnd)
}

func TestALifeInWhichNothingIsWrongBreaksNothing(t *testing.T) {
	if got := Judge(&life().History); len(got) > 0 {
		t.Errorf("violations: %v", got)
	}
}

// What kerf cannot know is not held against it.
func TestANodeThatJoinsAsItsInstanceEndsIsNoFault(t *testing.T) {
	s := newStory().fleet("t", 1, "g", "i-1").write("user", "create", nil, machine("m", "g", has("i-1"), deleting)).
		write("kubelet", "create", nil, node()).wait(lastMoment - 1).terminate("i-1")
	if got := noHealthyKill(&s.History); len(got) > 0 {
		t.Errorf("violations: %v", got)
	}
}

// Each promise is broken by a story of its own, and found in it.
func TestEachPromiseCanBeBroken(t *testing.T) {
	disrupted := v1alpha5.DisruptedTaint()
	tests := map[string]struct {
		promise string
		story   *story
	}{
		"two instances of one request for one": {OneInstance, newStory().write(history.ByKerf, "create", nil, machine("m", "g")).
			fleet("token-g", 1, "g", "i-1").fleet("token-g", 1, "g", "i-2")},
		"a request that another token repeats": {OneInstance, newStory().write(history.ByKerf, "create", nil, machine("m", "g")).fleet("token-g", 1, "g", "i-1").
			write(history.ByKerf, "status", machine("m", "g"), machine("m", "h")).fleet("token-h", 1, "h", "i-2")},
		"one instance of two machines": {OneInstance, newStory().fleet("t", 1, "g", "i-1").
			write(history.ByKerf, "status", machine("m", "g"), machine("m", "g", has("i-1"))).
			write(history.ByKerf, "status", machine("o", "g"), machine("o", "g", has("i-1")))},
		"a machine that changes its instance": {OneInstance, newStory().fleet("t", 1, "g", "i-1").
			write(history.ByKerf, "status", machine("m", "g"), machine("m", "g", has("i-1"))).
			write(history.ByKerf, "status", machine("m", "g", has("i-1")), machine("m", "g", has("i-2")))},
		"an instance that nobody owns":         {NoLeak, newStory().fleet("t", 1, "g", "i-1").mark(history.MarkCalm).wait(4 * time.Minute).mark(history.MarkEnd)},
		"a request that nobody intended":       {IntentFirst, newStory().fleet("t", 1, "g")},
		"a request for more than was intended": {IntentFirst, newStory().write(history.ByKerf, "create", nil, machine("m", "g")).fleet("token-g", 2, "g")},
		"a request of a machine that nothing holds": {IntentFirst, newStory().write(history.ByKerf, "create", nil,
			machine("m", "g", func(m *v1alpha5.Machine) { m.Finalizers = nil })).fleet("token-g", 1, "g")},
		"an instance ended whose machine lives": {NoHealthyKill, newStory().fleet("t", 1, "g", "i-1").
			write(history.ByKerf, "create", nil, machine("m", "g", has("i-1"))).terminate("i-1")},
		"an instance ended that a machine waits for": {NoHealthyKill, newStory().write(history.ByKerf, "create", nil, machine("m", "g")).
			fleet("token-g", 1, "g", "i-1").terminate("i-1")},
		"an instance ended below its pods": {NoHealthyKill, newStory().fleet("t", 1, "g", "i-1").write("kubelet", "create", nil, node()).
			wait(lastMoment).terminate("i-1")},
		"a machine given up that is well": {AbsenceIsNoEvidence, newStory().fleet("t", 1, "g", "i-1").
			write("kubelet", "create", nil, node()).write(history.ByKerf, "create", nil, machine("m", "g", has("i-1"), joined)).
			write(history.ByKerf, "delete", machine("m", "g", has("i-1"), joined), machine("m", "g", has("i-1"), joined, deleting))},
		"a machine removed as empty that is not": {AbsenceIsNoEvidence, newStory().fleet("t", 1, "g", "i-1").write("scheduler", "update", nil, pod("n")).
			write(history.ByKerf, "create", nil, machine("m", "g", has("i-1"), joined, disrupting)).
			write(history.ByKerf, "delete", machine("m", "g", has("i-1"), joined, disrupting), machine("m", "g", has("i-1"), joined, deleting))},
		"two machines for a pod": {NoDoubleProvisioning, newStory().write("user", "create", nil, pod("")).wait(time.Minute).
			write(history.ByKerf, "create", nil, machine("m", "g")).write(history.ByKerf, "create", nil, machine("o", "g"))},
		"more cores than are allowed": {LimitsHold, newStory().write("user", "create", nil, provisioner("2")).
			write(history.ByKerf, "create", nil, machine("m", "g")).write(history.ByKerf, "create", nil, machine("o", "g"))},
		"a pod deleted": {ExactEvictions, newStory().write(history.ByKerf, "delete", pod("n"), nil)},
		"a pod evicted from a machine that stays": {ExactEvictions, newStory().write("kubelet", "create", nil, node()).
			write(history.ByKerf, "create", nil, machine("m", "g", has("i-1"))).write(history.ByKerf, "evict", pod("n"), pod("n"))},
		"another pod evicted than was seen": {ExactEvictions, newStory().write(history.ByKerf, "evict", pod(""), nil)},
		"a machine that went before its instance": {FinalizerOrder, newStory().fleet("t", 1, "g", "i-1").
			write(history.ByKerf, "create", nil, machine("m", "g", has("i-1"))).write(history.ByKerf, "delete", machine("m", "g", has("i-1")), nil)},
		"a machine that went without having looked": {FinalizerOrder, newStory().write(history.ByKerf, "create", nil, machine("m", "g")).
			fleet("t", 1, "g", "i-1").write(history.ByKerf, "delete", machine("m", "g"), nil)},
		"a node that went before its instance": {FinalizerOrder, newStory().fleet("t", 1, "g", "i-1").write(history.ByKerf, "create", nil, machine("m", "g", has("i-1"))).
			write(history.ByKerf, "delete", node(), nil)},
		"a machine that never goes": {FinalizerOrder, newStory().write("user", "create", nil, machine("m", "g", deleting)).wait(11 * time.Minute).mark(history.MarkEnd)},
		"a taint that stays": {Reversible, newStory().write(history.ByKerf, "create", nil, machine("m", "g", has("i-1"))).
			write(history.ByKerf, "update", nil, node(disrupted)).mark(history.MarkCalm).wait(2 * time.Minute).mark(history.MarkEnd)},
		"a pod without a node": {EventuallyStable, newStory().write("user", "create", nil, pod("")).mark(history.MarkCalm).wait(time.Hour).mark(history.MarkEnd)},
		"writes without end":   {EventuallyStable, newStory().mark(history.MarkCalm).wait(time.Hour).write(history.ByKerf, "status", nil, machine("m", "g")).mark(history.MarkEnd)},
		"a node that belongs to nobody": {EventuallyStable, newStory().write("user", "create", nil, machine("m", "g", has("i-1"), joined)).
			write("user", "create", nil, node()).mark(history.MarkCalm).wait(time.Hour).mark(history.MarkEnd)},
		"no end at all": {EventuallyStable, newStory().mark(history.MarkCalm)},
		"another cluster's instance": {BlastRadius, newStory().add(history.Event{Call: &history.Call{
			By: "other", Made: []history.Instance{{ID: "i-9", ClusterUID: "other"}}}}).terminate("i-9")},
		"an instance ended below a pod that runs":          {NothingLost, emptying().looks("Pod").write("scheduler", "update", nil, running()).terminate("i-1")},
		"an instance ended below a pod that was seen":      {NothingLost, emptying().write("scheduler", "update", nil, pod("n")).looks("Pod").terminate("i-1")},
		"a pod evicted that must not be":                   {Undisturbed, newStory().write(history.ByKerf, "evict", protected(), nil)},
		"a machine deleted whose node takes pods":          {EmptyWhenDeleted, emptying().looks("Node").looks("Pod").removed()},
		"a machine deleted without a look after the taint": {EmptyWhenDeleted, emptying().looks("Pod").write(history.ByKerf, "update", node(), node(disrupted)).removed()},
		"a machine deleted over a pod that was there": {EmptyWhenDeleted, emptying().write(history.ByKerf, "update", node(), node(disrupted)).
			write("scheduler", "update", nil, pod("n")).looks("Pod").removed()},
		"a machine deleted before its time": {EmptyForItsTime, emptying().write("user", "create", nil, builders.Provisioner("p", builders.TTLAfterEmpty(60))).
			write("scheduler", "update", nil, pod("n")).write("kubelet", "delete", pod("n"), nil).wait(59 * time.Second).removed()},
		"a machine that goes before what replaces it is ready": {ReplacedBefore, newStory().write(history.ByKerf, "create", nil, machine("new", "g")).
			write(history.ByKerf, "status", nil, machine("m", "g", replaced(false))).write(history.ByKerf, "status", nil, machine("m", "g", replaced(true)))},
		"a machine that goes and nothing replaces it": {ReplacedBefore, newStory().write(history.ByKerf, "status", nil, machine("m", "g", replaced(false))).
			write(history.ByKerf, "status", nil, machine("m", "g", replaced(true)))},
		"a machine of no use": {NoSurplus, newStory().write(history.ByKerf, "create", nil, machine("new", "g", has("i-1"), joined, inPlaceOf("m"))).
			wait(6 * time.Minute).mark(history.MarkEnd)},
		"too many calls": {BoundedCalls, often(200)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			for _, v := range Judge(&tc.story.History) {
				if v.Invariant == tc.promise {
					return
				}
			}
			t.Errorf("nobody noticed; found was %v", Judge(&tc.story.History))
		})
	}
	for _, invariant := range All() {
		broken := false
		for _, tc := range tests {
			broken = broken || tc.promise == invariant.Name
		}
		if !broken {
			t.Errorf("no story breaks %q", invariant.Name)
		}
	}
}

// emptying is a machine whose node is ready, and that is to go for being empty.
func emptying() *story {
	n := node()
	n.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	m := machine("m", "g", has("i-1"), joined, disrupting)
	return newStory().fleet("t", 1, "g", "i-1").write("kubelet", "create", nil, n).write(history.ByKerf, "status", machine("m", "g", has("i-1"), joined), m)
}

// removed has kerf delete the machine.
func (s *story) removed() *story {
	m := machine("m", "g", has("i-1"), joined, disrupting)
	return s.write(history.ByKerf, "delete", m, machine("m", "g", has("i-1"), joined, deleting))
}

// looks has kerf look past its caches.
func (s *story) looks(kind string) *story {
	return s.add(history.Event{Process: 1, Read: &history.Read{Kind: kind, Node: "n"}})
}

func running() *corev1.Pod {
	p := pod("n")
	p.Status.Phase = corev1.PodRunning
	return p
}

func protected() *corev1.Pod {
	p := pod("n")
	p.Annotations = map[string]string{v1alpha5.DoNotDisruptAnnotation: "true"}
	return p
}

// What comes after the last look is a moment that nobody can close.
func TestAPodThatComesAfterTheLastLookIsNoFault(t *testing.T) {
	disrupted := v1alpha5.DisruptedTaint()
	s := emptying().write(history.ByKerf, "update", node(), node(disrupted)).looks("Pod").write("scheduler", "update", nil, pod("n")).removed()
	if got := slices.Concat(emptyWhenDeleted(&s.History), absenceIsNoEvidence(&s.History)); len(got) > 0 {
		t.Errorf("violations: %v", got)
	}
	s = emptying().looks("Pod").write("scheduler", "update", nil, pod("n")).terminate("i-1")
	if got := nothingLost(&s.History); len(got) > 0 {
		t.Errorf("violations: %v", got)
	}
}

func often(calls int) *story {
	s := newStory()
	for range calls {
		s.add(history.Event{Process: 1, Call: &history.Call{By: history.ByKerf, Action: "CreateFleet"}})
	}
	return s
}
