package nodetemplate

import (
	"context"
	"fmt"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

// podHops is how far the answer to a request for a token has to go to reach a pod with a network of its own, and no further.
const podHops = 2

// metadata tells of templates whose instances give their credentials away more freely than kerf's own choice does. What a user
// leaves out of spec.metadataOptions is AWS' to decide, which asks for no tokens.
func (c *Controller) metadata(_ context.Context, template *awsv1alpha1.AWSNodeTemplate) (outcome, error) {
	if name := template.Spec.LaunchTemplate; name != "" {
		return decidedBy(name, "metadata options"), nil
	}
	asked := template.Spec.MetadataOptions
	switch {
	case asked == nil || awssdk.ToString(asked.HTTPEndpoint) == "disabled":
		return outcome{}, nil
	case awssdk.ToString(asked.HTTPTokens) != "required":
		return outcome{reason: awsv1alpha1.ReasonTokensOptional, message: "spec.metadataOptions does not set httpTokens to required: whoever can make a " +
			"node send a request gets the credentials of its role"}, nil
	case awssdk.ToInt64(asked.HTTPPutResponseHopLimit) > podHops:
		return outcome{reason: awsv1alpha1.ReasonManyHops, message: fmt.Sprintf("spec.metadataOptions.httpPutResponseHopLimit is %d: tokens reach "+
			"further than the node's own pods, which are %d hops away", *asked.HTTPPutResponseHopLimit, podHops)}, nil
	default:
		return outcome{}, nil
	}
}

// permissions tells which actions the policy of kerf's role lacks.
func (c *Controller) permissions(ctx context.Context, template *awsv1alpha1.AWSNodeTemplate) (outcome, error) {
	missing, err := c.sources.Permissions.Check(ctx, template)
	if err != nil || len(missing) == 0 {
		return outcome{}, err
	}
	return outcome{reason: awsv1alpha1.ReasonDenied, message: fmt.Sprintf(
		"AWS refuses %s: add it to the policy of the role of kerf's service account", missing)}, nil
}
