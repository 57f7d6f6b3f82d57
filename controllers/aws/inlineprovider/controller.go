// Package inlineprovider keeps one AWSNodeTemplate for each Provisioner that describes its machines in spec.provider, so that
// everything else needs to know of templates only.
package inlineprovider

import (
	"context"
	"fmt"
	"time"

	"github.com/samber/lo"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/inline"
)

// retry is how long to wait when the cache has not caught up with the API server.
const retry = time.Second

// Controller looks after the template of one Provisioner at a time.
type Controller struct {
	client client.Client
	events *events.Recorder
}

// NewController returns a controller that tells through the recorder why a template cannot be written.
func NewController(client client.Client, events *events.Recorder) *Controller {
	return &Controller{client: client, events: events}
}

// +kubebuilder:rbac:groups=karpenter.sh,resources=provisioners,verbs=list;watch
// +kubebuilder:rbac:groups=karpenter.k8s.aws,resources=awsnodetemplates,verbs=list;watch;create;patch;delete

// Register adds the controller to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("aws.inlineprovider").
		For(&v1alpha5.Provisioner{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&awsv1alpha1.AWSNodeTemplate{}, handler.EnqueueRequestsFromMapFunc(c.ofTemplate),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Complete(c)
}

// ofTemplate goes by the name: one that belongs to somebody else stands in the way until it is gone.
func (c *Controller) ofTemplate(ctx context.Context, template client.Object) []reconcile.Request {
	var list v1alpha5.ProvisionerList
	if err := c.client.List(ctx, &list); err != nil {
		return nil // the cache is not there any more: neither is this controller
	}
	return lo.FilterMap(list.Items, func(p v1alpha5.Provisioner, _ int) (reconcile.Request, bool) {
		return reconcile.Request{NamespacedName: types.NamespacedName{Name: p.Name}}, v1alpha5.InlineTemplateName(p.Name) == template.GetName()
	})
}

// Reconcile makes the template what spec.provider says, or takes it away where the Provisioner names another one. With the
// Provisioner itself, the template goes by its owner reference.
func (c *Controller) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	provisioner := &v1alpha5.Provisioner{}
	if err := c.client.Get(ctx, request.NamespacedName, provisioner); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	name := v1alpha5.InlineTemplateName(provisioner.Name)
	template := &awsv1alpha1.AWSNodeTemplate{}
	err := c.client.Get(ctx, client.ObjectKey{Name: name}, template)
	if apierrors.IsNotFound(err) {
		template, err = nil, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("getting template %s: %w", name, err)
	}
	doing, wanted := next(provisioner, template)
	switch doing {
	case create:
		err = c.client.Create(ctx, wanted)
	case update:
		err = c.client.Patch(ctx, wanted, client.MergeFromWithOptions(template, client.MergeFromWithOptimisticLock{}))
	case remove:
		err = c.client.Delete(ctx, template, client.Preconditions{UID: &template.UID, ResourceVersion: &template.ResourceVersion})
	}
	switch {
	case apierrors.IsAlreadyExists(err) || apierrors.IsConflict(err) || apierrors.IsNotFound(err):
		return reconcile.Result{RequeueAfter: retry}, nil
	case err != nil:
		c.tell(provisioner, doing, err)
		return reconcile.Result{}, fmt.Errorf("%s template %s: %w", doing, name, err)
	default:
		return reconcile.Result{}, nil
	}
}

// tell says to whoever looks at the Provisioner what its condition cannot know: that condition is made of objects alone, and
// another controller's to write.
func (c *Controller) tell(provisioner *v1alpha5.Provisioner, doing action, err error) {
	c.events.Publish(events.Event{
		Object: provisioner, Warning: true, Reason: events.ReasonFailedTemplate,
		Message: fmt.Sprintf("%s AWSNodeTemplate %q: %s; kerf tries again", doing, v1alpha5.InlineTemplateName(provisioner.Name), err),
	})
}

// action is what there is to do with a template.
type action string

const (
	nothing action = ""
	create  action = "creating"
	update  action = "updating"
	remove  action = "deleting"
)

// next decides what to do with the Provisioner's template, nil where there is none, and returns it as it should be. One that
// belongs to somebody else is left alone, and so is one that spec.provider says nothing readable about: the Provisioner's
// condition tells of both.
func next(provisioner *v1alpha5.Provisioner, template *awsv1alpha1.AWSNodeTemplate) (action, *awsv1alpha1.AWSNodeTemplate) {
	switch {
	case !provisioner.DeletionTimestamp.IsZero(),
		template != nil && !inline.Owns(provisioner, template),
		template != nil && !template.DeletionTimestamp.IsZero():
		return nothing, nil
	case !inline.Wanted(provisioner) && template != nil:
		return remove, nil
	case !inline.Wanted(provisioner):
		return nothing, nil
	}
	wanted, err := inline.Template(provisioner)
	switch {
	case err != nil:
		return nothing, nil
	case template == nil:
		return create, wanted
	}
	changed := template.DeepCopy()
	changed.Spec, changed.Labels = wanted.Spec, lo.Assign(template.Labels, wanted.Labels)
	if equality.Semantic.DeepEqual(template.Spec, changed.Spec) && equality.Semantic.DeepEqual(template.Labels, changed.Labels) {
		return nothing, nil
	}
	return update, changed
}
