package consolidation

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// BrakeSettings say when so many nodes are not ready that none is removed that could stay: what looks unneeded may only be unreachable.
// They are those of Cluster Autoscaler.
type BrakeSettings struct {
	// MostUnready is how many nodes of a cluster may be unready, in percent; 0 counts none.
	MostUnready int
	// FewUnready is how many may be whatever part of the cluster they are.
	FewUnready int
}

// brake keeps machines while too many nodes are not ready.
type brake struct {
	client   client.Reader
	settings BrakeSettings
}

// pulled returns why no machine may go that could stay, "" if they may. Nodes that have just come, or are on their way out, are not ready
// for a reason.
func (b *brake) pulled(ctx context.Context) (string, error) {
	if b.settings.MostUnready == 0 {
		return "", nil
	}
	var list corev1.NodeList
	if err := b.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return "", fmt.Errorf("listing nodes: %w", err)
	}
	all, unready := 0, 0
	for i := range list.Items {
		node := &list.Items[i]
		_, ours := node.Labels[v1alpha5.ProvisionerNameLabel]
		if !node.DeletionTimestamp.IsZero() || ours && node.Labels[v1alpha5.InitializedLabel] != "true" {
			continue
		}
		all++
		if !machines.NodeIsReady(node) {
			unready++
		}
	}
	if unready <= b.settings.FewUnready || unready*100 <= b.settings.MostUnready*all {
		return "", nil
	}
	return fmt.Sprintf("%d of %d nodes are not ready, more than %d %%", unready, all, b.settings.MostUnready), nil
}
