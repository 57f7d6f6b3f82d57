// Package garbagecollection ends instances that no Machine owns, and Machines whose instance is gone.
package garbagecollection

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// interval is how often the sweep runs. An orphan is ended by the second sweep that sees it.
const interval = time.Minute

// visibleAfter is how long after its launch an instance is not missed: the cloud need not show at once what it has made.
const visibleAfter = 2 * time.Minute

// Controller compares what the cloud has with what the cluster knows.
type Controller struct {
	client client.Client
	// live reads past the cache: a Machine that a lagging cache does not show must not cost it its instance.
	live     client.Reader
	provider cloudprovider.Provider
	journal  journal.Journal
	// suspects are the ids of the instances that the last sweep found without an owner.
	suspects map[string]bool
	// paused are the provisioners of which the last sweep missed too many instances to believe it.
	paused map[string]bool
}

// NewController returns a controller for instances of provider.
func NewController(client client.Client, live client.Reader, provider cloudprovider.Provider, journal journal.Journal) *Controller {
	return &Controller{client: client, live: live, provider: provider, journal: journal, suspects: map[string]bool{}, paused: map[string]bool{}}
}

// +kubebuilder:rbac:groups=karpenter.sh,resources=machines,verbs=get;list;delete
// +kubebuilder:rbac:groups=karpenter.sh,resources=machines/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=list;watch

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

// Sweep compares once. The cloud is listed before the cluster: an instance that is seen has its Machine written already, so
// the list of Machines that follows must show it.
func (c *Controller) Sweep(ctx context.Context) error {
	instances, err := c.provider.List(ctx)
	if err != nil {
		return fmt.Errorf("listing instances: %w", err)
	}
	var list v1alpha5.MachineList
	if err := c.live.List(ctx, &list); err != nil {
		return fmt.Errorf("listing machines: %w", err)
	}
	return errors.Join(
		c.endOrphans(ctx, orphans(instances, list.Items)),
		c.endBereaved(ctx, list.Items, bereaved(instances, list.Items, c.journal.Clock.Now())))
}

// orphans returns the instances that no Machine owns or may still come to own.
func orphans(instances []*v1alpha5.Machine, list []v1alpha5.Machine) []*v1alpha5.Machine {
	type request struct {
		group   string
		attempt int32
	}
	owned, awaited := map[string]bool{}, map[request]bool{}
	for i := range list {
		status := &list[i].Status
		owned[machines.InstanceID(status.ProviderID)] = true
		if status.ProviderID == "" && status.Launch != nil && !status.Launch.Answered {
			awaited[request{status.Launch.Group, status.Launch.Attempt}] = true
		}
	}
	var out []*v1alpha5.Machine
	for _, instance := range instances {
		launch := instance.Status.Launch
		if owned[machines.InstanceID(instance.Status.ProviderID)] || (launch != nil && awaited[request{launch.Group, launch.Attempt}]) {
			continue
		}
		out = append(out, instance)
	}
	return out
}

// bereaved returns the indexes of the Machines whose instance the cloud should have listed and did not.
func bereaved(instances []*v1alpha5.Machine, list []v1alpha5.Machine, now time.Time) []int {
	there := lo.Keyify(lo.Map(instances, func(i *v1alpha5.Machine, _ int) string { return machines.InstanceID(i.Status.ProviderID) }))
	var out []int
	for i := range list {
		machine := &list[i]
		if machine.Status.ProviderID == "" || !machine.DeletionTimestamp.IsZero() || lo.HasKey(there, machines.InstanceID(machine.Status.ProviderID)) {
			continue
		}
		launched := meta.FindStatusCondition(machine.Status.Conditions, v1alpha5.ConditionLaunched)
		if launched == nil || now.Sub(launched.LastTransitionTime.Time) >= visibleAfter {
			out = append(out, i)
		}
	}
	return out
}

// endOrphans terminates the instances that were without owner in the last sweep, too. One that cannot be terminated does not
// hold the others.
func (c *Controller) endOrphans(ctx context.Context, found []*v1alpha5.Machine) error {
	before := c.suspects
	c.suspects = make(map[string]bool, len(found))
	var errs []error
	for _, instance := range found {
		id := machines.InstanceID(instance.Status.ProviderID)
		c.suspects[id] = true
		if !before[id] {
			continue
		}
		if err := c.provider.Delete(ctx, instance); cloudprovider.IgnoreNotFound(err) != nil {
			errs = append(errs, fmt.Errorf("terminating orphaned instance %s: %w", id, err))
			continue
		}
		c.journal.Metrics.OrphansTerminated.Inc()
		ctrl.LoggerFrom(ctx).Info("terminated orphaned instance", "providerID", instance.Status.ProviderID)
	}
	return errors.Join(errs...)
}

// endBereaved deletes the Machines whose instance is gone, after asking for each instance by its id. When the cloud does not
// know too many at once its answer is doubted rather than the cluster.
func (c *Controller) endBereaved(ctx context.Context, list []v1alpha5.Machine, missing []int) error {
	var gone []*v1alpha5.Machine
	unknown := map[string][]*v1alpha5.Machine{}
	for _, i := range missing {
		machine := &list[i]
		_, err := c.provider.Get(ctx, machine.Status.ProviderID)
		switch {
		case err == nil:
		case !cloudprovider.IsNotFound(err):
			return fmt.Errorf("looking for instance %s: %w", machine.Status.ProviderID, err)
		case cloudprovider.IsTerminated(err):
			gone = append(gone, machine)
		default:
			unknown[machine.ProvisionerName()] = append(unknown[machine.ProvisionerName()], machine)
		}
	}
	believed, doubted := c.weigh(ctx, list, unknown)
	errs := []error{c.note(ctx, list, doubted)}
	gone = append(gone, believed...)
	for _, machine := range gone {
		errs = append(errs, c.end(ctx, machine))
	}
	return errors.Join(errs...)
}

// tolerated returns how many of a provisioner's machines may be missing at once before deletion pauses: three, or a tenth.
func tolerated(launched int) int { return max(3, launched/10) }

// end deletes a Machine unless its Node says that the instance lives.
func (c *Controller) end(ctx context.Context, machine *v1alpha5.Machine) error {
	if alive, err := c.nodeIsReady(ctx, machine.Status.NodeName); err != nil || alive {
		return err
	}
	c.journal.Events.Publish(events.Event{Object: machine, Warning: true, Reason: events.ReasonInstanceGone, Message: "Instance " + machine.Status.ProviderID + " no longer exists"})
	ctrl.LoggerFrom(ctx).Info("deleting machine whose instance is gone", "machine", klog.KObj(machine), "providerID", machine.Status.ProviderID)
	if err := c.client.Delete(ctx, machine, client.Preconditions{UID: &machine.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting machine %s: %w", machine.Name, err)
	}
	return nil
}

// nodeIsReady reports whether there is a Node of that name whose kubelet reports ready; a machine that has not joined has none.
func (c *Controller) nodeIsReady(ctx context.Context, name string) (bool, error) {
	if name == "" {
		return false, nil
	}
	var node corev1.Node
	if err := c.client.Get(ctx, client.ObjectKey{Name: name}, &node); apierrors.IsNotFound(err) {
		return false, nil
	} else if err != nil {
		return false, fmt.Errorf("getting node %s: %w", name, err)
	}
	return machines.NodeIsReady(&node), nil
}
