package machines

import (
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

// ConflictRetry is how long an object that somebody else changed meanwhile waits for the watch to catch up; it doubles with each further
// conflict, up to LongestConflictRetry. What the watch shows wakes most of them earlier; one that lags for minutes must not have each of
// hundreds of machines ask again and again.
const (
	ConflictRetry        = 500 * time.Millisecond
	LongestConflictRetry = 10 * time.Second
)

// OutageRetry is how long an object waits that needs the cloud while that does not answer. It does not grow: asking costs nothing
// then, and who waits for minutes would notice that much too late that the cloud is back.
const OutageRetry = 5 * time.Second

// Settler says what the reconciles of a controller come to. It is safe for concurrent use.
type Settler struct {
	conflicts workqueue.TypedRateLimiter[reconcile.Request]
}

// NewSettler returns one that has seen no conflict.
func NewSettler() *Settler {
	return &Settler{workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](ConflictRetry, LongestConflictRetry)}
}

// Gone forgets an object that is there no more.
func (s *Settler) Gone(request reconcile.Request) { s.conflicts.Forget(request) }

// Settle returns what a reconcile comes to. That somebody else was faster is no failure: it is looked at again as soon as the
// watch can have caught up. That the cloud does not answer is none of the object's: it is tried again in a steady rhythm. Every
// other error counts, whatever else went well.
func (s *Settler) Settle(request reconcile.Request, result reconcile.Result, errs ...error) (reconcile.Result, error) {
	conflict, outage := false, false
	others := make([]error, 0, len(errs))
	for _, err := range errs {
		switch {
		case apierrors.IsConflict(err):
			conflict = true
		case cloudprovider.IsUnavailable(err):
			outage = true
		default:
			others = append(others, err)
		}
	}
	if !conflict {
		s.conflicts.Forget(request)
	}
	if err := errors.Join(others...); err != nil {
		return reconcile.Result{}, err
	}
	if conflict {
		again := s.conflicts.When(request)
		if result.RequeueAfter > 0 {
			again = min(again, result.RequeueAfter)
		}
		return reconcile.Result{RequeueAfter: again}, nil
	}
	if outage && (result.RequeueAfter == 0 || result.RequeueAfter > OutageRetry) {
		return reconcile.Result{RequeueAfter: OutageRetry}, nil
	}
	return result, nil
}
