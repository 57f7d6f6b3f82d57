package policy_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
)

// leastTrespasses is how many requests have to be made up, so that a change that loses most of them does not go unnoticed.
const leastTrespasses = 300

// TestWhatIsAWordAwayFromAllowedIsRefused takes every request that kerf makes and changes one thing about it that matters: whose the resource is, what
// it is tagged with, where it is, what is done to it.
func TestWhatIsAWordAwayFromAllowedIsRefused(t *testing.T) {
	document, made := shipped(t), map[string]iam.Request{}
	for _, r := range life(t).requests {
		for _, changed := range slices.Concat(elsewhere(r), untagged(r), otherwise(r)) {
			made[changed.Key()] = changed
		}
	}
	requests := slices.Collect(maps.Values(made))
	denied := len(refused(t, document, requests))
	t.Logf("%d of %d made-up requests are refused", denied, len(requests))
	if len(requests) < leastTrespasses {
		t.Errorf("%d requests were made up, want %d at least", len(requests), leastTrespasses)
	}
	judged := []iam.Document{rendered(t, document)}
	for _, r := range requests {
		if iam.Evaluate(judged, r).Allowed {
			t.Errorf("the policy allows %v", r)
		}
	}
}

// kind is the kind of an EC2 resource; empty for anything else.
func kind(r iam.Request) string {
	parts := strings.SplitN(r.Resource, ":", 6)
	if len(parts) < 6 || parts[2] != "ec2" {
		return ""
	}
	kind, _, _ := strings.Cut(parts[5], "/")
	return kind
}

// owned says whether a resource is one that has to be the cluster's own.
func owned(r iam.Request) bool {
	return slices.Contains([]string{"fleet", "instance", "launch-template", "network-interface", "volume"}, kind(r))
}

func with(r iam.Request, change func(*iam.Request)) iam.Request {
	r.Context = maps.Clone(r.Context)
	change(&r)
	return r
}

// elsewhere makes the request about other regions, accounts, clusters and roles.
func elsewhere(r iam.Request) []iam.Request {
	var out []iam.Request
	for _, other := range []string{"eu-west-1", "us-east-2", "us-gov-west-1"} {
		if strings.Contains(r.Resource, ":"+region+":") {
			out = append(out, with(r, func(r *iam.Request) { r.Resource = strings.Replace(r.Resource, region, other, 1) }))
		}
		if r.Resource == "*" && strings.HasPrefix(r.Action, "ec2:") {
			out = append(out, with(r, func(r *iam.Request) { r.Context["aws:RequestedRegion"] = []string{other} }))
		}
	}
	for _, other := range []string{"999999999999", "000000000000", ""} {
		if strings.Contains(r.Resource, ":"+account+":") {
			out = append(out, with(r, func(r *iam.Request) { r.Resource = strings.Replace(r.Resource, account, other, 1) }))
		}
	}
	for _, name := range []string{"other", clusterName + "-2", strings.ToUpper(clusterName)} {
		for _, own := range []string{clusterName, queueName} {
			if before, ok := strings.CutSuffix(r.Resource, own); ok {
				out = append(out, with(r, func(r *iam.Request) { r.Resource = before + name }))
			}
		}
	}
	if r.Action == "iam:PassRole" {
		for _, service := range []string{"lambda.amazonaws.com", "ecs-tasks.amazonaws.com", "ec2.amazonaws.com.evil.org", ""} {
			out = append(out, with(r, func(r *iam.Request) { r.Context["iam:PassedToService"] = []string{service} }))
		}
	}
	return out
}

// untagged makes the request about what is not the cluster's, by each of the tags that say so, and has tags come in other ways than with what is made.
func untagged(r iam.Request) []iam.Request {
	if !owned(r) {
		return nil
	}
	var out []iam.Request
	for key, values := range r.Context {
		prefix, tag, isTag := strings.Cut(key, "/")
		matters := strings.HasPrefix(tag, "kubernetes.io/cluster/") || tag == "karpenter.sh/provisioner-name"
		if !isTag || !matters || !slices.Contains([]string{"aws:RequestTag", "aws:ResourceTag"}, prefix) {
			continue
		}
		out = append(out, with(r, func(r *iam.Request) { delete(r.Context, key) }))
		if values[0] == "owned" {
			out = append(out,
				with(r, func(r *iam.Request) { r.Context[key] = []string{"shared"} }),
				with(r, func(r *iam.Request) {
					delete(r.Context, key)
					r.Context[prefix+"/kubernetes.io/cluster/other"] = values
				}))
		}
	}
	if r.Action == "ec2:CreateTags" {
		out = append(out, with(r, func(r *iam.Request) { delete(r.Context, "ec2:CreateAction") }))
		for _, action := range []string{"CreateVolume", "CreateSnapshot", "CreateImage"} {
			out = append(out, with(r, func(r *iam.Request) { r.Context["ec2:CreateAction"] = []string{action} }))
		}
	}
	return out
}

// otherwise does other things to the same resource.
func otherwise(r iam.Request) []iam.Request {
	service, _, _ := strings.Cut(r.Action, ":")
	others := map[string][]string{
		"ec2": {
			"ec2:StopInstances", "ec2:StartInstances", "ec2:RebootInstances", "ec2:ModifyInstanceAttribute", "ec2:ModifyInstanceMetadataOptions",
			"ec2:AttachVolume", "ec2:DeleteVolume", "ec2:DeleteTags", "ec2:CreateLaunchTemplateVersion", "ec2:ModifyLaunchTemplate",
			"ec2:AssociateIamInstanceProfile", "ec2:AuthorizeSecurityGroupIngress", "ec2:ModifyImageAttribute", "ec2:CreateImage", "ec2:GetPasswordData",
		},
		"iam": {"iam:CreateRole", "iam:AttachRolePolicy", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:DeleteRole"},
		"ssm": {"ssm:PutParameter", "ssm:DeleteParameter", "ssm:SendCommand", "ssm:StartSession"},
		"eks": {"eks:UpdateClusterConfig", "eks:DeleteCluster", "eks:CreateAccessEntry"}, "pricing": {"pricing:DescribeServices"},
	}
	var out []iam.Request
	for _, action := range others[service] {
		out = append(out, with(r, func(r *iam.Request) { r.Action = action }))
	}
	return out
}
