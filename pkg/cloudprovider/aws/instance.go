package aws

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/batch"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/fleet"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/instancetype"
)

const (
	// providerIDPrefix starts the provider id of a Node on AWS; zone and instance id follow.
	providerIDPrefix = "aws:///"
	// instancePageSize is the largest page that EC2 gives of instances.
	instancePageSize = 1000
)

// instance is the part of an instance's description that matters.
type instance struct {
	id, instanceType, zone, zoneID, capacityType, image string
	state                                               ec2types.InstanceStateName
	why                                                 string // code of EC2's reason for the state
	subnet, securityGroups                              string // the ids of the groups as in fleet.Origin
	launched                                            time.Time
	tags                                                map[string]string
}

// fromFleet reports whether EC2 says that a fleet has launched the instance, as all that kerf makes. Other tags anybody can set
// who may tag.
func (i instance) fromFleet() bool { return i.tags[awsv1alpha1.TagFleet] != "" }

func providerID(zone, id string) string { return providerIDPrefix + zone + "/" + id }

// instanceID reads the id out of a provider id.
func instanceID(providerID string) (string, error) {
	_, id, ok := strings.Cut(strings.TrimPrefix(providerID, providerIDPrefix), "/")
	if !ok || !strings.HasPrefix(providerID, providerIDPrefix) || !strings.HasPrefix(id, "i-") {
		return "", fmt.Errorf("%q is not the provider id of an EC2 instance", providerID)
	}
	return id, nil
}

// describe hands each described instance to visit, page by page.
func (p *Provider) describe(ctx context.Context, input *ec2.DescribeInstancesInput, visit func(instance)) error {
	if len(input.InstanceIds) == 0 {
		input.MaxResults = awssdk.Int32(instancePageSize)
	}
	pages := ec2.NewDescribeInstancesPaginator(p.ec2, input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return awserr.Explain("ec2:DescribeInstances", err)
		}
		for _, r := range page.Reservations {
			for i := range r.Instances {
				visit(instanceFrom(&r.Instances[i]))
			}
		}
	}
	return nil
}

func instanceFrom(d *ec2types.Instance) instance {
	out := instance{
		id: awssdk.ToString(d.InstanceId), instanceType: string(d.InstanceType), capacityType: v1alpha5.CapacityTypeOnDemand,
		image: awssdk.ToString(d.ImageId), subnet: awssdk.ToString(d.SubnetId), launched: awssdk.ToTime(d.LaunchTime), tags: make(map[string]string, len(d.Tags)),
	}
	if d.InstanceLifecycle == ec2types.InstanceLifecycleTypeSpot || d.SpotInstanceRequestId != nil {
		out.capacityType = v1alpha5.CapacityTypeSpot
	}
	if d.Placement != nil {
		out.zone, out.zoneID = awssdk.ToString(d.Placement.AvailabilityZone), awssdk.ToString(d.Placement.AvailabilityZoneId)
	}
	if d.State != nil {
		out.state = d.State.Name
	}
	if d.StateReason != nil {
		out.why = awssdk.ToString(d.StateReason.Code)
	}
	groups := make([]string, 0, len(d.SecurityGroups))
	for _, g := range d.SecurityGroups {
		groups = append(groups, awssdk.ToString(g.GroupId))
	}
	out.securityGroups = idList(groups)
	for _, t := range d.Tags {
		out.tags[awssdk.ToString(t.Key)] = awssdk.ToString(t.Value)
	}
	return out
}

// find returns an instance of this cluster that exists; one that is shutting down still does. The error is a NotFoundError
// only where something says so: EC2 does not know the id, has shown the instance terminated, or shows it with the tag of
// another cluster. That an answer lacks the instance or its tag says nothing; whoever acted on that would forget a machine
// that runs on. Asked is when the instance was asked for, the zero time where that was not lately: EC2 may not know it yet, and who
// has shown it already may be another part of EC2 than the one that answers.
func (p *Provider) find(ctx context.Context, id string, asked time.Time) (instance, error) {
	found, err := p.descriptions.Do(ctx, id)
	missing := errors.Is(err, batch.ErrUnanswered)
	last, _ := p.shown.Get(id)
	switch {
	case last == ec2types.InstanceStateNameTerminated && (awserr.Is(err, awserr.NotFound) || missing):
		return instance{}, cloudprovider.NewTerminatedError(fmt.Errorf("%s: it was terminated", id))
	case awserr.Is(err, awserr.NotFound) && p.clock.Since(asked) < p.settings.VisibilityWindow:
		return instance{}, fmt.Errorf("EC2 does not show %s, which was launched only lately; it may still come", id)
	case awserr.Is(err, awserr.NotFound):
		return instance{}, cloudprovider.NewNotFoundError(fmt.Errorf("%s: EC2 does not know it", id))
	case missing:
		return instance{}, fmt.Errorf("ec2:DescribeInstances answered without %s and does not say that it is gone", id)
	case err != nil:
		return instance{}, err
	}
	p.shown.Put(id, found.state)
	owner, tagged := found.tags[awsv1alpha1.TagClusterUID]
	switch {
	case found.state == ec2types.InstanceStateNameTerminated:
		return instance{}, terminated(id, found.why)
	case !tagged:
		return instance{}, fmt.Errorf("EC2 shows %s without the tag %s, so that it may not be this cluster's: set the tag to %s, or terminate the instance by hand",
			id, awsv1alpha1.TagClusterUID, p.settings.ClusterUID)
	case owner != p.settings.ClusterUID:
		return instance{}, cloudprovider.NewNotFoundError(fmt.Errorf("%s: it belongs to another cluster", id))
	case !found.fromFleet():
		return instance{}, fmt.Errorf("%s carries the tag %s of this cluster, but no fleet has launched it: kerf did not make it, take the tag off", id, awsv1alpha1.TagClusterUID)
	default:
		return found, nil
	}
}

// created returns the machine with what is known of its new instance, which was launched from the template.
func (p *Provider) created(machine *v1alpha5.Machine, template *awsv1alpha1.AWSNodeTemplate, i fleet.Instance) *v1alpha5.Machine {
	out := machine.DeepCopy()
	out.Status.ProviderID = providerID(i.Zone, i.ID)
	put := instancetype.SetupOf(template, machine.Spec.Kubelet)
	put.EFA = asksForEFA(machine)
	p.describeNode(out, put, i)
	for _, s := range template.Status.Subnets {
		if s.Zone == i.Zone {
			labelZoneID(out, s.ZoneID)
		}
	}
	return out
}

// labelZoneID adds the label, unless the id is not known or a user has given that label a meaning of their own.
func labelZoneID(machine *v1alpha5.Machine, id string) {
	if _, own := machine.Labels[awsv1alpha1.LabelZoneID]; !own && id != "" {
		machine.Labels[awsv1alpha1.LabelZoneID] = id
	}
}

// existing returns the machine of a described instance. Its template and kubelet configuration are not known: capacity is that
// of a node that states nothing. The condition Terminated is false while the instance shuts down or is switched off, and not
// there otherwise.
func (p *Provider) existing(i instance) *v1alpha5.Machine {
	out := &v1alpha5.Machine{ObjectMeta: metav1.ObjectMeta{Name: i.id, CreationTimestamp: metav1.NewTime(i.launched)}}
	out.Status.ProviderID = providerID(i.zone, i.id)
	out.Status.Launch = &v1alpha5.Launch{Group: i.tags[awsv1alpha1.TagLaunchGroup]}
	if attempt, err := strconv.ParseInt(i.tags[awsv1alpha1.TagLaunchAttempt], 10, 32); err == nil {
		out.Status.Launch.Attempt = int32(attempt)
	}
	if reason := leaving(i.state, i.why); reason != "" {
		out.Status.Conditions = []metav1.Condition{{
			Type: v1alpha5.ConditionTerminated, Status: metav1.ConditionFalse, Reason: reason,
			Message: "the instance is " + string(i.state), LastTransitionTime: metav1.NewTime(p.clock.Now()),
		}}
	}
	p.describeNode(out, instancetype.SetupOf(&awsv1alpha1.AWSNodeTemplate{}, nil), i.made())
	labelZoneID(out, i.zoneID)
	if name := i.tags[v1alpha5.ProvisionerNameLabel]; name != "" {
		out.Labels[v1alpha5.ProvisionerNameLabel] = name
	}
	return out
}

// leaving returns why an instance in the state serves no pods any more, as the reason of a condition; "" where it does.
func leaving(state ec2types.InstanceStateName, why string) string {
	switch state {
	case ec2types.InstanceStateNameShuttingDown:
		if takenAway(why) {
			return v1alpha5.ReasonTakenAway
		}
		return v1alpha5.ReasonTerminating
	case ec2types.InstanceStateNameStopping, ec2types.InstanceStateNameStopped:
		return v1alpha5.ReasonStopped
	default:
		return ""
	}
}

// terminated returns the error of an instance that EC2 shows to have ended.
func terminated(id, why string) error {
	err := fmt.Errorf("%s: it is terminated (%s)", id, why)
	if takenAway(why) {
		return cloudprovider.NewTakenAwayError(err)
	}
	return cloudprovider.NewTerminatedError(err)
}

// takenAway reports whether EC2 ends an instance for this reason because somebody asked for it, or because it has no capacity for
// it any more. All other reasons, as a volume whose key may not be used, or a shutdown from inside, are the instance's own.
func takenAway(why string) bool {
	switch why {
	case "Client.UserInitiatedShutdown", "Server.SpotInstanceTermination", "Server.SpotInstanceShutdown", "Server.InsufficientInstanceCapacity":
		return true
	default:
		return false
	}
}

// describeNode adds labels, price, capacity and allocatable. A type that EC2 has not described leaves the latter out.
func (p *Provider) describeNode(machine *v1alpha5.Machine, put instancetype.Setup, i fleet.Instance) {
	labels := map[string]string{
		corev1.LabelInstanceTypeStable: i.InstanceType, corev1.LabelTopologyRegion: p.region,
		corev1.LabelTopologyZone: i.Zone, v1alpha5.CapacityTypeLabel: i.CapacityType,
	}
	if described, err := p.lister.Describe(i.InstanceType, put); err == nil {
		labels = instancetype.Labels(described, i.Zone, i.CapacityType)
		machine.Status.Capacity, machine.Status.Allocatable = described.Capacity, described.Allocatable()
	}
	if i.ImageID != "" {
		labels[awsv1alpha1.LabelInstanceAMIID] = i.ImageID
	}
	if machine.Labels == nil {
		machine.Labels = map[string]string{}
	}
	maps.Copy(machine.Labels, labels)
	if machine.Annotations == nil {
		machine.Annotations = map[string]string{}
	}
	record(machine, i.Origin)
	if price, known := p.prices.Price(i.InstanceType, i.Zone, i.CapacityType); known {
		machine.Annotations[v1alpha5.PriceAnnotation] = strconv.FormatFloat(price, 'f', -1, 64)
	}
}

// made returns what an answer to its launch would have told of the instance.
func (i instance) made() fleet.Instance {
	return fleet.Instance{
		ID: i.id, InstanceType: i.instanceType, Zone: i.zone, CapacityType: i.capacityType,
		Origin: fleet.Origin{ImageID: i.image, SubnetID: i.subnet, SecurityGroups: i.securityGroups},
	}
}

func filter(name string, values ...string) ec2types.Filter {
	return ec2types.Filter{Name: awssdk.String(name), Values: slices.Clone(values)}
}
