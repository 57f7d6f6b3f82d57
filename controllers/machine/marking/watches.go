package marking

import (
	"context"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// ofProvisioner maps a Provisioner to its Machines.
func (c *Controller) ofProvisioner(ctx context.Context, object client.Object) []reconcile.Request {
	return c.machines(ctx, func(m *v1alpha5.Machine) bool { return m.ProvisionerName() == object.GetName() })
}

// ofTemplate maps a template to the Machines that were made from it.
func (c *Controller) ofTemplate(ctx context.Context, object client.Object) []reconcile.Request {
	return c.machines(ctx, func(m *v1alpha5.Machine) bool {
		return m.Spec.MachineTemplateRef != nil && m.Spec.MachineTemplateRef.Name == object.GetName()
	})
}

// machines returns those Machines of the cache that are picked. They are not copied, and only read.
func (c *Controller) machines(ctx context.Context, picked func(*v1alpha5.Machine) bool) []reconcile.Request {
	var list v1alpha5.MachineList
	if err := c.client.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache is not there any more: neither is this controller
	}
	var out []reconcile.Request
	for i := range list.Items {
		if picked(&list.Items[i]) {
			out = append(out, reconcile.Request{NamespacedName: types.NamespacedName{Name: list.Items[i].Name}})
		}
	}
	return out
}

// resolvedAnew lets those events of templates pass after which a Machine may differ from what is asked for. That a subnet has fewer
// free addresses, which changes the order of subnets, is none of them.
func resolvedAnew() predicate.Predicate {
	return predicate.Funcs{UpdateFunc: func(e event.UpdateEvent) bool {
		before, ok := e.ObjectOld.(*awsv1alpha1.AWSNodeTemplate)
		if !ok {
			return true
		}
		after, ok := e.ObjectNew.(*awsv1alpha1.AWSNodeTemplate)
		return !ok || before.Generation != after.Generation || !reflect.DeepEqual(resolved(before), resolved(after))
	}}
}

// resolution is what machines are compared with of a template's status.
type resolution struct {
	subnets  []string
	groups   []awsv1alpha1.SecurityGroup
	images   []awsv1alpha1.AMI
	family   string
	ready    bool
	observed int64
}

func resolved(template *awsv1alpha1.AWSNodeTemplate) resolution {
	status := &template.Status
	out := resolution{
		groups: status.SecurityGroups, images: status.AMIs, family: status.AMIFamily, observed: status.ObservedGeneration,
		ready: meta.IsStatusConditionTrue(status.Conditions, v1alpha5.ConditionReady),
	}
	for _, s := range status.Subnets {
		out.subnets = append(out.subnets, s.ID)
	}
	slices.Sort(out.subnets)
	return out
}
