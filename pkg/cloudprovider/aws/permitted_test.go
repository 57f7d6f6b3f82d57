package aws_test

import (
	"testing"

	"github.com/kerf-autoscaler/kerf/hack/iam/policy"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// shippedPolicies are the controller's IAM policies in the world, where the nodes may have any role: tests name several.
func shippedPolicies(t *testing.T, described world.Config) []string {
	t.Helper()
	var all []string
	for _, document := range []policy.Document{policy.Controller(), policy.Interruption()} {
		text, err := document.Render(policy.Spelling{
			policy.Partition: "aws", policy.Region: described.Region, policy.Account: described.AccountID, policy.Cluster: described.Cluster.Name,
			policy.NodeRole: "arn:aws:iam::" + described.AccountID + ":role/*",
			policy.Queue:    "arn:aws:sqs:" + described.Region + ":" + described.AccountID + ":" + described.Cluster.Name,
		})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, text)
	}
	return all
}

// wantPermitted checks that the policy has denied nothing.
func wantPermitted(t *testing.T, server *awssim.Server) {
	t.Helper()
	for _, denied := range server.Authorizations().Denied {
		t.Errorf("the policy that kerf ships denies %s", denied)
	}
}
