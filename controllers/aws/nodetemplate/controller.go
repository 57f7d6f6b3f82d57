// Package nodetemplate resolves the selectors of AWSNodeTemplates: their status is the fact that launches go by.
package nodetemplate

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/cluster"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/permission"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/subnet"
	"github.com/kerf-autoscaler/kerf/pkg/conditions"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
)

const (
	// readyInterval is how often a template that works is resolved anew.
	readyInterval = 5 * time.Minute
	// brokenInterval is how often one that does not is: what is wrong may be mended at AWS, of which no event tells.
	brokenInterval = time.Minute
	// After an error of AWS the next try comes within these times.
	firstRetry, lastRetry = 200 * time.Millisecond, 30 * time.Second
)

// Subnets finds subnets.
type Subnets interface {
	Find(ctx context.Context, selector map[string]string) ([]subnet.Subnet, error)
}

// SecurityGroups finds security groups.
type SecurityGroups interface {
	Find(ctx context.Context, selector map[string]string) ([]awsv1alpha1.SecurityGroup, error)
}

// Images finds images.
type Images interface {
	Find(ctx context.Context, family ami.Family, version string) ([]awsv1alpha1.AMI, error)
	Select(ctx context.Context, selector map[string]string) ([]awsv1alpha1.AMI, error)
}

// LaunchTemplates finds launch templates.
type LaunchTemplates interface {
	Exists(ctx context.Context, name string) (bool, error)
}

// Cluster tells what is known of the cluster.
type Cluster interface {
	Facts() (cluster.Facts, error)
}

// Permissions finds out what AWS does not let kerf do.
type Permissions interface {
	// Check returns what is lacked to launch from the template and to look after what was launched.
	Check(ctx context.Context, template *awsv1alpha1.AWSNodeTemplate) (permission.List, error)
	// Forget drops what is known of a template that is gone.
	Forget(template string)
}

// Sources are where facts come from.
type Sources struct {
	Region string
	// InstanceProfile of templates that name none; may be "".
	InstanceProfile string
	Subnets         Subnets
	SecurityGroups  SecurityGroups
	Images          Images
	LaunchTemplates LaunchTemplates
	Cluster         Cluster
	Permissions     Permissions
}

// SourcesOf returns those of the AWS provider.
func SourcesOf(d aws.Discovery) Sources {
	return Sources{
		Region: d.Region, InstanceProfile: d.InstanceProfile,
		Subnets: d.Subnets, SecurityGroups: d.SecurityGroups, Images: d.Images,
		LaunchTemplates: d.LaunchTemplates, Cluster: d.Cluster, Permissions: d.Permissions,
	}
}

// Controller writes the status of one AWSNodeTemplate at a time.
type Controller struct {
	client  client.Client
	sources Sources
}

// NewController returns a controller.
func NewController(client client.Client, sources Sources) *Controller {
	return &Controller{client: client, sources: sources}
}

// +kubebuilder:rbac:groups=karpenter.k8s.aws,resources=awsnodetemplates,verbs=list;watch;patch
// +kubebuilder:rbac:groups=karpenter.k8s.aws,resources=awsnodetemplates/status,verbs=patch

// Register adds the controller to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error {
	return ctrl.NewControllerManagedBy(mgr).Named("aws.nodetemplate").
		For(&awsv1alpha1.AWSNodeTemplate{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		WithOptions(controller.Options{
			RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstRetry, lastRetry),
		}).
		Complete(c)
}

// Reconcile runs all steps and writes what they found in one patch, if anything changed.
func (c *Controller) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	template := &awsv1alpha1.AWSNodeTemplate{}
	if err := c.client.Get(ctx, request.NamespacedName, template); apierrors.IsNotFound(err) {
		c.sources.Permissions.Forget(request.Name)
		return reconcile.Result{}, nil
	} else if err != nil {
		return reconcile.Result{}, err
	}
	if err := c.stamp(ctx, template); err != nil {
		return reconcile.Result{}, err
	}
	stored := template.DeepCopy()
	steps := c.steps()
	set := conditionsOf(template, steps)
	var errs []error
	for _, s := range steps {
		found, err := s.resolve(ctx, template)
		if !s.advisory {
			errs = append(errs, err)
		}
		s.judge(set, template, found, err)
	}
	template.Status.SubnetCount, template.Status.SecurityGroupCount = count(template.Status.Subnets), count(template.Status.SecurityGroups)
	template.Status.ObservedGeneration = template.Generation
	if !equality.Semantic.DeepEqual(stored.Status, template.Status) {
		if err := c.client.Status().Patch(ctx, template, client.MergeFrom(stored)); client.IgnoreNotFound(err) != nil {
			errs = append(errs, fmt.Errorf("writing status of template %s: %w", template.Name, err))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return reconcile.Result{}, err
	}
	if set.IsTrue(v1alpha5.ConditionReady) {
		return reconcile.Result{RequeueAfter: readyInterval}, nil
	}
	return reconcile.Result{RequeueAfter: brokenInterval}, nil
}

// count says how many things there are, for columns: those show no lists.
func count[T any](found []T) int32 { return int32(min(len(found), math.MaxInt32)) }

// stamp notes the template's hash on it, for those who compare it with that of its machines.
func (c *Controller) stamp(ctx context.Context, template *awsv1alpha1.AWSNodeTemplate) error {
	hash, err := drift.TemplateHash(template)
	if err != nil {
		return fmt.Errorf("hashing template %s: %w", template.Name, err)
	}
	if template.Annotations[awsv1alpha1.AnnotationTemplateHash] == hash {
		return nil
	}
	stored := template.DeepCopy()
	metav1.SetMetaDataAnnotation(&template.ObjectMeta, awsv1alpha1.AnnotationTemplateHash, hash)
	if err := c.client.Patch(ctx, template, client.MergeFrom(stored)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("noting the hash of template %s: %w", template.Name, err)
	}
	return nil
}

func conditionsOf(template *awsv1alpha1.AWSNodeTemplate, steps []step) conditions.Set {
	dependents := make([]string, 0, len(steps))
	for _, s := range steps {
		if !s.advisory {
			dependents = append(dependents, s.condition)
		}
	}
	return conditions.For(&template.Status.Conditions, template.Generation, v1alpha5.ConditionReady, dependents...)
}
