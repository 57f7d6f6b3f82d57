package e2e

import (
	"context"
	"fmt"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// leftLease is what a kubelet leaves that made its Lease anew after its Node was deleted.
func leftLease() *coordinationv1.Lease {
	return &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceNodeLease, Name: "ip-10-0-0-99.ec2.internal"}}
}

func (w *world) leavesLease(t *testing.T) { w.create(t, leftLease()) }

// missesLease waits for the end of the Lease. kerf looks at Leases once a minute and twice at each before it deletes one.
func (w *world) missesLease(t *testing.T) {
	w.await(t, "the lease to be deleted", func(ctx context.Context) error {
		lease := leftLease()
		switch err := w.Client().Get(ctx, client.ObjectKeyFromObject(lease), lease); {
		case apierrors.IsNotFound(err):
			return nil
		case err != nil:
			return err
		}
		return fmt.Errorf("the lease %s is still there", lease.Name)
	})
}
