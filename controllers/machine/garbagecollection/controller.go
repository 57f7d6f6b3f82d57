// Package garbagecollection ends instances that no Machine owns, Machines whose instance is gone, and Nodes that are left of both.
package garbagecollection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

const (
	// interval is how often the sweep runs.
	interval = 30 * time.Second
	// orphanAge is how long an instance has to be seen without an owner before it is ended: one sweep is not enough.
	orphanAge = 20 * time.Second
	// unknownAge is how long the cloud has to say that it does not know an instance before that is believed. It may take as long
	// to show what it has launched.
	unknownAge = 5 * time.Minute
	// atOnce is how many calls are under way at once: the cloud's adapter merges them into few.
	atOnce = 500
)

// Controller compares what the cloud has with what the cluster knows.
//
// How old something is it tells by how long this process has seen it. The time at which an instance was launched is the cloud's,
// that of a condition is of the replica that wrote it, and their clocks may be minutes apart from this one.
type Controller struct {
	client client.Client
	// live reads past the cache: a Machine that a lagging cache does not show must not cost it its instance.
	live     client.Reader
	provider cloudprovider.Provider
	journal  journal.Journal
	// orphaned are the instances that were seen without an owner, by id, and unknown are those that a Machine or a Node names and
	// the cloud does not know.
	orphaned, unknown memory
	// paused are the provisioners of which the last sweep missed too many instances to believe it, held those too many of whose
	// orphans are working nodes.
	paused, held map[string]bool
	// believed are the Machines that were deleted lately because the cloud did not know their instance.
	believed []belief
}

// NewController returns a controller for instances of provider.
func NewController(client client.Client, live client.Reader, provider cloudprovider.Provider, journal journal.Journal) *Controller {
	return &Controller{
		client: client, live: live, provider: provider, journal: journal,
		orphaned: memory{}, unknown: memory{}, paused: map[string]bool{}, held: map[string]bool{},
	}
}

// +kubebuilder:rbac:groups=karpenter.sh,resources=machines,verbs=get;list;create;delete
// +kubebuilder:rbac:groups=karpenter.sh,resources=machines/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch;delete

// Register adds the controller to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error { return mgr.Add(c) }

// Start sweeps until ctx ends.
func (c *Controller) Start(ctx context.Context) error {
	log := ctrl.LoggerFrom(ctx).WithName("machine.garbagecollection")
	ticker := c.journal.Clock.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := c.Sweep(ctrl.LoggerInto(ctx, log)); err != nil {
			log.Error(err, "sweep ended early")
		}
		select {
		case <-ticker.C():
		case <-ctx.Done():
			return nil
		}
	}
}

// Sweep compares once, and ends what is not in place. What one thing comes to does not hold the others.
func (c *Controller) Sweep(ctx context.Context) error {
	seen, err := c.look(ctx)
	if err != nil {
		return err
	}
	found := difference(seen)
	return errors.Join(
		each(found.retired, func(m *v1alpha5.Machine) error { return machines.EndRetired(ctx, c.client, m) }),
		c.endOrphans(ctx, seen, found.orphans),
		c.endBereaved(ctx, seen, found.bereaved),
		c.endStrays(ctx, found.strays))
}

// look sees the cloud before the cluster: an instance that is seen has its Machine written already, so the list of Machines that
// follows must show it.
func (c *Controller) look(ctx context.Context) (look, error) {
	instances, err := c.provider.List(ctx)
	if err != nil {
		return look{}, fmt.Errorf("listing instances: %w", err)
	}
	var nodes corev1.NodeList
	if err := c.client.List(ctx, &nodes); err != nil {
		return look{}, fmt.Errorf("listing nodes: %w", err)
	}
	var list v1alpha5.MachineList
	if err := c.live.List(ctx, &list); err != nil {
		return look{}, fmt.Errorf("listing machines: %w", err)
	}
	return look{instances: instances, machines: list.Items, nodes: nodes.Items}, nil
}

// each does something for all of a list side by side, and returns what went wrong.
func each[T any](list []T, do func(T) error) error {
	var group errgroup.Group
	group.SetLimit(atOnce)
	errs := make([]error, len(list))
	for i := range list {
		group.Go(func() error {
			errs[i] = do(list[i])
			return nil
		})
	}
	return errors.Join(append(errs, group.Wait())...)
}
