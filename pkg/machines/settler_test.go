package machines_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

func TestWhatAReconcileComesTo(t *testing.T) {
	conflict := fmt.Errorf("writing: %w", apierrors.NewConflict(schema.GroupResource{Resource: "nodes"}, "n", errors.New("changed")))
	broken := errors.New("broken")
	down := fmt.Errorf("launching: %w", cloudprovider.NewUnavailableError(errors.New("503")))
	later := reconcile.Result{RequeueAfter: time.Hour}
	tests := map[string]struct {
		errs []error
		want reconcile.Result
		err  error
	}{
		"all went well":               {[]error{nil, nil}, later, nil},
		"somebody was faster":         {[]error{nil, conflict}, reconcile.Result{RequeueAfter: 500 * time.Millisecond}, nil},
		"a failure":                   {[]error{broken}, reconcile.Result{}, broken},
		"the cloud is down":           {[]error{down, nil}, reconcile.Result{RequeueAfter: 5 * time.Second}, nil},
		"a failure besides the cloud": {[]error{down, broken}, reconcile.Result{}, broken},
		"a failure besides conflicts": {[]error{conflict, broken, conflict}, reconcile.Result{}, broken},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := machines.NewSettler().Settle(reconcile.Request{}, later, tc.errs...)
			if got != tc.want || !errors.Is(err, tc.err) {
				t.Errorf("got %v, %v; want %v, %v", got, err, tc.want, tc.err)
			}
			if err != nil && apierrors.IsConflict(err) {
				t.Errorf("the conflict is reported: %v", err)
			}
		})
	}
}

func TestAnObjectThatIsAlwaysTooLateWaitsLongerEachTime(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "machines"}, "m", errors.New("changed"))
	settler, m := machines.NewSettler(), reconcile.Request{NamespacedName: types.NamespacedName{Name: "m"}}
	wait := func(request reconcile.Request, want time.Duration) {
		t.Helper()
		if got, err := settler.Settle(request, reconcile.Result{}, conflict); err != nil || got.RequeueAfter != want {
			t.Errorf("it waits for %s, %v; want %s", got.RequeueAfter, err, want)
		}
	}
	total := time.Duration(0)
	for _, seconds := range []float64{0.5, 1, 2, 4, 8, 10, 10} {
		next := time.Duration(seconds * float64(time.Second))
		wait(m, next)
		total += next
	}
	wait(reconcile.Request{NamespacedName: types.NamespacedName{Name: "other"}}, machines.ConflictRetry)
	for name, ends := range map[string]func(){
		"it went well": func() { _, _ = settler.Settle(m, reconcile.Result{}) },
		"the cloud is down": func() {
			_, _ = settler.Settle(m, reconcile.Result{}, cloudprovider.NewUnavailableError(errors.New("503")))
		},
		"there is no such thing": func() { settler.Gone(m) },
	} {
		ends()
		t.Log(name)
		wait(m, machines.ConflictRetry)
	}
}
