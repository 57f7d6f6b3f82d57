package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// killWithin is how soon after its moment a kill comes: a launch lasts for some tens of milliseconds.
const killWithin = 2 * time.Millisecond

// survivesKills kills the controller as soon as a moment of a launch has come. Each start then waits for the lease of the killed
// one to run out, as a new pod of a Deployment would.
func (w *world) survivesKills(t *testing.T) {
	for _, k := range []struct {
		moment, name string
		come         func(context.Context, string) error
	}{
		{"an intent is written", "killed-early", w.intentWritten},
		{"an instance is there", "killed-late", w.instanceThere},
	} {
		t.Run("killed when "+k.moment, func(t *testing.T) {
			w.create(t, w.template(k.name), provisioner(k.name))
			w.awaitProvisioner(t, k.name, v1alpha5.ConditionReady, metav1.ConditionTrue, "")
			w.create(t, workload(k.name, 3, "3"))
			w.awaitEvery(t, killWithin, k.moment, func(ctx context.Context) error { return k.come(ctx, k.name) })
			w.Controller().Kill()
			w.logUnanswered(t, k.name)
			if err := w.Controller().Start(); err != nil {
				t.Fatal(err)
			}
			w.awaitRunning(t, k.name, 3)
			w.awaitAnswers(t, k.name)
			w.oneInstanceEach(t, k.name)
			w.end(t, k.name)
		})
	}
}

// logUnanswered tells how far the launch had come, for the reader of a failure.
func (w *world) logUnanswered(t *testing.T, provisioner string) {
	t.Helper()
	machines, err := w.machines(t.Context(), provisioner)
	if err != nil {
		t.Fatal(err)
	}
	intents, answers := 0, 0
	for _, m := range machines {
		if m.Status.Launch != nil {
			intents++
		}
		if m.Status.ProviderID != "" {
			answers++
		}
	}
	t.Logf("killed with %d machines, %d intents, %d answers on record and %d instances", len(machines), intents, answers, len(w.instances(provisioner)))
}

func (w *world) intentWritten(ctx context.Context, provisioner string) error {
	machines, err := w.machines(ctx, provisioner)
	if err != nil {
		return err
	}
	for _, m := range machines {
		if m.Status.Launch != nil {
			return nil
		}
	}
	return fmt.Errorf("none of %d machines has one", len(machines))
}

func (w *world) instanceThere(_ context.Context, provisioner string) error {
	if len(w.instances(provisioner)) == 0 {
		return errors.New("there is none")
	}
	return nil
}

// awaitAnswers waits until every Machine knows its instance. Nodes join and run pods without a controller: that pods run does not
// say that the controller is back and has found what it launched.
func (w *world) awaitAnswers(t *testing.T, provisioner string) {
	t.Helper()
	w.await(t, "every machine of "+provisioner+" to know its instance", func(ctx context.Context) error {
		machines, err := w.machines(ctx, provisioner)
		if err != nil {
			return err
		}
		for _, m := range machines {
			if m.Status.ProviderID == "" {
				return fmt.Errorf("machine %s does not", m.Name)
			}
		}
		return nil
	})
}

// oneInstanceEach checks that instances and Machines of a provisioner belong to each other one by one, and that no instance was
// launched in vain.
func (w *world) oneInstanceEach(t *testing.T, provisioner string) {
	t.Helper()
	machines, err := w.machines(t.Context(), provisioner)
	if err != nil {
		t.Fatal(err)
	}
	owners := map[string]int{}
	for _, m := range machines {
		owners[m.Status.ProviderID]++
	}
	instances := w.instances(provisioner)
	for _, i := range instances {
		if id := "aws:///" + i.Zone + "/" + i.ID; owners[id] != 1 {
			t.Errorf("instance %s (%s) belongs to %d machines", id, i.State, owners[id])
		}
	}
	if len(instances) != len(machines) {
		t.Errorf("there are %d instances for %d machines", len(instances), len(machines))
	}
}
