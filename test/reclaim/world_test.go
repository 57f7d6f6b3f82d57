package reclaim

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/environment"
)

const (
	// name is that of everything that the test makes.
	name = "reclaim"
	// patience bounds every wait.
	patience  = 5 * time.Minute
	lookEvery = 100 * time.Millisecond
)

// sights are when things were seen for the first time.
type sights struct {
	warned   map[string]time.Time // machine that was made before the storm -> when its warning was sent
	tainted  map[string]time.Time // node -> when it was tainted
	deleted  map[string]time.Time // machine -> when it was deleted
	launched map[string]time.Time // machine that was made in the storm -> when it had an instance
	ran      map[string]time.Time // pod that was made in the storm -> when it ran
}

// world is an environment with so many nodes, each with one pod, and somebody who watches.
type world struct {
	*environment.Environment
	t *testing.T

	mu sync.Mutex
	// old are the machines and pods from before the storm.
	old    map[string]bool
	struck bool
	sights sights
}

// startWorld starts a world and waits until all its pods run.
func startWorld(t *testing.T, nodes int) *world {
	t.Helper()
	e, err := environment.Start(t.Context(), environment.Options{Root: "../..", BootDelay: time.Second, ShutdownDelay: 500 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{Environment: e, t: t, old: map[string]bool{}, sights: sights{
		warned: map[string]time.Time{}, tainted: map[string]time.Time{}, deleted: map[string]time.Time{}, launched: map[string]time.Time{}, ran: map[string]time.Time{},
	}}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the end of the controller's log:\n%s", e.Controller().LogTail(40))
		}
		if err := e.Stop(); err != nil {
			t.Errorf("stopping the world: %v", err)
		}
	})
	w.watch(&corev1.NodeList{}, &v1alpha5.MachineList{}, &corev1.PodList{})
	for _, o := range objects(w.ClusterName(), nodes) {
		if err := e.Client().Create(t.Context(), o); err != nil {
			t.Fatalf("creating %T: %v", o, err)
		}
	}
	w.settle(nodes)
	return w
}

// objects ask for spot nodes with one pod each.
func objects(clusterName string, nodes int) []client.Object {
	found := map[string]string{"karpenter.sh/discovery": clusterName}
	labels, count := map[string]string{"app": name}, int32(nodes)
	return []client.Object{
		&awsv1alpha1.AWSNodeTemplate{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: awsv1alpha1.AWSNodeTemplateSpec{SubnetSelector: found, SecurityGroupSelector: found},
		},
		&v1alpha5.Provisioner{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha5.ProvisionerSpec{
			ProviderRef: &v1alpha5.TemplateReference{Name: name},
			Requirements: []v1alpha5.Requirement{
				{Key: v1alpha5.CapacityTypeLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{v1alpha5.CapacityTypeSpot}},
			},
		}},
		&appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault}, Spec: appsv1.DeploymentSpec{
			Replicas: &count, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
					TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: labels},
				}}}},
				Containers: []corev1.Container{{Name: "main", Image: "registry.example/pause", Resources: corev1.ResourceRequirements{
					Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
				}}},
			}},
		}},
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
					w.note(event.Object)
				}
			}
		}()
	}
}

// note takes down what is new of an object.
func (w *world) note(object any) {
	now := time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	first := func(in map[string]time.Time, name string) {
		if _, known := in[name]; !known {
			in[name] = now
		}
	}
	switch o := object.(type) {
	case *corev1.Node:
		if slices.ContainsFunc(o.Spec.Taints, func(t corev1.Taint) bool { return t.Key == v1alpha5.DisruptedTaintKey }) {
			first(w.sights.tainted, o.Name)
		}
	case *v1alpha5.Machine:
		if !w.struck {
			w.old[o.Name] = true
		}
		if !o.DeletionTimestamp.IsZero() {
			first(w.sights.deleted, o.Name)
		}
		if !w.old[o.Name] && apimeta.IsStatusConditionTrue(o.Status.Conditions, v1alpha5.ConditionLaunched) {
			first(w.sights.launched, o.Name)
		}
	case *corev1.Pod:
		if !w.struck {
			w.old[o.Name] = true
		}
		if !w.old[o.Name] && o.Status.Phase == corev1.PodRunning {
			first(w.sights.ran, o.Name)
		}
	}
}

// warned takes down that the warning of a machine is sent; what is made from then on was made in the storm.
func (w *world) warned(machine string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.struck = true
	w.sights.warned[machine] = time.Now()
}

// seen returns a copy of what was seen so far.
func (w *world) seen() sights {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.sights
	return sights{
		warned: maps.Clone(s.warned), tainted: maps.Clone(s.tainted), deleted: maps.Clone(s.deleted), launched: maps.Clone(s.launched), ran: maps.Clone(s.ran),
	}
}

func (w *world) machines() []v1alpha5.Machine {
	w.t.Helper()
	var list v1alpha5.MachineList
	if err := w.Client().List(w.t.Context(), &list); err != nil {
		w.t.Fatal(err)
	}
	return list.Items
}

func (w *world) send(events ...admin.Event) {
	w.t.Helper()
	for _, e := range events {
		if err := w.AWS().SendEvent(e); err != nil {
			w.t.Fatal(err)
		}
	}
}

// reclaimed lists the instances that EC2 itself has ended.
func (w *world) reclaimed() []string {
	var out []string
	for _, i := range w.AWS().Instances() {
		if strings.HasPrefix(i.StateReason, "Server.") {
			out = append(out, i.ID)
		}
	}
	return out
}

func (w *world) await(what string, look func(context.Context) error) {
	w.t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(w.t.Context(), lookEvery, patience, true, func(ctx context.Context) (bool, error) {
		w.keepRunning()
		last = look(ctx)
		return last == nil, nil
	})
	if err != nil {
		w.t.Fatalf("waiting for %s: %v", what, last)
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

// settle waits until there are so many machines, all ready, none on its way out, and as many pods run.
func (w *world) settle(nodes int) {
	w.t.Helper()
	w.await(fmt.Sprintf("%d machines and pods to be ready", nodes), func(ctx context.Context) error {
		ready, running := 0, 0
		all := w.machines()
		for i := range all {
			if all[i].DeletionTimestamp.IsZero() && apimeta.IsStatusConditionTrue(all[i].Status.Conditions, v1alpha5.ConditionReady) {
				ready++
			}
		}
		var pods corev1.PodList
		if err := w.Client().List(ctx, &pods, client.InNamespace(metav1.NamespaceDefault)); err != nil {
			return err
		}
		for i := range pods.Items {
			if p := &pods.Items[i]; p.DeletionTimestamp.IsZero() && p.Status.Phase == corev1.PodRunning {
				running++
			}
		}
		if ready != nodes || running != nodes || len(all) != nodes {
			return fmt.Errorf("%d of %d machines are ready, %d pods run", ready, len(all), running)
		}
		return nil
	})
}

func sorted(at map[string]time.Time) []time.Time {
	return slices.SortedFunc(maps.Values(at), time.Time.Compare)
}

// quantile returns what a part of the durations does not exceed.
func quantile(list []time.Duration, part float64) time.Duration {
	ordered := slices.Sorted(slices.Values(list))
	if len(ordered) == 0 {
		return 0
	}
	return ordered[min(int(part*float64(len(ordered))), len(ordered)-1)]
}

func quantiles(list []time.Duration) string {
	of := func(part float64) time.Duration { return quantile(list, part).Round(10 * time.Millisecond) }
	return fmt.Sprintf("%s (half), %s (95 %%), %s (all)", of(0.5), of(0.95), of(1))
}
