package termination

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/controllers/eviction"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// bounded gives the drain of a machine a time.
func bounded(d time.Duration) builders.MachineModifier {
	return func(m *v1alpha5.Machine) { m.Spec.TerminationGracePeriod = &metav1.Duration{Duration: d} }
}

func keep(value string) builders.PodModifier {
	return builders.Annotation(v1alpha5.DoNotEvictAnnotation, value)
}

func TestAPodThatSaysNoHoldsAMachineWhichSomebodyDeletes(t *testing.T) {
	for name, remove := range map[string]func(*end, *v1alpha5.Machine, *corev1.Node){
		"the machine": func(e *end, machine *v1alpha5.Machine, _ *corev1.Node) { e.Delete(machine) },
		"the node": func(e *end, _ *v1alpha5.Machine, node *corev1.Node) {
			e.Delete(node)
			e.Reconcile(NewNodeController(e.Client, e.Client, e.cloud, e.Journal), node.Name)
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnd(t)
			machine, node := e.Ready(e.cloud)
			held := e.RunningPod(e.Namespace(), node.Name, keep("true"))
			other := e.RunningPod(held.Namespace, node.Name)
			remove(e, machine, node)
			e.Reconcile(e.controller, machine.Name)
			e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionFalse, "pod "+held.Namespace+"/"+held.Name+" stays: its annotation karpenter.sh/do-not-evict")
			if e.Reload(node); !disrupted(node) || !slices.Equal(e.asked.names, []string{other.Name}) || !slices.Contains(e.asked.withdrawn, held.Name) {
				t.Errorf("taints %v, asked for %v, withdrawn %v", node.Spec.Taints, e.asked.names, e.asked.withdrawn)
			}
			if e.Told.Count(events.ReasonFailedDraining) != 2 || !e.Told.Contains("Warning", held.Name, "do-not-evict") {
				t.Errorf("told, once about the machine and once about the node: %q", e.Told.Lines())
			}
			e.Delete(other, client.GracePeriodSeconds(0))
			e.Clock.Step(24 * time.Hour)
			e.Reconcile(e.controller, machine.Name)
			if e.Gone(held) || e.cloud.Instances()[0].ShuttingDown {
				t.Fatal("the pod or its instance went against its annotation")
			}
			workbench.Update(e.Bench, held, func(p *corev1.Pod) { p.Annotations = nil })
			e.Reconcile(e.controller, machine.Name)
			if !slices.Contains(e.asked.names, held.Name) {
				t.Errorf("asked for %v once the annotation was gone", e.asked.names)
			}
			e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionUnknown, "waiting for")
		})
	}
}

func TestAPodHoldsItsMachineForTheTimeThatItAsksFor(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	pod := e.RunningPod(e.Namespace(), node.Name, keep("1h"))
	e.Delete(machine)
	e.Clock.SetTime(pod.CreationTimestamp.Add(time.Hour - 2*time.Second))
	if again := e.Reconcile(e.controller, machine.Name).RequeueAfter; again != 2*time.Second {
		t.Errorf("it is looked at again after %s", again)
	}
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionFalse, "over at")
	e.Clock.Step(2 * time.Second)
	if e.Reconcile(e.controller, machine.Name); !slices.Equal(e.asked.names, []string{pod.Name}) {
		t.Errorf("asked for %v when the time was over", e.asked.names)
	}
}

func TestThePolicyOfTheUserHoldsAMachine(t *testing.T) {
	e := newEnd(t)
	e.policy = drain.Policy{BarePods: drain.HoldAlways}
	machine, node := e.Ready(e.cloud)
	e.RunningPod(e.Namespace(), node.Name)
	e.Delete(machine)
	e.Reconcile(e.with(e.Client, e.asked), machine.Name)
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionFalse, drain.ReasonNotReplicated)
}

func TestABudgetThatNeverOpensIsToldWithinAMinute(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	namespace, labels := e.Namespace(), map[string]string{"app": "a"}
	pod := e.RunningPod(namespace, node.Name, builders.Labels(labels))
	budget := e.Budget(namespace, 0, labels)
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionUnknown, "waiting for")
	e.Clock.Step(40 * time.Second)
	e.Reconcile(e.controller, machine.Name)
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionFalse, pod.Name+" stays: PodDisruptionBudget "+budget.Name)
	if e.Told.Count(events.ReasonFailedDraining) != 2 {
		t.Errorf("told: %q", e.Told.Lines())
	}
	e.Allow(budget, 1)
	e.Reconcile(e.controller, machine.Name)
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionUnknown, "waiting for")
}

func TestAnInstanceThatIsGoneOrStoppedIsHeldByNoPod(t *testing.T) {
	for name, stop := range map[string]func(*fake.Provider, string){"gone": (*fake.Provider).Vanish, "stopped": (*fake.Provider).Stop} {
		for value, pod := range map[string]builders.PodModifier{"kept": keep("true"), "leaving": func(*corev1.Pod) {}} {
			t.Run(name+", "+value, func(t *testing.T) {
				e := newEnd(t)
				machine, node := e.Ready(e.cloud)
				e.RunningPod(e.Namespace(), node.Name, pod)
				stop(e.cloud, machine.Status.ProviderID)
				e.Delete(machine)
				e.Reconcile(e.controller, machine.Name)
				if e.Gone(machine) {
					t.Fatal("the pod was not waited for while its node was ready")
				}
				workbench.Update(e.Bench, node, func(n *corev1.Node) { builders.NotReady()(n) })
				e.Reconcile(e.controller, machine.Name)
				e.Clock.Step(time.Minute)
				e.Reconcile(e.controller, machine.Name)
				if !e.Gone(machine) || !e.Gone(node) || len(e.cloud.Instances()) > 0 {
					t.Errorf("machine gone %t, node gone %t, instances %v", e.Gone(machine), e.Gone(node), e.cloud.Instances())
				}
			})
		}
	}
}

func TestAKubeletThatIsSilentFreesNoPodWhoseInstanceRuns(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	e.RunningPod(e.Namespace(), node.Name, keep("true"))
	e.Delete(machine)
	workbench.Update(e.Bench, node, func(n *corev1.Node) { builders.NotReady()(n) })
	e.Reconcile(e.controller, machine.Name)
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionFalse, "stays")
}

func TestAGracePeriodBoundsTheDrain(t *testing.T) {
	e := newEnd(t)
	queue := eviction.NewQueue(e.Client, e.Journal)
	controller := e.with(e.Client, &evictor{queue: queue})
	machine, node := e.Ready(e.cloud, bounded(10*time.Minute))
	pod := e.RunningPod(e.Namespace(), node.Name, keep("true"), func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = new(int64(60)) })
	e.Delete(machine)
	e.Reload(machine)
	deadline := machine.DeletionTimestamp.Add(10 * time.Minute)

	e.Clock.SetTime(deadline.Add(-66 * time.Second))
	if again := e.Reconcile(controller, machine.Name).RequeueAfter; again != time.Second {
		t.Errorf("it is looked at again after %s, want when the pod's time is up", again)
	}
	if e.Reload(pod); pod.DeletionTimestamp != nil {
		t.Fatal("the pod was deleted while there was time")
	}
	e.Clock.SetTime(deadline.Add(-65 * time.Second))
	e.Reconcile(controller, machine.Name)
	if e.Reload(pod); pod.DeletionTimestamp == nil || *pod.DeletionGracePeriodSeconds != 60 {
		t.Fatalf("the pod is deleted at %s with a grace period of %v", pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds)
	}
	if !e.Told.Contains("Warning "+events.ReasonDeleted, "1m0s") {
		t.Errorf("told: %q", e.Told.Lines())
	}
	e.Clock.SetTime(deadline)
	e.Reconcile(controller, machine.Name)
	e.expect(t, machine, v1alpha5.ConditionDrained, metav1.ConditionTrue, "terminationGracePeriod was over at "+deadline.UTC().Format(time.RFC3339))
	if !e.cloud.Instances()[0].ShuttingDown {
		t.Error("the instance runs on after the end of its time")
	}
}

func TestAMessageNamesThreeBlockersAtMost(t *testing.T) {
	var blocked []drain.Blocker
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		blocked = append(blocked, drain.Blocker{Pod: builders.Pod(builders.Name(name)), Reason: "R", Message: "why"})
	}
	got := describeBlocked(blocked)
	if strings.Count(got, "why (R)") != 3 || !strings.HasSuffix(got, "; 2 more") {
		t.Errorf("got %q", got)
	}
}
