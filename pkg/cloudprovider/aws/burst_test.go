package aws_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// startBubble starts a simulator without a port, and a provider over it, that live by the time of a synctest bubble.
func startBubble(t *testing.T) *sim {
	t.Helper()
	described, err := awssim.DefaultWorld(region, clusterName)
	if err != nil {
		t.Fatal(err)
	}
	described.Clock = clock.RealClock{}
	s := &sim{t: t, client: newClient(t)}
	if s.Server, err = awssim.New(awssim.Config{World: described, Faults: []awssim.Hook{s.pass}, Latency: -1}); err != nil {
		t.Fatal(err)
	}
	s.provider, err = aws.New(awssdk.Config{
		Region: region, BaseEndpoint: awssdk.String("https://" + region + ".invalid"), HTTPClient: &http.Client{Transport: s.Server},
		Credentials: credentials.NewStaticCredentialsProvider(world.DefaultAccessKeyID, "unchecked", ""),
	}, s.client, aws.Settings{
		ClusterName: clusterName, ClusterUID: clusterUID, VMMemoryOverheadPercent: 0.075, DefaultInstanceProfile: "nodes",
	}, clock.RealClock{})
	if err != nil {
		t.Fatal(err)
	}
	s.run(s.provider, "reading cluster facts", "reading instance types", "reading offerings")
	return s
}

// launchAll launches groups of machines as their controller does, which asks again every few seconds where EC2 cannot be asked.
func (s *sim) launchAll(groups, size int32) error {
	var mu sync.Mutex
	var errs []error
	var all sync.WaitGroup
	for group := range groups {
		for index := range size {
			all.Go(func() {
				m := machine(fmt.Sprint("burst-", group), size, index)
				_, err := s.provider.Create(s.t.Context(), m)
				for cloudprovider.IsUnavailable(err) {
					<-time.After(5 * time.Second)
					_, err = s.provider.Create(s.t.Context(), m)
				}
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
			})
		}
	}
	all.Wait()
	return errors.Join(errs...)
}

// The instances of fleets are counted by a bucket that holds a thousand tokens and gets back two each second.
func TestEC2NeverHasToThrottleABurstOfLargeGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startBubble(t)
		s.makeTemplate()
		if err := s.SetFaults(faults.Plan{Throttle: &faults.Throttle{}}); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if err := s.launchAll(12, 100); err != nil {
			t.Error(err)
		}
		took, hits := time.Since(start), s.Faults().Hits
		t.Logf("1200 machines took %s and %d calls of CreateFleet", took, s.calls("ec2:CreateFleet"))
		if hits[faults.ThrottledRequests]+hits[faults.ThrottledResources] > 0 || s.live() != 1200 {
			t.Errorf("%d instances; EC2 refused %v", s.live(), hits)
		}
		if took > 2*time.Minute { // the last two hundred take a hundred seconds, by what EC2 allows
			t.Errorf("the burst took %s", took)
		}
	})
}

func TestFiveHundredDeletionsAtOnceShareOneListOfInstances(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startBubble(t)
		s.makeTemplate()
		if err := s.launchAll(1, 20); err != nil {
			t.Fatal(err)
		}
		before := s.calls("ec2:DescribeInstances")
		wantAll(t, "looking for", each(make([]*v1alpha5.Machine, 500), func(int, *v1alpha5.Machine) error {
			found, err := s.provider.List(t.Context())
			if err == nil && len(found) != 20 {
				err = fmt.Errorf("%d instances are listed", len(found))
			}
			return err
		}))
		calls := s.calls("ec2:DescribeInstances") - before
		t.Logf("%d calls of DescribeInstances", calls)
		if most := 500 / workers; calls > most {
			t.Errorf("500 who look for an instance, %d at a time, make %d calls, want at most %d", workers, calls, most)
		}
	})
}

func TestWhoAsksWhileInstancesAreListedIsGivenAListThatBeganLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := startBubble(t)
		s.makeTemplate()
		if err := s.SetFaults(faults.Plan{Down: []faults.Outage{{Actions: []string{"DescribeInstances"}, Kind: faults.Slow, Delay: faults.Duration(10 * time.Second)}}}); err != nil {
			t.Fatal(err)
		}
		counts := make(chan int, 2)
		list := func(ctx context.Context) {
			found, err := s.provider.List(ctx)
			if err != nil {
				t.Error(err)
			}
			counts <- len(found)
		}
		go list(t.Context())
		<-time.After(time.Second) // the first question is under way
		if err := s.launchAll(1, 1); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		list(t.Context())
		<-counts
		if found, waited := <-counts, time.Since(start); found != 1 || waited < 10*time.Second {
			t.Errorf("%d instances after %s, want the new one by a question of its own", found, waited)
		}
	})
}
