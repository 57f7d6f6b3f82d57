package consolidation

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// state of a machine, as conditions say it; since is how long before now.
func stated(conditionType string, status metav1.ConditionStatus, reason string, since time.Duration) builders.MachineModifier {
	return func(m *v1alpha5.Machine) {
		m.Status.Conditions = append(m.Status.Conditions, metav1.Condition{
			Type: conditionType, Status: status, Reason: reason, LastTransitionTime: metav1.NewTime(noon().Add(-since)),
		})
	}
}

func noon() time.Time { return time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC) }

func made(ago time.Duration) builders.MachineModifier {
	return func(m *v1alpha5.Machine) { m.CreationTimestamp = metav1.NewTime(noon().Add(-ago)) }
}

func TestHowFarARolloutHasCome(t *testing.T) {
	drifted := stated(v1alpha5.ConditionDrifted, metav1.ConditionTrue, v1alpha5.ReasonAMIDrifted, time.Hour)
	ready := stated(v1alpha5.ConditionInitialized, metav1.ConditionTrue, "Initialized", time.Minute)
	goes := stated(v1alpha5.ConditionDisrupting, metav1.ConditionTrue, disruption.ReasonDrifted, time.Minute)
	back := func(reason string, since time.Duration) builders.MachineModifier {
		return stated(v1alpha5.ConditionDisrupting, metav1.ConditionFalse, reason, since)
	}
	old := func(modifiers ...builders.MachineModifier) *v1alpha5.Machine {
		return builders.Machine("old", "p", append(modifiers, made(24*time.Hour), ready, drifted)...)
	}
	other := func(modifiers ...builders.MachineModifier) *v1alpha5.Machine {
		return builders.Machine("other", "p", append(modifiers, ready)...)
	}
	tests := map[string]struct {
		machines []*v1alpha5.Machine
		stands   bool
		want     int
	}{
		"the first one may go":             {[]*v1alpha5.Machine{old()}, false, 1},
		"one goes":                         {[]*v1alpha5.Machine{old(goes), old()}, false, 0},
		"one was made since, and is ready": {[]*v1alpha5.Machine{old(goes), old(), other(made(time.Minute))}, false, disruption.Unbounded},
		"one was made before, and the change is not about it": {[]*v1alpha5.Machine{old(), other(made(2 * time.Hour))}, false, 1},
		"one was made since, and is not ready":                {[]*v1alpha5.Machine{old(), builders.Machine("new", "p", made(time.Minute))}, false, 1},
		"one was made since, for another provisioner":         {[]*v1alpha5.Machine{old(), builders.Machine("new", "q", made(time.Minute), ready)}, false, 1},
		"the last one came to nothing a moment ago":           {[]*v1alpha5.Machine{old(back(v1alpha5.ReasonReplacementFailed, time.Minute)), old()}, false, 0},
		"the last one came to nothing long ago":               {[]*v1alpha5.Machine{old(back(v1alpha5.ReasonReplacementFailed, time.Hour)), old()}, false, 1},
		"the last one was overtaken":                          {[]*v1alpha5.Machine{old(back(v1alpha5.ReasonOvertaken, time.Minute)), old()}, false, 1},
		"its status says that it stands still":                {[]*v1alpha5.Machine{old(), other(made(time.Minute))}, true, 0},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			provisioner := builders.Provisioner("p")
			if tc.stands {
				provisioner.Status.Conditions = []metav1.Condition{{Type: v1alpha5.ConditionRolloutProceeding, Status: metav1.ConditionFalse}}
			}
			facts := problem.Facts{Offers: problem.Offers{"p": problem.NewOffer(provisioner, nil)}}
			for _, machine := range tc.machines {
				facts.Snapshot.Entries = append(facts.Snapshot.Entries, state.Entry{Machine: machine})
			}
			if got := rollouts(facts, noon())["p"].most(); got != tc.want {
				t.Errorf("%d more may go, want %d", got, tc.want)
			}
		})
	}
}

func TestANodeSettlesOnceItsPodsStay(t *testing.T) {
	s := settling{lasting: time.Minute}
	old, node := builders.Node("old"), builders.Node("n")
	pods := map[types.UID]*corev1.Pod{}
	add := func(name string, modifiers ...builders.PodModifier) {
		pod := builders.Pod(append(modifiers, builders.Name(name), builders.OnNode("n"))...)
		pods[pod.UID] = pod
	}
	of := func(node *corev1.Node, after time.Duration, entries ...state.Entry) time.Duration {
		s.look(state.Snapshot{Entries: entries}, noon().Add(after))
		return s.at(node, noon().Add(after)).Sub(noon())
	}
	old.CreationTimestamp = metav1.NewTime(noon().Add(-24 * time.Hour))
	came := metav1.NewTime(noon().Add(-time.Hour))
	there := state.Entry{Node: old, Pods: map[types.UID]*corev1.Pod{}}
	for _, name := range []string{"resident", "other"} {
		resident := builders.Pod(builders.Name(name), func(p *corev1.Pod) { p.Status.StartTime = &came })
		there.Pods[resident.UID] = resident
	}
	if got := of(old, 0, there); got != time.Minute {
		t.Errorf("what left it before the first look is not known, and it is settled after %s", got)
	}
	if got := of(old, 2*time.Minute, there); got != -59*time.Minute {
		t.Errorf("its last pod came an hour before the first look, and it is settled after %s", got)
	}
	at := func(after time.Duration) time.Duration {
		return of(node, after, there, state.Entry{Node: node, Pods: pods})
	}
	if got := at(200 * time.Second); got != 230*time.Second {
		t.Errorf("a node that was never seen is settled after %s", got)
	}
	add("a")
	if got := at(205 * time.Second); got != 235*time.Second {
		t.Errorf("a pod came after 205 s, and it is settled after %s", got)
	}
	add("b")
	if got := at(210 * time.Second); got != 270*time.Second {
		t.Errorf("another pod came after 210 s, and it is settled after %s", got)
	}
	add("job", builders.OwnedBy("batch/v1", "Job", "j"))
	add("daemon", builders.OwnedBy("apps/v1", "DaemonSet", "d"))
	if got := at(220 * time.Second); got != 270*time.Second {
		t.Errorf("pods came that say nothing, and it is settled after %s", got)
	}
	clear(pods)
	if got := at(230 * time.Second); got != 260*time.Second {
		t.Errorf("the pods left after 230 s, and it is settled after %s", got)
	}
}

func TestANodeThatIsToEmptyByItselfSettlesWhilePodsLeave(t *testing.T) {
	s := settling{lasting: time.Minute}
	node := builders.Node("n")
	machines.SetConsolidationCandidate(node, true)
	node.CreationTimestamp = metav1.NewTime(noon().Add(-time.Hour))
	pods := map[types.UID]*corev1.Pod{}
	add := func(name string, started *metav1.Time) *corev1.Pod {
		pod := builders.Pod(builders.Name(name), builders.OnNode("n"), func(p *corev1.Pod) { p.Status.StartTime = started })
		pods[pod.UID] = pod
		return pod
	}
	settled := func(after time.Duration) time.Duration {
		s.look(state.Snapshot{Entries: []state.Entry{{Node: node, Pods: pods}}}, noon().Add(after))
		return s.at(node, noon().Add(after)).Sub(noon())
	}
	long := metav1.NewTime(noon().Add(-30 * time.Minute))
	gone := add("gone", &long)
	add("stays", &long)
	add("other", &long)
	settled(0)
	delete(pods, gone.UID)
	if got := settled(2 * time.Minute); got != -29*time.Minute {
		t.Errorf("a pod left, and it is settled after %s", got)
	}
	came := add("came", nil)
	if got := settled(3 * time.Minute); got != 4*time.Minute {
		t.Errorf("a pod is bound to it after 3 m, and it is settled after %s", got)
	}
	delete(pods, came.UID)
	if got := settled(4 * time.Minute); got != 4*time.Minute {
		t.Errorf("the pod that came after 3 m left after 4 m, and it is settled after %s", got)
	}
}

func TestAMoveIsInVainAfterWhichAMachineIsBoughtForItsPods(t *testing.T) {
	moved := builders.Pod(builders.Name("moved"), builders.OwnedBy("apps/v1", "ReplicaSet", "a"))
	other := builders.Pod(builders.Name("other"), builders.OwnedBy("apps/v1", "ReplicaSet", "b"))
	for name, tc := range map[string]struct {
		after    time.Duration
		pod      *corev1.Pod
		replaces bool
		// seen is how long after the machine was made it is looked next.
		seen time.Duration
		want bool
	}{
		"for a pod like it, soon":                       {time.Minute, moved, false, 0, true},
		"for a pod like it, soon, and seen much later":  {time.Minute, moved, false, time.Hour, true},
		"for a pod like it, much later":                 {10 * time.Minute, moved, false, 0, false},
		"for a pod like it, much later, and seen later": {10 * time.Minute, moved, false, time.Hour, false},
		"for another pod":                               {time.Minute, other, false, 0, false},
		"in the place of another machine":               {time.Minute, moved, true, 0, false},
		"for a pod like it, a moment before":            {-2 * time.Second, moved, false, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLedger(noon().Add(-time.Hour))
			l.notice(state.Snapshot{}, noon())
			l.add([]*corev1.Pod{moved}, noon())
			machine := builders.Machine("m", "p", made(-tc.after), func(m *v1alpha5.Machine) {
				m.Annotations = map[string]string{v1alpha5.MadeForAnnotation: machines.MadeFor("basis", []*corev1.Pod{tc.pod})}
				if tc.replaces {
					m.Annotations[v1alpha5.ReplacesAnnotation] = "another"
				}
			})
			if tc.seen == 0 {
				l.notice(state.Snapshot{}, noon().Add(tc.after-time.Second))
			}
			l.notice(state.Snapshot{Entries: []state.Entry{{Machine: machine}}}, noon().Add(tc.after+tc.seen))
			memory := l.moves(noon().Add(tc.after))
			if got := len(memory.InVain) > 0; got != tc.want {
				t.Errorf("in vain is %t, want %t", got, tc.want)
			}
			if len(memory.ByOwner) != 1 {
				t.Errorf("it remembers %v", memory.ByOwner)
			}
		})
	}
}
