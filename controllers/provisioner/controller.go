// Package provisioner reports on Provisioners: what they have launched, and whether they can launch more.
package provisioner

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/pkg/conditions"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
	"github.com/kerf-autoscaler/kerf/pkg/inline"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
)

// Controller writes the status of one Provisioner at a time.
type Controller struct {
	client  client.Client
	metrics *metrics.Metrics
	clock   clock.PassiveClock
	// measured maps provisioner -> what was measured of it last. One Reconcile runs at a time.
	measured map[string]measures
}

// measures are the resources that there are figures of.
type measures struct{ used, limited corev1.ResourceList }

// NewController returns a controller.
func NewController(client client.Client, metrics *metrics.Metrics, clock clock.PassiveClock) *Controller {
	return &Controller{client: client, metrics: metrics, clock: clock, measured: map[string]measures{}}
}

// +kubebuilder:rbac:groups=karpenter.sh,resources=provisioners;machines,verbs=list;watch
// +kubebuilder:rbac:groups=karpenter.sh,resources=provisioners,verbs=patch
// +kubebuilder:rbac:groups=karpenter.sh,resources=provisioners/status,verbs=patch
// +kubebuilder:rbac:groups=karpenter.k8s.aws,resources=awsnodetemplates,verbs=list;watch

// Register adds the controller to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("provisioner").
		For(&v1alpha5.Provisioner{}).
		Watches(&v1alpha5.Machine{}, handler.EnqueueRequestsFromMapFunc(ofMachine)).
		Watches(&awsv1alpha1.AWSNodeTemplate{}, handler.EnqueueRequestsFromMapFunc(c.ofTemplate)).
		Complete(c)
}

func ofMachine(_ context.Context, object client.Object) []reconcile.Request {
	name := object.GetLabels()[v1alpha5.ProvisionerNameLabel]
	if name == "" {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: name}}}
}

func (c *Controller) ofTemplate(ctx context.Context, object client.Object) []reconcile.Request {
	var list v1alpha5.ProvisionerList
	if err := c.client.List(ctx, &list); err != nil {
		return nil // the cache is not there any more: neither is this controller
	}
	return lo.FilterMap(list.Items, func(p v1alpha5.Provisioner, _ int) (reconcile.Request, bool) {
		return reconcile.Request{NamespacedName: types.NamespacedName{Name: p.Name}}, p.TemplateName() == object.GetName()
	})
}

// Reconcile sums up the Machines of a Provisioner and looks at its template.
func (c *Controller) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	provisioner := &v1alpha5.Provisioner{}
	if err := c.client.Get(ctx, request.NamespacedName, provisioner); err != nil {
		c.forget(request.Name)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	var list v1alpha5.MachineList
	// Every event of a Machine leads here: they are read where they are, and not changed.
	if err := c.client.List(ctx, &list, client.MatchingLabels{v1alpha5.ProvisionerNameLabel: provisioner.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return reconcile.Result{}, fmt.Errorf("listing machines of provisioner %s: %w", provisioner.Name, err)
	}
	template, err := c.template(ctx, provisioner)
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := c.stamp(ctx, provisioner); err != nil {
		return reconcile.Result{}, err
	}
	stored := provisioner.DeepCopy()
	provisioner.Status.Resources = launched(list.Items)
	provisioner.Status.ObservedGeneration = provisioner.Generation
	set := conditions.For(&provisioner.Status.Conditions, provisioner.Generation, v1alpha5.ConditionReady,
		v1alpha5.ConditionSpecValid, v1alpha5.ConditionTemplateReady, v1alpha5.ConditionWithinLimits)
	judgeSpec(set, provisioner)
	judgeTemplate(set, provisioner, template)
	judgeLimits(set, provisioner)
	now := c.clock.Now()
	result := reconcile.Result{RequeueAfter: soonest(judgeMachines(set, provisioner, template, now), judgeRollout(set, provisioner, template, list.Items, now))}
	c.measure(provisioner)
	if equality.Semantic.DeepEqual(stored.Status, provisioner.Status) {
		return result, nil
	}
	err = c.client.Status().Patch(ctx, provisioner, client.MergeFrom(stored))
	if client.IgnoreNotFound(err) != nil {
		return reconcile.Result{}, fmt.Errorf("writing status of provisioner %s: %w", provisioner.Name, err)
	}
	return result, nil
}

// soonest returns the shortest time; 0 is never.
func soonest(times ...time.Duration) time.Duration {
	return lo.Min(lo.Filter(times, func(d time.Duration, _ int) bool { return d > 0 }))
}

// stamp notes the Provisioner's hash on it, for those who compare it with that of its machines.
func (c *Controller) stamp(ctx context.Context, provisioner *v1alpha5.Provisioner) error {
	hash, err := drift.ProvisionerHash(provisioner)
	if err != nil {
		return fmt.Errorf("hashing provisioner %s: %w", provisioner.Name, err)
	}
	if provisioner.Annotations[v1alpha5.ProvisionerHashAnnotation] == hash {
		return nil
	}
	stored := provisioner.DeepCopy()
	metav1.SetMetaDataAnnotation(&provisioner.ObjectMeta, v1alpha5.ProvisionerHashAnnotation, hash)
	if err := c.client.Patch(ctx, provisioner, client.MergeFrom(stored)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("noting the hash of provisioner %s: %w", provisioner.Name, err)
	}
	return nil
}

// template returns the Provisioner's template, or nil when there is none.
func (c *Controller) template(ctx context.Context, provisioner *v1alpha5.Provisioner) (*awsv1alpha1.AWSNodeTemplate, error) {
	name := provisioner.TemplateName()
	if name == "" {
		return nil, nil
	}
	template := &awsv1alpha1.AWSNodeTemplate{}
	err := c.client.Get(ctx, client.ObjectKey{Name: name}, template)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("getting template %s: %w", name, err)
	default:
		return template, nil
	}
}

// judgeSpec holds what admission checks too, for Provisioners that came when there was no webhook.
func judgeSpec(set conditions.Set, provisioner *v1alpha5.Provisioner) {
	if err := admission.Provisioner(provisioner).Errors.ToAggregate(); err != nil {
		set.False(v1alpha5.ConditionSpecValid, v1alpha5.ReasonSpecInvalid, err.Error())
		return
	}
	set.True(v1alpha5.ConditionSpecValid, v1alpha5.ReasonSpecValid, "")
}

func judgeTemplate(set conditions.Set, provisioner *v1alpha5.Provisioner, template *awsv1alpha1.AWSNodeTemplate) {
	name := provisioner.TemplateName()
	if between := inline.Between(provisioner, template); between.Reason != "" {
		judge := set.False
		if between.Passing {
			judge = set.Unknown
		}
		judge(v1alpha5.ConditionTemplateReady, between.Reason, between.Message)
		return
	}
	if name == "" {
		set.False(v1alpha5.ConditionTemplateReady, v1alpha5.ReasonTemplateMissing, "spec.providerRef names no AWSNodeTemplate; set spec.providerRef.name")
		return
	}
	if template == nil {
		set.False(v1alpha5.ConditionTemplateReady, v1alpha5.ReasonTemplateMissing,
			fmt.Sprintf("AWSNodeTemplate %q does not exist; create it or change spec.providerRef.name", name))
		return
	}
	ready := meta.FindStatusCondition(template.Status.Conditions, v1alpha5.ConditionReady)
	switch {
	case ready == nil || ready.ObservedGeneration < template.Generation:
		set.Unknown(v1alpha5.ConditionTemplateReady, v1alpha5.ReasonTemplateNotReady, fmt.Sprintf("AWSNodeTemplate %q is not resolved yet", name))
	case ready.Status != "True":
		set.False(v1alpha5.ConditionTemplateReady, v1alpha5.ReasonTemplateNotReady, fmt.Sprintf("AWSNodeTemplate %q: %s", name, ready.Message))
	default:
		set.True(v1alpha5.ConditionTemplateReady, v1alpha5.ReasonReady, "")
	}
}

func judgeLimits(set conditions.Set, provisioner *v1alpha5.Provisioner) {
	var reached []string
	if provisioner.Spec.Limits != nil {
		for name, limit := range provisioner.Spec.Limits.Resources {
			if used := provisioner.Status.Resources[name]; used.Cmp(limit) >= 0 {
				reached = append(reached, fmt.Sprintf("%s: %s launched of %s; raise spec.limits.resources.%s to launch more", name, used.String(), limit.String(), name))
			}
		}
	}
	slices.Sort(reached)
	if len(reached) > 0 {
		set.False(v1alpha5.ConditionWithinLimits, v1alpha5.ReasonLimitReached, strings.Join(reached, "; "))
		return
	}
	set.True(v1alpha5.ConditionWithinLimits, v1alpha5.ReasonWithinLimits, "")
}

// launched sums up the capacity of all Machines that have an instance, but for those on their way out: what replaces them has
// to fit into the limits, or their pods could never leave.
func launched(list []v1alpha5.Machine) corev1.ResourceList {
	total := corev1.ResourceList{}
	count := int64(0)
	for i := range list {
		if list[i].Status.ProviderID != "" && list[i].DeletionTimestamp.IsZero() {
			total = resources.Sum(total, list[i].Status.Capacity)
			count++
		}
	}
	for name, quantity := range total {
		if quantity.IsZero() {
			delete(total, name)
		}
	}
	total[v1alpha5.ResourceNodes] = *resource.NewQuantity(count, resource.DecimalSI)
	return total
}

// measure replaces what was measured before: a resource that is no longer launched, or limited, must not stay at its last
// value. What stays is never away, not even for a moment.
func (c *Controller) measure(provisioner *v1alpha5.Provisioner) {
	before, now := c.measured[provisioner.Name], measures{used: provisioner.Status.Resources}
	if provisioner.Spec.Limits != nil {
		now.limited = provisioner.Spec.Limits.Resources
	}
	c.measured[provisioner.Name] = now
	replace(c.metrics.Usage, provisioner.Name, before.used, now.used)
	replace(c.metrics.Limit, provisioner.Name, before.limited, now.limited)
	for name := range before.limited {
		if _, there := now.limited[name]; !there {
			c.metrics.UsagePercent.DeleteLabelValues(provisioner.Name, string(name))
		}
	}
	for name, percent := range percentOf(now.used, now.limited) {
		c.metrics.UsagePercent.WithLabelValues(provisioner.Name, string(name)).Set(percent)
	}
}

// forget takes away all that was measured of a provisioner. Its machines may still be on their way out: what is measured of them
// goes with the last event of each.
func (c *Controller) forget(name string) {
	delete(c.measured, name)
	c.metrics.Forget(name)
}

// percentOf returns the part of each limit that is used, in percent; a limit of nothing is used up.
func percentOf(used, limited corev1.ResourceList) map[corev1.ResourceName]float64 {
	out := map[corev1.ResourceName]float64{}
	for name, limit := range limited {
		amount := used[name]
		out[name] = 100
		if !limit.IsZero() {
			out[name] = 100 * amount.AsApproximateFloat64() / limit.AsApproximateFloat64()
		}
	}
	return out
}

// replace sets a figure for each resource that there is now, and takes away those that there were before.
func replace(gauge *prometheus.GaugeVec, provisioner string, before, now corev1.ResourceList) {
	for name, quantity := range now {
		gauge.WithLabelValues(provisioner, string(name)).Set(quantity.AsApproximateFloat64())
	}
	for name := range before {
		if _, there := now[name]; !there {
			gauge.DeleteLabelValues(provisioner, string(name))
		}
	}
}
