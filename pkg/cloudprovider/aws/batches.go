package aws

import (
	"context"
	"math"
	"regexp"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/batch"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/throttle"
)

const (
	// descriptionsAtOnce and terminationsAtOnce are how many instances one call is about at most. AWS takes a thousand and advises
	// to end no more than some hundreds at once.
	descriptionsAtOnce = 1000
	terminationsAtOnce = 500
	// batchWindow is how long a call waits for others of its kind.
	batchWindow = 100 * time.Millisecond
	// batchTimeout bounds a call with its retries and its turns to wait for.
	batchTimeout = 2 * time.Minute
)

// batchCalls has those who ask for the same at the same time share calls.
func (p *Provider) batchCalls() {
	of := func(name string, most int) batch.Settings {
		return batch.Settings{Window: batchWindow, Most: most, Timeout: batchTimeout, Observe: p.batches.Observer(name)}
	}
	p.descriptions = batch.New(of("describe_instances", descriptionsAtOnce), p.describeAll)
	p.terminations = batch.New(of("terminate_instances", terminationsAtOnce), p.terminateAll)
	p.listings = batch.New(of("list_instances", math.MaxInt), p.list) // there is one thing to list, so that no window is ever full
}

// describeAll asks EC2 for instances by their ids. Machines that end wait for this, so it goes before other questions.
func (p *Provider) describeAll(ctx context.Context, ids []string) map[string]batch.Answer[instance] {
	return batch.Isolate(throttle.Urgent(ctx), p.searches.Add(1), ids, func(ctx context.Context, ids []string) (map[string]instance, error) {
		out := make(map[string]instance, len(ids))
		err := p.describe(ctx, &ec2.DescribeInstancesInput{InstanceIds: ids}, func(i instance) { out[i.id] = i })
		return out, err
	}, aboutInstances(awserr.NotFound, awserr.Invalid))
}

// terminateAll ends instances. A policy may allow that for some of them only. It does not wait, nor try again: what runs on an instance
// was looked at a moment ago, and is looked at again before the next attempt.
func (p *Provider) terminateAll(ctx context.Context, ids []string) map[string]batch.Answer[struct{}] {
	return batch.Isolate(throttle.Now(ctx), p.searches.Add(1), ids, func(ctx context.Context, ids []string) (map[string]struct{}, error) {
		_, err := p.ec2.TerminateInstances(ctx, &ec2.TerminateInstancesInput{InstanceIds: ids}, once)
		if awserr.Is(err, awserr.Throttled) {
			return nil, cloudprovider.NewUnavailableError(awserr.Explain("ec2:TerminateInstances", err))
		}
		if err != nil {
			return nil, awserr.Explain("ec2:TerminateInstances", err)
		}
		out := make(map[string]struct{}, len(ids))
		for _, id := range ids {
			out[id] = struct{}{}
		}
		return out, nil
	}, aboutInstances(awserr.NotFound, awserr.Invalid, awserr.Protected, awserr.Denied))
}

// once has a call made one time, whatever comes of it.
func once(o *ec2.Options) { o.RetryMaxAttempts = 1 }

// instanceIDs are those in the words of EC2, as they were given: some are refused for their form.
var instanceIDs = regexp.MustCompile(`\bi-\w+`)

// aboutInstances tells which instances a failure is about: those that EC2 names. It may be about some, unnamed, when it has one of the
// meanings.
func aboutInstances(meanings ...awserr.Meaning) func(error, []string) ([]string, bool) {
	return func(err error, _ []string) ([]string, bool) {
		if !awserr.Is(err, meanings...) {
			return nil, false
		}
		return instanceIDs.FindAllString(awserr.Text(err), -1), true
	}
}
