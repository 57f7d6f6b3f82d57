package aws

import (
	"context"
	"fmt"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	awspricing "github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/fleet"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/instancetype"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/launchtemplate"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/permission"
)

const (
	// fewest is the smallest page that EC2 gives of most descriptions.
	fewest = 5
	// trialProvisioner stands in the tags of what is only tried: policies ask for such a tag, with any value.
	trialProvisioner = "permission-check"
)

// Permissions finds out what AWS does not let kerf do. EC2 is asked by dry runs, which change nothing. Nothing that is not this
// cluster's is named in a trial: a policy that protects it would be taken for one that lacks something.
type Permissions struct {
	p       *Provider
	ledger  *permission.Ledger
	ssm     *ssm.Client
	eks     *eks.Client
	pricing *awspricing.Client

	// turn has room for who checks what does not depend on a template. Who waits for it may give up.
	turn chan struct{}
}

// Check returns what is missing for launches from the template, and for all else. It is an error that AWS has not said yet of each
// action whether it is allowed, unless something is missing in any case.
func (c *Permissions) Check(ctx context.Context, template *awsv1alpha1.AWSNodeTemplate) (permission.List, error) {
	if err := c.checkGeneral(ctx, func() bool {
		_, known := c.ledger.Missing("")
		return !known || len(c.ledger.Open("")) > 0
	}); err != nil {
		return nil, err
	}
	if err := c.ledger.Check(ctx, template.Name, c.launches(ctx, template)); err != nil {
		return nil, err
	}
	general, _ := c.ledger.Missing("")
	own, _ := c.ledger.Missing(template.Name)
	missing, open := slices.Concat(general, own), slices.Concat(c.ledger.Open(""), c.ledger.Open(template.Name))
	if len(missing) == 0 && len(open) > 0 {
		return nil, fmt.Errorf("AWS has not told yet whether it allows %s; it is asked again", strings.Join(open, ", "))
	}
	return missing, nil
}

// Forget drops what is known of a template that is gone.
func (c *Permissions) Forget(template string) { c.ledger.Forget(template) }

// checkAlways tries all that does not depend on a template.
func (c *Permissions) checkAlways(ctx context.Context) error {
	return c.checkGeneral(ctx, func() bool { return true })
}

// checkGeneral does so if there is need when it is its turn.
func (c *Permissions) checkGeneral(ctx context.Context, needed func() bool) error {
	select {
	case c.turn <- struct{}{}: // who comes second may find it done
	case <-ctx.Done():
		return fmt.Errorf("waiting for another check of permissions: %w", ctx.Err())
	}
	defer func() { <-c.turn }()
	if !needed() {
		return nil
	}
	return c.ledger.Check(ctx, "", slices.Concat(c.reads(), c.otherReads(), c.queue(), c.own(ctx)))
}

func (c *Permissions) reads() []permission.Probe {
	client, dry := c.p.ec2, awssdk.Bool(true)
	return []permission.Probe{
		{Dry: true, Lasting: true, Action: "ec2:DescribeImages", Try: func(ctx context.Context) error {
			_, err := client.DescribeImages(ctx, &ec2.DescribeImagesInput{DryRun: dry, Owners: []string{"self"}})
			return err
		}},
		{Dry: true, Lasting: true, Action: "ec2:DescribeInstances", Try: func(ctx context.Context) error {
			_, err := client.DescribeInstances(ctx, &ec2.DescribeInstancesInput{DryRun: dry, MaxResults: awssdk.Int32(fewest)})
			return err
		}},
		{Dry: true, Lasting: true, Action: "ec2:DescribeInstanceTypes", Try: func(ctx context.Context) error {
			_, err := client.DescribeInstanceTypes(ctx, &ec2.DescribeInstanceTypesInput{DryRun: dry, MaxResults: awssdk.Int32(fewest)})
			return err
		}},
		{Dry: true, Lasting: true, Action: "ec2:DescribeInstanceTypeOfferings", Try: func(ctx context.Context) error {
			_, err := client.DescribeInstanceTypeOfferings(ctx, &ec2.DescribeInstanceTypeOfferingsInput{DryRun: dry, MaxResults: awssdk.Int32(fewest)})
			return err
		}},
		{Dry: true, Lasting: true, Action: "ec2:DescribeLaunchTemplates", Try: func(ctx context.Context) error {
			_, err := client.DescribeLaunchTemplates(ctx, &ec2.DescribeLaunchTemplatesInput{DryRun: dry, MaxResults: awssdk.Int32(fewest)})
			return err
		}},
		{Dry: true, Lasting: true, Action: "ec2:DescribeSecurityGroups", Try: func(ctx context.Context) error {
			_, err := client.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{DryRun: dry, MaxResults: awssdk.Int32(fewest)})
			return err
		}},
		{Dry: true, Lasting: true, Action: "ec2:DescribeSpotPriceHistory", Try: func(ctx context.Context) error {
			_, err := client.DescribeSpotPriceHistory(ctx, &ec2.DescribeSpotPriceHistoryInput{DryRun: dry, MaxResults: awssdk.Int32(fewest)})
			return err
		}},
		{Dry: true, Lasting: true, Action: "ec2:DescribeSubnets", Try: func(ctx context.Context) error {
			_, err := client.DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{DryRun: dry, MaxResults: awssdk.Int32(fewest)})
			return err
		}},
	}
}

// otherReads are of services that know no dry runs. They are asked for real, for as little as there is.
func (c *Permissions) otherReads() []permission.Probe {
	var out []permission.Probe
	if set := c.p.settings; set.ClusterEndpoint == "" || set.ClusterCA == "" || set.ClusterVersion == "" || set.ServiceCIDR == "" {
		out = append(out, permission.Probe{Lasting: true, Action: "eks:DescribeCluster", Try: func(ctx context.Context) error {
			_, err := c.eks.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: awssdk.String(c.p.settings.ClusterName)})
			return err
		}})
	}
	if facts, err := c.p.cluster.Facts(); err == nil {
		out = append(out, permission.Probe{Lasting: true, Action: "ssm:GetParameter", Try: func(ctx context.Context) error {
			_, err := c.ssm.GetParameter(ctx, &ssm.GetParameterInput{Name: awssdk.String(ami.TypicalParameter(facts.Version))})
			return err
		}})
	}
	if !c.p.settings.IsolatedVPC {
		out = append(out, permission.Probe{Lasting: true, Action: "pricing:GetProducts", Try: func(ctx context.Context) error {
			_, err := c.pricing.GetProducts(ctx, &awspricing.GetProductsInput{ServiceCode: awssdk.String("AmazonEC2"), MaxResults: awssdk.Int32(1)})
			return err
		}})
	}
	return out
}

// queue are what reading the queue of interruptions takes; none without one. A message that is received in a trial is there for others a
// second later, and the handle of what is deleted is made up.
func (c *Permissions) queue() []permission.Probe {
	q := c.p.interruptions
	if q == nil {
		return nil
	}
	whose := func(ctx context.Context) error { // asked anew each time, whatever is remembered
		url, err := q.URL(ctx)
		if err == nil {
			_, err = q.ARN(ctx, url)
		}
		return err
	}
	return []permission.Probe{
		{Lasting: true, Action: "sqs:GetQueueUrl", Try: func(ctx context.Context) error { _, err := q.URL(ctx); return err }},
		{Lasting: true, Action: "sqs:GetQueueAttributes", Try: whose},
		{Lasting: true, Action: "sqs:ReceiveMessage", Try: q.Peek},
		{Lasting: true, Action: "sqs:DeleteMessage", Try: q.Pretend},
	}
}

// own are trials on what this cluster has made: policies go by its tags. As long as there is nothing, there are none; that it cannot
// be listed, the trial of just that tells.
func (c *Permissions) own(ctx context.Context) []permission.Probe {
	var out []permission.Probe
	dry := awssdk.Bool(true)
	found, err := c.p.ec2.DescribeInstances(ctx, &ec2.DescribeInstancesInput{MaxResults: awssdk.Int32(fewest), Filters: []ec2types.Filter{
		filter("tag:"+awsv1alpha1.TagClusterUID, c.p.settings.ClusterUID),
		filter("instance-state-name", string(ec2types.InstanceStateNamePending), string(ec2types.InstanceStateNameRunning)),
	}})
	if err == nil && len(found.Reservations) > 0 && len(found.Reservations[0].Instances) > 0 {
		id := awssdk.ToString(found.Reservations[0].Instances[0].InstanceId)
		out = append(out, permission.Probe{Dry: true, Action: "ec2:TerminateInstances", Try: func(ctx context.Context) error {
			_, err := c.p.ec2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{DryRun: dry, InstanceIds: []string{id}})
			return err
		}})
	}
	if name, err := c.p.launchTemplates.Any(ctx); err == nil && name != "" {
		out = append(out, permission.Probe{Dry: true, Action: "ec2:DeleteLaunchTemplate", Try: func(ctx context.Context) error {
			_, err := c.p.ec2.DeleteLaunchTemplate(ctx, &ec2.DeleteLaunchTemplateInput{DryRun: dry, LaunchTemplateName: awssdk.String(name)})
			return err
		}})
	}
	return out
}

// launches are trials of what a launch from the template takes; none as long as its selectors have not been resolved, or where
// the user's own launch template decides.
func (c *Permissions) launches(ctx context.Context, template *awsv1alpha1.AWSNodeTemplate) []permission.Probe {
	status, dry := template.Status, awssdk.Bool(true)
	profile, err := c.p.instanceProfile(template)
	place, image, ok := c.p.example(template)
	if err != nil || template.Spec.LaunchTemplate != "" || !ok {
		return nil
	}
	tags := c.p.ownTags(trialProvisioner, template)
	groups := make([]string, 0, len(status.SecurityGroups))
	for _, g := range status.SecurityGroups {
		groups = append(groups, g.ID)
	}
	run := &ec2.RunInstancesInput{
		DryRun: dry, MinCount: awssdk.Int32(1), MaxCount: awssdk.Int32(1), ImageId: awssdk.String(image), InstanceType: ec2types.InstanceType(place.InstanceType),
		SubnetId: awssdk.String(place.SubnetID), SecurityGroupIds: groups,
		TagSpecifications:  launchtemplate.Tagged(tags, ec2types.ResourceTypeInstance, ec2types.ResourceTypeVolume, ec2types.ResourceTypeNetworkInterface),
		IamInstanceProfile: &ec2types.IamInstanceProfileSpecification{Name: awssdk.String(profile)},
		MetadataOptions:    &ec2types.InstanceMetadataOptionsRequest{HttpTokens: ec2types.HttpTokensStateRequired},
	}
	made := &ec2.CreateLaunchTemplateInput{
		DryRun: dry, LaunchTemplateName: awssdk.String(launchtemplate.TrialName), TagSpecifications: launchtemplate.Tagged(tags, ec2types.ResourceTypeLaunchTemplate),
		LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: awssdk.String(image)},
	}
	out := []permission.Probe{
		{Dry: true, Action: "ec2:RunInstances", Try: func(ctx context.Context) error { _, err := c.p.ec2.RunInstances(ctx, run); return err }},
		{Dry: true, Action: "ec2:CreateLaunchTemplate", Try: func(ctx context.Context) error { _, err := c.p.ec2.CreateLaunchTemplate(ctx, made); return err }},
	}
	if name, err := c.p.launchTemplates.Any(ctx); err == nil && name != "" { // a fleet cannot be tried without one
		asked := fleet.Request{
			CapacityType: v1alpha5.CapacityTypeOnDemand, Size: 1, Tags: tags, Context: template.Spec.Context,
			Configs: []fleet.Config{{LaunchTemplate: name, Overrides: []fleet.Override{place}}},
		}.Input()
		asked.DryRun, asked.ClientToken = dry, nil
		out = append(out, permission.Probe{Dry: true, Action: "ec2:CreateFleet", Try: func(ctx context.Context) error { _, err := c.p.ec2.CreateFleet(ctx, asked); return err }})
	}
	return out
}

// example returns something that could be launched from the template, and the image that it boots.
func (p *Provider) example(template *awsv1alpha1.AWSNodeTemplate) (place fleet.Override, image string, ok bool) {
	snapshot, err := p.types.Snapshot()
	if err != nil {
		return fleet.Override{}, "", false
	}
	images, put := ami.ImagesOf(template.Status.AMIs), instancetype.SetupOf(template, nil)
	for _, info := range snapshot.Infos {
		if info.Special() || !info.OnDemand {
			continue
		}
		zones := snapshot.Zones(info.Name)
		i := slices.IndexFunc(template.Status.Subnets, func(s awsv1alpha1.Subnet) bool { return slices.Contains(zones, s.Zone) })
		if i < 0 {
			continue
		}
		described, err := p.lister.Describe(info.Name, put)
		if err != nil {
			continue
		}
		if image, ok := images.For(described.Requirements); ok {
			subnet := template.Status.Subnets[i]
			return fleet.Override{InstanceType: info.Name, Zone: subnet.Zone, SubnetID: subnet.ID}, image, true
		}
	}
	return fleet.Override{}, "", false
}
