package solver_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// margin is how much later than its deadline a plan may come: what has to be done whatever the time, on a busy computer.
const margin = 8 * time.Second

// misfits are pods that are all different and too large for any instance type.
func misfits(n int, cpu, memory func(i int) string) []*corev1.Pod {
	pods := make([]*corev1.Pod, 0, n)
	for i := range n {
		pods = append(pods, builders.Pod(builders.Name(fmt.Sprintf("misfit-%05d", i)), builders.CPU(cpu(i)), builders.Memory(memory(i))))
	}
	return pods
}

func TestPlansComeSoonAfterTheirDeadlineHoweverManyDifferentPodsFindNoPlace(t *testing.T) {
	for name, pods := range map[string][]*corev1.Pod{
		"of one resource": misfits(20_000,
			func(i int) string { return fmt.Sprint(10_000 + i) }, func(int) string { return "1Gi" }),
		"of both at once": misfits(20_000,
			func(i int) string { return fmt.Sprintf("%dm", 5_000_000+i) }, func(i int) string { return fmt.Sprintf("%dMi", 40<<20+i) }),
	} {
		t.Run("too large: "+name, func(t *testing.T) {
			p := fullCatalogue(t, size{1, 1353, 0})
			p.Pods = pods
			deadline := time.Now().Add(200 * time.Millisecond)
			ctx, cancel := context.WithDeadline(t.Context(), deadline)
			defer cancel()
			plan := solver.Solve(ctx, p)
			if late := time.Since(deadline); late > margin {
				t.Errorf("the plan came %v after its deadline", late)
			}
			if len(plan.Unplaced) != len(pods) {
				t.Errorf("%d pods are unplaced, want all %d", len(plan.Unplaced), len(pods))
			}
		})
	}
}

func TestAPodLargerThanAnyInstanceTypeLearnsWhatTheLargestOneHasEvenIfManyAre(t *testing.T) {
	p := fullCatalogue(t, size{1, 1353, 0})
	p.Pods = misfits(500, func(i int) string { return fmt.Sprint(10_000 + i) }, func(int) string { return "1Gi" })
	plan := solver.Solve(t.Context(), p)
	if len(plan.Unplaced) != 500 {
		t.Fatalf("%d pods are unplaced, want 500", len(plan.Unplaced))
	}
	first := plan.Unplaced[0].Reason
	_, largest, found := strings.Cut(first, " asked, ")
	for _, u := range plan.Unplaced {
		if !found || !strings.HasSuffix(u.Reason, largest) {
			t.Fatalf("one pod is unplaced because %q, another because %q", first, u.Reason)
		}
	}
}
