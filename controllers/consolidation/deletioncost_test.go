package consolidation

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// costed is a yard with two machines that are not worth the move of their pods: the first has one of a ReplicaSet, the second has one of it
// and nine others.
func costed(t *testing.T) (y *yard, first, second *corev1.Pod) {
	t.Helper()
	y = newYard(t)
	y.settings.Disruption.EvictionCost, y.settings.Disruption.DeletionCosts = 100, true
	y.restart()
	owned := builders.OwnedBy("apps/v1", "ReplicaSet", y.Name("web"))
	one, other := y.machine("m5.large"), y.machine("m5.large", "100m", "100m", "100m", "100m", "100m", "100m", "100m", "100m", "100m")
	first = y.RunningPod(y.namespace, one.Status.NodeName, builders.CPU("100m"), owned)
	second = y.RunningPod(y.namespace, other.Status.NodeName, builders.CPU("100m"), owned)
	y.pass(time.Minute)
	y.Reload(first)
	y.Reload(second)
	return y, first, second
}

func TestPodsOfANodeThatIsWorthMostWhenEmptyAreTheFirstToBeDeleted(t *testing.T) {
	y, first, second := costed(t)
	for pod, want := range map[*corev1.Pod]string{first: "-142", second: "-95"} {
		if got := pod.Annotations[corev1.PodDeletionCost]; got != want || pod.Annotations[v1alpha5.DeletionCostAnnotation] != want {
			t.Errorf("annotations are %v, want %s twice", pod.Annotations, want)
		}
	}
	before := first.ResourceVersion
	y.restart()
	y.pass(10 * time.Minute)
	if y.Reload(first); first.ResourceVersion != before {
		t.Error("it was written to where nothing has changed")
	}
}

func TestTheCostOfDeletingAPodIsTakenBack(t *testing.T) {
	y, first, second := costed(t)
	workbench.Update(y.Bench, second, func(p *corev1.Pod) { p.Annotations[corev1.PodDeletionCost] = "7" })
	workbench.Update(y.Bench, y.provisioner, func(p *v1alpha5.Provisioner) { p.Spec.Consolidation = nil })
	y.pass(time.Minute)
	y.Reload(first)
	if _, has := first.Annotations[corev1.PodDeletionCost]; has || first.Annotations[v1alpha5.DeletionCostAnnotation] != "" {
		t.Errorf("annotations are %v", first.Annotations)
	}
	if y.Reload(second); second.Annotations[corev1.PodDeletionCost] != "7" {
		t.Errorf("its owner's word is gone: %v", second.Annotations)
	}
}

func TestAPodOfTheSameNameIsNotTakenForAnother(t *testing.T) {
	y, first, _ := costed(t)
	y.Delete(first, client.GracePeriodSeconds(0))
	again := y.RunningPod(y.namespace, first.Spec.NodeName, builders.Name(first.Name), builders.CPU("100m"))
	if done, err := y.controller.pass.cost(t.Context(), []disruption.PodCost{{Pod: first, Cost: "-5"}}); !done || err != nil {
		t.Fatal(done, err)
	}
	if y.Reload(again); again.Annotations[corev1.PodDeletionCost] != "" {
		t.Errorf("annotations are %v", again.Annotations)
	}
}

func TestALargeClusterIsWrittenInPortions(t *testing.T) {
	y, first, _ := costed(t)
	costs := make([]disruption.PodCost, mostCosted+1)
	for i := range costs {
		costs[i] = disruption.PodCost{Pod: builders.Pod(builders.Name("gone"), builders.Namespace(y.namespace), func(p *corev1.Pod) { p.ResourceVersion = "1" }), Cost: "-5"}
	}
	costs[mostCosted].Pod = first
	before := first.ResourceVersion
	if done, err := y.controller.pass.cost(t.Context(), costs); done || err != nil {
		t.Errorf("done: %t, %v", done, err)
	}
	if y.Reload(first); first.ResourceVersion != before {
		t.Error("the last pod was written to before its turn")
	}
}

// forbidding lets nobody patch some pods.
type forbidding struct {
	client.Client
	names map[string]bool
	tried int
}

// Patch refuses what is forbidden.
func (f *forbidding) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	if f.names == nil || f.names[object.GetName()] {
		f.tried++
		return apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, object.GetName(), errors.New("not by you"))
	}
	return f.Client.Patch(ctx, object, patch, options...)
}

func TestAPodThatMayNotBeWrittenToKeepsNothingFromOthers(t *testing.T) {
	y, first, second := costed(t)
	f := &forbidding{Client: y.Client, names: map[string]bool{first.Name: true}}
	y.controller.pass.client = f
	costs := []disruption.PodCost{{Pod: first, Cost: "-7"}, {Pod: second, Cost: "-8"}}
	if done, err := y.controller.pass.cost(t.Context(), costs); !done || err != nil {
		t.Errorf("done: %t, %v", done, err)
	}
	if y.Reload(second); second.Annotations[corev1.PodDeletionCost] != "-8" || f.tried != 1 {
		t.Errorf("annotations are %v, and %d writes were refused", second.Annotations, f.tried)
	}
	f.names, f.tried = nil, 0
	if done, err := y.controller.pass.cost(t.Context(), slices.Repeat(costs, 10)); !done || err != nil || f.tried != mostRefused {
		t.Errorf("done: %t, %v, after %d writes that were refused", done, err, f.tried)
	}
}
