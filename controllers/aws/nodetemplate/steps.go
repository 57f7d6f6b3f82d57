package nodetemplate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/selector"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/subnet"
	"github.com/kerf-autoscaler/kerf/pkg/conditions"
)

// step finds one thing that a template asks for and sets one condition.
type step struct {
	condition string
	// resolve writes what it finds into the status. An error is of AWS or the way to it, and settles nothing.
	resolve func(context.Context, *awsv1alpha1.AWSNodeTemplate) (outcome, error)
	// advisory conditions tell the user something that keeps no machine from being launched.
	advisory bool
}

// outcome is what a step found out. The zero value is success.
type outcome struct {
	// reason and message of what the user has to change; "" is nothing.
	reason, message string
	// decider and note of what kerf does not decide; "" is nothing. The first is a reason.
	decider, note string
}

func (c *Controller) steps() []step {
	return []step{
		{condition: awsv1alpha1.ConditionSpecValid, resolve: c.spec},
		{condition: awsv1alpha1.ConditionSubnetsReady, resolve: c.subnets},
		{condition: awsv1alpha1.ConditionSecurityGroupsReady, resolve: c.securityGroups},
		{condition: awsv1alpha1.ConditionAMIsReady, resolve: c.images},
		{condition: awsv1alpha1.ConditionInstanceProfileReady, resolve: c.instanceProfile},
		{condition: awsv1alpha1.ConditionMetadataProtected, resolve: c.metadata, advisory: true},
		{condition: awsv1alpha1.ConditionPermissionsGranted, resolve: c.permissions, advisory: true}, // last: it tries what the others found
	}
}

// judge sets the step's condition. What was found for this generation stays true while AWS does not answer.
func (s step) judge(set conditions.Set, template *awsv1alpha1.AWSNodeTemplate, found outcome, err error) {
	before := set.Get(s.condition)
	holds := before != nil && before.Status == metav1.ConditionTrue && before.ObservedGeneration == template.Generation
	switch {
	case err != nil && holds:
	case err != nil:
		set.Unknown(s.condition, awsv1alpha1.ReasonCloudError, err.Error())
	case found.reason != "":
		set.False(s.condition, found.reason, found.message)
	case found.decider != "":
		set.True(s.condition, found.decider, found.note)
	default:
		set.True(s.condition, awsv1alpha1.ReasonResolved, "")
	}
}

func (c *Controller) subnets(ctx context.Context, template *awsv1alpha1.AWSNodeTemplate) (outcome, error) {
	asked := template.Spec.SubnetSelector
	found, err := c.sources.Subnets.Find(ctx, asked)
	if refused := refusedSelector("spec.subnetSelector", asked, "subnets", err); refused.reason != "" {
		template.Status.Subnets = nil
		return refused, nil
	}
	if err != nil {
		return outcome{}, err
	}
	template.Status.Subnets = subnet.Order(template.Status.Subnets, found)
	if len(found) == 0 {
		return c.noneFound("spec.subnetSelector", asked, "a subnet"), nil
	}
	return outcome{}, nil
}

func (c *Controller) securityGroups(ctx context.Context, template *awsv1alpha1.AWSNodeTemplate) (outcome, error) {
	if name := template.Spec.LaunchTemplate; name != "" {
		template.Status.SecurityGroups = nil
		return decidedBy(name, "security groups"), nil
	}
	asked := template.Spec.SecurityGroupSelector
	found, err := c.sources.SecurityGroups.Find(ctx, asked)
	if refused := refusedSelector("spec.securityGroupSelector", asked, "security groups", err); refused.reason != "" {
		template.Status.SecurityGroups = nil
		return refused, nil
	}
	if err != nil {
		return outcome{}, err
	}
	template.Status.SecurityGroups = found
	if len(found) == 0 {
		return c.noneFound("spec.securityGroupSelector", asked, "a security group"), nil
	}
	return outcome{}, nil
}

// refusedSelector returns what is wrong with a selector, if the error says that something is.
func refusedSelector(field string, asked map[string]string, plural string, err error) outcome {
	switch {
	case errors.Is(err, selector.ErrEmpty):
		return outcome{reason: awsv1alpha1.ReasonSelectorEmpty, message: fmt.Sprintf("%s is empty: name the tags of the %s to use", field, plural)}
	case errors.Is(err, selector.ErrInvalid) || awserr.Is(err, awserr.Invalid):
		return outcome{reason: awsv1alpha1.ReasonSelectorInvalid, message: fmt.Sprintf("%s %s: %s: correct the selector", field, selector.String(asked), err)}
	default:
		return outcome{}
	}
}

func (c *Controller) noneFound(field string, asked map[string]string, one string) outcome {
	_, singular, _ := strings.Cut(one, " ")
	return outcome{reason: awsv1alpha1.ReasonNoneFound, message: fmt.Sprintf("%s %s matches no %s in %s: tag %s or change the selector",
		field, selector.String(asked), singular, c.sources.Region, one)}
}

func (c *Controller) instanceProfile(_ context.Context, template *awsv1alpha1.AWSNodeTemplate) (outcome, error) {
	if name := template.Spec.LaunchTemplate; name != "" {
		return decidedBy(name, "instance profile"), nil
	}
	if cmp.Or(template.Spec.InstanceProfile, c.sources.InstanceProfile) == "" {
		return outcome{
			reason:  awsv1alpha1.ReasonNoneFound,
			message: "spec.instanceProfile is empty and the controller has no default: set it, or --aws-default-instance-profile of the controller",
		}, nil
	}
	return outcome{}, nil
}

// decidedBy says that the user's own launch template holds what is not resolved here.
func decidedBy(launchTemplate, what string) outcome {
	return outcome{decider: awsv1alpha1.ReasonLaunchTemplate, note: fmt.Sprintf("launch template %q decides on the %s", launchTemplate, what)}
}
