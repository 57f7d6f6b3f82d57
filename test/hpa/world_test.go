package hpa

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/cluster"
	"github.com/kerf-autoscaler/kerf/test/environment"
)

const (
	// namespace and workload are what examples/backend-app-hpa.yaml speaks of.
	namespace = "eks-work"
	workload  = "backend-app"
	container = "main"
	// provisionerName is that of examples/provisioner.yaml.
	provisionerName = "default"
	lookEvery       = 100 * time.Millisecond
)

// world is an environment with two nodes that are not kerf's, a workload with an autoscaler, and somebody who watches.
type world struct {
	*environment.Environment
	t *testing.T
	// minute is how long a minute of the script takes.
	minute time.Duration

	mu   sync.Mutex
	seen sights
}

// startWorld starts a world that is as fast as its minutes: the autoscaler looks four times in each and gives nothing up for five of them, which
// with real minutes is Kubernetes' default.
func startWorld(t *testing.T, minute time.Duration) *world {
	t.Helper()
	e, err := environment.Start(t.Context(), environment.Options{
		Root: "../..", BootDelay: minute / 2, ShutdownDelay: minute / 4,
		ControllerArguments: []string{
			"--consolidation-settle-duration=" + (5 * minute).String(), // the default, in these minutes
			// The machine that is left over in the end is so small that moving its pod would pay only after hours without a change.
			"--eviction-cost=0.01",
		},
		ControlPlaneArguments: map[cluster.ComponentName][]string{cluster.ControllerManager: {
			"--horizontal-pod-autoscaler-sync-period=" + (minute / 4).String(),
			"--horizontal-pod-autoscaler-downscale-stabilization=" + (5 * minute).String(),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Environment: e, t: t, minute: minute, seen: newSights()}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the controller's log:\n%s", e.Controller().LogTail(40))
		}
		if err := e.Stop(); err != nil {
			t.Errorf("stopping the world: %v", err)
		}
	})
	return w
}

// populate makes the nodes that are not kerf's, a Provisioner that gives back in one of the ways, and the workload with its autoscaler.
//
// There is room for the first two replicas, on a node for each: a ReplicaSet gives up first what shares a node with others of its pods, so of two
// on one node one would always go, and the last pod on kerf's stay.
func (w *world) populate(way way) {
	w.t.Helper()
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}})
	for _, name := range []string{"base-1", "base-2"} {
		w.create(node(name))
	}
	if err := w.Apply(w.t.Context(), "examples/provisioner.yaml"); err != nil {
		w.t.Fatal(err)
	}
	var p v1alpha5.Provisioner
	if err := w.Client().Get(w.t.Context(), client.ObjectKey{Name: provisionerName}, &p); err != nil {
		w.t.Fatal(err)
	}
	old := p.DeepCopy()
	way.change(&p.Spec, w.minute)
	if err := w.Client().Patch(w.t.Context(), &p, client.MergeFrom(old)); err != nil {
		w.t.Fatal(err)
	}
	if out, err := w.Kubectl(w.t.Context(), "wait", "--for=condition=Ready", "--timeout=1m", "provisioner/"+provisionerName); err != nil {
		w.t.Fatalf("%v: %s", err, out)
	}
	w.watch(&v1alpha5.MachineList{}, &corev1.PodList{}, &appsv1.DeploymentList{})
	w.create(deployment())
	if err := w.Apply(w.t.Context(), "examples/backend-app-hpa.yaml"); err != nil {
		w.t.Fatal(err)
	}
}

// node is a node for one pod of the workload. It is not ready before kwok has taken it into its care.
func node(name string) *corev1.Node {
	room := corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("1"), corev1.ResourceMemory: resource.MustParse("4Gi"), corev1.ResourcePods: resource.MustParse("10"),
	}
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{cluster.ManagedLabel: cluster.ManagedValue, corev1.LabelHostname: name}},
		Status:     corev1.NodeStatus{Capacity: room, Allocatable: room},
	}
}

// deployment is the workload of the autoscaler: a node of two CPUs has room for two of its pods, one of a single CPU for one.
func deployment() *appsv1.Deployment {
	labels, replicas := map[string]string{"app": workload}, int32(2)
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: workload},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: container, Image: "registry.example/backend", Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: *resource.NewMilliQuantity(podCPU, resource.DecimalSI)},
				}}},
			}},
		},
	}
}

func (w *world) create(object client.Object) {
	w.t.Helper()
	if err := w.Client().Create(w.t.Context(), object); err != nil {
		w.t.Fatalf("creating %T %s: %v", object, object.GetName(), err)
	}
}

// watch takes down what is seen of objects until the test ends.
func (w *world) watch(lists ...client.ObjectList) {
	w.t.Helper()
	for _, list := range lists {
		ctx := w.t.Context()
		events, err := w.Client().Watch(ctx, list)
		if err != nil {
			w.t.Fatal(err)
		}
		go func() {
			// An API server ends watches as it likes; a new one begins with what there is.
			for ; err == nil; events, err = w.Client().Watch(ctx, list) {
				for event := range events.ResultChan() {
					w.mu.Lock()
					w.seen.note(event.Object, time.Now())
					w.mu.Unlock()
				}
			}
		}()
	}
}

// pods lists the pods of the workload.
func (w *world) pods(ctx context.Context) ([]corev1.Pod, error) {
	var list corev1.PodList
	err := w.Client().List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{"app": workload})
	return list.Items, err
}

// awaitRunning waits until the autoscaler has asked for so many replicas, and exactly these run.
func (w *world) awaitRunning(replicas int32) {
	w.t.Helper()
	w.await(fmt.Sprintf("%d replicas to run", replicas), func(ctx context.Context) error {
		var d appsv1.Deployment
		if err := w.Client().Get(ctx, client.ObjectKey{Namespace: namespace, Name: workload}, &d); err != nil {
			return err
		}
		all, err := w.pods(ctx)
		if err != nil {
			return err
		}
		running := 0
		for i := range all {
			if runs(&all[i]) {
				running++
			}
		}
		if *d.Spec.Replicas != replicas || running != int(replicas) || len(all) != running {
			return fmt.Errorf("%d replicas are asked for, %d of %d pods run", *d.Spec.Replicas, running, len(all))
		}
		return nil
	})
}

// awaitGivenBack waits until kerf's nodes, machines and instances are those that are needed.
func (w *world) awaitGivenBack(way way) {
	w.t.Helper()
	w.await("what is not needed to be given back", func(ctx context.Context) error {
		pods, err := w.pods(ctx)
		if err != nil {
			return err
		}
		var nodes corev1.NodeList
		if err := w.Client().List(ctx, &nodes, client.HasLabels{v1alpha5.ProvisionerNameLabel}); err != nil {
			return err
		}
		var machines v1alpha5.MachineList
		if err := w.Client().List(ctx, &machines); err != nil {
			return err
		}
		alive := 0
		for _, i := range w.AWS().Instances() {
			if i.State != "terminated" {
				alive++
			}
		}
		names := make([]string, 0, len(nodes.Items))
		for _, n := range nodes.Items {
			names = append(names, n.Name)
		}
		needed := way.needed(names, pods)
		slices.Sort(names)
		if !slices.Equal(names, needed) || len(machines.Items) != len(needed) || alive != len(needed) {
			return fmt.Errorf("there are nodes %v, %d machines and %d instances; nodes %v are needed", names, len(machines.Items), alive, needed)
		}
		w.t.Logf("given back all but the nodes that are needed: %v", needed)
		return nil
	})
}

// await waits until look returns nil; what it returned last tells what was missing.
func (w *world) await(what string, look func(context.Context) error) {
	w.t.Helper()
	patience := 2*time.Minute + 15*w.minute // the script has nothing happen for twelve minutes
	var last error
	err := wait.PollUntilContextTimeout(w.t.Context(), lookEvery, patience, true, func(ctx context.Context) (bool, error) {
		w.keepRunning()
		last = look(ctx)
		return last == nil, nil
	})
	if err != nil {
		w.t.Fatalf("waiting for %s: %v\n%s", what, last, w.describe())
	}
}

// keepRunning starts the controller again if it has ended by itself, as a kubelet would: on a machine that is too busy it may lose its lease.
func (w *world) keepRunning() {
	w.t.Helper()
	if ended := w.Controller().Exited(); ended != nil {
		w.t.Logf("starting the controller again: %v", ended)
		if err := w.Controller().Start(); err != nil {
			w.t.Fatal(err)
		}
	}
}

// describe shows what the autoscaler and kerf work on.
func (w *world) describe() string {
	w.t.Helper()
	text, err := w.Kubectl(context.WithoutCancel(w.t.Context()), "get", "--all-namespaces", "--output=wide",
		"horizontalpodautoscalers,deployments,pods,nodes,machines,provisioners")
	return fmt.Sprintln(text, err)
}
