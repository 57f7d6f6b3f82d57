package consolidation

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// due returns a house whose machine is decided on and has yet to go.
func due(t *testing.T, ttl int64) *house {
	t.Helper()
	h := newHouse(t, builders.TTLAfterEmpty(ttl))
	h.Clock.Step(time.Duration(ttl)*time.Second + time.Second)
	h.look()
	if !h.decided() || h.tainted() {
		t.Fatalf("decided %t, tainted %t", h.decided(), h.tainted())
	}
	return h
}

func TestAPodThatASchedulerBindsBeforeItSeesTheTaintGivesTheNodeBack(t *testing.T) {
	h := due(t, 0)
	wait := h.Reconcile(h.controller, h.machine.Name).RequeueAfter
	if !h.tainted() || h.going() || wait < taintSettles {
		t.Fatalf("tainted %t, going %t, looked at again after %s", h.tainted(), h.going(), wait)
	}
	h.RunningPod(h.Namespace(), h.node.Name)
	h.Clock.Step(2 * taintSettles)
	h.Reconcile(h.controller, h.machine.Name)
	if h.going() || h.tainted() || h.decided() {
		t.Errorf("going %t, tainted %t, decided %t, with a pod on the node", h.going(), h.tainted(), h.decided())
	}
}

// A watch that lags tells of a pod only after it has come, run and ended.
func TestAPodThatHasEndedAlreadyGivesTheNodeBack(t *testing.T) {
	for name, tc := range map[string]struct {
		started time.Duration
		want    bool
	}{"it came after the decision": {2 * time.Second, true}, "it came long before": {-time.Hour, false}} {
		t.Run(name, func(t *testing.T) {
			decided := metav1.Condition{Reason: disruption.ReasonEmpty, LastTransitionTime: metav1.NewTime(noon())}
			ended := builders.Pod(builders.Name("job"), func(p *corev1.Pod) {
				p.CreationTimestamp, p.Status.Phase = metav1.NewTime(noon().Add(-2*time.Hour)), corev1.PodSucceeded
				p.Status.StartTime = &metav1.Time{Time: noon().Add(tc.started)}
			})
			daemon := builders.Pod(builders.OwnedBy("apps/v1", "DaemonSet", "agent"), func(p *corev1.Pod) {
				p.CreationTimestamp, p.Status.Phase = metav1.NewTime(noon().Add(time.Minute)), corev1.PodFailed
			})
			if got := passedThrough([]*corev1.Pod{daemon, ended}, &decided); (got != nil) != tc.want {
				t.Errorf("pod %v has run since, want one: %t", got, tc.want)
			}
		})
	}
}

func TestAWishThatIsWrittenInTheLastMomentIsHeard(t *testing.T) {
	h := due(t, 0)
	h.Reconcile(h.controller, h.machine.Name)
	h.Clock.Step(2 * taintSettles)
	asking := interceptor.NewClient(h.Client, interceptor.Funcs{
		Delete: func(ctx context.Context, c client.WithWatch, object client.Object, o ...client.DeleteOption) error {
			workbench.Update(h.Bench, h.machine, func(m *v1alpha5.Machine) { m.Annotations = map[string]string{v1alpha5.DoNotDisruptAnnotation: "true"} })
			return c.Delete(ctx, object, o...)
		},
	})
	if again := h.Reconcile(h.with(asking), h.machine.Name).RequeueAfter; again != machines.ConflictRetry {
		t.Errorf("it is looked at again after %s", again)
	}
	if h.look(); h.going() || h.tainted() || h.decided() {
		t.Errorf("going %t, tainted %t, decided %t", h.going(), h.tainted(), h.decided())
	}
}

func TestANodeThatWasGivenBackRests(t *testing.T) {
	h := due(t, 0)
	workbench.Update(h.Bench, h.node, func(n *corev1.Node) { n.Annotations = map[string]string{v1alpha5.DoNotDisruptAnnotation: "true"} })
	h.look()
	workbench.Update(h.Bench, h.node, func(n *corev1.Node) { n.Annotations = nil })
	if again := h.look(); h.decided() || again < restsFor-2*time.Second || again > restsFor+time.Second {
		t.Errorf("decided again is %t; it is looked at again after %s", h.decided(), again)
	}
	h.Clock.Step(restsFor + time.Second)
	h.look()
	if h.look(); !h.going() {
		t.Error("it has rested, and stays")
	}
}

// visited tells of a pod that came to the node and left it again.
func (h *house) visited(ctx context.Context) {
	pod := builders.Pod(builders.OnNode(h.node.Name))
	h.controller.stirs.pods().Create(ctx, event.CreateEvent{Object: pod}, nil)
	h.controller.stirs.pods().Delete(ctx, event.DeleteEvent{Object: pod}, nil)
}

func TestTheTimeToLiveCountsFromPodsThatNobodyHasWrittenDown(t *testing.T) {
	h := newHouse(t, builders.TTLAfterEmpty(30))
	h.Clock.Step(20 * time.Second)
	h.visited(t.Context())
	h.Clock.Step(20 * time.Second)
	if again := h.look(); h.decided() || again != 10*time.Second {
		t.Fatalf("decided is %t; it is looked at again after %s", h.decided(), again)
	}
	h.Clock.Step(10 * time.Second)
	if h.look(); !h.decided() {
		t.Fatal("its time is over, and it stays")
	}
	h.Clock.Step(2 * time.Second)
	h.visited(t.Context())
	if h.look(); h.going() || h.decided() {
		t.Error("a pod came after the decision, and left, and the machine goes")
	}
}

func TestWhatMarkingHasSeenSinceTheDecisionTakesItBack(t *testing.T) {
	for name, change := range map[string]func(*v1alpha5.Machine){
		"a pod": func(m *v1alpha5.Machine) {
			machines.Conditions(m).False(v1alpha5.ConditionEmpty, v1alpha5.ReasonNotEmpty, "")
		},
		"a pod that is gone": func(m *v1alpha5.Machine) { m.Status.LastPodEventTime.Time = m.Status.LastPodEventTime.Add(time.Minute) },
	} {
		t.Run(name, func(t *testing.T) {
			h := due(t, 30)
			workbench.Update(h.Bench, h.machine, change)
			if h.look(); h.going() || h.decided() {
				t.Errorf("going %t, decided %t", h.going(), h.decided())
			}
		})
	}
}

func TestPodsThatAreNoWorkloadStirNothing(t *testing.T) {
	s := newStirs(newHouse(t).Clock)
	daemon := builders.Pod(builders.OnNode("n"), builders.OwnedBy("apps/v1", "DaemonSet", "ds"))
	finished := builders.Pod(builders.OnNode("n"))
	finished.Status.Phase = corev1.PodSucceeded
	s.note(nil, daemon)
	s.note(finished, nil)
	if at := s.last("n"); !at.IsZero() {
		t.Errorf("stirred at %s", at)
	}
	s.note(builders.Pod(builders.OnNode("n")), finished)
	if s.last("n").IsZero() {
		t.Error("that a pod has finished stirs nothing")
	}
	s.nodes().Delete(t.Context(), event.DeleteEvent{Object: builders.Node("n")}, nil)
	if len(s.times) != 0 {
		t.Errorf("nodes that are gone are remembered: %v", s.times)
	}
}
