package provisioning

import (
	"context"
	"errors"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestAWatchThatStallsDoesNotMakeMachinesTwice(t *testing.T) {
	p := newPass(t)
	p.pending("a", "b", "c")
	p.provision(t)
	want := len(p.machines(t))
	p.Clock.Step(time.Hour)
	p.provision(t)
	if got := len(p.machines(t)); got != want {
		t.Errorf("after an hour without news of %d machines there are %d", want, got)
	}
}

func TestAProcessThatTakesOverCountsMachinesThatItsWatchDoesNotShow(t *testing.T) {
	p := newPass(t)
	p.pending("a", "b", "c")
	p.provision(t)
	want := len(p.machines(t))
	p.cluster = state.NewCluster()
	p.controller = p.with(p.Client)
	p.pending("a", "b", "c")
	p.provision(t)
	if got := len(p.machines(t)); want == 0 || got != want {
		t.Errorf("the process before made %d machines for the pods; now there are %d", want, got)
	}
}

func TestAMachineWhoseMakingHadNoAnswerIsNotMadeTwice(t *testing.T) {
	p := newPass(t)
	p.pending("a")
	lost, gone := errors.New("http2: client connection lost"), false
	p.controller = p.with(interceptor.NewClient(p.Client, interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, object client.Object, o ...client.CreateOption) error {
		if gone {
			return lost
		}
		gone = true
		return errors.Join(c.Create(ctx, object, o...), lost)
	}}))
	if err := p.controller.Provision(t.Context()); !errors.Is(err, lost) {
		t.Fatalf("error = %v", err)
	}
	p.provision(t)
	if made := p.machines(t); len(made) != 1 {
		t.Errorf("%d machines were made for a pod", len(made))
	}
}

func TestAMachineThatWasDeletedBeforeItWasSeenIsMadeAgain(t *testing.T) {
	p := newPass(t)
	p.pending("a")
	p.provision(t)
	for _, machine := range p.machines(t) {
		p.Release(&machine)
		p.Delete(&machine)
	}
	p.Clock.Step(confirmAfter + time.Second)
	p.provision(t)
	if len(p.machines(t)) == 0 {
		t.Error("a machine that is gone still counts as on its way")
	}
}

func TestAProvisionerThatBecomesReadyBringsADecision(t *testing.T) {
	provisioner := func(generation int64, ready metav1.ConditionStatus) *v1alpha5.Provisioner {
		p := builders.Provisioner("default")
		p.UID, p.Generation = "p", generation
		p.Status.Conditions = []metav1.Condition{{Type: v1alpha5.ConditionReady, Status: ready}}
		return p
	}
	for name, tc := range map[string]struct {
		before, now *v1alpha5.Provisioner
		want        int
	}{
		"becomes ready":           {provisioner(1, metav1.ConditionFalse), provisioner(1, metav1.ConditionTrue), 1},
		"is changed while ready":  {provisioner(1, metav1.ConditionTrue), provisioner(2, metav1.ConditionTrue), 1},
		"reports something":       {provisioner(1, metav1.ConditionTrue), provisioner(1, metav1.ConditionTrue), 0},
		"is not ready any longer": {provisioner(1, metav1.ConditionTrue), provisioner(1, metav1.ConditionFalse), 0},
	} {
		t.Run(name, func(t *testing.T) {
			trigger := NewTrigger(nil, NewBatcher[types.UID](clock.RealClock{}, time.Second, time.Second))
			trigger.onProvisioner(t.Context(), event.UpdateEvent{ObjectOld: tc.before, ObjectNew: tc.now}, nil)
			if got := len(trigger.batcher.arrived); got != tc.want {
				t.Errorf("%d windows are opened, want %d", got, tc.want)
			}
		})
	}
}
