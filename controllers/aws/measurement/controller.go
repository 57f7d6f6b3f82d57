// Package measurement notes how much memory nodes turned out to have, so that later plans go by that rather than by an estimate.
package measurement

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/instancetype"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// confirmInterval is how often a Node that stays as it is confirms what it said: a measurement is forgotten only once no Node
// bears it out.
const confirmInterval = 24 * time.Hour

// Measured takes down what Nodes have.
type Measured interface {
	Put(instanceType, images string, bytes int64)
}

// Controller looks at one Node at a time. What it learns lives in memory: after a restart the Nodes that are there tell it again.
type Controller struct {
	client   client.Client
	measured Measured
}

// NewController returns a controller that fills measured.
func NewController(client client.Client, measured Measured) *Controller {
	return &Controller{client: client, measured: measured}
}

// Register adds the controller to a manager. Every replica learns, so that the next leader knows as much.
func (c *Controller) Register(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("aws.measurement").
		For(&corev1.Node{}, builder.WithPredicates(telling())).
		Watches(&awsv1alpha1.AWSNodeTemplate{}, handler.EnqueueRequestsFromMapFunc(c.nodesOf), builder.WithPredicates(otherImages())).
		WithOptions(controller.Options{NeedLeaderElection: new(false)}).
		Complete(c)
}

// nodesOf maps a template to the Nodes that were made from it: what they say may be of use for its new images.
func (c *Controller) nodesOf(ctx context.Context, template client.Object) []reconcile.Request {
	var list v1alpha5.MachineList
	if err := c.client.List(ctx, &list); err != nil {
		return nil // the cache is not there any more: neither is this controller
	}
	return lo.FilterMap(list.Items, func(m v1alpha5.Machine, _ int) (reconcile.Request, bool) {
		ref := m.Spec.MachineTemplateRef
		return reconcile.Request{NamespacedName: types.NamespacedName{Name: m.Status.NodeName}},
			ref != nil && ref.Name == template.GetName() && m.Status.NodeName != ""
	})
}

// otherImages passes events of templates whose images change. Those that are there at the start say nothing that Nodes do not.
func otherImages() predicate.Predicate {
	return predicate.Funcs{
		CreateFunc: func(event.CreateEvent) bool { return false },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*awsv1alpha1.AWSNodeTemplate)
			after, also := e.ObjectNew.(*awsv1alpha1.AWSNodeTemplate)
			return ok && also && instancetype.ImageSet(before.Status.AMIs) != instancetype.ImageSet(after.Status.AMIs)
		},
		DeleteFunc:  func(event.DeleteEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// telling passes events of Nodes that kerf has registered, when they come to be so or their memory changes. Kubelets write much
// else, and often.
func telling() predicate.Predicate {
	registered := func(object client.Object) bool { return object.GetLabels()[v1alpha5.RegisteredLabel] == "true" }
	return predicate.Funcs{
		CreateFunc: func(e event.CreateEvent) bool { return registered(e.Object) },
		UpdateFunc: func(e event.UpdateEvent) bool {
			before, ok := e.ObjectOld.(*corev1.Node)
			after, also := e.ObjectNew.(*corev1.Node)
			if !ok || !also || !registered(after) {
				return false
			}
			return !registered(before) || !before.Status.Capacity.Memory().Equal(*after.Status.Capacity.Memory())
		},
		DeleteFunc:  func(event.DeleteEvent) bool { return false },
		GenericFunc: func(event.GenericEvent) bool { return false },
	}
}

// +kubebuilder:rbac:groups="",resources=nodes,verbs=list;watch
// +kubebuilder:rbac:groups=karpenter.sh,resources=machines,verbs=list;watch
// +kubebuilder:rbac:groups=karpenter.k8s.aws,resources=awsnodetemplates,verbs=list;watch

// Reconcile takes down what the Node has, if it booted one of the images that its template has now.
func (c *Controller) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	node := &corev1.Node{}
	if err := c.client.Get(ctx, request.NamespacedName, node); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	machine, err := machines.ForNode(ctx, c.client, node)
	if err != nil || machine == nil || machine.Spec.MachineTemplateRef == nil {
		return reconcile.Result{}, err
	}
	template := &awsv1alpha1.AWSNodeTemplate{}
	if err := c.client.Get(ctx, client.ObjectKey{Name: machine.Spec.MachineTemplateRef.Name}, template); client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("getting template of node %s: %w", node.Name, err)
	}
	if told, ok := tells(node, machine, template); ok {
		c.measured.Put(told.instanceType, told.images, told.bytes)
	}
	return reconcile.Result{RequeueAfter: confirmInterval}, nil
}

// measurement is what a Node says of all that would boot as it did.
type measurement struct {
	instanceType, images string
	bytes                int64
}

// tells returns what the Node says of machines to come; false where it says nothing: it boots what new machines will not.
func tells(node *corev1.Node, machine *v1alpha5.Machine, template *awsv1alpha1.AWSNodeTemplate) (measurement, bool) {
	image := machine.Labels[awsv1alpha1.LabelInstanceAMIID]
	current := slices.ContainsFunc(template.Status.AMIs, func(a awsv1alpha1.AMI) bool { return a.ID == image })
	if image == "" || !current || template.Spec.LaunchTemplate != "" || node.Labels[v1alpha5.RegisteredLabel] != "true" {
		return measurement{}, false
	}
	return measurement{
		instanceType: machine.Labels[corev1.LabelInstanceTypeStable], images: instancetype.ImageSet(template.Status.AMIs),
		bytes: node.Status.Capacity.Memory().Value(),
	}, true
}
