package throttle

import (
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

func TestCallsHaveTheLimitsThatEC2Publishes(t *testing.T) {
	filtered := &ec2.DescribeInstancesInput{Filters: []ec2types.Filter{{Name: awssdk.String("x")}}}
	for name, tc := range map[string]struct {
		action    string
		input     any
		want      limit
		resources bool
	}{
		"a question":                   {"DescribeSubnets", &ec2.DescribeSubnetsInput{}, limit{100, 20}, false},
		"a question with a filter":     {"DescribeInstances", filtered, limit{100, 20}, false},
		"a question in pages":          {"DescribeInstances", &ec2.DescribeInstancesInput{MaxResults: awssdk.Int32(5)}, limit{100, 20}, false},
		"a question for ids":           {"DescribeInstances", &ec2.DescribeInstancesInput{InstanceIds: []string{"i-1"}}, limit{50, 10}, false},
		"a launch, per instance":       {"CreateFleet", &ec2.CreateFleetInput{}, limit{50, 5}, true},
		"the making of a template":     {"CreateLaunchTemplate", &ec2.CreateLaunchTemplateInput{}, limit{50, 5}, false},
		"a termination, per instance":  {"TerminateInstances", &ec2.TerminateInstancesInput{InstanceIds: []string{"i-1"}}, limit{100, 5}, true},
		"tags":                         {"CreateTags", &ec2.CreateTagsInput{}, limit{100, 10}, false},
		"a launch of the other manner": {"RunInstances", &ec2.RunInstancesInput{}, limit{5, 2}, false},
	} {
		c := callOf(ec2.ServiceID, tc.action, tc.input)
		if _, resources := c.resources(); c.requests() != tc.want || resources != tc.resources {
			t.Errorf("%s: limit %v, by resources: %t; want %v, %t", name, c.requests(), resources, tc.want, tc.resources)
		}
	}
}

func TestOtherServicesHaveBucketsOfTheirOwnAndCredentialsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th, start := New(clock.RealClock{}, 1), time.Now()
		for range 32 { // 40 less what is kept for urgent calls
			if err := th.wait(t.Context(), callOf(ssm.ServiceID, "GetParameter", &ssm.GetParameterInput{})); err != nil {
				t.Fatal(err)
			}
		}
		if err := th.wait(t.Context(), callOf(eks.ServiceID, "DescribeCluster", &eks.DescribeClusterInput{})); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("a burst waited for %s", waited)
		}
		for range 80 {
			if err := th.wait(t.Context(), callOf(ssm.ServiceID, "GetParameter", &ssm.GetParameterInput{})); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(start).Round(time.Second); waited != 2*time.Second {
			t.Errorf("80 more at 40 a second waited for %s", waited)
		}
	})
	for service, want := range map[string]bool{ec2.ServiceID: true, ssm.ServiceID: true, eks.ServiceID: true, pricing.ServiceID: true, "STS": false} {
		if got := bounded(service); got != want {
			t.Errorf("%s is bounded: %t, want %t", service, got, want)
		}
	}
}

// patientAction is one of many whose calls wait for as long as it takes.
const patientAction = "DeleteLaunchTemplate"

// changes makes n patient calls at once and returns a function that waits for them.
func changes(ctx context.Context, th *Throttle, n int) func() {
	var group sync.WaitGroup
	for range n {
		group.Go(func() { _ = th.wait(ctx, call{action: patientAction}) })
	}
	return group.Wait
}

func TestABurstGoesAtOnceAndTheRestAtTheRateOfTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th, start := New(clock.RealClock{}, 1), time.Now()
		changes(t.Context(), th, 40)() // 50 less what is kept for urgent calls
		if waited := time.Since(start); waited != 0 {
			t.Errorf("40 calls took %s", waited)
		}
		changes(t.Context(), th, 100)()
		if waited := time.Since(start).Round(time.Second); waited != 20*time.Second {
			t.Errorf("100 calls at 5 a second took %s", waited)
		}
	})
}

func TestUrgentCallsNeverWaitBehindOthersOfTheirAction(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := New(clock.RealClock{}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		wait := changes(ctx, th, 1000)
		<-time.After(10 * time.Second) // the others queue by now
		start := time.Now()
		for range 10 {
			if err := th.wait(Urgent(t.Context()), call{action: patientAction}); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("urgent calls waited for %s", waited)
		}
		for range 25 {
			if err := th.wait(Urgent(t.Context()), call{action: patientAction}); err != nil {
				t.Fatal(err)
			}
		}
		// A token may have come and gone at the very moment at which the first were asked for.
		if waited := time.Since(start); waited < 4500*time.Millisecond || waited > 5100*time.Millisecond {
			t.Errorf("25 more urgent calls at 5 a second waited for %s, while others queue", waited)
		}
		cancel()
		wait()
	})
}

func TestTerminationsDoNotWaitForLaunchesAndCountTheirInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := New(clock.RealClock{}, 1)
		ctx, cancel := context.WithCancel(t.Context())
		wait := changes(ctx, th, 500)
		synctest.Wait()
		start := time.Now()
		for range 2 {
			if err := th.wait(Urgent(t.Context()), call{action: "TerminateInstances", instances: 500}); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("terminations waited for %s", waited)
		}
		if err := th.wait(Urgent(t.Context()), call{action: "TerminateInstances", instances: 100}); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start).Round(time.Second); waited != 5*time.Second {
			t.Errorf("100 instances more at 20 a second waited for %s", waited)
		}
		cancel()
		wait()
	})
}

func TestACallThatIsToBeMadeNowIsTurnedDownWhereItWouldWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th, start := New(clock.RealClock{}, 1), time.Now()
		if err := th.wait(Now(t.Context()), call{action: "TerminateInstances", instances: 1000}); err != nil {
			t.Fatal(err)
		}
		for instances, of := range map[int]string{1: "its instance", 100: "its instances"} {
			err := th.wait(Now(t.Context()), call{action: "TerminateInstances", instances: instances})
			if !cloudprovider.IsUnavailable(err) || !strings.Contains(err.Error(), "terminate 1000 instances") || time.Since(start) != 0 {
				t.Errorf("without tokens for %s: %v after %s", of, err, time.Since(start))
			}
		}
		for th.wait(Now(t.Context()), call{action: "DescribeTags"}) == nil { // until no more are left
			if time.Since(start) > 0 {
				t.Fatal("a call waited that was to be made now")
			}
		}
		<-time.After(10 * time.Second)
		if err := th.wait(Now(t.Context()), call{action: "TerminateInstances", instances: 200}); err != nil {
			t.Errorf("what was turned down took tokens: %v", err)
		}
	})
}

// fleetOf is a launch of n instances.
func fleetOf(n int32) call {
	return callOf(ec2.ServiceID, "CreateFleet", &ec2.CreateFleetInput{
		TargetCapacitySpecification: &ec2types.TargetCapacitySpecificationRequest{TotalTargetCapacity: awssdk.Int32(n)},
	})
}

func TestLaunchesTakeTheTokensOfTheirInstancesAndAreTurnedDownRatherThanHeldUpForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th, start := New(clock.RealClock{}, 1), time.Now()
		for range 10 {
			if err := th.wait(t.Context(), fleetOf(100)); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("a thousand instances waited for %s", waited)
		}
		if err := th.wait(t.Context(), fleetOf(100)); !cloudprovider.IsUnavailable(err) || time.Since(start) != 0 {
			t.Errorf("error = %v after %s, want at once one that says that EC2 takes no more", err, time.Since(start))
		}
		if err := th.wait(t.Context(), fleetOf(8)); err != nil || time.Since(start).Round(time.Second) != 4*time.Second {
			t.Errorf("8 instances at 2 a second: %v after %s", err, time.Since(start))
		}
		<-time.After(50 * time.Second)
		if err := th.wait(t.Context(), fleetOf(100)); err != nil {
			t.Errorf("what was turned down took tokens: %v", err)
		}
	})
}

func TestLaunchesDoNotWaitForTheirTurnForLong(t *testing.T) {
	for _, action := range []string{"CreateFleet", "CreateLaunchTemplate"} {
		synctest.Test(t, func(t *testing.T) {
			th, start, turnedDown := New(clock.RealClock{}, 1), time.Now(), atomic.Int32{}
			var group sync.WaitGroup
			for range 100 {
				group.Go(func() {
					if err := th.wait(t.Context(), call{action: action}); cloudprovider.IsUnavailable(err) {
						turnedDown.Add(1)
					} else if err != nil {
						t.Error(err)
					}
				})
			}
			group.Wait()
			if waited := time.Since(start); waited > launchPatience || turnedDown.Load() != 100-40-25 {
				t.Errorf("%d of 100 calls of %s were turned down within %s, want those for which there are no tokens in %s", turnedDown.Load(), action, waited, launchPatience)
			}
		})
	}
}

func TestOfManyLaunchesThatWaitNoneWaitsForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := New(clock.RealClock{}, 1)
		if err := th.wait(t.Context(), fleetOf(1000)); err != nil {
			t.Fatal(err)
		}
		start, passed := time.Now(), atomic.Int32{}
		var group sync.WaitGroup
		for range 30 {
			group.Go(func() {
				switch err := th.wait(t.Context(), fleetOf(2)); {
				case err == nil:
					passed.Add(1)
				case !cloudprovider.IsUnavailable(err):
					t.Error(err)
				}
			})
		}
		group.Wait()
		if waited := time.Since(start); waited > launchPatience || passed.Load() != 5 {
			t.Errorf("%d of 30 fleets of two passed within %s, want those for which there are tokens in %s", passed.Load(), waited, launchPatience)
		}
	})
}

func TestOfWhatEC2RefusesToLaunchThereAreTooFewTokens(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := New(clock.RealClock{}, 1)
		th.refused(fleetOf(10)) // others of the account launch, too
		if err := th.wait(t.Context(), fleetOf(100)); !cloudprovider.IsUnavailable(err) {
			t.Errorf("error = %v, want that EC2 takes no hundred when it took no ten", err)
		}
		if err := th.wait(t.Context(), fleetOf(10)); err != nil {
			t.Errorf("error = %v, want that it is asked for the ten again", err)
		}
	})
}

func TestWhoeverGivesUpTakesNoToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := New(clock.RealClock{}, 1)
		changes(t.Context(), th, 40)()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := th.wait(ctx, call{action: patientAction}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error = %v, want that the time was over", err)
		}
		changes(ctx, th, 20)() // the same, in a queue
		start := time.Now()
		changes(t.Context(), th, 1)()
		if waited := time.Since(start).Round(10 * time.Millisecond); waited != 100*time.Millisecond {
			t.Errorf("the next one waited for %s, want what was left of 200ms", waited)
		}
	})
}

func TestAShareOfTheLimitIsKept(t *testing.T) {
	for name, tc := range map[string]struct {
		share float64
		burst int
		more  time.Duration // for a hundred calls
	}{
		"half":                  {0.5, 20, 40 * time.Second},
		"twice, as AWS granted": {2, 80, 10 * time.Second},
		"not set":               {0, 40, 20 * time.Second},
		"next to nothing":       {0.001, 1, 20000 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th, start := New(clock.RealClock{}, tc.share), time.Now()
				changes(t.Context(), th, tc.burst)()
				if waited := time.Since(start); waited != 0 {
					t.Errorf("%d calls waited for %s", tc.burst, waited)
				}
				changes(t.Context(), th, 100)()
				if waited := time.Since(start).Round(time.Second); waited != tc.more {
					t.Errorf("100 more waited for %s, want %s", waited, tc.more)
				}
			})
		})
	}
}

func TestWaitingShowsInTheMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := New(clock.RealClock{}, 1)
		changes(t.Context(), th, 60)()
		if err := th.wait(Urgent(t.Context()), call{action: "TerminateInstances", instances: 1}); err != nil {
			t.Fatal(err)
		}
		registry := prometheus.NewRegistry()
		registry.MustRegister(th.Collector())
		families, err := registry.Gather()
		if err != nil || len(families) != 1 || families[0].GetName() != "karpenter_cloudprovider_api_wait_seconds" {
			t.Fatalf("families %v, %v", families, err)
		}
		got := map[string]float64{} // action and urgency -> seconds waited
		for _, m := range families[0].GetMetric() {
			got[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = math.Round(m.GetHistogram().GetSampleSum())
		}
		// The 20 that did not go at once waited for 0.2 s, 0.4 s and so on.
		if diff := cmp.Diff(map[string]float64{patientAction + " false": 42, "TerminateInstances true": 0}, got); diff != "" {
			t.Errorf("seconds waited (-want +got):\n%s", diff)
		}
	})
}
