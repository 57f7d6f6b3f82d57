package aws

import (
	"cmp"
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

// template returns a template that can be launched from. Owner says who names it, for the message.
func (p *Provider) template(ctx context.Context, name, owner string) (*awsv1alpha1.AWSNodeTemplate, error) {
	if name == "" {
		return nil, cloudprovider.NewNotReadyError(fmt.Errorf("%s names no AWSNodeTemplate: set spec.providerRef.name of its Provisioner", owner))
	}
	template := &awsv1alpha1.AWSNodeTemplate{}
	err := p.reader.Get(ctx, client.ObjectKey{Name: name}, template)
	if apierrors.IsNotFound(err) {
		return nil, cloudprovider.NewNotReadyError(
			fmt.Errorf("AWSNodeTemplate %q, which %s names, does not exist: create it or change spec.providerRef of the Provisioner", name, owner))
	}
	if err != nil {
		return nil, fmt.Errorf("getting AWSNodeTemplate %q: %w", name, err)
	}
	if ready := meta.FindStatusCondition(template.Status.Conditions, v1alpha5.ConditionReady); ready == nil || ready.Status != "True" {
		return nil, cloudprovider.NewNotReadyError(fmt.Errorf("AWSNodeTemplate %q is not ready: %s", name, why(template)))
	}
	if template.Status.ObservedGeneration != template.Generation {
		return nil, cloudprovider.NewNotReadyError(fmt.Errorf("AWSNodeTemplate %q has changed and is being resolved anew", name))
	}
	return template, nil
}

// askedBy tells apart what templates ask of EC2, also one template before and after it was changed or resolved anew.
func askedBy(template *awsv1alpha1.AWSNodeTemplate) string {
	images := make([]string, 0, len(template.Status.AMIs))
	for i := range template.Status.AMIs {
		images = append(images, template.Status.AMIs[i].ID)
	}
	return fmt.Sprint(template.Name, template.UID, template.Generation, images, template.Status.SecurityGroups)
}

// lastKnown returns the template of a machine that has been launched, be it ready or not; an empty one if it is gone since.
func (p *Provider) lastKnown(ctx context.Context, machine *v1alpha5.Machine) (*awsv1alpha1.AWSNodeTemplate, error) {
	template := &awsv1alpha1.AWSNodeTemplate{}
	err := p.reader.Get(ctx, client.ObjectKey{Name: templateName(machine)}, template)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("getting AWSNodeTemplate %q: %w", templateName(machine), err)
	}
	return template, nil
}

func why(template *awsv1alpha1.AWSNodeTemplate) string {
	ready := meta.FindStatusCondition(template.Status.Conditions, v1alpha5.ConditionReady)
	if ready == nil {
		return "its selectors have not been resolved yet"
	}
	return cmp.Or(ready.Message, ready.Reason)
}

// instanceProfile returns the profile of the template's machines.
func (p *Provider) instanceProfile(template *awsv1alpha1.AWSNodeTemplate) (string, error) {
	profile := cmp.Or(template.Spec.InstanceProfile, p.settings.DefaultInstanceProfile)
	if profile == "" {
		return "", cloudprovider.NewNotReadyError(fmt.Errorf(
			"spec.instanceProfile of AWSNodeTemplate %q is empty and there is no default: set it, or --aws-default-instance-profile of the controller", template.Name))
	}
	return profile, nil
}
