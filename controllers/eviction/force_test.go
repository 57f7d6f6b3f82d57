package eviction_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/controllers/eviction"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

func TestAPodWhoseTimeIsUpIsDeletedAgainstItsBudget(t *testing.T) {
	b := workbench.New(t)
	namespace, labels := b.Namespace(), map[string]string{"app": "a"}
	pod := b.RunningPod(namespace, "node", builders.Labels(labels))
	b.Budget(namespace, 0, labels)
	queue := eviction.NewQueue(b.Client, b.Journal)
	if err := queue.Delete(t.Context(), pod, 25*time.Second+300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	if b.Reload(pod); pod.DeletionTimestamp == nil || *pod.DeletionGracePeriodSeconds != 25 {
		t.Errorf("deleted at %s, with %v seconds to end", pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds)
	}
	if !b.Told.Contains("Warning "+events.ReasonDeleted, "25s") {
		t.Errorf("told: %q", b.Told.Lines())
	}
	if err := queue.Delete(t.Context(), pod, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	if b.Reload(pod); *pod.DeletionGracePeriodSeconds != 10 {
		t.Errorf("it has %d seconds, want what is left", *pod.DeletionGracePeriodSeconds)
	}
}

func TestADeletionSparesAnotherPodOfTheName(t *testing.T) {
	b := workbench.New(t)
	old := b.RunningPod(b.Namespace(), "node", immediate)
	b.Delete(old)
	queue := eviction.NewQueue(b.Client, b.Journal)
	if err := queue.Delete(t.Context(), old, time.Second); err != nil {
		t.Errorf("a pod that is gone cannot be deleted: %s", err)
	}
	recreated := b.RunningPod(old.Namespace, "elsewhere", builders.Name(old.Name))
	if err := queue.Delete(t.Context(), old, time.Second); err != nil {
		t.Errorf("a pod that was replaced cannot be deleted: %s", err)
	}
	if b.Reload(recreated); recreated.DeletionTimestamp != nil || b.Told.Count(events.ReasonDeleted) != 0 {
		t.Errorf("deleted at %s, told %q", recreated.DeletionTimestamp, b.Told.Lines())
	}
}

func TestADeletionThatFailsIsReported(t *testing.T) {
	b := workbench.New(t)
	broken := errors.New("broken")
	c := interceptor.NewClient(b.Client, interceptor.Funcs{
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error { return broken },
	})
	err := eviction.NewQueue(c, b.Journal).Delete(t.Context(), builders.Pod(), time.Second)
	if !errors.Is(err, broken) || !strings.Contains(err.Error(), "deleting pod") {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsWithdrawnIsNotEvicted(t *testing.T) {
	b := workbench.New(t)
	called := make(chan string, 100)
	refused := apierrors.NewTooManyRequests("no", 0)
	queue := eviction.NewQueue(answers(b.Client, called, refused), b.Journal)
	kept := builders.Pod(builders.Name("kept"), builders.OnNode("node"))
	early := builders.Pod(builders.Name("early"), builders.OnNode("node"), func(p *corev1.Pod) { p.UID = "early" })
	queue.Add(early, kept)
	queue.Withdraw(early, builders.Pod(builders.Name("unknown")))
	start(t, queue)
	if name := next(t, called); name != "kept" {
		t.Errorf("%s was evicted", name)
	}
	queue.Withdraw(kept) // it was refused, and would be tried again after 200 ms
	queue.Add(builders.Pod(builders.Name("end"), builders.OnNode("node")))
	if name := next(t, called); name != "end" {
		t.Errorf("%s was evicted", name)
	}
	// What was withdrawn may be asked for again.
	queue.Add(kept)
	if name := next(t, called); name != "kept" {
		t.Errorf("%s was evicted", name)
	}
}
