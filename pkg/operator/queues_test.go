package operator

import (
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/controller/priorityqueue"
	"sigs.k8s.io/controller-runtime/pkg/metrics"
)

func TestAControllerThatIsStuckIsNamed(t *testing.T) {
	limiter := workqueue.DefaultTypedControllerRateLimiter[string]
	for name, queue := range map[string]workqueue.TypedRateLimitingInterface[string]{
		"plain": workqueue.NewTypedRateLimitingQueueWithConfig(limiter(), workqueue.TypedRateLimitingQueueConfig[string]{Name: "plain"}),
		"prior": priorityqueue.New[string]("prior"),
	} {
		t.Run(name, func(t *testing.T) {
			defer queue.ShutDown()
			told := func() bool {
				err := Stuck(metrics.Registry, 200*time.Millisecond)()
				return err != nil && strings.Contains(err.Error(), "controller "+name+" works on one object")
			}
			queue.Add("object")
			if told() {
				t.Fatal("an object that waits counts as one that is worked on")
			}
			object, _ := queue.Get()
			defer queue.Done(object)
			ticks, late := time.NewTicker(50*time.Millisecond), time.After(20*time.Second)
			defer ticks.Stop()
			for {
				select {
				case <-ticks.C:
				case <-late:
					t.Fatal("an object that is worked on for ever is not noticed")
				}
				if told() {
					return
				}
			}
		})
	}
}
