// Package marking sets the conditions that make a Machine a candidate for removal. It states facts and removes nothing.
package marking

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// Controller marks Machines whose Node is empty, that are too old, or that are not what is asked for any more.
type Controller struct {
	client  client.Client
	steps   []step
	settler *machines.Settler
	journal journal.Journal
}

// step sets one condition of a Machine in memory and returns when it may change by time alone; 0 is never. The Provisioner is nil
// where the Machine's is gone.
type step interface {
	mark(ctx context.Context, machine *v1alpha5.Machine, provisioner *v1alpha5.Provisioner) (time.Duration, error)
}

// NewController returns a controller for Machines of provider.
func NewController(client client.Client, provider cloudprovider.Provider, journal journal.Journal) *Controller {
	return &Controller{client: client, settler: machines.NewSettler(), journal: journal, steps: []step{
		&empty{client: client, clock: journal.Clock},
		&expired{client: client, clock: journal.Clock},
		&drifted{provider: provider, catalogues: newCatalogues(provider, journal.Clock), clock: journal.Clock},
	}}
}

// +kubebuilder:rbac:groups=karpenter.sh,resources=machines;provisioners,verbs=list;watch
// +kubebuilder:rbac:groups=karpenter.sh,resources=machines/status,verbs=patch
// +kubebuilder:rbac:groups=karpenter.k8s.aws,resources=awsnodetemplates,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=nodes;pods,verbs=list;watch

// Register adds the controller to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("machine.marking").
		For(&v1alpha5.Machine{}, builder.WithPredicates(machines.Woken())).
		Watches(&corev1.Node{}, machines.EnqueueForNode(mgr.GetClient()), builder.WithPredicates(machines.NodeWoken())).
		Watches(&corev1.Pod{}, machines.EnqueueForPod(mgr.GetClient())).
		Watches(&v1alpha5.Provisioner{}, handler.EnqueueRequestsFromMapFunc(c.ofProvisioner),
			builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Watches(&awsv1alpha1.AWSNodeTemplate{}, handler.EnqueueRequestsFromMapFunc(c.ofTemplate), builder.WithPredicates(resolvedAnew())).
		WithOptions(controller.Options{MaxConcurrentReconciles: 10}).
		Complete(c)
}

// Reconcile states what is true of one Machine and writes its status once.
func (c *Controller) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	machine := &v1alpha5.Machine{}
	if err := c.client.Get(ctx, request.NamespacedName, machine); err != nil {
		c.settler.Gone(request)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	launched := machines.Conditions(machine).IsTrue(v1alpha5.ConditionLaunched)
	if !machine.DeletionTimestamp.IsZero() || !launched || machine.Annotations[v1alpha5.OrphanAnnotation] != "" {
		return c.settler.Settle(request, reconcile.Result{})
	}
	provisioner, err := c.provisionerOf(ctx, machine)
	if err != nil {
		return reconcile.Result{}, err
	}
	stored := machine.DeepCopy()
	var result reconcile.Result
	errs := make([]error, 0, len(c.steps)+1)
	for _, step := range c.steps {
		after, err := step.mark(ctx, machine, provisioner)
		errs = append(errs, err)
		if after > 0 && (result.RequeueAfter == 0 || after < result.RequeueAfter) {
			result.RequeueAfter = after
		}
	}
	err = machines.Write(ctx, c.client, stored, machine)
	if err == nil {
		announce(stored, machine, c.journal)
	}
	return c.settler.Settle(request, result, append(errs, err)...)
}

// provisionerOf returns the Machine's Provisioner; nil where that is gone, as its Machines soon will be.
func (c *Controller) provisionerOf(ctx context.Context, machine *v1alpha5.Machine) (*v1alpha5.Provisioner, error) {
	provisioner := &v1alpha5.Provisioner{}
	err := c.client.Get(ctx, client.ObjectKey{Name: machine.ProvisionerName()}, provisioner)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("getting provisioner of machine %s: %w", machine.Name, err)
	case !provisioner.DeletionTimestamp.IsZero():
		return nil, nil
	default:
		return provisioner, nil
	}
}
