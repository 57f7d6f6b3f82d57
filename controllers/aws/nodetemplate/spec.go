package nodetemplate

import (
	"context"
	"fmt"
	"strings"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/userdata"
)

// spec holds what admission checks too, for clusters whose webhook was not there when the template came, and looks whether
// the user data can be merged. What it refuses would otherwise be dropped on the way to EC2, or fail each launch.
func (c *Controller) spec(_ context.Context, template *awsv1alpha1.AWSNodeTemplate) (outcome, error) {
	if invalid := template.Validate(); len(invalid) > 0 {
		messages := make([]string, 0, len(invalid))
		for _, problem := range invalid {
			messages = append(messages, problem.Error())
		}
		return outcome{reason: awsv1alpha1.ReasonInvalid, message: strings.Join(messages, "; ")}, nil
	}
	if template.Spec.UserData == "" || template.Spec.LaunchTemplate != "" {
		return outcome{}, nil
	}
	facts, err := c.sources.Cluster.Facts()
	if err != nil {
		return outcome{}, err
	}
	minor, err := facts.Minor()
	if err != nil {
		return outcome{}, err
	}
	if family, err := ami.FamilyFor(template.Spec.AMIFamily, minor); err == nil { // else the condition of the images says why not
		return merged(family.Name, template.Spec.UserData), nil
	}
	return outcome{}, nil
}

func merged(family, userData string) outcome {
	err := userdata.Check(family, userData)
	if err == nil {
		return outcome{}
	}
	return outcome{
		reason:  awsv1alpha1.ReasonInvalid,
		message: fmt.Sprintf("spec.userData cannot be merged in the way of the AMI family %s: %s", family, err),
	}
}
