package policy_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	smithy "github.com/aws/smithy-go/middleware"

	"github.com/kerf-autoscaler/kerf/hack/iam/policy"
)

// arn returns the ARN of something that EC2 has in the account, or of something that is nobody's.
func arn(account, kind, id string) string {
	return "arn:aws:ec2:" + region + ":" + account + ":" + kind + "/" + id
}

// recorder sits in an SDK and takes down what AWS would ask policies about for each call, by what EC2's page of the Service
// Authorization Reference says of the call's resources.
type recorder struct {
	mu        sync.Mutex
	asked     []policy.Request
	templates map[string]*ec2.CreateLaunchTemplateInput // name -> how it was made
	instances map[string]map[string]string              // id -> tags
}

// record is a step of the SDK that sees calls in their types.
func (r *recorder) record(stack *smithy.Stack) error {
	return stack.Initialize.Add(smithy.InitializeMiddlewareFunc("record", func(
		ctx context.Context, in smithy.InitializeInput, next smithy.InitializeHandler,
	) (smithy.InitializeOutput, smithy.Metadata, error) {
		if err := r.ask(ctx, in.Parameters); err != nil {
			return smithy.InitializeOutput{}, smithy.Metadata{}, err
		}
		out, metadata, err := next.HandleInitialize(ctx, in)
		if err == nil {
			r.learn(in.Parameters, out.Result)
		}
		return out, metadata, err
	}), smithy.Before)
}

func (r *recorder) ask(ctx context.Context, parameters any) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	service, operation := strings.ToLower(middleware.GetServiceID(ctx)), middleware.GetOperationName(ctx)
	note := func(action, resource string, contexts ...map[string]string) {
		merged := map[string]string{"aws:RequestedRegion": middleware.GetRegion(ctx)}
		for _, c := range contexts {
			maps.Copy(merged, c)
		}
		r.asked = append(r.asked, policy.Request{Action: action, Resource: resource, Context: merged})
	}
	switch in := parameters.(type) {
	case *ec2.CreateFleetInput:
		return r.fleet(in, note)
	case *ec2.CreateLaunchTemplateInput:
		tags := tagsOf(in.TagSpecifications, ec2types.ResourceTypeLaunchTemplate)
		note("ec2:CreateLaunchTemplate", arn(account, "launch-template", "*"), requestTags(tags))
		note("ec2:CreateTags", arn(account, "launch-template", "*"), requestTags(tags), map[string]string{"ec2:CreateAction": "CreateLaunchTemplate"})
	case *ec2.DeleteLaunchTemplateInput:
		made, ok := r.templates[awssdk.ToString(in.LaunchTemplateName)]
		if !ok {
			return fmt.Errorf("launch template %q is not kerf's", awssdk.ToString(in.LaunchTemplateName))
		}
		note("ec2:DeleteLaunchTemplate", arn(account, "launch-template", "lt-1"), resourceTags(tagsOf(made.TagSpecifications, ec2types.ResourceTypeLaunchTemplate)))
	case *ec2.TerminateInstancesInput:
		for _, id := range in.InstanceIds {
			note("ec2:TerminateInstances", arn(account, "instance", id), resourceTags(r.instances[id]))
		}
	case *ec2.RunInstancesInput:
		r.run(in, note)
	case *ssm.GetParameterInput:
		note("ssm:GetParameter", "arn:aws:ssm:"+region+"::parameter"+awssdk.ToString(in.Name))
	case *eks.DescribeClusterInput:
		note("eks:DescribeCluster", "arn:aws:eks:"+region+":"+account+":cluster/"+awssdk.ToString(in.Name))
	default: // reads of what knows no resources
		note(service+":"+operation, "*")
	}
	return nil
}

// run takes down what instances without a fleet are asked about. kerf only tries that.
func (r *recorder) run(in *ec2.RunInstancesInput, note func(action, resource string, contexts ...map[string]string)) {
	for _, kind := range []ec2types.ResourceType{ec2types.ResourceTypeInstance, ec2types.ResourceTypeVolume, ec2types.ResourceTypeNetworkInterface} {
		tags := tagsOf(in.TagSpecifications, kind)
		note("ec2:RunInstances", arn(account, string(kind), "*"), requestTags(tags))
		note("ec2:CreateTags", arn(account, string(kind), "*"), requestTags(tags), map[string]string{"ec2:CreateAction": "RunInstances"})
	}
	note("ec2:RunInstances", arn("", "image", awssdk.ToString(in.ImageId)))
	note("ec2:RunInstances", arn("999999999999", "subnet", awssdk.ToString(in.SubnetId)))
	for _, id := range in.SecurityGroupIds {
		note("ec2:RunInstances", arn("999999999999", "security-group", id))
	}
	note("iam:PassRole", "arn:aws:iam::"+account+":role/"+strings.Replace(awssdk.ToString(in.IamInstanceProfile.Name), "InstanceProfile", "Role", 1),
		map[string]string{"iam:PassedToService": "ec2.amazonaws.com"})
}

// fleet takes down what an instant fleet is asked about: the fleet itself, then all that its instances are made of.
func (r *recorder) fleet(in *ec2.CreateFleetInput, note func(action, resource string, contexts ...map[string]string)) error {
	made := func(kind, action string, tags map[string]string) {
		note("ec2:"+action, arn(account, kind, "*"), requestTags(tags))
		if len(tags) > 0 {
			note("ec2:CreateTags", arn(account, kind, "*"), requestTags(tags), map[string]string{"ec2:CreateAction": action})
		}
	}
	made("fleet", "CreateFleet", tagsOf(in.TagSpecifications, ec2types.ResourceTypeFleet))
	for _, kind := range []ec2types.ResourceType{ec2types.ResourceTypeInstance, ec2types.ResourceTypeVolume} {
		made(string(kind), "CreateFleet", tagsOf(in.TagSpecifications, kind))
		made(string(kind), "RunInstances", tagsOf(in.TagSpecifications, kind))
	}
	if in.TargetCapacitySpecification.DefaultTargetCapacityType == ec2types.DefaultTargetCapacityTypeSpot {
		note("ec2:RunInstances", arn(account, "spot-instances-request", "*"))
	}
	for _, c := range in.LaunchTemplateConfigs {
		name := awssdk.ToString(c.LaunchTemplateSpecification.LaunchTemplateName)
		template, ok := r.templates[name]
		if !ok {
			return fmt.Errorf("launch template %q is not kerf's", name)
		}
		data := template.LaunchTemplateData
		tagged := resourceTags(tagsOf(template.TagSpecifications, ec2types.ResourceTypeLaunchTemplate))
		for _, action := range []string{"ec2:CreateFleet", "ec2:RunInstances"} {
			note(action, arn(account, "launch-template", "lt-1"), tagged)
			note(action, arn("", "image", awssdk.ToString(data.ImageId)))
			note(action, arn("", "snapshot", "snap-1"))
			groups := slices.Clone(data.SecurityGroupIds)
			for _, i := range data.NetworkInterfaces {
				groups = append(groups, i.Groups...)
			}
			for _, id := range groups {
				note(action, arn("999999999999", "security-group", id)) // of a shared network
			}
			for _, o := range c.Overrides {
				note(action, arn("999999999999", "subnet", awssdk.ToString(o.SubnetId)))
			}
		}
		for _, s := range data.TagSpecifications {
			made(string(s.ResourceType), "RunInstances", tagMap(s.Tags))
		}
		profile := awssdk.ToString(data.IamInstanceProfile.Name)
		note("iam:PassRole", "arn:aws:iam::"+account+":role/"+strings.Replace(profile, "InstanceProfile", "Role", 1),
			map[string]string{"iam:PassedToService": "ec2.amazonaws.com"})
	}
	return nil
}

// learn remembers how what exists is tagged.
func (r *recorder) learn(parameters, result any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch in := parameters.(type) {
	case *ec2.CreateLaunchTemplateInput:
		r.templates[awssdk.ToString(in.LaunchTemplateName)] = in
	case *ec2.CreateFleetInput:
		out, ok := result.(*ec2.CreateFleetOutput)
		if !ok {
			return
		}
		for _, i := range out.Instances {
			for _, id := range i.InstanceIds {
				r.instances[id] = tagsOf(in.TagSpecifications, ec2types.ResourceTypeInstance)
			}
		}
	}
}

// actions returns the names of all that was asked, in order.
func (r *recorder) actions() []string {
	var out []string
	for _, a := range r.asked {
		out = append(out, a.Action)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func tagsOf(specifications []ec2types.TagSpecification, kind ec2types.ResourceType) map[string]string {
	for _, s := range specifications {
		if s.ResourceType == kind {
			return tagMap(s.Tags)
		}
	}
	return nil
}

func tagMap(tags []ec2types.Tag) map[string]string {
	out := make(map[string]string, len(tags))
	for _, t := range tags {
		out[awssdk.ToString(t.Key)] = awssdk.ToString(t.Value)
	}
	return out
}

func requestTags(tags map[string]string) map[string]string { return prefixed("aws:RequestTag/", tags) }
func resourceTags(tags map[string]string) map[string]string {
	return prefixed("aws:ResourceTag/", tags)
}

func prefixed(prefix string, tags map[string]string) map[string]string {
	out := make(map[string]string, len(tags))
	for key, value := range tags {
		out[prefix+key] = value
	}
	return out
}
