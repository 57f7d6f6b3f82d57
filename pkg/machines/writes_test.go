package machines_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

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
