package interruption

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/messages"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// Instances are what the cloud says of them by their id.
type Instances interface {
	Get(ctx context.Context, providerID string) (*v1alpha5.Machine, error)
}

// weigh has a decision wait for evidence, or leaves a machine that could stay where somebody wants it to.
func (c *Controller) weigh(ctx context.Context, message *messages.Message, machine *v1alpha5.Machine, d *decision) error {
	if !d.remove {
		return nil
	}
	if err := c.shown(ctx, message, machine); err != nil {
		return err
	}
	why, err := c.kept(ctx, message, machine)
	if err != nil {
		return err
	}
	if why != "" {
		ctrl.LoggerFrom(ctx).Info("machine stays though its instance is said to be in danger", "machine", klog.KObj(machine), "why", why)
		d.remove, d.later = false, message.Kind == messages.ScheduledChange
	}
	return nil
}

// shown returns an error unless the cloud itself says that an instance ends, where a message says no more than that: it may be forged, or
// old, and its instance switched on again. A message that is right comes again until the cloud says so, too.
func (c *Controller) shown(ctx context.Context, message *messages.Message, machine *v1alpha5.Machine) error {
	if message.Kind != messages.Stopping && message.Kind != messages.Terminating {
		return nil
	}
	instance, err := c.instances.Get(ctx, machine.Status.ProviderID)
	switch {
	case cloudprovider.IsNotFound(err):
		return nil
	case err != nil:
		return fmt.Errorf("asking for the instance of machine %s: %w", machine.Name, err)
	case cloudprovider.IsEnding(instance), cloudprovider.IsStopped(instance):
		return nil
	}
	return fmt.Errorf("the instance of machine %s runs, whatever a message says", machine.Name)
}

// kept returns what keeps a machine from going that could stay for now, "" for nothing: whoever pauses disruption, or protects a node, means
// these as well.
func (c *Controller) kept(ctx context.Context, message *messages.Message, machine *v1alpha5.Machine) (string, error) {
	if message.Kind != messages.Rebalance && message.Kind != messages.ScheduledChange {
		return "", nil
	}
	if c.settings.PauseDisruption {
		return "disruption is paused by a setting", nil
	}
	var system corev1.Namespace
	if err := c.client.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &system); client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("getting namespace %s: %w", metav1.NamespaceSystem, err)
	}
	if system.Annotations[v1alpha5.PauseDisruptionAnnotation] == "true" {
		return "disruption is paused by an annotation of namespace " + system.Name, nil
	}
	nodes, err := machines.Nodes(ctx, c.client, machine)
	if err != nil {
		return "", err
	}
	protected := machine.Annotations[v1alpha5.DoNotDisruptAnnotation] == "true"
	for i := range nodes {
		protected = protected || nodes[i].Annotations[v1alpha5.DoNotDisruptAnnotation] == "true"
	}
	if protected {
		return "it is annotated with " + v1alpha5.DoNotDisruptAnnotation, nil
	}
	return "", nil
}
