package policy

import (
	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

const (
	allow = "Allow"
	deny  = "Deny"
)

// ownedTag marks what belongs to the cluster, with this value.
const (
	ownedTag = awsv1alpha1.TagClusterPrefix + Cluster
	owned    = "owned"
)

// requested holds when a request tags what it makes as this cluster's and a provisioner's.
func requested() Condition { return tagged("aws:RequestTag/") }

// existing holds when what a request touches is tagged as this cluster's and a provisioner's.
func existing() Condition { return tagged("aws:ResourceTag/") }

func tagged(prefix string) Condition {
	return Condition{
		"StringEquals": {prefix + ownedTag: {owned}},
		"StringLike":   {prefix + v1alpha5.ProvisionerNameLabel: {"*"}},
	}
}

// ec2Resources returns the ARNs of all resources of these kinds that the account has in the region.
func ec2Resources(kinds ...string) List {
	out := make(List, 0, len(kinds))
	for _, kind := range kinds {
		out = append(out, "arn:"+Partition+":ec2:"+Region+":"+Account+":"+kind+"/*")
	}
	return out
}

// Controller is what the controller may do.
func Controller() Document {
	return Document{Version: Version, Statement: []Statement{
		// What instances are made from is not kerf's and has no tags of the cluster. Images and snapshots belong to AWS as a
		// rule; subnets and security groups may be shared by another account.
		{Sid: "AllowScopedEC2InstanceActions", Effect: allow, Action: List{"ec2:RunInstances", "ec2:CreateFleet"}, Resource: List{
			"arn:" + Partition + ":ec2:" + Region + "::image/*",
			"arn:" + Partition + ":ec2:" + Region + "::snapshot/*",
			"arn:" + Partition + ":ec2:" + Region + ":*:security-group/*",
			"arn:" + Partition + ":ec2:" + Region + ":*:subnet/*",
			"arn:" + Partition + ":ec2:" + Region + ":" + Account + ":spot-instances-request/*",
		}},
		// A launch template says which image and which rights an instance gets, so only those of the cluster are for use.
		{
			Sid: "AllowScopedEC2LaunchTemplateActions", Effect: allow, Action: List{"ec2:RunInstances", "ec2:CreateFleet"},
			Resource: ec2Resources("launch-template"), Condition: existing(),
		},
		{
			Sid: "AllowScopedEC2InstanceActionsWithTags", Effect: allow, Action: List{"ec2:RunInstances", "ec2:CreateFleet"},
			Resource: ec2Resources("fleet", "instance", "network-interface", "volume"), Condition: requested(),
		},
		{
			Sid: "AllowScopedLaunchTemplateCreation", Effect: allow, Action: List{"ec2:CreateLaunchTemplate"},
			Resource: ec2Resources("launch-template"), Condition: requested(),
		},
		creationTagging(),
		{
			Sid: "AllowScopedInstanceTermination", Effect: allow, Action: List{"ec2:TerminateInstances"},
			Resource: ec2Resources("instance"), Condition: existing(),
		},
		{
			Sid: "AllowScopedLaunchTemplateDeletion", Effect: allow, Action: List{"ec2:DeleteLaunchTemplate"},
			Resource: ec2Resources("launch-template"), Condition: existing(),
		},
		regionalReads(),
		{
			Sid: "AllowSSMReadActions", Effect: allow, Action: List{"ssm:GetParameter"},
			Resource: List{"arn:" + Partition + ":ssm:" + Region + "::parameter/aws/service/*"},
		},
		// Prices know no resources, and only a few regions have the service.
		{Sid: "AllowPricingReadActions", Effect: allow, Action: List{"pricing:GetProducts"}, Resource: List{"*"}},
		{
			Sid: "AllowPassingInstanceRole", Effect: allow, Action: List{"iam:PassRole"}, Resource: List{NodeRole},
			Condition: Condition{"StringEquals": {"iam:PassedToService": {"ec2.amazonaws.com", "ec2.amazonaws.com.cn"}}},
		},
		{
			Sid: "AllowAPIServerEndpointDiscovery", Effect: allow, Action: List{"eks:DescribeCluster"},
			Resource: List{"arn:" + Partition + ":eks:" + Region + ":" + Account + ":cluster/" + Cluster},
		},
	}}
}

// creationTagging lets tags come with what is made, and no other way: a tag that can be put on a foreign instance later
// would make it kerf's to terminate.
func creationTagging() Statement {
	condition := requested()
	condition["StringEquals"]["ec2:CreateAction"] = List{"RunInstances", "CreateFleet", "CreateLaunchTemplate"}
	return Statement{
		Sid: "AllowScopedResourceCreationTagging", Effect: allow, Action: List{"ec2:CreateTags"},
		Resource: ec2Resources("fleet", "instance", "launch-template", "network-interface", "volume"), Condition: condition,
	}
}

// regionalReads are calls that EC2 cannot bind to resources.
func regionalReads() Statement {
	return Statement{
		Sid: "AllowRegionalReadActions", Effect: allow, Resource: List{"*"},
		Action: List{
			"ec2:DescribeImages", "ec2:DescribeInstances", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeInstanceTypes",
			"ec2:DescribeLaunchTemplates", "ec2:DescribeSecurityGroups", "ec2:DescribeSpotPriceHistory", "ec2:DescribeSubnets",
		},
		Condition: Condition{"StringEquals": {"aws:RequestedRegion": {Region}}},
	}
}
