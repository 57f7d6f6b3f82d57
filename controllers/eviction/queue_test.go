package eviction_test

import (
	"context"
	"errors"
	"sync"
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

func immediate(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = new(int64) }

func TestAPodIsEvicted(t *testing.T) {
	b := workbench.New(t)
	pod := b.RunningPod(b.Namespace(), "node")
	if err := eviction.NewQueue(b.Client, b.Journal).Evict(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	if b.Reload(pod); pod.DeletionTimestamp == nil {
		t.Error("the pod was not told to go")
	}
	if !b.Told.Contains("Normal "+events.ReasonEvicted, "node node") {
		t.Errorf("told: %q", b.Told.Lines())
	}
}

func TestAPodThatIsGoneIsEvicted(t *testing.T) {
	b := workbench.New(t)
	pod := b.RunningPod(b.Namespace(), "node", immediate)
	b.Delete(pod)
	if err := eviction.NewQueue(b.Client, b.Journal).Evict(t.Context(), pod); err != nil {
		t.Errorf("a pod that is gone cannot be evicted: %s", err)
	}
}

func TestAnotherPodOfTheNameStays(t *testing.T) {
	b := workbench.New(t)
	old := b.RunningPod(b.Namespace(), "node", immediate)
	b.Delete(old)
	recreated := b.RunningPod(old.Namespace, "elsewhere", builders.Name(old.Name))
	if err := eviction.NewQueue(b.Client, b.Journal).Evict(t.Context(), old); err != nil {
		t.Errorf("a pod that was replaced cannot be evicted: %s", err)
	}
	if b.Reload(recreated); recreated.DeletionTimestamp != nil {
		t.Error("the pod that has taken its name was evicted")
	}
	if b.Told.Count(events.ReasonEvicted) != 0 {
		t.Errorf("told: %q", b.Told.Lines())
	}
}

func TestABudgetIsHonouredAndTold(t *testing.T) {
	b := workbench.New(t)
	namespace := b.Namespace()
	labels := map[string]string{"app": "a"}
	pod := b.RunningPod(namespace, "node", builders.Labels(labels), immediate)
	budget := b.Budget(namespace, 0, labels)
	queue := eviction.NewQueue(b.Client, b.Journal)
	for range 3 {
		if err := queue.Evict(t.Context(), pod); !apierrors.IsTooManyRequests(err) {
			t.Fatalf("got %v, want that the budget refuses", err)
		}
	}
	if b.Reload(pod); pod.DeletionTimestamp != nil {
		t.Fatal("the pod was evicted against its budget")
	}
	if b.Told.Count(events.ReasonFailedDraining) != 1 || !b.Told.Contains("Warning", "disruption budget") {
		t.Errorf("told: %q", b.Told.Lines())
	}
	b.Allow(budget, 1)
	if err := queue.Evict(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	if !b.Gone(pod) {
		t.Error("the budget allows it, and the pod is there")
	}
}

// answers is a client whose evictions are answered in turn; the end of the list answers nil. It tells each call.
func answers(c client.WithWatch, called chan<- string, list ...error) client.WithWatch {
	var mu sync.Mutex
	return interceptor.NewClient(c, interceptor.Funcs{
		SubResourceCreate: func(_ context.Context, _ client.Client, _ string, object, _ client.Object, _ ...client.SubResourceCreateOption) error {
			mu.Lock()
			defer mu.Unlock()
			called <- object.GetName()
			if len(list) == 0 {
				return nil
			}
			err := list[0]
			list = list[1:]
			return err
		},
	})
}

// start runs a queue until the test ends.
func start(t *testing.T, queue *eviction.Queue) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- queue.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the queue ended with %v", err)
		}
	})
}

// next returns the next call, which must come within half a minute.
func next(t *testing.T, called <-chan string) string {
	t.Helper()
	select {
	case name := <-called:
		return name
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was evicted")
		return ""
	}
}

func TestTheQueueTriesAgainWhatIsRefused(t *testing.T) {
	b := workbench.New(t)
	called := make(chan string, 100)
	refused := apierrors.NewTooManyRequests("no", 0)
	queue := eviction.NewQueue(answers(b.Client, called, refused, errors.New("broken"), refused), b.Journal)
	start(t, queue)
	queue.Add(builders.Pod(builders.Name("a"), builders.OnNode("node")))
	for range 4 {
		next(t, called)
	}
	// It is out of the queue now: the same pod may come again, and comes once.
	last := builders.Pod(builders.Name("b"), builders.OnNode("node"))
	queue.Add(last, last, last)
	if name := next(t, called); name != "b" {
		t.Errorf("after it was evicted, %s was evicted again", name)
	}
	if len(called) != 0 {
		t.Errorf("a pod that was added three times is evicted %d times more", len(called))
	}
}

func TestAPodInTheQueueIsNotAddedAgainAndAnotherOfItsNameIs(t *testing.T) {
	b := workbench.New(t)
	called := make(chan string, 100)
	queue := eviction.NewQueue(answers(b.Client, called), b.Journal)
	first := builders.Pod(builders.Name("a"), builders.OnNode("node"))
	second := builders.Pod(builders.Name("a"), builders.OnNode("node"), func(p *corev1.Pod) { p.UID = "another" })
	queue.Add(first, first, second, first)
	start(t, queue)
	next(t, called)
	next(t, called)
	queue.Add(builders.Pod(builders.Name("end"), builders.OnNode("node")))
	if name := next(t, called); name != "end" {
		t.Errorf("%s was evicted once too often", name)
	}
}

func TestAnEmptyQueueEndsWithItsContext(t *testing.T) {
	b := workbench.New(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := eviction.NewQueue(b.Client, b.Journal).Start(ctx); err != nil {
		t.Errorf("got %v", err)
	}
}
