package garbagecollection

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// fresh is how long a list of Nodes is taken for what there is. A kubelet takes longer from its first sign of life to a pod's first one.
const fresh = 100 * time.Millisecond

// readyNodes knows the Nodes whose kubelets report ready to the API server: a cache that lags must not have pods lose their node without
// notice. Those who ask at about the same time share a list. It is safe for concurrent use.
type readyNodes struct {
	live  client.Reader
	clock clock.PassiveClock

	// turn holds a value while somebody asks.
	turn  chan struct{}
	asked time.Time
	nodes map[string]*corev1.Node // id of an instance -> its Node
}

func newReadyNodes(live client.Reader, clock clock.PassiveClock) *readyNodes {
	return &readyNodes{live: live, clock: clock, turn: make(chan struct{}, 1)}
}

// of returns the ready Node of an instance; nil without one.
func (r *readyNodes) of(ctx context.Context, instance *v1alpha5.Machine) (*corev1.Node, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if now := r.clock.Now(); r.nodes == nil || now.Sub(r.asked) >= fresh {
		var list corev1.NodeList
		if err := r.live.List(ctx, &list); err != nil {
			return nil, fmt.Errorf("listing nodes: %w", err)
		}
		r.asked, r.nodes = now, map[string]*corev1.Node{}
		for i := range list.Items {
			if node := &list.Items[i]; machines.NodeIsReady(node) {
				r.nodes[machines.InstanceID(node.Spec.ProviderID)] = node
			}
		}
	}
	return r.nodes[machines.InstanceID(instance.Status.ProviderID)], nil
}
