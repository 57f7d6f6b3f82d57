package provisioning

import (
	"context"
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func TestACreationThatFailsInPassingIsTriedAgain(t *testing.T) {
	lost := errors.New("http2: client connection lost")
	for name, tc := range map[string]struct {
		made       bool    // whether the machine is made although its creation fails
		errs       []error // of the first tries
		machines   int
		tries      int
		wantsError bool
	}{
		"the API server has a fault":   {false, []error{apierrors.NewInternalError(lost)}, 1, 2, false},
		"it is busy":                   {false, []error{apierrors.NewTooManyRequestsError("busy"), apierrors.NewTooManyRequestsError("busy")}, 1, 3, false},
		"the answer is lost":           {true, []error{lost}, 1, 2, false},
		"it answers too late":          {true, []error{apierrors.NewTimeoutError("etcd", 0)}, 1, 2, false},
		"it is down":                   {false, []error{lost, lost, lost, lost}, 0, creationTries, true},
		"it does not allow the making": {false, []error{apierrors.NewForbidden(schema.GroupResource{Resource: "machines"}, "m", lost)}, 0, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			p, tries := newPass(t), 0
			p.pending("a")
			p.controller = p.with(interceptor.NewClient(p.Client, interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, object client.Object, o ...client.CreateOption) error {
				if _, ok := object.(*v1alpha5.Machine); !ok {
					return c.Create(ctx, object, o...)
				}
				tries++
				if tries > len(tc.errs) {
					return c.Create(ctx, object, o...)
				}
				if tc.made {
					if err := c.Create(ctx, object, o...); err != nil {
						t.Error(err)
					}
				}
				return tc.errs[tries-1]
			}}))
			if err := p.controller.Provision(t.Context()); (err != nil) != tc.wantsError {
				t.Errorf("error = %v", err)
			}
			list := p.machines(t)
			if len(list) != tc.machines || tries != tc.tries {
				t.Errorf("%d machines after %d tries, want %d after %d", len(list), tries, tc.machines, tc.tries)
			}
			for _, entry := range p.cluster.Snapshot(p.Clock.Now()).Entries {
				if entry.Machine.UID == "" || entry.Machine.UID != list[0].UID {
					t.Errorf("a machine with UID %q counts, there is one with %q", entry.Machine.UID, list[0].UID)
				}
			}
		})
	}
}
