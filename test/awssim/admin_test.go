package awssim_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
)

func TestTheAdminPortShowsWhatTheServerKnows(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	in := s.fleetOf(2, "m5.large")
	in.ClientToken = aws.String("token")
	launched := s.launch(in)
	client := admin.NewClient(s.AdminURL())
	instances, err := client.Instances(s.ctx())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s.Instances(), instances); diff != "" {
		t.Errorf("instances (-server +client):\n%s", diff)
	}
	first := instances[0]
	if first.State != "pending" || first.PricePerHour != 0.096 || first.ClientToken != "token" || first.LaunchTemplate != template ||
		!first.RunningTime.Equal(s.clock.Now().Add(bootDelay)) || first.Zone != "us-east-1a" || first.PrivateDNSName == "" {
		t.Errorf("instance %+v", first)
	}
	templates, err := client.LaunchTemplates(s.ctx())
	if err != nil || len(templates) != 1 || templates[0].UserData != userData64 || templates[0].InstanceTags["from"] != "template" {
		t.Errorf("templates %+v (%v)", templates, err)
	}
	fleets, err := client.Fleets(s.ctx())
	if err != nil || len(fleets) != 1 || fleets[0].ID != *launched.FleetId || fleets[0].Overrides != 1 || fleets[0].Requested != 2 || fleets[0].Fulfilled != 2 {
		t.Errorf("fleets %+v (%v)", fleets, err)
	}
}

func TestCallsAreCountedByActionAndError(t *testing.T) {
	s := start(t)
	for range 3 {
		_, _ = s.ec2.DescribeInstances(s.ctx(), &ec2.DescribeInstancesInput{InstanceIds: []string{noInstance}})
	}
	if _, err := s.ec2.DescribeSubnets(s.ctx(), &ec2.DescribeSubnetsInput{}); err != nil {
		t.Fatal(err)
	}
	now := s.clock.Now()
	want := admin.Calls{
		Total: 4, Errors: map[string]int{"InvalidInstanceID.NotFound": 3},
		Actions: map[string]admin.Action{
			"ec2:DescribeInstances": {Count: 3, Errors: map[string]int{"InvalidInstanceID.NotFound": 3}, First: now, Last: now},
			"ec2:DescribeSubnets":   {Count: 1, First: now, Last: now},
		},
	}
	got, err := admin.NewClient(s.AdminURL()).Calls(s.ctx())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("calls (-want +got):\n%s", diff)
	}
}

func TestTheAdminPortMeddles(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	client := admin.NewClient(s.AdminURL())
	if err := client.SetCapacity(s.ctx(), admin.Capacity{InstanceType: "c5.large"}); err != nil {
		t.Fatal(err)
	}
	if out := s.launch(s.fleetOf(1, "c5.large")); len(ids(out)) != 0 {
		t.Error("a pool without capacity launched an instance")
	}
	if err := client.SetCapacity(s.ctx(), admin.Capacity{InstanceType: "c5.large", Instances: -1}); err != nil {
		t.Fatal(err)
	}
	boot := admin.Duration(0)
	if err := client.Configure(s.ctx(), admin.Config{BootDelay: &boot}); err != nil {
		t.Fatal(err)
	}
	in := s.fleetOf(1, "c5.large")
	in.TargetCapacitySpecification.DefaultTargetCapacityType = ec2types.DefaultTargetCapacityTypeSpot
	launched := ids(s.launch(in))
	if len(launched) != 1 || s.Instances()[0].State != "running" {
		t.Fatalf("launched %v, instances %+v; want one that runs at once", launched, s.Instances())
	}
	if err := client.TerminateInstance(s.ctx(), launched[0]); err != nil {
		t.Fatal(err)
	}
	if i := s.Instances()[0]; i.State != "shutting-down" || i.StateReason != "Server.SpotInstanceTermination" || !i.ShutdownTime.Equal(s.clock.Now()) {
		t.Errorf("a reclaimed spot instance: %+v", i)
	}
}

func TestTheAdminPortRefusesNonsense(t *testing.T) {
	s := start(t)
	client := admin.NewClient(s.AdminURL())
	unknown, negative := "meteorite", admin.Duration(-time.Second)
	for name, tc := range map[string]struct {
		err  error
		says string
	}{
		"unknown instance":      {client.TerminateInstance(s.ctx(), noInstance), "InvalidInstanceID.NotFound"},
		"unknown capacity type": {client.SetCapacity(s.ctx(), admin.Capacity{CapacityType: "free"}), `"free"`},
		"unknown outage":        {client.Configure(s.ctx(), admin.Config{Outage: &unknown}), "meteorite"},
		"negative delay":        {client.Configure(s.ctx(), admin.Config{BootDelay: &negative}), "negative"},
	} {
		if tc.err == nil || !strings.Contains(tc.err.Error(), tc.says) {
			t.Errorf("%s: %v, want an error about %s", name, tc.err, tc.says)
		}
	}
	request, err := http.NewRequestWithContext(s.ctx(), http.MethodPost, s.AdminURL()+"/config", strings.NewReader(`{"bootDely": "5s"}`))
	if err != nil {
		t.Fatal(err)
	}
	if status, body := s.send(request); status != http.StatusBadRequest || !strings.Contains(string(body), "bootDely") {
		t.Errorf("a setting with a slip of the pen: status %d, %s", status, body)
	}
}

func TestOutagesComeAndGo(t *testing.T) {
	s := start(t)
	call := func(hangs bool) error {
		ctx, cancel := s.patience(hangs)
		defer cancel()
		_, err := s.once().DescribeSubnets(ctx, &ec2.DescribeSubnetsInput{})
		return err
	}
	client := admin.NewClient(s.AdminURL())
	for _, tc := range []struct{ mode, says string }{
		{admin.OutageUnavailable, "StatusCode: 503"}, {admin.OutageDrop, "EOF"}, {admin.OutageHang, "deadline exceeded"}, {admin.OutageNone, ""},
	} {
		if err := client.Configure(s.ctx(), admin.Config{Outage: &tc.mode}); err != nil {
			t.Fatal(err)
		}
		err := call(tc.mode == admin.OutageHang)
		if (err == nil) != (tc.says == "") || err != nil && !strings.Contains(err.Error(), tc.says) {
			t.Errorf("outage %s: %v, want %q", tc.mode, err, tc.says)
		}
	}
	if calls := s.Calls(); calls.Errors["ServiceUnavailable"] != 1 || calls.Errors["ConnectionAborted"] < 1 {
		t.Errorf("errors %v, want one ServiceUnavailable and the dropped connection", calls.Errors)
	}
}

// The work is done and the answer is lost: the case that client tokens are for. The SDK retries by itself.
func TestFaultsStandBetweenTheWorkAndItsAnswer(t *testing.T) {
	described, err := awssim.DefaultWorld(region, cluster)
	if err != nil {
		t.Fatal(err)
	}
	lost := false
	server, err := awssim.Start(awssim.Config{World: described, Faults: []awssim.Hook{
		func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
			response, err := next(ctx, r)
			if r.Action == "CreateFleet" && !lost {
				lost = true
				return &wire.Response{Abort: true}, nil
			}
			return response, err
		},
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close() //nolint:errcheck // the test is over
	s := start(t)
	s.Server, s.ec2 = server, ec2.NewFromConfig(s.aws, func(o *ec2.Options) { o.BaseEndpoint = aws.String(server.URL()) })
	s.makeTemplate()
	in := s.fleetOf(1, "m5.large")
	in.ClientToken = aws.String("token")
	out := s.launch(in)
	fleets, instances := server.Fleets(), server.Instances()
	if !lost || len(fleets) != 1 || len(instances) != 1 || !slices.Equal(ids(out), []string{instances[0].ID}) {
		t.Errorf("lost %v, fleets %+v, instances %+v; want the retry to get the first answer", lost, fleets, instances)
	}
	if calls := server.Calls(); calls.Actions["ec2:CreateFleet"].Count != 2 {
		t.Errorf("%d CreateFleet calls, want the lost one and its retry", calls.Actions["ec2:CreateFleet"].Count)
	}
}
