package webhooks

import (
	"context"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// Peers finds the Provisioners that another one may get in the way of.
type Peers interface {
	// Known returns all that are known, which must not be changed. It does not wait to know more.
	Known(ctx context.Context) []v1alpha5.Provisioner
}

// CachedPeers are those that a watch has shown.
type CachedPeers struct {
	reader client.Reader
	synced func() bool
}

var _ Peers = (*CachedPeers)(nil)

// +kubebuilder:rbac:groups=karpenter.sh,resources=provisioners,verbs=list;watch

// NewCachedPeers returns the Provisioners of a cache, which need not run yet.
func NewCachedPeers(ctx context.Context, provisioners cache.Cache) (*CachedPeers, error) {
	informer, err := provisioners.GetInformer(ctx, &v1alpha5.Provisioner{}, cache.BlockUntilSynced(false))
	if err != nil {
		return nil, fmt.Errorf("watching provisioners: %w", err)
	}
	return &CachedPeers{reader: provisioners, synced: informer.HasSynced}, nil
}

// Known returns all that the watch has shown; none before it has shown what there was at its start. They are for warnings only:
// no request waits or fails for want of them.
func (c *CachedPeers) Known(ctx context.Context) []v1alpha5.Provisioner {
	if !c.synced() {
		return nil
	}
	var list v1alpha5.ProvisionerList
	if err := c.reader.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	return list.Items
}
