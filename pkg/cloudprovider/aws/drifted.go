package aws

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/fleet"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/instancetype"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/launchtemplate"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
)

// Drifted compares what is on record of a machine with its template and with what the template's selectors have found. EC2 is not
// asked: an instance whose security groups somebody changed by hand is what it was launched as.
func (p *Provider) Drifted(ctx context.Context, machine *v1alpha5.Machine) (drift.Finding, error) {
	if machine.Status.ProviderID == "" {
		return drift.Finding{}, nil
	}
	template, err := p.template(ctx, templateName(machine), fmt.Sprintf("machine %q", machine.Name))
	if err != nil {
		return drift.Finding{}, err
	}
	found, err := drift.FromTemplate(machine, template)
	if found.There() || err != nil {
		return found, err
	}
	for _, compare := range []func(*v1alpha5.Machine, *awsv1alpha1.AWSNodeTemplate) drift.Finding{
		launchTemplateDrifted, p.imageDrifted, subnetDrifted, securityGroupsDrifted,
	} {
		if found := compare(machine, template); found.There() {
			return found, nil
		}
	}
	return drift.Finding{}, nil
}

// launchTemplateDrifted compares the name of a launch template that is the user's. What is in it only the user knows.
func launchTemplateDrifted(machine *v1alpha5.Machine, template *awsv1alpha1.AWSNodeTemplate) drift.Finding {
	was, asked := machine.Annotations[awsv1alpha1.AnnotationLaunchTemplate], template.Spec.LaunchTemplate
	if was == "" || was == asked || asked == "" && launchtemplate.Own(was) {
		return drift.Finding{}
	}
	if asked == "" {
		asked = "one that kerf makes"
	}
	return drift.Finding{Reason: v1alpha5.ReasonNodeTemplateDrifted, Message: fmt.Sprintf(
		"the instance was launched from launch template %s, AWSNodeTemplate %s asks for %s", was, template.Name, asked)}
}

// imageDrifted compares the image with the one that an instance of the same type would boot now. Of a type that EC2 does not tell of,
// nobody knows which that would be.
func (p *Provider) imageDrifted(machine *v1alpha5.Machine, template *awsv1alpha1.AWSNodeTemplate) drift.Finding {
	was, instanceType := machine.Labels[awsv1alpha1.LabelInstanceAMIID], machine.Labels[corev1.LabelInstanceTypeStable]
	if was == "" || template.Spec.LaunchTemplate != "" {
		return drift.Finding{}
	}
	described, err := p.lister.Describe(instanceType, instancetype.SetupOf(template, machine.Spec.Kubelet))
	if err != nil {
		return drift.Finding{}
	}
	is, ok := ami.ImagesOf(template.Status.AMIs).For(described.Requirements)
	switch {
	case was == is:
		return drift.Finding{}
	case !ok:
		is = "has none for " + instanceType
	default:
		is = "has " + is + " for " + instanceType
	}
	return drift.Finding{Reason: v1alpha5.ReasonAMIDrifted, Message: fmt.Sprintf("the instance booted %s, AWSNodeTemplate %s %s", was, template.Name, is)}
}

func subnetDrifted(machine *v1alpha5.Machine, template *awsv1alpha1.AWSNodeTemplate) drift.Finding {
	was := machine.Annotations[awsv1alpha1.AnnotationSubnetID]
	ids := make([]string, 0, len(template.Status.Subnets))
	for _, s := range template.Status.Subnets {
		ids = append(ids, s.ID)
	}
	if was == "" || slices.Contains(ids, was) {
		return drift.Finding{}
	}
	return drift.Finding{Reason: v1alpha5.ReasonSubnetDrifted, Message: fmt.Sprintf(
		"the instance is in %s, the subnets of AWSNodeTemplate %s are %s", was, template.Name, idList(ids))}
}

func securityGroupsDrifted(machine *v1alpha5.Machine, template *awsv1alpha1.AWSNodeTemplate) drift.Finding {
	was, are := machine.Annotations[awsv1alpha1.AnnotationSecurityGroupIDs], idList(groupIDs(template))
	if was == "" || was == are || template.Spec.LaunchTemplate != "" {
		return drift.Finding{}
	}
	return drift.Finding{Reason: v1alpha5.ReasonSecurityGroupDrifted, Message: fmt.Sprintf(
		"the instance has the security groups %s, those of AWSNodeTemplate %s are %s", was, template.Name, are)}
}

// record notes what an instance was launched with on its machine, for later comparisons.
func record(machine *v1alpha5.Machine, origin fleet.Origin) {
	for key, value := range map[string]string{
		awsv1alpha1.AnnotationSubnetID: origin.SubnetID, awsv1alpha1.AnnotationSecurityGroupIDs: origin.SecurityGroups,
		awsv1alpha1.AnnotationLaunchTemplate: origin.LaunchTemplate,
	} {
		if value != "" {
			machine.Annotations[key] = value
		}
	}
}

func groupIDs(template *awsv1alpha1.AWSNodeTemplate) []string {
	out := make([]string, 0, len(template.Status.SecurityGroups))
	for _, g := range template.Status.SecurityGroups {
		out = append(out, g.ID)
	}
	return out
}

// idList writes ids in order, so that equal sets are equal text.
func idList(ids []string) string { return strings.Join(slices.Sorted(slices.Values(ids)), ",") }
