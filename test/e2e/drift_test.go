package e2e

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// checkDrift changes the template of a provisioner's machines, which have drifted from then on, and changes it back.
func (w *world) checkDrift(t *testing.T, name string) {
	t.Helper()
	w.awaitDrift(t, name, "")
	tag := func(value string) {
		template := &awsv1alpha1.AWSNodeTemplate{}
		if err := w.Client().Get(t.Context(), client.ObjectKey{Name: name}, template); err != nil {
			t.Fatal(err)
		}
		stored := template.DeepCopy()
		template.Spec.Tags["team"] = value
		if err := w.Client().Patch(t.Context(), template, client.MergeFrom(stored)); err != nil {
			t.Fatal(err)
		}
	}
	tag("b")
	w.awaitDrift(t, name, v1alpha5.ReasonNodeTemplateDrifted)
	tag("a")
	w.awaitDrift(t, name, "")
}

// awaitDrift waits until each machine of a provisioner has drifted for the reason, "" for none.
func (w *world) awaitDrift(t *testing.T, provisioner, reason string) {
	t.Helper()
	w.await(t, "drift "+reason+" of "+provisioner, func(ctx context.Context) error {
		found, err := w.machines(ctx, provisioner)
		if err != nil || len(found) == 0 {
			return fmt.Errorf("%d machines, %w", len(found), err)
		}
		for i := range found {
			got := ""
			if is := meta.FindStatusCondition(found[i].Status.Conditions, v1alpha5.ConditionDrifted); is != nil {
				got = is.Reason
			}
			if meta.FindStatusCondition(found[i].Status.Conditions, v1alpha5.ConditionEmpty) == nil || got != reason {
				return fmt.Errorf("machine %s has conditions %+v", found[i].Name, found[i].Status.Conditions)
			}
		}
		return nil
	})
}

// replacesWhatHasDrifted has the template of a machine's provisioner changed: another machine takes its place before its pods move.
func (w *world) replacesWhatHasDrifted(t *testing.T) {
	const name = "drifting"
	w.serve(t, provisioner(name), workload(name, 2, "500m"))
	w.awaitRunning(t, name, 2)
	old := w.onlyMachine(t, name, "is ready", ready)
	template := &awsv1alpha1.AWSNodeTemplate{}
	if err := w.Client().Get(t.Context(), client.ObjectKey{Name: old.Spec.MachineTemplateRef.Name}, template); err != nil {
		t.Fatal(err)
	}
	stored := template.DeepCopy()
	template.Spec.Tags = map[string]string{"team": "b"}
	if err := w.Client().Patch(t.Context(), template, client.MergeFrom(stored)); err != nil {
		t.Fatal(err)
	}
	w.awaitEvent(t, &old, "DeprovisioningLaunching", "launching 1 machines in place of 1")
	w.awaitEvent(t, &old, "Disrupting", "NodeTemplateDrifted")
	replacement := w.onlyMachine(t, name, "is another one and ready", func(m v1alpha5.Machine) error {
		if m.Name == old.Name {
			return errors.New("it is the old one")
		}
		return ready(m)
	})
	w.awaitRunning(t, name, 2)
	if got := replacement.Annotations[v1alpha5.ReplacesAnnotation]; got != old.Name {
		t.Errorf("machine %s takes the place of %q, want %s", replacement.Name, got, old.Name)
	}
	if launched := w.instances(name); len(launched) != 2 {
		t.Errorf("%d instances were launched, want the old one and another", len(launched))
	}
	w.awaitDrift(t, name, "")
	w.end(t, name)
}
