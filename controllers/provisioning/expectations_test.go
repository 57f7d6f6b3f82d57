package provisioning

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

func TestAPodIsExpectedUnderTheNameThatItsMachineHasNow(t *testing.T) {
	pending := func(uid types.UID) *corev1.Pod { return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{UID: uid}} }
	machine := &v1alpha5.Machine{ObjectMeta: metav1.ObjectMeta{Name: "default-abc"}}
	onItsWay := state.Snapshot{Entries: []state.Entry{{Machine: machine}}}
	joined := state.Snapshot{Entries: []state.Entry{{Machine: machine, Node: &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "ip-10-0-0-1"}}}}}
	var e expectations
	e.expect("default-abc", "a", "b")
	e.expect("default-gone", "c")

	problem := &solver.Problem{Pods: []*corev1.Pod{pending("a"), pending("b"), pending("c"), pending("new")}}
	want := map[types.UID]string{"a": "default-abc", "b": "default-abc"}
	if diff := cmp.Diff(want, e.planned(onItsWay, problem)); diff != "" {
		t.Errorf("while the machine boots (-want +got):\n%s", diff)
	}
	problem.Pods = []*corev1.Pod{pending("b")}
	if diff := cmp.Diff(map[types.UID]string{"b": "ip-10-0-0-1"}, e.planned(joined, problem)); diff != "" {
		t.Errorf("once it has joined (-want +got):\n%s", diff)
	}
	problem.Pods = []*corev1.Pod{pending("a")}
	if got := e.planned(joined, problem); len(got) != 0 {
		t.Errorf("a pod that was bound meanwhile is still expected: %v", got)
	}
}
