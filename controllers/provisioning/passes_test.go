package provisioning

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	clientfake "sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// askers is a controller that decides when pods ask it to, in simulated time.
type askers struct {
	kube     client.Client
	provider *fake.Provider
	cluster  *state.Cluster
	batcher  *Batcher[types.UID]
}

func startAsking(t *testing.T) *askers {
	t.Helper()
	realClock := clock.RealClock{}
	kube := clientfake.NewClientBuilder().WithScheme(schemeOf(t)).WithStatusSubresource(&v1alpha5.Provisioner{}).
		WithObjects(builders.Provisioner("p")).Build()
	recorded, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	a := &askers{
		kube: kube, provider: fake.New(fake.Options{Clock: realClock}), cluster: state.NewCluster(),
		batcher: NewBatcher[types.UID](realClock, time.Second, 10*time.Second),
	}
	synced := make(chan struct{})
	close(synced)
	controller := NewController(World{Client: kube, Live: kube, Provider: a.provider, Cluster: a.cluster}, a.batcher, synced,
		journal.Journal{Events: events.NewRecorder(&workbench.Told{}, realClock), Metrics: recorded, Clock: realClock}, Settings{ExpendableBelow: -10})
	go func() { _ = controller.Start(t.Context()) }() // it ends with the test
	return a
}

// ask has a pod that nothing can host ask again and again, as Trigger does.
func (a *askers) ask(ctx context.Context, name, cpu string) {
	pod := builders.Pod(builders.Name(name), builders.CPU(cpu))
	a.cluster.UpdatePod(pod)
	go func() {
		for ctx.Err() == nil {
			a.batcher.Trigger(pod.UID)
			select {
			case <-time.After(retriggerAfter):
			case <-ctx.Done():
			}
		}
	}()
}

func (a *askers) passes() int { return a.provider.Calls(fake.OperationInstanceTypes) }

// Pods that nothing can host ask for ever. The answer is the same until something happens.
func TestPodsThatNothingCanHostAreSeldomDecidedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := startAsking(t)
		for i := range 50 {
			a.ask(t.Context(), fmt.Sprintf("huge-%d", i), "10000")
			<-time.After(200 * time.Millisecond) // of simulated time
		}
		<-time.After(time.Minute)
		before := a.passes()
		<-time.After(10 * time.Minute)
		each := float64(a.passes()-before) / 10
		t.Logf("%.1f decisions a minute on 50 pods that nothing can host", each)
		if each > 7 || each < 5 {
			t.Errorf("%.1f decisions a minute, want about one in ten seconds", each)
		}
		a.ask(t.Context(), "small", "1")
		<-time.After(1100 * time.Millisecond)
		var list v1alpha5.MachineList
		if err := a.kube.List(t.Context(), &list); err != nil {
			t.Fatal(err)
		}
		if len(list.Items) != 1 {
			t.Errorf("a new pod got %d machines within the second that a batch waits, want 1", len(list.Items))
		}
	})
}
