package aws_test

import (
	"testing"

	"github.com/kerf-autoscaler/kerf/hack/iam/policy"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// shippedPolicy is the controller's IAM policy in the world, where the nodes may have any role: tests name several.
func shippedPolicy(t *testing.T, described world.Config) string {
	t.Helper()
	text, err := policy.Controller().Render(policy.Spelling{
		policy.Partition: "aws", policy.Region: described.Region, policy.Account: described.AccountID, policy.Cluster: described.Cluster.Name,
		policy.NodeRole: "arn:aws:iam::" + described.AccountID + ":role/*",
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// wantPermitted checks that the policy has denied nothing.
func wantPermitted(t *testing.T, server *awssim.Server) {
	t.Helper()
	for _, denied := range server.Authorizations().Denied {
		t.Errorf("the policy that kerf ships denies %s", denied)
	}
}
