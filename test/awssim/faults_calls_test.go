package awssim_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// plan puts a plan of faults in force through the admin port.
func (s *sim) plan(p faults.Plan) {
	s.t.Helper()
	if err := admin.NewClient(s.AdminURL()).SetFaults(s.ctx(), p); err != nil {
		s.t.Fatal(err)
	}
}

// wantHits compares the counters that the admin port shows, all of them.
func (s *sim) wantHits(want map[string]int) {
	s.t.Helper()
	report, err := admin.NewClient(s.AdminURL()).Faults(s.ctx())
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(want, report.Hits); diff != "" {
		s.t.Errorf("hits (-want +got):\n%s", diff)
	}
}

// once is a client that does not retry.
func (s *sim) once() *ec2.Client {
	return ec2.NewFromConfig(s.aws, func(o *ec2.Options) { o.RetryMaxAttempts = 1 })
}

// patience is how long a call is waited for: not long for one that hangs.
func (s *sim) patience(hangs bool) (context.Context, context.CancelFunc) {
	if hangs {
		return context.WithTimeout(s.ctx(), time.Second)
	}
	return context.WithTimeout(s.ctx(), time.Minute)
}

func (s *sim) withToken(in *ec2.CreateFleetInput, token string) *ec2.CreateFleetInput {
	in.ClientToken = aws.String(token)
	return in
}

// life is a bit of everything: what it does must not depend on faults that are not planned.
func (s *sim) life() {
	s.t.Helper()
	s.makeTemplate()
	launched := ids(s.launch(s.fleetOf(5, "m5.large")))
	spot := s.fleetOf(1, "c5.large")
	spot.TargetCapacitySpecification.DefaultTargetCapacityType = ec2types.DefaultTargetCapacityTypeSpot
	launched = append(launched, ids(s.launch(spot))...)
	for range 10 {
		if n := len(s.describe(&ec2.DescribeInstancesInput{})); n != 6 {
			s.t.Errorf("%d instances, want 6", n)
		}
		if n := len(s.describe(&ec2.DescribeInstancesInput{InstanceIds: launched})); n != 6 {
			s.t.Errorf("%d instances by id, want 6", n)
		}
		s.clock.Step(time.Minute)
	}
	if _, err := s.ec2.TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: launched}); err != nil {
		s.t.Error(err)
	}
	for _, i := range s.Instances() {
		if i.State != "shutting-down" || i.StateReason != "Client.UserInitiatedShutdown" || i.Boot != nil || i.Reboots != 0 || i.InterruptionTime != nil {
			s.t.Errorf("instance %+v", i)
		}
	}
	if calls := s.Calls(); len(calls.Errors) > 0 {
		s.t.Errorf("errors %v", calls.Errors)
	}
}

func TestWithoutFaultsNothingGoesWrong(t *testing.T) {
	s := start(t)
	s.life()
	s.wantHits(map[string]int{})
}

func TestFaultsAtOtherTimesAndOfOtherCallsChangeNothing(t *testing.T) {
	s := start(t)
	later := faults.When{After: faults.Duration(time.Hour)}
	s.plan(faults.Plan{
		Ambiguous:  []faults.Ambiguity{{When: later, Kind: faults.Drop}, {Actions: []string{"ec2:RunInstances"}, Kind: faults.Drop}},
		Flap:       []faults.Flap{{When: later}},
		Empty:      []faults.Emptiness{{When: later}, {Actions: []string{"DescribeImages"}}},
		Partial:    []faults.Partial{{When: later, Kind: faults.Silent}, {When: faults.When{Nth: []int{3}}, Kind: faults.Silent}},
		ICE:        []faults.Shortage{{When: later}, {InstanceType: "r5.large"}, {InstanceType: "m5.large", Zone: "us-east-1b"}, {Instances: 6}},
		Down:       []faults.Outage{{When: later, Kind: faults.Drop}, {Actions: []string{"ssm", "DescribeSubnets", "eks:CreateFleet"}, Kind: faults.Failure}},
		Throttle:   &faults.Throttle{},
		Visibility: &faults.Visibility{},
		Events:     []faults.Event{{When: later, Do: faults.Fail}, {Do: faults.Fail, Tags: map[string]string{"no": "such tag"}}},
		Boot:       []faults.Boot{{When: later, Kind: faults.Never}},
		Token:      &faults.Token{Lifetime: faults.Duration(time.Hour)},
	})
	s.life()
	s.wantHits(map[string]int{})
}

func TestAnswersAreLostAfterTheWorkIsDone(t *testing.T) {
	for kind, says := range map[string]string{faults.Drop: "EOF", faults.Failure: "InternalError", faults.Hang: "deadline exceeded"} {
		t.Run(kind, func(t *testing.T) {
			s := start(t)
			s.makeTemplate()
			s.plan(faults.Plan{Ambiguous: []faults.Ambiguity{{When: faults.When{Nth: []int{2}}, Actions: []string{"CreateFleet"}, Kind: kind}}})
			first := s.launch(s.withToken(s.fleetOf(2, "m5.large"), "first"))
			ctx, cancel := s.patience(kind == faults.Hang)
			defer cancel()
			_, err := s.once().CreateFleet(ctx, s.withToken(s.fleetOf(3, "m5.large"), "second"))
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%v, want an error about %s", err, says)
			}
			if n := len(s.Instances()); n != 5 {
				t.Errorf("%d instances, want the 2 of the first and the 3 of the lost answer", n)
			}
			again := ids(s.launch(s.withToken(s.fleetOf(3, "m5.large"), "second")))
			if len(again) != 3 || again[0] == ids(first)[0] || len(s.Instances()) != 5 {
				t.Errorf("the same token launched %v; %d instances in all", again, len(s.Instances()))
			}
			s.wantHits(map[string]int{"ambiguous." + kind: 1, faults.TokenReplayed: 1})
		})
	}
}

func TestWithoutActionsAllAnswersOfChangesAreLostAndNoneOfReads(t *testing.T) {
	s := start(t)
	s.plan(faults.Plan{Ambiguous: []faults.Ambiguity{{Kind: faults.Drop}}})
	_ = s.describe(&ec2.DescribeInstancesInput{})
	in := &ec2.CreateLaunchTemplateInput{LaunchTemplateName: aws.String("lost"), LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: aws.String("ami-1")}}
	if _, err := s.once().CreateLaunchTemplate(s.ctx(), in); err == nil || len(s.LaunchTemplates()) != 1 {
		t.Errorf("%v, %d launch templates; want the answer lost and one template", err, len(s.LaunchTemplates()))
	}
	if _, err := s.once().TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: []string{noInstance}}); code(err) != "InvalidInstanceID.NotFound" {
		t.Errorf("%v: a refusal has committed nothing, so it is not lost", err)
	}
	s.wantHits(map[string]int{"ambiguous.drop": 1})
}

func TestTokensOfFleetsAndTemplatesAreHonouredUntilTheyAreForgotten(t *testing.T) {
	s := start(t)
	s.plan(faults.Plan{Token: &faults.Token{Lifetime: faults.Duration(time.Hour)}})
	s.makeTemplate()
	create := func(name, description string) (string, error) {
		out, err := s.ec2.CreateLaunchTemplate(s.ctx(), &ec2.CreateLaunchTemplateInput{
			LaunchTemplateName: aws.String(name), VersionDescription: aws.String(description), ClientToken: aws.String("token"),
			LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: aws.String("ami-1")},
		})
		if err != nil {
			return "", err
		}
		return *out.LaunchTemplate.LaunchTemplateId, nil
	}
	made, err := create("one", "")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := create("one", ""); again != made || err != nil {
		t.Errorf("the same token made %s (%v), want %s again", again, err, made)
	}
	if _, err := create("one", "other"); code(err) != "IdempotentParameterMismatch" {
		t.Errorf("%v for other parameters", err)
	}
	fleet := s.withToken(s.fleetOf(2, "m5.large"), "token") // the token of another action is another token
	first := ids(s.launch(fleet))
	if diff := cmp.Diff(first, ids(s.launch(fleet))); diff != "" {
		t.Errorf("the same token (-first +second):\n%s", diff)
	}
	if _, err := s.ec2.CreateFleet(s.ctx(), s.withToken(s.fleetOf(3, "m5.large"), "token")); code(err) != "IdempotentParameterMismatch" {
		t.Errorf("%v for another size", err)
	}
	if len(s.Instances()) != 2 {
		t.Errorf("%d instances, want 2", len(s.Instances()))
	}
	s.clock.Step(time.Hour)
	if third := ids(s.launch(fleet)); len(third) != 2 || third[0] == first[0] {
		t.Errorf("a forgotten token returned %v again", third)
	}
	s.wantHits(map[string]int{faults.TokenReplayed: 2, faults.TokenMismatch: 2, faults.TokenForgotten: 1})
}

func TestOutagesHaveTheirTimeAndTheirCalls(t *testing.T) {
	s := start(t)
	for kind, says := range map[string]string{
		faults.Drop: "EOF", faults.Failure: "InternalError", faults.Unavailable: "ServiceUnavailable", faults.Hang: "deadline exceeded",
	} {
		s.plan(faults.Plan{Down: []faults.Outage{{
			When: faults.When{After: faults.Duration(time.Minute), For: faults.Duration(time.Minute)}, Actions: []string{"ec2:DescribeSubnets"}, Kind: kind,
		}}})
		describe := func(hangs bool) error {
			ctx, cancel := s.patience(hangs)
			defer cancel()
			_, err := s.once().DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
			return err
		}
		before := describe(false)
		s.clock.Step(time.Minute)
		during, other := describe(kind == faults.Hang), len(s.describe(&ec2.DescribeInstancesInput{}))
		s.clock.Step(time.Minute)
		if after := describe(false); before != nil || after != nil || other != 0 || during == nil || !strings.Contains(during.Error(), says) {
			t.Errorf("%s: before %v, during %v, after %v; want only the second to fail, with %s", kind, before, during, after, says)
		}
	}
	s.wantHits(map[string]int{"down.drop": 1, "down.error": 1, "down.unavailable": 1, "down.hang": 1})
}

func TestSlowAnswersComeByTheClockOfTheWorld(t *testing.T) {
	s := start(t)
	s.plan(faults.Plan{Down: []faults.Outage{{Kind: faults.Slow, Delay: faults.Duration(time.Hour)}}})
	answered := make(chan error, 1)
	go func() {
		_, err := s.once().DescribeSubnets(s.ctx(), &ec2.DescribeSubnetsInput{})
		answered <- err
	}()
	for !s.clock.HasWaiters() {
		select {
		case err := <-answered:
			t.Fatalf("the answer did not wait: %v", err)
		case <-time.After(time.Millisecond):
		}
	}
	s.clock.Step(time.Hour)
	if err := <-answered; err != nil {
		t.Error(err)
	}
	s.wantHits(map[string]int{"down.slow": 1})
}

func TestCallsThatComeTooFastAreRefusedByEC2sPublishedLimits(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	s.plan(faults.Plan{Throttle: &faults.Throttle{}})
	paged := &ec2.DescribeInstancesInput{MaxResults: aws.Int32(5)}
	burst := func(in *ec2.DescribeInstancesInput) (passed int) {
		for {
			if _, err := s.once().DescribeInstances(s.ctx(), in); err != nil {
				if code(err) != "RequestLimitExceeded" {
					t.Fatal(err)
				}
				return passed
			}
			passed++
		}
	}
	got := []int{burst(paged), burst(&ec2.DescribeInstancesInput{})}
	s.clock.Step(time.Second)
	got = append(got, burst(paged), burst(&ec2.DescribeInstancesInput{}))
	if diff := cmp.Diff([]int{100, 50, 20, 10}, got); diff != "" {
		t.Errorf("calls that passed: paged, whole, and both a second later (-want +got):\n%s", diff)
	}
	s.wantHits(map[string]int{faults.ThrottledRequests: 4})
}

func TestInstancesTakeTokensToo(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	s.plan(faults.Plan{Throttle: &faults.Throttle{
		Neighbour: 0.5, Resources: map[string]faults.Bucket{"RunInstances": {Size: 20, Refill: 4}}, Buckets: map[string]faults.Bucket{"CreateFleet": {Size: 100, Refill: 1}},
	}})
	s.launch(s.fleetOf(8, "m5.large"))
	if _, err := s.once().CreateFleet(s.ctx(), s.fleetOf(4, "m5.large")); code(err) != "RequestLimitExceeded" || len(s.Instances()) != 8 {
		t.Errorf("%v, %d instances; want the fleet refused whole when 2 of 10 tokens are left", err, len(s.Instances()))
	}
	s.clock.Step(time.Second)
	s.launch(s.fleetOf(4, "m5.large"))
	if _, err := s.once().TerminateInstances(s.ctx(), &ec2.TerminateInstancesInput{InstanceIds: []string{s.Instances()[0].ID}}); err != nil {
		t.Errorf("%v: ending instances has tokens of its own", err)
	}
	s.wantHits(map[string]int{faults.ThrottledResources: 1})
}

func TestTheClockOfAWSMayBeOff(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	s.plan(faults.Plan{ClockOffset: faults.Duration(10 * time.Minute)})
	s.launch(s.fleetOf(1, "m5.large"))
	want := s.clock.Now().Add(10 * time.Minute)
	if got := *s.describe(&ec2.DescribeInstancesInput{})[0].LaunchTime; !got.Equal(want) {
		t.Errorf("launched at %s, want %s", got, want)
	}
	request, err := http.NewRequestWithContext(s.ctx(), http.MethodGet, s.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close() //nolint:errcheck // only its header matters
	if got, err := http.ParseTime(response.Header.Get("Date")); err != nil || !got.Equal(want) {
		t.Errorf("the answer is of %s (%v), want %s", got, err, want)
	}
	if i := s.Instances()[0]; !i.LaunchTime.Equal(s.clock.Now()) {
		t.Errorf("the admin port shows %s, want the world's own time", i.LaunchTime)
	}
	s.wantHits(map[string]int{faults.ClockHit: 3})
}

func TestASimulatorNeedsNoPorts(t *testing.T) {
	s := start(t)
	described, err := awssim.DefaultWorld(region, cluster)
	if err != nil {
		t.Fatal(err)
	}
	server, err := awssim.New(awssim.Config{
		World: described, Latency: -1, Plan: faults.Plan{Down: []faults.Outage{{When: faults.When{Nth: []int{2}}, Kind: faults.Drop}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	client := ec2.NewFromConfig(s.aws, func(o *ec2.Options) { o.HTTPClient, o.RetryMaxAttempts = &http.Client{Transport: server}, 1 })
	out, err := client.DescribeSubnets(s.ctx(), &ec2.DescribeSubnetsInput{})
	if err != nil || len(out.Subnets) == 0 {
		t.Fatalf("%d subnets, %v", len(out.Subnets), err)
	}
	if _, err := client.DescribeSubnets(s.ctx(), &ec2.DescribeSubnetsInput{}); err == nil || !strings.Contains(err.Error(), "EOF") {
		t.Errorf("%v, want the connection lost", err)
	}
	if calls := s.Calls(); calls.Total != 0 {
		t.Errorf("%d calls went to the port of the other simulator", calls.Total)
	}
}
