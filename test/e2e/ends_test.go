package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/kubelets"
)

// endsCleanly runs scenarios side by side that wait a lot and say nothing about each other.
func (w *world) endsCleanly(t *testing.T) {
	t.Run("deleting the Machine replaces it", func(t *testing.T) {
		t.Parallel()
		w.replaces(t, "delete-machine", func(m v1alpha5.Machine) { w.delete(t, &m) })
	})
	t.Run("deleting the Node replaces its machine", func(t *testing.T) {
		t.Parallel()
		w.replaces(t, "delete-node", func(m v1alpha5.Machine) {
			w.delete(t, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: m.Status.NodeName}})
		})
	})
	t.Run("deleting the Provisioner ends its machines", func(t *testing.T) {
		t.Parallel()
		w.endsWithProvisioner(t)
	})
	t.Run("a pod that says no holds its machine for the termination grace period", func(t *testing.T) {
		t.Parallel()
		w.holdsForItsGracePeriod(t)
	})
	t.Run("an instance that never joins is removed and its pods are served again", func(t *testing.T) {
		t.Parallel()
		w.replacesSilentInstance(t)
	})
}

// onlyMachine waits for a provisioner to have one Machine, of which the check says nil.
func (w *world) onlyMachine(t *testing.T, provisioner, what string, check func(v1alpha5.Machine) error) (machine v1alpha5.Machine) {
	t.Helper()
	w.await(t, fmt.Sprintf("one machine of %s that %s", provisioner, what), func(ctx context.Context) error {
		machines, err := w.machines(ctx, provisioner)
		if err != nil {
			return err
		}
		if len(machines) != 1 {
			return fmt.Errorf("there are %d", len(machines))
		}
		machine = machines[0]
		return check(machine)
	})
	return machine
}

// ready returns nil when a Machine is.
func ready(m v1alpha5.Machine) error {
	return condition(m.Status.Conditions, v1alpha5.ConditionReady, metav1.ConditionTrue, "")
}

// replaces has a workload run, ends its machine in some way, and waits until it runs on another one and the first is gone.
func (w *world) replaces(t *testing.T, name string, end func(v1alpha5.Machine)) {
	w.serve(t, provisioner(name), workload(name, 2, "500m"))
	w.awaitRunning(t, name, 2)
	old := w.onlyMachine(t, name, "is ready", ready)
	end(old)
	w.onlyMachine(t, name, "is another one and ready", func(m v1alpha5.Machine) error {
		if m.Name == old.Name {
			return errors.New("it is the old one")
		}
		return ready(m)
	})
	w.awaitRunning(t, name, 2)
	states := map[string]int{}
	for _, i := range w.instances(name) {
		states[i.State]++
	}
	if states["terminated"] != 1 || states["running"] != 1 || len(states) != 2 {
		t.Errorf("instances by state: %v, want one that is terminated and one that runs", states)
	}
	w.end(t, name)
}

func (w *world) endsWithProvisioner(t *testing.T) {
	const name = "delete-provisioner"
	w.serve(t, provisioner(name), workload(name, 2, "500m"))
	w.awaitRunning(t, name, 2)
	w.delete(t, provisioner(name))
	w.awaitClean(t, name)
	pods, err := w.pods(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pods {
		if p.Spec.NodeName != "" {
			t.Errorf("pod %s is still bound to %s", p.Name, p.Spec.NodeName)
		}
	}
	w.end(t, name)
}

// holdsForItsGracePeriod has a pod hold a machine that is deleted, until the time for its drain is over.
func (w *world) holdsForItsGracePeriod(t *testing.T) {
	const name, period = "grace-period", 20 * time.Second
	deployment := workload(name, 1, "500m")
	deployment.Spec.Template.Annotations = map[string]string{v1alpha5.DoNotEvictAnnotation: "true"}
	w.serve(t, provisioner(name, func(s *v1alpha5.ProvisionerSpec) {
		s.TerminationGracePeriod = &metav1.Duration{Duration: period}
	}), deployment)
	w.awaitRunning(t, name, 1)
	old := w.onlyMachine(t, name, "is ready", ready)
	deleted := time.Now()
	w.delete(t, &old)
	w.awaitEvent(t, &old, "FailedDraining", v1alpha5.DoNotEvictAnnotation)
	w.onlyMachine(t, name, "is another one and ready", func(m v1alpha5.Machine) error {
		if m.Name == old.Name {
			return errors.New("it is the old one")
		}
		return ready(m)
	})
	if took := time.Since(deleted); took < period/2 { // its pod needs no time to end, and is deleted a few seconds before the end
		t.Errorf("the pod was gone %s after the machine was deleted, which had %s", took, period)
	}
	w.awaitRunning(t, name, 1)
	w.end(t, name)
}

// replacesSilentInstance has the first instance of a provisioner boot but never join.
func (w *world) replacesSilentInstance(t *testing.T) {
	const name = "never-joins"
	silent := make(chan string, 1)
	id := ""
	w.Kubelets().Withhold(func(i kubelets.Instance, b kubelets.Bootstrap) bool {
		if b.Kubelet.Labels[v1alpha5.ProvisionerNameLabel] != name {
			return false
		}
		if id == "" {
			id = i.ID
			silent <- id
		}
		return i.ID == id
	})
	w.serve(t, provisioner(name), workload(name, 1, "1"))
	booted := time.Now()
	select {
	case <-silent:
	case <-time.After(patience):
		t.Fatalf("no instance has booted\n%s", w.describe(t))
	}
	old := w.onlyMachine(t, name, "is launched", func(m v1alpha5.Machine) error {
		return condition(m.Status.Conditions, v1alpha5.ConditionLaunched, metav1.ConditionTrue, "")
	})
	w.awaitEvent(t, &old, "NeverJoined", old.Name, registrationTimeout.String())
	w.awaitRunning(t, name, 1)
	if took := time.Since(booted); took < registrationTimeout {
		t.Errorf("the machine was given up after %s, before its %s were over", took, registrationTimeout)
	}
	w.onlyMachine(t, name, "is ready", ready)
	for _, i := range w.instances(name) {
		if i.ID == id && i.State != "terminated" {
			t.Errorf("the silent instance is %s", i.State)
		}
	}
	w.end(t, name)
	w.Kubelets().Withhold(nil)
}
