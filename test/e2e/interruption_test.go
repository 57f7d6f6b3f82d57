package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// leavesBeforeReclaim has EC2 take a spot instance away that pods run on. All of them run elsewhere before it does, nothing that is not so is
// believed, and a recommendation is told.
func (w *world) leavesBeforeReclaim(t *testing.T) {
	const name = "interrupted"
	w.serve(t, provisioner(name), workload(name, 2, "500m"))
	w.awaitRunning(t, name, 2)
	old := w.onlyMachine(t, name, "is ready", ready)
	id := machines.InstanceID(old.Status.ProviderID)
	before, node := w.measured(t), &corev1.Node{}
	if err := w.Client().Get(t.Context(), client.ObjectKey{Name: old.Status.NodeName}, node); err != nil {
		t.Fatal(err)
	}

	w.believesNothingForged(t, old)
	warned := time.Now()
	if err := w.AWS().Befall(id, faults.Interrupt); err != nil {
		t.Fatal(err)
	}
	w.awaitEvent(t, &old, "SpotInterrupted", "takes the spot instance away")
	w.awaitEvent(t, node, "SpotInterrupted", "takes the spot instance away")
	replacement := w.onlyMachine(t, name, "is another one and ready", func(m v1alpha5.Machine) error {
		if m.Name == old.Name {
			return errors.New("it is the old one")
		}
		return ready(m)
	})
	w.awaitRunning(t, name, 2)
	if took := time.Since(warned); took > 2*time.Minute {
		t.Errorf("the pods ran elsewhere after %s", took)
	} else {
		t.Logf("warned, and %s later the pods ran on another node", took.Round(100*time.Millisecond))
	}
	w.wantTerminated(t, old, replacement)
	w.awaitMeasured(t, before, old)
	w.end(t, name)
}

// believesNothingForged sends what is no reason to do anything about a machine, and a recommendation, which is told.
func (w *world) believesNothingForged(t *testing.T, old v1alpha5.Machine) {
	t.Helper()
	id := machines.InstanceID(old.Status.ProviderID)
	forged := admin.SpotWarning(id)
	forged.Account = "999999999999"
	for _, event := range []admin.Event{forged, {Body: "not an event"}, admin.Rebalance(id)} {
		event.Copies = 3
		if err := w.AWS().SendEvent(event); err != nil {
			t.Fatal(err)
		}
	}
	w.awaitEvent(t, &old, "SpotRebalanceRecommendation", "likely to be taken away")
	if m := w.onlyMachine(t, old.ProvisionerName(), "is ready", ready); m.UID != old.UID || !m.DeletionTimestamp.IsZero() {
		t.Fatalf("machine %s goes for what is no reason to", m.Name)
	}
}

// wantTerminated checks that kerf has terminated an instance before EC2 took it away, and has bought something else in its place.
func (w *world) wantTerminated(t *testing.T, old, replacement v1alpha5.Machine) {
	t.Helper()
	for _, i := range w.instances(old.ProvisionerName()) {
		if i.ID == machines.InstanceID(old.Status.ProviderID) && i.StateReason != "Client.UserInitiatedShutdown" {
			t.Errorf("the instance is %s by %s: it was not drained and terminated before EC2 took it away", i.State, i.StateReason)
		}
		if i.ID == machines.InstanceID(replacement.Status.ProviderID) && i.Type == old.Labels[corev1.LabelInstanceTypeStable] && i.Zone == old.Labels[corev1.LabelTopologyZone] {
			t.Errorf("the replacement is %s in %s as well", i.Type, i.Zone)
		}
	}
}

// awaitMeasured waits for what was counted since before to be what one interruption and three messages of no worth, three times each, are.
func (w *world) awaitMeasured(t *testing.T, before map[string]float64, old v1alpha5.Machine) {
	t.Helper()
	want := map[string]float64{
		`karpenter_interruption_actions_performed{action_type="CordonAndDrain"}`:                                    1,
		`karpenter_interruption_actions_performed{action_type="MarkUnavailable"}`:                                   1,
		`karpenter_interruption_dropped_messages{reason="foreign_account"}`:                                         3,
		`karpenter_interruption_dropped_messages{reason="malformed"}`:                                               3,
		`karpenter_interruption_received_messages{message_type="rebalance_recommendation"}`:                         3,
		`karpenter_interruption_received_messages{message_type="spot_interrupted"}`:                                 1,
		`karpenter_interruption_queue_unavailable`:                                                                  0,
		fmt.Sprintf(`karpenter_machines_disrupted{provisioner=%q,reason="SpotInterrupted"}`, old.ProvisionerName()): 1,
	}
	w.await(t, "the metrics to tell of it", func(context.Context) error {
		now := w.measured(t)
		var errs []error
		for series, value := range want {
			if got := now[series] - before[series]; got != value {
				errs = append(errs, fmt.Errorf("%s has grown by %g, want %g", series, got, value))
			}
		}
		return errors.Join(errs...)
	})
	if queue := w.AWS().Queues()[0]; queue.Visible+queue.InFlight != 0 {
		t.Errorf("messages are left: %+v", queue)
	}
}

func (w *world) measured(t *testing.T) map[string]float64 {
	t.Helper()
	series, err := w.Controller().Metrics(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return series
}
