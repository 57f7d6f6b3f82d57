package admission_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// leastStored is how many objects at least have to stand in for all that clusters may hold from before there were rules.
const leastStored = 100

// What no rule allows any more may have been stored before there were rules. kerf reports on it, pins it and lets it go all
// the same, and users label and delete it.
func TestWhatWasStoredBeforeTheRulesLivesOn(t *testing.T) {
	s := connect(t)
	stored, err := s.storeRefused(t.Context(), table(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(stored) < leastStored {
		t.Errorf("only %d objects could be stored, fewer than %d", len(stored), leastStored)
	}
	for _, r := range stored {
		t.Run(r.Name, func(t *testing.T) {
			t.Parallel()
			if err := s.liveOn(t.Context(), r.given); err != nil {
				t.Error(err)
			}
		})
	}
}

// storeRefused stores the objects that are refused when they are new, under names of their own, while the server knows no
// rules. It returns the rows of those that even such a server takes.
func (s server) storeRefused(ctx context.Context, rows []row) ([]row, error) {
	if err := s.relax(ctx); err != nil {
		return nil, err
	}
	var out []row
	for i, r := range rows {
		if r.CRD != crdRefuses || r.update() || len(r.given.GetName()) > 63 {
			continue
		}
		r.given.SetName(fmt.Sprintf("from-before-%d", i))
		r.given.SetFinalizers([]string{v1alpha5.TerminationFinalizer})
		stored, err := s.of(r.given).Create(ctx, r.given, metav1.CreateOptions{FieldValidation: metav1.FieldValidationIgnore})
		switch {
		case err == nil:
			r.given = stored
			out = append(out, r)
		case !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err):
			return nil, fmt.Errorf("storing the object of %q: %w", r.Name, err)
		}
	}
	return out, s.restore(ctx)
}

// liveOn does to a stored object what is done to one after its creation, to its end.
func (s server) liveOn(ctx context.Context, object *unstructured.Unstructured) error {
	for what, step := range map[string]struct {
		patch       string
		subresource []string
	}{
		"reporting on it": {`{"status": {"conditions": [{"type": "Ready", "status": "False", "reason": "Invalid", "message": "",` +
			` "lastTransitionTime": "2024-05-01T10:00:00Z"}]}}`, []string{"status"}},
		"labelling it": {`{"metadata": {"labels": {"team": "a"}, "annotations": {"example.com/note": "b"}}}`, nil},
	} {
		after, err := s.of(object).Patch(ctx, object.GetName(), types.MergePatchType, []byte(step.patch), metav1.PatchOptions{}, step.subresource...)
		if err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		if diff := cmp.Diff(object.Object["spec"], after.Object["spec"]); diff != "" {
			return fmt.Errorf("%s changed its spec (-before +after):\n%s", what, diff)
		}
	}
	if err := s.of(object).Delete(ctx, object.GetName(), metav1.DeleteOptions{}); err != nil {
		return fmt.Errorf("deleting it: %w", err)
	}
	release := []byte(`{"metadata": {"finalizers": null}}`)
	if _, err := s.of(object).Patch(ctx, object.GetName(), types.MergePatchType, release, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("letting go of it: %w", err)
	}
	if _, err := s.of(object).Get(ctx, object.GetName(), metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		return fmt.Errorf("it is still there (%w)", err)
	}
	return nil
}
