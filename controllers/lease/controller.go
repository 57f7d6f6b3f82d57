// Package lease deletes the Leases of kubelets whose Node is gone.
package lease

import (
	"context"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/pkg/journal"
)

const (
	// sweepEvery is how often Leases are looked at. One that was not renewed from one look to the next has no kubelet: they renew
	// theirs every 10 s, and it is over after 40 s (nodeLeaseDurationSeconds of the KubeletConfiguration).
	sweepEvery = time.Minute
	// page is how many Leases are asked for at once.
	page = 500
)

// Controller deletes Leases that nothing else would: a kubelet that makes its Lease before its Node, or anew after somebody deleted
// its Node, leaves one that the Node does not own and that the API server's garbage collection never looks at.
type Controller struct {
	client  client.Client
	live    client.Reader
	journal journal.Journal
	// orphans are the Leases that the last sweep found without an owner and a Node, with the version that they had.
	orphans map[types.UID]string
}

// NewController returns a controller that reads Nodes from the client's cache and Leases by live.
func NewController(client client.Client, live client.Reader, journal journal.Journal) *Controller {
	return &Controller{client: client, live: live, journal: journal}
}

// +kubebuilder:rbac:groups=coordination.k8s.io,resources=leases,namespace=kube-node-lease,verbs=list;delete
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch

// Register adds the controller to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error { return mgr.Add(c) }

// Start sweeps until ctx ends.
func (c *Controller) Start(ctx context.Context) error {
	ticker := c.journal.Clock.NewTicker(sweepEvery)
	defer ticker.Stop()
	for {
		if err := c.Sweep(ctx); err != nil && ctx.Err() == nil {
			ctrl.LoggerFrom(ctx).WithName("lease").Error(err, "not all leases were looked at")
		}
		select {
		case <-ticker.C():
		case <-ctx.Done():
			return nil
		}
	}
}

// Sweep deletes the Leases that the last sweep found as they are now: without an owner and a Node, and not renewed since.
func (c *Controller) Sweep(ctx context.Context) error {
	orphans := map[types.UID]string{}
	leases := metav1.PartialObjectMetadataList{}
	leases.SetGroupVersionKind(coordinationv1.SchemeGroupVersion.WithKind("LeaseList"))
	for {
		options := []client.ListOption{client.InNamespace(corev1.NamespaceNodeLease), client.Limit(page), client.Continue(leases.Continue)}
		if err := c.live.List(ctx, &leases, options...); err != nil {
			return fmt.Errorf("listing leases: %w", err)
		}
		for i := range leases.Items {
			if err := c.look(ctx, &leases.Items[i], orphans); err != nil {
				return err
			}
		}
		if leases.Continue == "" {
			c.orphans = orphans
			return nil
		}
	}
}

// look notes a Lease among the orphans if it is one, and deletes it if it was one as it is before.
func (c *Controller) look(ctx context.Context, lease *metav1.PartialObjectMetadata, orphans map[types.UID]string) error {
	if len(lease.OwnerReferences) > 0 || !lease.DeletionTimestamp.IsZero() {
		return nil
	}
	if there, err := has(ctx, c.client, lease.Name); there || err != nil {
		return err
	}
	if c.orphans[lease.UID] != lease.ResourceVersion {
		orphans[lease.UID] = lease.ResourceVersion
		return nil
	}
	// The cache may be behind: a Node that has just come is worth a question.
	if there, err := has(ctx, c.live, lease.Name); there || err != nil {
		return err
	}
	err := c.client.Delete(ctx, &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: lease.Namespace, Name: lease.Name}},
		client.Preconditions{UID: &lease.UID, ResourceVersion: &lease.ResourceVersion})
	switch {
	case apierrors.IsNotFound(err), apierrors.IsConflict(err): // somebody else deleted it, or a kubelet holds it after all
		return nil
	case err != nil:
		return fmt.Errorf("deleting the lease %s: %w", lease.Name, err)
	}
	c.journal.Metrics.LeasesDeleted.Inc()
	ctrl.LoggerFrom(ctx).WithName("lease").Info("deleted the lease of a node that is gone", "lease", lease.Name)
	return nil
}

// has says whether there is a Node of the name.
func has(ctx context.Context, reader client.Reader, name string) (bool, error) {
	err := reader.Get(ctx, types.NamespacedName{Name: name}, &corev1.Node{})
	switch {
	case apierrors.IsNotFound(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("reading the node %s: %w", name, err)
	}
	return true, nil
}
