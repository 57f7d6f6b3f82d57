package machines_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// shelf is a cache with what the test puts there, which it selects by package machines' indexes.
type shelf struct {
	machines []v1alpha5.Machine
	nodes    []corev1.Node
	pods     []corev1.Pod
	fail     error
}

func (s *shelf) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	i := slices.IndexFunc(s.nodes, func(n corev1.Node) bool { return n.Name == key.Name })
	if i < 0 {
		return apierrors.NewNotFound(schema.GroupResource{Resource: "nodes"}, key.Name)
	}
	s.nodes[i].DeepCopyInto(object.(*corev1.Node))
	return nil
}

func (s *shelf) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(options)
	by := func(index string) (string, bool) { return o.FieldSelector.RequiresExactMatch(index) }
	switch list := list.(type) {
	case *v1alpha5.MachineList:
		if id, ok := by(machines.IndexMachineProviderID); ok {
			list.Items = slices.DeleteFunc(slices.Clone(s.machines), func(m v1alpha5.Machine) bool { return m.Status.ProviderID != id })
		}
	case *corev1.NodeList:
		if id, ok := by(machines.IndexNodeProviderID); ok {
			list.Items = slices.DeleteFunc(slices.Clone(s.nodes), func(n corev1.Node) bool { return n.Spec.ProviderID != id })
		}
	case *corev1.PodList:
		if name, ok := by(machines.IndexPodNodeName); ok {
			list.Items = slices.DeleteFunc(slices.Clone(s.pods), func(p corev1.Pod) bool { return p.Spec.NodeName != name })
		}
	}
	return s.fail
}

func full() *shelf {
	return &shelf{
		machines: []v1alpha5.Machine{
			*builders.Machine("machine", "p", builders.LaunchedAs("i-1", "1", "1Gi", 1)), *builders.Machine("without-instance", "p"),
		},
		nodes: []corev1.Node{
			*builders.Node("node", builders.ProviderID("i-1")), *builders.Node("foreign", builders.ProviderID("i-9")), *builders.Node("bare"),
		},
		pods: []corev1.Pod{*builders.Pod(builders.Name("here"), builders.OnNode("node")), *builders.Pod(builders.Name("there"), builders.OnNode("bare"))},
	}
}

func TestNodesOfAMachine(t *testing.T) {
	s := full()
	for name, tc := range map[string]struct {
		machine *v1alpha5.Machine
		want    int
	}{"one that joined": {&s.machines[0], 1}, "one without an instance": {&s.machines[1], 0}} {
		nodes, err := machines.Nodes(t.Context(), s, tc.machine)
		if err != nil || len(nodes) != tc.want {
			t.Errorf("%s has %d nodes (%v), want %d", name, len(nodes), err, tc.want)
		}
	}
}

func TestMachineOfANode(t *testing.T) {
	s := full()
	for i, want := range []string{"machine", "", ""} {
		machine, err := machines.ForNode(t.Context(), s, &s.nodes[i])
		if err != nil || (machine != nil) != (want != "") || machine != nil && machine.Name != want {
			t.Errorf("node %s has machine %v (%v), want %q", s.nodes[i].Name, machine, err, want)
		}
	}
}

func TestPodsOfANode(t *testing.T) {
	got, err := machines.Pods(t.Context(), full(), "node")
	if err != nil || len(got) != 1 || got[0].Name != "here" {
		t.Errorf("got %v (%v)", got, err)
	}
}

func TestLookupsThatFailSaySo(t *testing.T) {
	s := full()
	s.fail = errors.New("no cache")
	_, nodes := machines.Nodes(t.Context(), s, &s.machines[0])
	_, machine := machines.ForNode(t.Context(), s, &s.nodes[0])
	_, pods := machines.Pods(t.Context(), s, "node")
	for _, err := range []error{nodes, machine, pods} {
		if !errors.Is(err, s.fail) {
			t.Errorf("got %v", err)
		}
	}
}

func TestEventsWakeTheMachineTheyAreAbout(t *testing.T) {
	s := full()
	tests := map[string]struct {
		handler handler.EventHandler
		object  client.Object
		want    string
	}{
		"its node":                      {machines.EnqueueForNode(s), &s.nodes[0], "machine"},
		"a node of somebody else":       {machines.EnqueueForNode(s), &s.nodes[1], ""},
		"a node without instance":       {machines.EnqueueForNode(s), &s.nodes[2], ""},
		"no node":                       {machines.EnqueueForNode(s), &s.pods[0], ""},
		"a pod on its node":             {machines.EnqueueForPod(s), &s.pods[0], "machine"},
		"a pod elsewhere":               {machines.EnqueueForPod(s), &s.pods[1], ""},
		"a pod on a node that is gone":  {machines.EnqueueForPod(s), builders.Pod(builders.OnNode("gone")), ""},
		"a pod that is bound nowhere":   {machines.EnqueueForPod(s), builders.Pod(), ""},
		"a node whose machine is asked": {machines.EnqueueForNode(&shelf{fail: errors.New("no cache")}), &s.nodes[0], ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
			defer queue.ShutDown()
			tc.handler.Create(t.Context(), event.CreateEvent{Object: tc.object}, queue)
			got := ""
			if queue.Len() > 0 {
				request, _ := queue.Get()
				got = request.Name
			}
			if got != tc.want {
				t.Errorf("woken is %q, want %q", got, tc.want)
			}
		})
	}
}

func TestReadyIsLaunchedRegisteredAndInitialized(t *testing.T) {
	machine := builders.Machine("m", "p")
	set := machines.Conditions(machine)
	for _, conditionType := range []string{v1alpha5.ConditionLaunched, v1alpha5.ConditionRegistered, v1alpha5.ConditionInitialized} {
		if set.IsTrue(v1alpha5.ConditionReady) {
			t.Errorf("ready before %s", conditionType)
		}
		set.True(conditionType, "Done", "")
	}
	if !set.IsTrue(v1alpha5.ConditionReady) {
		t.Error("not ready with all of them")
	}
	set.False(v1alpha5.ConditionEmpty, "NotEmpty", "")
	if !set.IsTrue(v1alpha5.ConditionReady) {
		t.Error("a machine with pods is not ready")
	}
}

func TestOfMachinesThatShareAnInstanceTheSameIsFirst(t *testing.T) {
	since := func(minutes int, deleted bool) builders.MachineModifier {
		return func(m *v1alpha5.Machine) {
			m.Status.ProviderID, m.CreationTimestamp = "i-1", metav1.NewTime(time.Unix(int64(60*minutes), 0))
			if deleted {
				m.DeletionTimestamp = new(metav1.Now())
			}
		}
	}
	list := []v1alpha5.Machine{
		*builders.Machine("going", "p", since(0, true)), *builders.Machine("oldest", "p", since(1, false)),
		*builders.Machine("a", "p", since(2, false)), *builders.Machine("b", "p", since(2, false)),
	}
	want := []string{"oldest", "a", "b", "going"}
	for range 20 {
		rand.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		found, err := machines.ByProviderID(t.Context(), &shelf{machines: list}, "i-1")
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, m := range found {
			got = append(got, m.Name)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("machines in the order %v, want %v", got, want)
		}
	}
}
