package aws

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/fleet"
)

// adopt finds by their tags the instances of a request that was carried out but can no longer be repeated. Instances that
// have ended since are among them: leaving them out would shift the places of the others. EC2 may take a while to show all;
// until it has had that time, fewer than were asked for settle nothing.
func (p *Provider) adopt(ctx context.Context, machine *v1alpha5.Machine) (fleet.Answer, error) {
	intent := machine.Status.Launch
	var answer fleet.Answer
	err := p.describe(ctx, &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{
		filter("tag:"+awsv1alpha1.TagClusterUID, p.settings.ClusterUID),
		filter("tag:"+awsv1alpha1.TagLaunchGroup, intent.Group),
		filter("tag:"+awsv1alpha1.TagLaunchAttempt, strconv.FormatInt(int64(intent.Attempt), 10)),
	}}, func(i instance) {
		if !i.fromFleet() {
			return
		}
		p.shown.Put(i.id, i.state)
		answer.Instances = append(answer.Instances, i.made())
	})
	if err != nil {
		return fleet.Answer{}, fmt.Errorf("adopting launch group %q: %w", intent.Group, err)
	}
	slices.SortFunc(answer.Instances, func(a, b fleet.Instance) int { return strings.Compare(a.ID, b.ID) })
	if len(answer.Instances) < int(intent.Size) && p.clock.Since(intent.Time.Time) < p.settings.VisibilityWindow {
		return fleet.Answer{}, fmt.Errorf("launch group %q was asked for before in another way; EC2 shows %d of its %d instances so far",
			intent.Group, len(answer.Instances), intent.Size)
	}
	return answer, nil
}
