package aws

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/batch"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/throttle"
)

// Delete terminates the machine's instance. It goes by what EC2 says now, and touches no instance of another cluster.
func (p *Provider) Delete(ctx context.Context, machine *v1alpha5.Machine, all ...cloudprovider.Agreement) error {
	id, err := instanceID(machine.Status.ProviderID)
	if err != nil {
		return err
	}
	asked, _ := p.asked.Get(id)
	if recorded := launchedBy(machine); recorded.After(asked) { // by a process that has ended, for instance
		asked = recorded
	}
	found, err := p.find(ctx, id, asked)
	if err != nil {
		return err
	}
	if found.state == ec2types.InstanceStateNameShuttingDown {
		return nil
	}
	for _, agreed := range all {
		if err := agreed(ctx); err != nil {
			return err
		}
	}
	_, err = p.terminations.Do(ctx, id)
	if awserr.Is(err, awserr.NotFound) { // not a word to forget a machine by, as another part of EC2 has just shown it
		return fmt.Errorf("EC2 shows %s and does not know it when it is to be terminated", id)
	}
	return err
}

// launchedBy returns the time by which the machine's instance was launched, as far as that is on record. An intent may wait for long
// before it is carried out, for the end of an outage for instance: up to when its answer was written down, or, where that was not,
// for as long as the machine was not being deleted.
func launchedBy(machine *v1alpha5.Machine) time.Time {
	launch := machine.Status.Launch
	if launch == nil {
		return time.Time{}
	}
	latest := launch.Time.Time
	launched := meta.FindStatusCondition(machine.Status.Conditions, v1alpha5.ConditionLaunched)
	if launched != nil && launched.Status == metav1.ConditionTrue && launched.LastTransitionTime.After(latest) {
		latest = launched.LastTransitionTime.Time
	}
	if deleted := machine.DeletionTimestamp; !launch.Answered && deleted != nil && deleted.After(latest) {
		latest = deleted.Time
	}
	return latest.Add(time.Second) // what is on record has lost its fraction
}

// Get returns the machine of an instance that exists. One that is shutting down still does.
func (p *Provider) Get(ctx context.Context, providerID string) (*v1alpha5.Machine, error) {
	id, err := instanceID(providerID)
	if err != nil {
		return nil, err
	}
	asked, _ := p.asked.Get(id)
	found, err := p.find(ctx, id, asked)
	if err != nil {
		return nil, err
	}
	return p.existing(found), nil
}

// List returns the machines of all instances of this cluster that exist, in order of provider id. An instance that carries the
// cluster's tag and that no fleet has launched is somebody else's. Who asks within the same moment shares one question to EC2, asked
// after all of them did, and the Machines of its answer, which must not be changed.
func (p *Provider) List(ctx context.Context) ([]*v1alpha5.Machine, error) {
	shared, err := p.listings.Do(ctx, everything{})
	return slices.Clone(shared), err
}

// everything is the one thing to list.
type everything struct{}

// list asks EC2 for all instances. Machines that end without an answer to their launch wait for this, each by itself.
func (p *Provider) list(ctx context.Context, _ []everything) map[everything]batch.Answer[[]*v1alpha5.Machine] {
	var out []*v1alpha5.Machine
	err := p.describe(throttle.Urgent(ctx), &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{
		filter("tag:"+awsv1alpha1.TagClusterUID, p.settings.ClusterUID),
		filter("instance-state-name",
			string(ec2types.InstanceStateNamePending), string(ec2types.InstanceStateNameRunning), string(ec2types.InstanceStateNameStopping),
			string(ec2types.InstanceStateNameStopped), string(ec2types.InstanceStateNameShuttingDown)),
	}}, func(i instance) {
		if i.fromFleet() {
			out = append(out, p.existing(i))
		}
	})
	if err != nil {
		out = nil // a part of the list would be taken for the whole
	}
	slices.SortFunc(out, func(a, b *v1alpha5.Machine) int { return strings.Compare(a.Status.ProviderID, b.Status.ProviderID) })
	return map[everything]batch.Answer[[]*v1alpha5.Machine]{{}: {Value: out, Err: err}}
}
