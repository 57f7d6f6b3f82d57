package aws_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/permission"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
)

// deny refuses actions such as ec2:RunInstances as AWS does where no policy allows them.
func deny(actions ...string) awssim.Hook {
	return func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
		action := r.Service + ":" + strings.TrimSuffix(r.Action, "Batch")
		switch {
		case !slices.Contains(actions, action):
			return next(ctx, r)
		case r.Service == "ec2":
			return nil, apierror.New("UnauthorizedOperation", "You are not authorized to perform this operation. User: kerf is not authorized to perform: %s", action)
		default:
			return nil, apierror.New("AccessDeniedException", "User: kerf is not authorized to perform: %s", action)
		}
	}
}

// missing checks permissions as a fresh process would and returns what is missing.
func (s *sim) missing() []string {
	s.t.Helper()
	found, err := s.newProvider(clusterUID).Discovery().Permissions.Check(s.t.Context(), s.template())
	if err != nil {
		s.t.Fatal(err)
	}
	var out []string
	for _, m := range found {
		out = append(out, m.String())
	}
	slices.Sort(out)
	return out
}

func TestEachPermissionThatIsMissingIsFoundAndNothingIsChangedByLooking(t *testing.T) {
	s := startSim(t)
	s.settings.InterruptionQueue = s.World().Cluster().Name
	s.makeTemplate()
	s.launched()
	if got := s.missing(); len(got) > 0 {
		t.Fatalf("nothing is refused and %v are missing", got)
	}
	instances, templates := s.live(), len(s.LaunchTemplates())
	for _, action := range []string{
		"ec2:DescribeImages", "ec2:DescribeInstances", "ec2:DescribeInstanceTypes", "ec2:DescribeInstanceTypeOfferings", "ec2:DescribeLaunchTemplates",
		"ec2:DescribeSecurityGroups", "ec2:DescribeSpotPriceHistory", "ec2:DescribeSubnets", "eks:DescribeCluster", "ssm:GetParameter",
		"pricing:GetProducts", "ec2:RunInstances", "ec2:CreateLaunchTemplate", "ec2:CreateFleet", "ec2:TerminateInstances", "ec2:DeleteLaunchTemplate",
		"sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:DeleteMessage",
	} {
		t.Run(action, func(t *testing.T) {
			s.inject(nil)
			p := s.newProvider(clusterUID) // it has read what it needs to begin
			s.inject(deny(action))
			found, err := p.Discovery().Permissions.Check(t.Context(), s.template())
			if err != nil || len(found) == 0 || slices.ContainsFunc(found, func(m permission.Missing) bool { return m.Action != action }) {
				t.Errorf("missing are %v, %v", found, err)
			}
		})
	}
	s.inject(nil)
	if s.live() != instances || len(s.LaunchTemplates()) != templates || len(s.Fleets()) != 1 {
		t.Errorf("%d instances, %d launch templates, %d fleets after looking, before %d, %d, 1", s.live(), len(s.LaunchTemplates()), len(s.Fleets()), instances, templates)
	}
}

func TestWhatBelongsToOthersIsNotTriedOn(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	create(t, s.newProvider("another-cluster"), machine("foreign", 1, 0))
	s.inject(deny("ec2:TerminateInstances", "ec2:DeleteLaunchTemplate", "ec2:CreateFleet"))
	if got := s.missing(); len(got) > 0 {
		t.Errorf("missing are %v: something of another cluster was tried on", got)
	}
}

func TestAProviderWithoutPermissionsIsReadyAllTheSame(t *testing.T) {
	s := startSim(t)
	s.inject(deny("ec2:DescribeSpotPriceHistory"))
	p := s.newProvider(clusterUID)
	s.run(p, "checking permissions")
	if err := p.Ready(); err != nil {
		t.Errorf("it is not ready: %v", err)
	}
}

func TestAnIsolatedVPCIsNotCheckedForThePriceList(t *testing.T) {
	s := startSim(t)
	s.settings.IsolatedVPC = true
	s.makeTemplate()
	s.inject(deny("pricing:GetProducts"))
	if got := s.missing(); len(got) > 0 || s.calls("pricing:GetProducts") > 0 {
		t.Errorf("missing are %v after %d calls", got, s.calls("pricing:GetProducts"))
	}
}

func TestWhoWaitsForAnotherCheckOfPermissionsMayGiveUp(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	p := s.newProvider(clusterUID)
	begun, release := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s.inject(func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
		once.Do(func() {
			close(begun)
			<-release
		})
		return next(ctx, r)
	})
	first := make(chan error, 1)
	go func() {
		_, err := p.Discovery().Permissions.Check(t.Context(), s.template())
		first <- err
	}()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	second := make(chan error, 1)
	go func() {
		_, err := p.Discovery().Permissions.Check(ctx, s.template())
		second <- err
	}()
	select {
	case err := <-second:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("the check that gave up says %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("a check that was given up still waits for another one")
	}
	close(release)
	if err := <-first; err != nil {
		t.Error(err)
	}
}

func TestPermissionsAreNotTakenForGrantedBeforeAWSHasTold(t *testing.T) {
	s := startSim(t)
	s.attempts = 1
	s.makeTemplate()
	p := s.newProvider(clusterUID)
	check := func() error {
		missing, err := p.Discovery().Permissions.Check(t.Context(), s.template())
		if len(missing) > 0 {
			t.Errorf("missing are %v", missing)
		}
		return err
	}
	s.inject(func(_ context.Context, r *wire.Request, _ awssim.Handler) (*wire.Response, error) {
		return nil, apierror.New("RequestLimitExceeded", "Request limit exceeded.").WithStatus(http.StatusServiceUnavailable)
	})
	if err := check(); err == nil || !strings.Contains(err.Error(), "not told yet whether it allows") || !strings.Contains(err.Error(), "ec2:RunInstances") {
		t.Errorf("error = %v, want one that names what is not known", err)
	}
	s.inject(nil)
	if err := check(); err != nil {
		t.Errorf("error = %v when AWS tells", err)
	}
}
