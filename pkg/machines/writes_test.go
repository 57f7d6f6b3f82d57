package machines_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestWhatAReconcileComesTo(t *testing.T) {
	conflict := fmt.Errorf("writing: %w", apierrors.NewConflict(schema.GroupResource{Resource: "nodes"}, "n", errors.New("changed")))
	broken := errors.New("broken")
	down := fmt.Errorf("launching: %w", cloudprovider.NewUnavailableError(errors.New("503")))
	later := reconcile.Result{RequeueAfter: time.Hour}
	tests := map[string]struct {
		errs []error
		want reconcile.Result
		err  error
	}{
		"all went well":               {[]error{nil, nil}, later, nil},
		"somebody was faster":         {[]error{nil, conflict}, reconcile.Result{RequeueAfter: 500 * time.Millisecond}, nil},
		"a failure":                   {[]error{broken}, reconcile.Result{}, broken},
		"the cloud is down":           {[]error{down, nil}, reconcile.Result{RequeueAfter: 5 * time.Second}, nil},
		"a failure besides the cloud": {[]error{down, broken}, reconcile.Result{}, broken},
		"a failure besides conflicts": {[]error{conflict, broken, conflict}, reconcile.Result{}, broken},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := machines.Settle(later, tc.errs...)
			if got != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("got %v, %v; want %v, %v", got, err, tc.want, tc.err)
			}
			if err != nil && apierrors.IsConflict(err) {
				t.Errorf("the conflict is reported: %v", err)
			}
		})
	}
}

func TestInstancesAreTheSameWhateverStandsBeforeTheirID(t *testing.T) {
	for id, want := range map[string]string{"": "", "aws:///us-east-1a/i-1": "i-1", "aws:///i-1": "i-1", "aws:////i-1": "i-1", "i-1": "i-1"} {
		if got := machines.InstanceID(id); got != want {
			t.Errorf("the id of %q is %q, want %q", id, got, want)
		}
	}
}

func TestANodeIsDisruptedOnce(t *testing.T) {
	node := builders.Node("n", builders.Taint("other", "", corev1.TaintEffectNoSchedule))
	machines.Disrupt(node, time.Unix(0, 1))
	machines.Disrupt(node, time.Unix(9, 0))
	if len(node.Spec.Taints) != 2 {
		t.Errorf("taints are %v", node.Spec.Taints)
	}
	if got := machines.DisruptedFor(node, time.Unix(4, 0)); got != 3*time.Second { // the moment was rounded up to 1 s
		t.Errorf("it has been disrupted for %s", got)
	}
	node.Spec.Taints[1].TimeAdded = nil
	if got := machines.DisruptedFor(node, time.Unix(4, 0)); got < time.Hour {
		t.Errorf("a taint of somebody else's is %s old", got)
	}
}

func TestANodeIsReadyWhenItsKubeletSaysSo(t *testing.T) {
	for name, tc := range map[string]struct {
		node *corev1.Node
		want bool
	}{
		"ready":            {builders.Node("n"), true},
		"not ready":        {builders.Node("n", builders.NotReady()), false},
		"nothing was said": {&corev1.Node{}, false},
	} {
		if got := machines.NodeIsReady(tc.node); got != tc.want {
			t.Errorf("%s: got %t", name, got)
		}
	}
}
