package machines

import (
	"context"
	"fmt"
	"maps"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// ProviderID returns the provider id of a Machine's instance, also of one that was made to end it and has yet to say so in its status;
// "" for none.
func ProviderID(machine *v1alpha5.Machine) string {
	if machine.Status.ProviderID != "" {
		return machine.Status.ProviderID
	}
	return machine.Annotations[v1alpha5.OrphanAnnotation]
}

// Retire ends an instance that has lost its Machine while pods may run on it: it is given another, which is deleted at once, so that
// it is drained like all others. It may be called again and again.
//
// The instance is not kept: what its Machine said is lost, its limits may be used up by others, and nobody would replace it in time.
// A Machine that carries the annotation is never launched, and deleted by whoever finds it, so that a crash between the two writes
// leaves nothing behind.
func Retire(ctx context.Context, c client.Client, instance *v1alpha5.Machine) error {
	id := InstanceID(instance.Status.ProviderID)
	machine := &v1alpha5.Machine{ObjectMeta: metav1.ObjectMeta{
		Name: strings.TrimPrefix(instance.ProvisionerName()+"-"+id, "-"), Labels: maps.Clone(instance.Labels),
		Annotations: map[string]string{v1alpha5.OrphanAnnotation: instance.Status.ProviderID},
		Finalizers:  []string{v1alpha5.TerminationFinalizer},
	}}
	// The name is the same whoever makes it, so that there is one.
	err := c.Create(ctx, machine)
	switch {
	case err == nil:
		return EndRetired(ctx, c, machine)
	case apierrors.IsAlreadyExists(err):
		return nil // it is seen to by the next look at all Machines
	default:
		return fmt.Errorf("making a machine to end instance %s: %w", id, err)
	}
}

// EndRetired deletes a Machine that was made to end an orphan.
func EndRetired(ctx context.Context, c client.Client, machine *v1alpha5.Machine) error {
	if err := c.Delete(ctx, machine, client.Preconditions{UID: &machine.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting machine %s: %w", machine.Name, err)
	}
	return nil
}
