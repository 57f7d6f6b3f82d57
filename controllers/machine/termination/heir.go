package termination

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// heir returns a Machine that stays and has the same instance; nil when there is none, as is normal. The cache may find it, as
// whoever copies a Machine by hand does so long before deleting one of the two; whether it stays, the API server itself has to say.
func (c *Controller) heir(ctx context.Context, machine *v1alpha5.Machine) (*v1alpha5.Machine, error) {
	claimants, err := machines.ByProviderID(ctx, c.client, machine.Status.ProviderID)
	if err != nil {
		return nil, err
	}
	for i := range claimants {
		if claimants[i].UID == machine.UID {
			continue
		}
		other := &v1alpha5.Machine{}
		err := c.live.Get(ctx, client.ObjectKeyFromObject(&claimants[i]), other)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("getting machine %s, which has the same instance: %w", claimants[i].Name, err)
		}
		if other.DeletionTimestamp.IsZero() && machines.InstanceID(other.Status.ProviderID) == machines.InstanceID(machine.Status.ProviderID) {
			return other, nil
		}
	}
	return nil, nil
}

// leave lets the Machine go and leaves its instance, its Nodes and their pods to another that has them, too.
func (c *Controller) leave(ctx context.Context, machine, heir *v1alpha5.Machine, nodes []corev1.Node) error {
	for i := range nodes { // a Node whose owners are all gone is deleted
		stored := nodes[i].DeepCopy()
		nodes[i].OwnerReferences = slices.DeleteFunc(nodes[i].OwnerReferences, func(r metav1.OwnerReference) bool { return r.UID == machine.UID })
		if _, err := machines.WriteNode(ctx, c.client, stored, &nodes[i]); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("leaving its node to machine %s: %w", heir.Name, err)
		}
	}
	stored := machine.DeepCopy()
	controllerutil.RemoveFinalizer(machine, v1alpha5.TerminationFinalizer)
	if err := machines.Write(ctx, c.client, stored, machine); err != nil {
		return fmt.Errorf("releasing it: %w", err)
	}
	message := "Instance " + stored.Status.ProviderID + " is left to machine " + heir.Name + ", which has it, too"
	for _, object := range []client.Object{stored, heir} {
		c.journal.Events.Publish(events.Event{Object: object, Warning: true, Reason: events.ReasonInstanceShared, Message: message})
	}
	ctrl.LoggerFrom(ctx).Info("leaving instance to another machine that has it, too", "machine", klog.KObj(stored),
		"heir", klog.KObj(heir), "providerID", stored.Status.ProviderID)
	return nil
}
