package lifecycle

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/events"
)

// numbering is a cloud that refuses every launch, each time in other words, as one that numbers its answers.
type numbering struct {
	*fake.Provider

	mu sync.Mutex
	// asked maps name of a Machine -> when an instance was asked for.
	asked map[string][]time.Time
	// refused gets the name of every Machine that is refused.
	refused chan string
}

func (n *numbering) Create(_ context.Context, machine *v1alpha5.Machine) (*v1alpha5.Machine, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.asked[machine.Name] = append(n.asked[machine.Name], time.Now())
	n.refused <- machine.Name
	return nil, fmt.Errorf("not authorized, request %d", len(n.asked[machine.Name]))
}

// What a reconcile writes of its failure wakes nobody: otherwise every refusal would be the cause of the next.
func TestARefusedLaunchIsRepeatedAtThePaceOfItsBackoff(t *testing.T) {
	l := newLife(t)
	machine := l.group(1)[0]
	cloud := &numbering{Provider: l.cloud, asked: map[string][]time.Time{}, refused: make(chan string, 10_000)}
	l.Manage(l.with(l.Client, cloud).Register)
	// The second call may come at once, by what the first one told; from there on each wait is twice the one before.
	for calls := 0; calls < 4; {
		select {
		case name := <-cloud.refused:
			if name == machine.Name {
				calls++
			}
		case <-time.After(time.Minute):
			t.Fatalf("after %d calls the cloud is not asked any more", calls)
		}
	}
	cloud.mu.Lock()
	asked := cloud.asked[machine.Name]
	cloud.mu.Unlock()
	if took := asked[3].Sub(asked[0]); took < 1500*time.Millisecond {
		t.Errorf("4 calls came within %s", took)
	}
}

func TestARefusalInOtherWordsIsToldOnce(t *testing.T) {
	l := newLife(t)
	machine := l.group(1)[0]
	cloud := &numbering{Provider: l.cloud, asked: map[string][]time.Time{}, refused: make(chan string, 10)}
	controller := l.with(l.Client, cloud)
	l.Reconcile(controller, machine.Name)
	for range 3 {
		if _, err := l.TryReconcile(controller, machine.Name); err == nil {
			t.Fatal("the refusal is no error: it would not be tried again")
		}
	}
	if told := l.Told.Count(events.ReasonLaunchFailed); told != 1 {
		t.Errorf("it is told %d times: %q", told, l.Told.Lines())
	}
}
