package aws

import (
	"context"
	"errors"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/fleet"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/offerings"
)

// Reasons of launches that are refused.
const (
	reasonUnauthorized = "Unauthorized"
	reasonInvalid      = "InvalidRequest"
	reasonRefused      = "FleetRefused"
	reasonNothing      = "NothingLaunched"
	reasonNoSpotRole   = "SpotServiceLinkedRoleMissing"
)

// makeSpotRole is what a person runs, once for an account, whose spot requests EC2 refuses for the lack of its role.
const makeSpotRole = "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com"

// maxToken is what EC2 takes of a client token, in characters.
const maxToken = 64

// Create has EC2 serve the launch group of the machine, once for all its machines, and returns the instance at the
// machine's index.
func (p *Provider) Create(ctx context.Context, machine *v1alpha5.Machine) (*v1alpha5.Machine, error) {
	intent := machine.Status.Launch
	if intent == nil || intent.Token == "" || len(intent.Token) > maxToken || intent.Size < 1 || intent.Index < 0 || intent.Index >= intent.Size {
		return nil, fmt.Errorf("machine %q has no written intent to launch that could be repeated", machine.Name)
	}
	answer, err := p.answer(ctx, machine)
	if err != nil {
		return nil, err
	}
	if int(intent.Index) >= len(answer.Instances) {
		return nil, unserved(intent, answer)
	}
	template, err := p.lastKnown(ctx, machine)
	if err != nil {
		return nil, err
	}
	return p.created(machine, template, answer.Instances[intent.Index]), nil
}

// answer returns what EC2 answered to the machine's request. Machines of one request wait for one call.
func (p *Provider) answer(ctx context.Context, machine *v1alpha5.Machine) (fleet.Answer, error) {
	token := machine.Status.Launch.Token
	if known, ok := p.answers.Get(token); ok {
		return known, nil
	}
	value, err, _ := p.flights.Do(token, func() (any, error) {
		// It may wait for its turn. A machine that is deleted meanwhile is let go once none of its instances has come to light in the
		// window: no request may be under way then.
		ctx, cancel := context.WithTimeout(ctx, p.settings.VisibilityWindow/2)
		defer cancel()
		answer, err := p.launch(ctx, machine)
		if err != nil {
			return fleet.Answer{}, err
		}
		for _, i := range answer.Instances {
			p.asked.Put(i.ID, p.clock.Now())
		}
		p.answers.Put(token, answer)
		log.FromContext(ctx).Info("fleet answered", "launchGroup", machine.Status.Launch.Group, "attempt", machine.Status.Launch.Attempt,
			"asked", machine.Status.Launch.Size, "got", len(answer.Instances), "failures", len(answer.Failures))
		return answer, nil
	})
	if err != nil {
		return fleet.Answer{}, err
	}
	answer, ok := value.(fleet.Answer)
	if !ok {
		return fleet.Answer{}, errors.New("the answer of another machine's launch is no answer")
	}
	return answer, nil
}

// launch makes the request, mending what can be mended on the way.
func (p *Provider) launch(ctx context.Context, machine *v1alpha5.Machine) (fleet.Answer, error) {
	request, answer, err := p.try(ctx, machine, func(token string) string { return token })
	if err == nil && len(answer.Instances) == 0 && answer.Only(awserr.LaunchTemplateNotFound) {
		// The token is used up: EC2 will repeat this answer for ever. A second token, a function of the first, keeps the
		// repetition safe, and that nothing came of the first is settled.
		p.forget(request)
		request, answer, err = p.try(ctx, machine, secondToken)
	}
	switch {
	case awserr.Is(err, awserr.IdempotencyMismatch):
		p.rooms.Settle(machine.Status.Launch.Token, nil, nil)
		return p.adopt(ctx, machine, changed)
	case awserr.Is(err, awserr.Capacity, awserr.NoAddresses, awserr.Quota, awserr.LaunchTemplateQuota, awserr.NoSpotRole):
		// All machines of the request have to get the same answer: one that asked again and were served would be handed the
		// instances of those that were not.
		answer = fleet.Unserved(request, awserr.Code(err), err.Error())
	case err != nil:
		return fleet.Answer{}, refusal(err)
	case answer.Silent():
		p.rooms.Settle(machine.Status.Launch.Token, nil, nil)
		return p.adopt(ctx, machine, silent)
	}
	if err := p.complete(ctx, answer); err != nil {
		return fleet.Answer{}, err
	}
	p.settle(machine.Status.Launch.Token, request, answer)
	p.learn(machine, request, answer)
	return answer, nil
}

// complete asks EC2 about instances of which the answer to their launch does not say what they are or where. Until EC2 shows
// them the launch is repeated, which gets the same answer.
func (p *Provider) complete(ctx context.Context, answer fleet.Answer) error {
	for i, told := range answer.Instances {
		if told.Complete() {
			continue
		}
		found, err := p.find(ctx, told.ID, p.clock.Now())
		if err != nil {
			return fmt.Errorf("looking for what was launched as %s: %w", told.ID, err)
		}
		answer.Instances[i] = found.made()
	}
	return nil
}

// try makes the request once; a second time if it names launch templates that are gone, as a refused call uses up no token.
func (p *Provider) try(ctx context.Context, machine *v1alpha5.Machine, token func(string) string) (fleet.Request, fleet.Answer, error) {
	for first := true; ; first = false {
		request, err := p.request(ctx, machine)
		if err != nil {
			return request, fleet.Answer{}, err
		}
		request.Token = token(request.Token)
		answer, err := fleet.Launch(ctx, p.ec2, request)
		if !first || !awserr.Is(err, awserr.LaunchTemplateNotFound) {
			return request, answer, err
		}
		p.forget(request)
	}
}

// learn remembers of the offerings asked for which gave something and which did not, so that the next plan differs or waits.
func (p *Provider) learn(machine *v1alpha5.Machine, request fleet.Request, answer fleet.Answer) {
	served := map[offerings.Offering]bool{} // once for all the instances of an answer
	for _, i := range answer.Instances {
		served[offerings.Offering{InstanceType: i.InstanceType, Zone: i.Zone, CapacityType: i.CapacityType}] = true
	}
	for o := range served {
		p.capacity.MarkAvailable(o)
		p.refusals.Clear(request.AskedBy, o)
	}
	if answer.Has(awserr.NoSpotRole) {
		p.capacity.Close(request.CapacityType)
	}
	mark := p.capacity.MarkUnavailable
	if answer.Starved() {
		mark = p.capacity.MarkStarved
	}
	for _, c := range request.Configs {
		for _, o := range c.Overrides {
			full := answer.Crowded(o) && p.rooms.Spare(machine.Status.Launch.Token, o.Zone) // another subnet will do
			offering := offerings.Offering{InstanceType: o.InstanceType, Zone: o.Zone, CapacityType: request.CapacityType}
			if refused, passing := answer.Refused(o); refused {
				p.refusals.Mark(request.AskedBy, offering, passing)
			}
			if answer.Exhausted(o) && !full {
				mark(offering)
			}
		}
	}
}

// settle notes which addresses the instances have taken, and which subnets had none.
func (p *Provider) settle(token string, request fleet.Request, answer fleet.Answer) {
	subnets := map[string]string{} // zone -> the subnet that was asked for
	for _, c := range request.Configs {
		for _, o := range c.Overrides {
			subnets[o.Zone] = o.SubnetID
		}
	}
	taken := map[string]int64{}
	for _, i := range answer.Instances {
		taken[subnets[i.Zone]] += int64(request.Addresses)
	}
	var full []string
	for zone, id := range subnets {
		if answer.Full(zone) {
			full = append(full, id)
		}
	}
	p.rooms.Settle(token, taken, full)
}

func (p *Provider) forget(request fleet.Request) {
	for _, c := range request.Configs {
		p.launchTemplates.Forget(c.LaunchTemplate)
	}
}

func secondToken(token string) string {
	const suffix = "-2"
	return token[:min(len(token), maxToken-len(suffix))] + suffix
}

// refusal turns an error of EC2 into one that the port knows.
func refusal(err error) error {
	switch awserr.Classify(err) {
	case awserr.Throttled: // another machine would get no more than this one
		return cloudprovider.NewUnavailableError(err)
	case awserr.Denied:
		return cloudprovider.NewCreateError(reasonUnauthorized, err)
	case awserr.Invalid:
		return cloudprovider.NewCreateError(reasonInvalid, err)
	case awserr.NotFound, awserr.LaunchTemplateNotFound:
		// What the template names, by itself or in its status, is gone; it is resolved anew within minutes.
		return cloudprovider.NewNotReadyError(err)
	default:
		return err
	}
}

// unserved says why a machine got nothing from an answer. The answer stands, whatever is mended meanwhile: EC2 repeats it to
// whoever repeats the request.
func unserved(intent *v1alpha5.Launch, answer fleet.Answer) error {
	err := fmt.Errorf("launch group %q got %d of %d instances: %s", intent.Group, len(answer.Instances), intent.Size, answer.Reason())
	switch {
	case answer.Silent(): // and EC2 has had its time to show what it launched: nobody said that there is no capacity
		return cloudprovider.NewRefusedError(reasonNothing, err)
	case len(answer.Instances) > 0 || answer.Only(awserr.Capacity, awserr.NoAddresses, awserr.Quota):
		return cloudprovider.NewInsufficientCapacityError(err)
	case answer.Has(awserr.NoSpotRole):
		return cloudprovider.NewRefusedError(reasonNoSpotRole, fmt.Errorf("%w; to let EC2 buy spot capacity, run: %s", err, makeSpotRole))
	case answer.Has(awserr.Denied):
		return cloudprovider.NewRefusedError(reasonUnauthorized, err)
	default:
		return cloudprovider.NewRefusedError(reasonRefused, err)
	}
}
