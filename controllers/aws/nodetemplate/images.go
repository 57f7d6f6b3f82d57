package nodetemplate

import (
	"context"
	"errors"
	"fmt"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
)

// images finds what machines boot: the image of the user's own launch template, the images that the user selects, or those
// that are published for the AMI family.
func (c *Controller) images(ctx context.Context, template *awsv1alpha1.AWSNodeTemplate) (outcome, error) {
	if template.Spec.LaunchTemplate != "" {
		return c.launchTemplate(ctx, template)
	}
	facts, err := c.sources.Cluster.Facts()
	if err != nil {
		return outcome{}, err
	}
	minor, err := facts.Minor()
	if err != nil {
		return outcome{}, err
	}
	family, err := ami.FamilyFor(template.Spec.AMIFamily, minor)
	if err != nil {
		template.Status.AMIs = nil
		return outcome{reason: awsv1alpha1.ReasonNoImage, message: fmt.Sprintf("spec.amiFamily: %s", err)}, nil
	}
	var found []awsv1alpha1.AMI
	var missing outcome
	unpublished := family.Published(minor)
	switch {
	case len(template.Spec.AMISelector) > 0:
		found, missing, err = c.selected(ctx, template.Spec.AMISelector)
	case unpublished != nil:
		missing = outcome{reason: awsv1alpha1.ReasonNoImage, message: fmt.Sprintf("spec.amiFamily: %s", unpublished)}
	default:
		found, missing, err = c.published(ctx, family, facts.Version)
	}
	if err != nil {
		return outcome{}, err
	}
	template.Status.AMIFamily, template.Status.AMIs = family.Name, found
	if missing.reason == "" && family.Name == awsv1alpha1.AMIFamilyCustom {
		return outcome{decider: awsv1alpha1.ReasonUserData, note: "images of the family Custom get spec.userData as it is; " +
			"what a Provisioner says of kubelet, labels and taints has to be in it"}, nil
	}
	return missing, nil
}

// launchTemplate looks whether the user's own launch template is there. Which image is in it, the usual IAM policy does not let
// kerf see, and it need not know.
func (c *Controller) launchTemplate(ctx context.Context, template *awsv1alpha1.AWSNodeTemplate) (outcome, error) {
	name := template.Spec.LaunchTemplate
	there, err := c.sources.LaunchTemplates.Exists(ctx, name)
	if err != nil {
		return outcome{}, err
	}
	template.Status.AMIFamily, template.Status.AMIs = "", nil
	if !there {
		return outcome{reason: awsv1alpha1.ReasonNoneFound, message: fmt.Sprintf(
			"spec.launchTemplate: there is no launch template %q in %s: create it or change the name", name, c.sources.Region)}, nil
	}
	return outcome{decider: awsv1alpha1.ReasonLaunchTemplate, note: fmt.Sprintf("machines are launched from launch template %q as it is; "+
		"what a Provisioner says of kubelet, labels and taints has to be in its user data, and spec.detailedMonitoring in its own monitoring", name)}, nil
}

// selected finds the images that spec.amiSelector selects.
func (c *Controller) selected(ctx context.Context, asked map[string]string) ([]awsv1alpha1.AMI, outcome, error) {
	const field = "spec.amiSelector"
	found, err := c.sources.Images.Select(ctx, asked)
	if refused := refusedSelector(field, asked, "images", err); refused.reason != "" {
		return nil, refused, nil
	}
	if err == nil && len(found) == 0 {
		return nil, c.noneFound(field, asked, "an image"), nil
	}
	return found, outcome{}, err
}

// published finds the images that are published for the family and the cluster's version.
func (c *Controller) published(ctx context.Context, family ami.Family, version string) ([]awsv1alpha1.AMI, outcome, error) {
	found, err := c.sources.Images.Find(ctx, family, version)
	if errors.Is(err, ami.ErrNone) {
		return nil, outcome{reason: awsv1alpha1.ReasonNoImage, message: fmt.Sprintf(
			"spec.amiFamily %s: %s in %s: choose another family, or images of your own by spec.amiSelector", family.Name, err, c.sources.Region)}, nil
	}
	return found, outcome{}, err
}
