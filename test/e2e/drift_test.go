package e2e

import (
	"context"
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
