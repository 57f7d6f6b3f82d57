package awssim_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// troubled is a plan with a bit of everything that chance decides.
func troubled(seed uint64) faults.Plan {
	share := faults.When{Share: 0.3}
	return faults.Plan{
		Seed: seed, Ambiguous: []faults.Ambiguity{{When: share, Kind: faults.Failure}}, Down: []faults.Outage{{When: share, Kind: faults.Unavailable}},
		Visibility: &faults.Visibility{ByID: upTo(2 * time.Minute), ByFilter: upTo(2 * time.Minute)}, Flap: []faults.Flap{{When: share}},
		Empty: []faults.Emptiness{{When: share}}, Partial: []faults.Partial{{When: share, Kind: faults.Short}, {When: share, Kind: faults.Extra}},
		ICE: []faults.Shortage{{When: share}}, ShutdownLag: upTo(time.Minute), Boot: []faults.Boot{{When: share, Kind: faults.Recycled}},
		Events:   []faults.Event{{When: faults.When{After: faults.Duration(5 * time.Minute), Share: 0.5}, Do: faults.Fail}},
		Throttle: &faults.Throttle{Buckets: map[string]faults.Bucket{"DescribeInstances": {Size: 3, Refill: 0.02}}},
	}
}

// withoutPorts makes a simulator without ports and has the client use it.
func (s *sim) withoutPorts(config awssim.Config) *awssim.Server {
	s.t.Helper()
	server, err := awssim.New(config)
	if err != nil {
		s.t.Fatal(err)
	}
	s.ec2 = ec2.NewFromConfig(s.aws, func(o *ec2.Options) { o.HTTPClient, o.RetryMaxAttempts = &http.Client{Transport: server}, 1 })
	return server
}

// played is what a client was answered, what was left in the account and which faults took effect, as text.
func played(t *testing.T, s *sim, seed uint64) string {
	t.Helper()
	described, err := awssim.DefaultWorld(region, cluster)
	if err != nil {
		t.Fatal(err)
	}
	clock := clocktesting.NewFakeClock(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC))
	described.Clock = clock
	server := s.withoutPorts(awssim.Config{World: described, Latency: -1, Plan: troubled(seed)})
	answers := ""
	in := &ec2.CreateLaunchTemplateInput{LaunchTemplateName: aws.String(template), LaunchTemplateData: templateData(s)}
	for len(server.LaunchTemplates()) == 0 {
		_, err := s.ec2.CreateLaunchTemplate(t.Context(), in)
		answers += code(err) + "\n"
	}
	for n := range 40 {
		clock.Step(15 * time.Second)
		out, err := s.ec2.CreateFleet(t.Context(), s.withToken(s.fleetOf(4, "m5.large", "c5.large", "r5.large"), fmt.Sprint("token-", n)))
		if err == nil {
			answers += fmt.Sprintln(ids(out), len(out.Errors))
		}
		seen, err2 := s.ec2.DescribeInstances(t.Context(), &ec2.DescribeInstancesInput{})
		if err2 == nil {
			answers += fmt.Sprintln(len(seen.Reservations))
		}
		answers += code(err) + code(err2) + "\n"
		if all := server.Instances(); n%3 == 2 && len(all) > 0 {
			_, err := s.ec2.TerminateInstances(t.Context(), &ec2.TerminateInstancesInput{InstanceIds: []string{all[0].ID}})
			answers += code(err) + "\n"
		}
	}
	left, err := json.Marshal([]any{server.Instances(), server.Fleets(), server.Faults().Hits, server.Calls()})
	if err != nil {
		t.Fatal(err)
	}
	return answers + string(left)
}

func TestTheSameSeedMakesTheSameHistory(t *testing.T) {
	s := start(t)
	for seed := range uint64(3) {
		first := played(t, s, seed)
		if diff := cmp.Diff(first, played(t, s, seed)); diff != "" {
			t.Errorf("seed %d (-first +second):\n%s", seed, diff)
		}
		if first == played(t, s, seed+100) {
			t.Errorf("seeds %d and %d make the same history", seed, seed+100)
		}
	}
}
