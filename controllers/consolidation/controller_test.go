package consolidation

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// expected maps the name of a node or machine -> until when pods are expected there.
type expected map[string]time.Time

func (e expected) Nominated(name string, now time.Time) bool { return now.Before(e[name]) }

// house is one provisioner with one machine that has just become empty.
type house struct {
	*workbench.Bench
	expected    expected
	controller  *Controller
	provisioner *v1alpha5.Provisioner
	machine     *v1alpha5.Machine
	node        *corev1.Node
}

func newHouse(t *testing.T, modifiers ...builders.ProvisionerModifier) *house {
	t.Helper()
	b := workbench.New(t)
	h := &house{Bench: b, expected: expected{}, provisioner: builders.Provisioner(b.Name("provisioner"), modifiers...)}
	h.controller = h.with(b.Client)
	b.Create(h.provisioner)
	h.machine, h.node = b.Ready(b.Cloud(0), func(m *v1alpha5.Machine) { m.Labels[v1alpha5.ProvisionerNameLabel] = h.provisioner.Name })
	h.empty()
	return h
}

func (h *house) with(c client.Client) *Controller {
	return h.newController(c, Settings{})
}

func (h *house) newController(c client.Client, settings Settings) *Controller {
	return NewController(World{Client: c, Live: h.Client, Nominations: h.expected}, settings, h.Journal)
}

// empty says that the machine's last pod has just left.
func (h *house) empty() {
	workbench.Update(h.Bench, h.machine, func(m *v1alpha5.Machine) {
		machines.Conditions(m).True(v1alpha5.ConditionEmpty, v1alpha5.ReasonEmpty, "")
		now := metav1.NewTime(h.Clock.Now().Truncate(time.Second))
		m.Status.LastPodEventTime = &now
	})
}

// look looks at the machine, and once more where it waits for schedulers to see that its node takes no new pods.
func (h *house) look() time.Duration {
	again := h.Reconcile(h.controller, h.machine.Name).RequeueAfter
	if again > 0 && again <= 2*taintSettles && h.tainted() {
		h.Clock.Step(2 * taintSettles) // the taint's time is rounded up
		again = h.Reconcile(h.controller, h.machine.Name).RequeueAfter
	}
	return again
}

func (h *house) decided() bool {
	h.Reload(h.machine)
	return machines.Conditions(h.machine).IsTrue(v1alpha5.ConditionDisrupting)
}

func (h *house) going() bool {
	h.Reload(h.machine)
	return !h.machine.DeletionTimestamp.IsZero()
}

func (h *house) tainted() bool {
	h.Reload(h.node)
	return slices.ContainsFunc(h.node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha5.DisruptedTaintKey })
}

func TestAnEmptyMachineGoesAfterItsTime(t *testing.T) {
	h := newHouse(t, builders.TTLAfterEmpty(30))
	if again := h.look(); again <= 28*time.Second || again > 30*time.Second {
		t.Errorf("it is looked at again after %s", again)
	}
	h.Clock.Step(28 * time.Second)
	if h.look(); h.decided() {
		t.Fatal("decided before its time")
	}
	h.Clock.Step(2 * time.Second)
	h.look()
	if !h.decided() || h.going() || h.tainted() {
		t.Fatalf("decided %t; going %t or tainted %t before the decision is on record", h.decided(), h.going(), h.tainted())
	}
	h.look()
	if !h.going() || !h.tainted() {
		t.Errorf("going %t, tainted %t", h.going(), h.tainted())
	}
	if h.Told.Count(events.ReasonDisrupting) != 2 || !h.Told.Contains("Empty", h.provisioner.Name) {
		t.Errorf("told: %q", h.Told.Lines())
	}
	h.look()
}

func TestWhenAnEmptyMachineGoesAndWhenItStays(t *testing.T) {
	annotated := map[string]string{v1alpha5.DoNotDisruptAnnotation: "true"}
	tests := map[string]struct {
		ttl    *int64
		change func(*house)
		want   bool
	}{
		"a time to live of 0":         {new(int64), func(*house) {}, true},
		"no time to live":             {nil, func(*house) {}, false},
		"its provisioner is gone":     {new(int64), func(h *house) { h.Delete(h.provisioner) }, false},
		"pods are expected there":     {new(int64), func(h *house) { h.expected[h.node.Name] = h.Clock.Now().Add(time.Hour) }, false},
		"pods are expected by a plan": {new(int64), func(h *house) { h.expected[h.machine.Name] = h.Clock.Now().Add(time.Hour) }, false},
		"pods were expected":          {new(int64), func(h *house) { h.expected[h.machine.Name] = h.Clock.Now() }, true},
		"its node is protected":       {new(int64), func(h *house) { workbench.Update(h.Bench, h.node, func(n *corev1.Node) { n.Annotations = annotated }) }, false},
		"it is protected": {new(int64), func(h *house) {
			workbench.Update(h.Bench, h.machine, func(m *v1alpha5.Machine) { m.Annotations = annotated })
		}, false},
		"a pod of a DaemonSet asks to keep it": {new(int64), func(h *house) {
			h.RunningPod(h.Namespace(), h.node.Name, builders.OwnedBy("apps/v1", "DaemonSet", "ds"), builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true"))
		}, false},
		"its node is gone": {new(int64), func(h *house) { h.Release(h.node); h.Delete(h.node) }, true},
		"it is not initialized": {new(int64), func(h *house) {
			workbench.Update(h.Bench, h.machine, func(m *v1alpha5.Machine) { machines.Conditions(m).Clear(v1alpha5.ConditionInitialized) })
		}, false},
		"it is not empty": {new(int64), func(h *house) {
			workbench.Update(h.Bench, h.machine, func(m *v1alpha5.Machine) { machines.Conditions(m).False(v1alpha5.ConditionEmpty, "NotEmpty", "") })
		}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, func(p *v1alpha5.Provisioner) { p.Spec.TTLSecondsAfterEmpty = tc.ttl })
			tc.change(h)
			h.Clock.Step(time.Minute)
			h.look()
			h.look()
			if got := h.going(); got != tc.want {
				t.Errorf("going is %t, want %t", got, tc.want)
			}
		})
	}
}

func TestAMachineThatOnlyExpectedPodsKeepIsLookedAtAgain(t *testing.T) {
	h := newHouse(t, builders.TTLAfterEmpty(0))
	h.expected[h.node.Name] = h.Clock.Now().Add(20 * time.Second)
	h.Clock.Step(time.Second)
	if again := h.look(); again != 5*time.Second {
		t.Errorf("it is looked at again after %s", again)
	}
	h.Clock.Step(20 * time.Second)
	h.look()
	if !h.decided() {
		t.Error("the pods did not come, and the machine stays")
	}
}

func TestAPodThatCameGivesTheNodeBack(t *testing.T) {
	h := newHouse(t, builders.TTLAfterEmpty(0))
	h.Clock.Step(time.Second)
	h.look()
	if !h.decided() {
		t.Fatal("nothing was decided")
	}
	pod := h.RunningPod(h.Namespace(), h.node.Name)
	h.look()
	if h.going() || h.tainted() || h.decided() {
		t.Errorf("going %t, tainted %t, decided %t, with a pod on the node", h.going(), h.tainted(), h.decided())
	}
	if !machines.Conditions(h.machine).IsTrue(v1alpha5.ConditionEmpty) {
		t.Error("Empty was written, which is for marking to do")
	}
	h.Clock.Step(time.Hour)
	if again := h.look(); h.decided() || again != nominationRecheck {
		t.Errorf("decided is %t by a mark that is older than the pod; looked at again after %s", h.decided(), again)
	}
	if got := machines.Conditions(h.machine).Get(v1alpha5.ConditionDisrupting); got.Reason != v1alpha5.ReasonNotEmpty {
		t.Errorf("Disrupting is %v", got)
	}

	// Once the pod has left, the same machine goes after all.
	h.Delete(pod, client.GracePeriodSeconds(0))
	h.Clock.SetTime(time.Now()) // conditions are dated by the real one
	h.empty()
	h.Clock.Step(restsFor + time.Second)
	h.look()
	h.look()
	if !h.going() {
		t.Error("empty again, and the machine stays")
	}
}

func TestWhatAsksForANodeToStayGivesItBack(t *testing.T) {
	for name, ask := range map[string]func(*house){
		"a pod of a DaemonSet that is not to be evicted": func(h *house) {
			h.RunningPod(h.Namespace(), h.node.Name, builders.OwnedBy("apps/v1", "DaemonSet", "ds"), builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true"))
		},
		"a node that is not to be disrupted": func(h *house) {
			workbench.Update(h.Bench, h.node, func(n *corev1.Node) { n.Annotations = map[string]string{v1alpha5.DoNotDisruptAnnotation: "true"} })
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t, builders.TTLAfterEmpty(0))
			h.Clock.Step(time.Second)
			h.look()
			if !h.decided() {
				t.Fatal("nothing was decided")
			}
			ask(h)
			h.look()
			if h.going() || h.tainted() || h.decided() {
				t.Errorf("going %t, tainted %t, decided %t", h.going(), h.tainted(), h.decided())
			}
			if got := machines.Conditions(h.machine).Get(v1alpha5.ConditionDisrupting); got.Reason != v1alpha5.ReasonHeld {
				t.Errorf("Disrupting is %v", got)
			}
		})
	}
}

func TestPodsOfDaemonSetsGiveNothingBack(t *testing.T) {
	h := newHouse(t, builders.TTLAfterEmpty(0))
	h.RunningPod(h.Namespace(), h.node.Name, builders.OwnedBy("apps/v1", "DaemonSet", "ds"))
	h.Clock.Step(time.Second)
	h.look()
	h.look()
	if !h.going() {
		t.Error("the machine stays for the pod of a DaemonSet")
	}
}

func TestARestartGoesOnWithWhatWasDecided(t *testing.T) {
	h := newHouse(t, builders.TTLAfterEmpty(0))
	h.Clock.Step(time.Second)
	h.look()

	// The process ends after it tainted the node and before it deleted the machine.
	h.Reconcile(h.controller, h.machine.Name)
	h.Clock.Step(2 * taintSettles)
	ended := errors.New("the process ended")
	dying := interceptor.NewClient(h.Client, interceptor.Funcs{
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error { return ended },
	})
	if _, err := h.TryReconcile(h.with(dying), h.machine.Name); !errors.Is(err, ended) {
		t.Fatalf("got %v", err)
	}
	if !h.tainted() || h.going() {
		t.Fatalf("tainted %t, going %t", h.tainted(), h.going())
	}
	h.controller = h.with(h.Client)
	h.look()
	if !h.going() {
		t.Error("what was decided before the restart is not carried out")
	}
}

func TestARestartGivesBackANodeThatWasTaintedAndFilled(t *testing.T) {
	h := newHouse(t, builders.TTLAfterEmpty(0))
	h.Clock.Step(time.Second)
	h.look()
	workbench.Update(h.Bench, h.node, func(n *corev1.Node) { n.Spec.Taints = append(n.Spec.Taints, v1alpha5.DisruptedTaint()) })
	h.RunningPod(h.Namespace(), h.node.Name)
	h.controller = h.with(h.Client)
	h.look()
	if h.going() || h.tainted() {
		t.Errorf("going %t, tainted %t", h.going(), h.tainted())
	}
}

func TestTheNodeIsGivenBackBeforeTheDecisionIsTakenBack(t *testing.T) {
	h := newHouse(t, builders.TTLAfterEmpty(0))
	h.Clock.Step(time.Second)
	h.look()
	h.Reconcile(h.controller, h.machine.Name) // the taint is on
	h.RunningPod(h.Namespace(), h.node.Name)
	ended := errors.New("the process ended")
	dying := interceptor.NewClient(h.Client, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, o ...client.PatchOption) error {
			if _, ok := object.(*corev1.Node); ok {
				return ended // taking it off fails
			}
			return c.Patch(ctx, object, patch, o...)
		},
	})
	if _, err := h.TryReconcile(h.with(dying), h.machine.Name); !errors.Is(err, ended) {
		t.Fatalf("got %v", err)
	}
	if !h.decided() {
		t.Fatal("the decision is off the record while the node is tainted: nobody would take the taint off any more")
	}
	h.look()
	if h.tainted() || h.decided() {
		t.Errorf("tainted %t, decided %t", h.tainted(), h.decided())
	}
}

func TestAConflictOnTheNodeIsTriedAgainSoon(t *testing.T) {
	h := newHouse(t, builders.TTLAfterEmpty(0))
	h.Clock.Step(time.Second)
	h.look()
	c := interceptor.NewClient(h.Client, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, o ...client.PatchOption) error {
			workbench.Update(h.Bench, h.node, func(n *corev1.Node) { n.Labels["kubelet"] = "says" })
			return c.Patch(ctx, object, patch, o...)
		},
	})
	if again := h.Reconcile(h.with(c), h.machine.Name).RequeueAfter; again != machines.ConflictRetry {
		t.Errorf("after a conflict it comes back after %s", again)
	}
	if h.going() {
		t.Error("the machine goes while its node takes new pods")
	}
}

// lagging returns a client whose cache shows the machine as it was.
func (h *house) lagging(old *v1alpha5.Machine) client.WithWatch {
	return interceptor.NewClient(h.Client, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, o ...client.GetOption) error {
			if machine, ok := object.(*v1alpha5.Machine); ok {
				old.DeepCopyInto(machine)
				return nil
			}
			return c.Get(ctx, key, object, o...)
		},
	})
}

func TestADecisionThatWasTakenBackIsNotCarriedOutForAsLongAsACacheShowsIt(t *testing.T) {
	h := newHouse(t, builders.TTLAfterEmpty(0))
	h.Clock.Step(time.Second)
	h.look()
	h.Reload(h.machine)
	old := h.machine.DeepCopy()
	h.RunningPod(h.Namespace(), h.node.Name)
	h.look()
	if h.decided() || h.tainted() {
		t.Fatalf("decided %t, tainted %t", h.decided(), h.tainted())
	}
	before := h.node.ResourceVersion
	if got := h.Reconcile(h.with(h.lagging(old)), h.machine.Name); got.RequeueAfter != 0 {
		t.Errorf("it is looked at again after %s: the watch wakes it", got.RequeueAfter)
	}
	if h.Reload(h.node); h.node.ResourceVersion != before {
		t.Error("the node was written to for a decision that is off the record")
	}
}

func TestADecisionIsCarriedOutOnTheMachineAsItIsNow(t *testing.T) {
	h := newHouse(t, builders.TTLAfterEmpty(0))
	h.Clock.Step(time.Second)
	h.look()
	h.Reload(h.machine)
	old := h.machine.DeepCopy()
	workbench.Update(h.Bench, h.machine, func(m *v1alpha5.Machine) { m.Status.LastPodEventTime = nil })
	h.RunningPod(h.Namespace(), h.node.Name)
	h.Reconcile(h.with(h.lagging(old)), h.machine.Name)
	if h.decided() || h.tainted() {
		t.Errorf("decided %t, tainted %t: the write was refused for the age of the view", h.decided(), h.tainted())
	}
}

func TestADecisionOnAnOldViewIsNotRecorded(t *testing.T) {
	h := newHouse(t, builders.TTLAfterEmpty(0))
	h.Clock.Step(time.Second)
	old := h.machine.DeepCopy()
	workbench.Update(h.Bench, h.machine, func(m *v1alpha5.Machine) { machines.Conditions(m).False(v1alpha5.ConditionEmpty, "NotEmpty", "") })
	h.Reconcile(h.with(h.lagging(old)), h.machine.Name)
	if h.decided() {
		t.Error("a machine that is no longer empty was decided on")
	}
}
