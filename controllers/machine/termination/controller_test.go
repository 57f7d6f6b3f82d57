package termination

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/controllers/eviction"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// window is how long the cloud of these tests may take to show an instance.
const window = 2 * time.Minute

// asked is an evictor that only notes what it is asked to evict.
type asked struct{ names, withdrawn, deleted []string }

func (a *asked) Add(list ...*corev1.Pod) {
	for _, pod := range list {
		a.names = append(a.names, pod.Name)
	}
}

func (a *asked) Withdraw(list ...*corev1.Pod) {
	for _, pod := range list {
		a.withdrawn = append(a.withdrawn, pod.Name)
	}
}

func (a *asked) Delete(_ context.Context, pod *corev1.Pod, grace time.Duration) error {
	a.deleted = append(a.deleted, fmt.Sprintf("%s in %s", pod.Name, grace))
	return nil
}

// end is the end of machines in one test, over a cloud of its own whose instances take a minute to terminate.
type end struct {
	*workbench.Bench
	cloud      *fake.Provider
	asked      *asked
	policy     drain.Policy
	controller *Controller
}

func newEnd(t *testing.T) *end {
	t.Helper()
	b := workbench.New(t)
	e := &end{Bench: b, cloud: b.Cloud(time.Minute), asked: &asked{}}
	e.controller = e.with(b.Client, e.asked)
	return e
}

func (e *end) with(c client.Client, evictor Evictor) *Controller {
	return NewController(c, e.Client, e.cloud, evictor, Settings{VisibilityWindow: window, Drain: e.policy}, e.Journal)
}

// settle lets the time pass that the scheduler is given to see a new taint.
func (e *end) settle() { e.Clock.Step(2 * holdSettles) }

func (e *end) expect(t *testing.T, machine *v1alpha5.Machine, conditionType string, status metav1.ConditionStatus, message string) {
	t.Helper()
	e.Reload(machine)
	got := machines.Conditions(machine).Get(conditionType)
	if got == nil || got.Status != status || !strings.Contains(got.Message, message) {
		t.Errorf("%s is %v, want %s with %q", conditionType, got, status, message)
	}
}

func TestAMachineThatStaysIsLeftAlone(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	e.Reconcile(e.controller, machine.Name)
	if e.Reload(node); len(node.Spec.Taints) != 0 || len(e.cloud.Instances()) != 1 {
		t.Errorf("taints %v, instances %v", node.Spec.Taints, e.cloud.Instances())
	}
}

func TestAMachineEndsStepByStep(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	pod := e.RunningPod(e.Namespace(), node.Name)
	daemon := e.RunningPod(pod.Namespace, node.Name, builders.OwnedBy("apps/v1", "DaemonSet", "ds"), builders.Name("daemon"))
	e.Delete(machine)

	// 1. New pods are kept off, those that are there are told to go.
	if again := e.Reconcile(e.controller, machine.Name).RequeueAfter; again != 5*time.Second {
		t.Errorf("a drain is looked at again after %s", again)
	}
	e.Reload(node)
	disrupted := v1alpha5.DisruptedTaint()
	if !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&disrupted) }) || node.Labels[v1alpha5.ExcludeFromLoadBalancersLabel] == "" {
		t.Errorf("taints %v, labels %v", node.Spec.Taints, node.Labels)
	}
	if !slices.Equal(e.asked.names, []string{pod.Name}) {
		t.Errorf("asked to evict %v, want %s", e.asked.names, pod.Name)
	}
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionUnknown, "waiting for "+pod.Namespace+"/"+pod.Name)
	if live := e.cloud.Instances(); live[0].ShuttingDown {
		t.Fatal("the instance is terminated while a pod runs on it")
	}

	// 2. Those of DaemonSets follow; once they are gone, the instance is terminated.
	e.Delete(pod, client.GracePeriodSeconds(0))
	e.Reconcile(e.controller, machine.Name)
	if !slices.Equal(e.asked.names, []string{pod.Name, daemon.Name}) {
		t.Errorf("asked to evict %v, want %s at last", e.asked.names, daemon.Name)
	}
	e.Delete(daemon, client.GracePeriodSeconds(0))
	e.settle()
	if again := e.Reconcile(e.controller, machine.Name).RequeueAfter; again != 2*time.Second {
		t.Errorf("a termination is looked at again after %s", again)
	}
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionTrue, "")
	e.expect(t, machine, v1alpha5.ConditionVolumesDetached, metav1.ConditionTrue, "")
	e.expect(t, machine, v1alpha5.ConditionTerminated, metav1.ConditionUnknown, machine.Status.ProviderID)
	if live := e.cloud.Instances(); len(live) != 1 || !live[0].ShuttingDown {
		t.Fatalf("instances are %v, want it shutting down", live)
	}

	// 3. The node stays as long as the instance.
	e.Clock.Step(59 * time.Second)
	e.Reconcile(e.controller, machine.Name)
	if e.Gone(node) || e.Gone(machine) {
		t.Fatal("the node or the machine is gone before the instance")
	}

	// 4. Then all of it is gone.
	e.Clock.Step(time.Second)
	e.Reconcile(e.controller, machine.Name)
	if !e.Gone(node) || !e.Gone(machine) || len(e.cloud.Instances()) != 0 {
		t.Errorf("node gone %t, machine gone %t, instances %v", e.Gone(node), e.Gone(machine), e.cloud.Instances())
	}
	if e.Told.Count(events.ReasonTerminated) != 1 {
		t.Errorf("told: %q", e.Told.Lines())
	}
	e.Reconcile(e.controller, machine.Name)
}

func TestARestartInTheMiddleGoesOn(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	e.Delete(machine)
	for range 3 {
		e.Reconcile(e.with(e.Client, e.asked), machine.Name)
		e.Clock.Step(time.Minute)
	}
	if !e.Gone(node) || !e.Gone(machine) {
		t.Error("the machine did not end")
	}
}

func TestABudgetHoldsTheInstance(t *testing.T) {
	e := newEnd(t)
	queue := eviction.NewQueue(e.Client, e.Journal)
	evicted := &evictor{queue: queue}
	controller := e.with(e.Client, evicted)
	machine, node := e.Ready(e.cloud)
	namespace, labels := e.Namespace(), map[string]string{"app": "a"}
	pod := e.RunningPod(namespace, node.Name, builders.Labels(labels), func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = new(int64) })
	budget := e.Budget(namespace, 0, labels)
	e.Delete(machine)
	for range 3 {
		e.Reconcile(controller, machine.Name)
		if err := evicted.run(t.Context()); !apierrors.IsTooManyRequests(err) {
			t.Fatalf("the eviction is answered with %v, want that the budget refuses", err)
		}
		e.Clock.Step(time.Hour)
	}
	if e.Gone(pod) || e.cloud.Instances()[0].ShuttingDown {
		t.Fatal("the pod or its instance went against the budget")
	}
	e.Allow(budget, 1)
	if err := evicted.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		e.Reconcile(controller, machine.Name)
		e.Clock.Step(time.Minute)
	}
	if !e.Gone(pod) || len(e.cloud.Instances()) != 0 {
		t.Errorf("pod gone %t, instances %v", e.Gone(pod), e.cloud.Instances())
	}
}

// evictor is the real queue's eviction without its workers, so that the test says when it happens.
type evictor struct {
	queue *eviction.Queue
	pods  []*corev1.Pod
}

func (e *evictor) Add(list ...*corev1.Pod) { e.pods = list }

func (e *evictor) Withdraw(...*corev1.Pod) {}

func (e *evictor) Delete(ctx context.Context, pod *corev1.Pod, grace time.Duration) error {
	return e.queue.Delete(ctx, pod, grace)
}

func (e *evictor) run(ctx context.Context) error {
	var errs []error
	for _, pod := range e.pods {
		errs = append(errs, e.queue.Evict(ctx, pod))
	}
	return errors.Join(errs...)
}

func TestTheMessageOfADrainDoesNotHangOnTheOrderOfItsPods(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	namespace := e.Namespace()
	for _, name := range []string{"c", "a", "e", "d", "b"} {
		e.RunningPod(namespace, node.Name, builders.Name(name))
	}
	turn := 0
	shuffled := interceptor.NewClient(e.Client, interceptor.Funcs{
		// A cache lists what an index selects in any order.
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			err := c.List(ctx, list, o...)
			if pods, ok := list.(*corev1.PodList); ok && len(pods.Items) > 0 {
				turn++
				n := turn % len(pods.Items)
				pods.Items = slices.Concat(pods.Items[n:], pods.Items[:n])
			}
			return err
		},
	})
	e.Delete(machine)
	controller := e.with(shuffled, e.asked)
	e.Reconcile(controller, machine.Name)
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionUnknown, "waiting for "+namespace+"/a, "+namespace+"/b, "+namespace+"/c, 2 more")
	before := machine.ResourceVersion
	for range 3 {
		e.Reconcile(controller, machine.Name)
	}
	if e.Reload(machine); machine.ResourceVersion != before {
		t.Error("nothing happened, and the status was written again: that wakes the machine at once, again and again")
	}
}

func TestACloudThatDoesNotAnswerHoldsTheMachine(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	broken := errors.New("connection reset")
	e.cloud.Fail(fake.OperationDelete, broken)
	e.settle()
	if _, err := e.TryReconcile(e.controller, machine.Name); !errors.Is(err, broken) {
		t.Errorf("got %v, want the cloud's error", err)
	}
	e.expect(t, machine, v1alpha5.ConditionTerminated, metav1.ConditionUnknown, "connection reset")
	if e.Gone(node) {
		t.Error("the node is gone while its instance may run")
	}
}

func TestAnInstanceThatIsGoneAlreadyHoldsNothing(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	e.cloud.Vanish(machine.Status.ProviderID)
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	e.settle()
	e.Reconcile(e.controller, machine.Name)
	if !e.Gone(machine) || !e.Gone(node) {
		t.Errorf("machine gone %t, node gone %t", e.Gone(machine), e.Gone(node))
	}
}

func TestOthersFinalizersHoldTheMachineAndNothingElse(t *testing.T) {
	e := newEnd(t)
	machine, _ := e.Ready(e.cloud, func(m *v1alpha5.Machine) { m.Finalizers = append(m.Finalizers, "example.com/theirs") })
	e.cloud.Vanish(machine.Status.ProviderID)
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	e.settle()
	e.Reconcile(e.controller, machine.Name)
	if e.Reload(machine); !slices.Equal(machine.Finalizers, []string{"example.com/theirs"}) {
		t.Errorf("finalizers are %v", machine.Finalizers)
	}
	e.Reconcile(e.controller, machine.Name)
}

func TestAnIntentThatComesInBetweenHoldsTheMachine(t *testing.T) {
	e := newEnd(t)
	machine := e.Machine()
	e.Create(machine)
	e.Delete(machine)
	written := false
	c := interceptor.NewClient(e.Client, interceptor.Funcs{
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, o ...client.PatchOption) error {
			if !written {
				written = true
				workbench.Update(e.Bench, machine, func(m *v1alpha5.Machine) {
					m.Status.Launch = &v1alpha5.Launch{Group: m.Name, Attempt: 1, Size: 1, Token: "t", RequestHash: "h", Time: metav1.NewTime(e.Clock.Now())}
				})
			}
			return c.Patch(ctx, object, patch, o...)
		},
	})
	if again := e.Reconcile(e.with(c, e.asked), machine.Name).RequeueAfter; again != machines.ConflictRetry {
		t.Errorf("after a conflict it comes back after %s", again)
	}
	if e.Gone(machine) {
		t.Error("a machine that may have an instance was let go")
	}
}
