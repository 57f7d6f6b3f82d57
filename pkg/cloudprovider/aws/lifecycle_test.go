package aws_test

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

func TestAnInstanceThatEC2DoesNotShowYetIsNotTakenForGone(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	launched, err := s.provider.Create(t.Context(), machine("young", 1, 0, func(m *v1alpha5.Machine) {
		m.Status.Launch.Time = metav1.NewTime(s.clock.Now())
	}))
	if err != nil {
		t.Fatal(err)
	}
	s.inject(on("DescribeInstances", -1, refuse("InvalidInstanceID.NotFound")))
	if err := s.provider.Delete(t.Context(), launched); err == nil || cloudprovider.IsNotFound(err) {
		t.Errorf("error = %v, want one to wait on", err)
	}
	if _, err := s.provider.Get(t.Context(), launched.Status.ProviderID); err == nil || cloudprovider.IsNotFound(err) {
		t.Errorf("error = %v, want one to wait on", err)
	}
	s.clock.Step(5*time.Minute + time.Second) // the intent is on record in whole seconds
	if _, err := s.provider.Get(t.Context(), launched.Status.ProviderID); !cloudprovider.IsNotFound(err) || cloudprovider.IsTerminated(err) {
		t.Errorf("error = %v, want not found", err)
	}
	if err := s.provider.Delete(t.Context(), launched); !cloudprovider.IsNotFound(err) {
		t.Errorf("error = %v, want not found", err)
	}
	s.inject(nil)
	if err := s.provider.Delete(t.Context(), launched); err != nil {
		t.Errorf("once EC2 shows it, it can be deleted: %v", err)
	}
}

// emptyAnswer has EC2 answer to a question for ids with no instance and no error.
func emptyAnswer(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
	r.Form.Del("InstanceId.1")
	r.Form.Set("Filter.9.Name", "instance-id")
	r.Form.Set("Filter.9.Value.1", "i-00000000000000bad")
	return next(ctx, r)
}

// untagged has EC2 leave out the tag of the cluster.
func untagged(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
	out, err := next(ctx, r)
	if err == nil {
		out.Body = bytes.ReplaceAll(out.Body, []byte(awsv1alpha1.TagClusterUID), []byte("example.com/other"))
	}
	return out, err
}

// obscure has the hook deal with questions for instances, until that is lifted.
func (s *sim) obscure(hook awssim.Hook) func() func() {
	return func() func() {
		s.inject(on("DescribeInstances", -1, hook))
		return func() { s.inject(nil) }
	}
}

func TestAnInstanceOnceShownTerminatedStaysGone(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	launched, err := s.provider.Create(t.Context(), machine("ended", 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.provider.Delete(t.Context(), launched); err != nil {
		t.Fatal(err)
	}
	s.clock.Step(shutdownDelay)
	s.inject(on("DescribeInstances", -1, untagged))
	if _, err := s.provider.Get(t.Context(), launched.Status.ProviderID); !cloudprovider.IsTerminated(err) {
		t.Errorf("error = %v, want not found: the instance is terminated, whoever's it was", err)
	}
	s.inject(on("DescribeInstances", -1, emptyAnswer))
	if err := s.provider.Delete(t.Context(), launched); !cloudprovider.IsNotFound(err) {
		t.Errorf("error = %v, want not found: EC2 has shown the instance terminated", err)
	}
}

func TestAnInstanceThatShutsDownIsStillThere(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	launched, err := s.provider.Create(t.Context(), machine("ending", 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.provider.Delete(t.Context(), launched); err != nil {
		t.Fatal(err)
	}
	got, err := s.provider.Get(t.Context(), launched.Status.ProviderID)
	if err != nil {
		t.Fatal(err)
	}
	if c := got.Status.Conditions; len(c) != 1 || c[0].Type != v1alpha5.ConditionTerminated || c[0].Status != metav1.ConditionFalse {
		t.Errorf("conditions = %+v, want one that says it is on its way out", c)
	}
	if err := s.provider.Delete(t.Context(), launched); err != nil {
		t.Errorf("another delete: %v", err)
	}
	if n := s.calls("ec2:TerminateInstances"); n != 1 {
		t.Errorf("%d calls of TerminateInstances, want 1", n)
	}
}

// rewritten has EC2 say something else than it does.
func rewritten(old, now string) awssim.Hook {
	return func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
		out, err := next(ctx, r)
		if err == nil {
			out.Body = bytes.ReplaceAll(out.Body, []byte(old), []byte(now))
		}
		return out, err
	}
}

func TestAnInstanceThatIsSwitchedOffIsShownSo(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	launched, err := s.provider.Create(t.Context(), machine("off", 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range []string{"stopping", "stopped"} {
		s.inject(on("DescribeInstances", -1, rewritten("<name>pending</name>", "<name>"+state+"</name>")))
		got, err := s.provider.Get(t.Context(), launched.Status.ProviderID)
		if err != nil || !cloudprovider.IsStopped(got) || cloudprovider.IsEnding(got) {
			t.Errorf("%s: conditions %v, error %v; want that it is switched off", state, got, err)
		}
	}
	s.inject(nil)
	if got, err := s.provider.Get(t.Context(), launched.Status.ProviderID); err != nil || cloudprovider.IsStopped(got) {
		t.Errorf("it boots: %v, %v", got, err)
	}
}

// Who may tag can put all of kerf's tags on any instance. That a fleet has launched it only EC2 can say.
func TestAnInstanceWithForgedTagsIsNeitherListedNorTerminated(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	victim, err := s.provider.Create(t.Context(), machine("victim", 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	s.inject(on("DescribeInstances", -1, rewritten("<key>"+awsv1alpha1.TagFleet+"</key>", "<key>owner</key>")))
	if list, err := s.provider.List(t.Context()); err != nil || len(list) > 0 {
		t.Errorf("listed are %v, %v", list, err)
	}
	if _, err := s.provider.Get(t.Context(), victim.Status.ProviderID); err == nil || cloudprovider.IsNotFound(err) || !strings.Contains(err.Error(), "no fleet") {
		t.Errorf("error = %v, want that kerf did not make it", err)
	}
	if err := s.provider.Delete(t.Context(), victim); err == nil || cloudprovider.IsNotFound(err) || s.calls("ec2:TerminateInstances") > 0 {
		t.Errorf("error = %v after %d calls of TerminateInstances, want one and none", err, s.calls("ec2:TerminateInstances"))
	}
}

func TestAProviderIDOfAnotherKindIsAnError(t *testing.T) {
	s := startSim(t)
	for _, id := range []string{"", "i-1", "aws:///", "aws:///us-east-1a/vol-1", "gce:///us-east-1a/i-1"} {
		if _, err := s.provider.Get(t.Context(), id); err == nil || cloudprovider.IsNotFound(err) {
			t.Errorf("%q: error = %v, want one about the id", id, err)
		}
	}
}

func TestInstanceTypesCostWhatAWSAsks(t *testing.T) {
	s := startSim(t)
	s.allTypes = true
	s.makeTemplate()
	p := s.newProvider(clusterUID)
	s.run(p, "reading spot prices", "reading on-demand prices")
	got, err := p.InstanceTypes(t.Context(), provisioner("default"))
	if err != nil {
		t.Fatal(err)
	}
	offerings := 0
	for _, i := range got {
		for _, o := range i.Offerings {
			price := s.World().OnDemandPrice
			want, known := price(i.Name)
			if o.CapacityType == v1alpha5.CapacityTypeSpot {
				want, known = s.World().SpotPrice(o.Zone, i.Name)
			}
			if o.Price != want || o.Available != known {
				t.Errorf("%s as %s in %s: %g (available: %t), want %g (%t)", i.Name, o.CapacityType, o.Zone, o.Price, o.Available, want, known)
			}
			offerings++
		}
	}
	if len(got) < 500 || offerings < 5000 {
		t.Errorf("%d types with %d offerings, want what the region has", len(got), offerings)
	}
}

func TestAnIsolatedVPCHasNoWayToThePriceList(t *testing.T) {
	s := startSim(t)
	s.settings.IsolatedVPC = true
	for _, task := range s.newProvider(clusterUID).Tasks() {
		if err := task.Run(t.Context()); err != nil || task.Name == "reading on-demand prices" {
			t.Errorf("%s: %v", task.Name, err)
		}
	}
	if calls, spot := s.calls("pricing:GetProducts"), s.calls("ec2:DescribeSpotPriceHistory"); calls > 0 || spot == 0 {
		t.Errorf("%d calls for list prices, %d for spot prices", calls, spot)
	}
}

func TestWhatMayBeLaunchedIsAsOldAsTheOlderOfItsAnswers(t *testing.T) {
	s := startSim(t)
	s.attempts = 1
	p := s.freshProvider(clusterUID)
	if at := p.Surveyed(); !at.IsZero() {
		t.Errorf("before all answers it is %s", at)
	}
	first := s.clock.Now()
	s.run(p, "reading instance types", "reading offerings")
	s.clock.Step(time.Hour)
	if at := p.Surveyed(); !at.Equal(first) {
		t.Errorf("an hour after the answers it is %s, want %s", at, first)
	}
	s.run(p, "reading instance types")
	if at := p.Surveyed(); !at.Equal(first) {
		t.Errorf("with offerings of an hour ago it is %s, want %s", at, first)
	}
	set := func(keys ...string) {
		if err := s.World().Configure(world.Settings{AccessKeyIDs: &keys}); err != nil {
			t.Fatal(err)
		}
	}
	set("AKIDOTHER")
	for _, task := range p.Tasks() {
		if task.Name == "reading offerings" && task.Run(t.Context()) == nil {
			t.Error("offerings are read with refused credentials")
		}
	}
	if at := p.Surveyed(); !at.IsZero() {
		t.Errorf("while AWS refuses to tell it is %s", at)
	}
	set(world.DefaultAccessKeyID)
	s.run(p, "reading offerings")
	if at := p.Surveyed(); !at.Equal(s.clock.Now()) {
		t.Errorf("once AWS answers again it is %s, want %s", at, s.clock.Now())
	}
}

func TestBeforeAWSAnswersTheProviderIsNotReadyAndSaysWhy(t *testing.T) {
	s := startSim(t)
	if err := s.provider.Ready(); err != nil {
		t.Errorf("a provider that has read all is not ready: %v", err)
	}
	s.attempts = 1
	fresh := s.freshProvider(clusterUID)
	if err := fresh.Ready(); err == nil || !strings.Contains(err.Error(), "not been read") {
		t.Errorf("error = %v, want that nothing was read", err)
	}
	if err := s.World().Configure(world.Settings{AccessKeyIDs: &[]string{"AKIDOTHER"}}); err != nil {
		t.Fatal(err)
	}
	for _, task := range fresh.Tasks() {
		if err := task.Run(t.Context()); err == nil {
			t.Errorf("%s succeeded with refused credentials", task.Name)
		}
	}
	err := fresh.Ready()
	for _, want := range []string{"credentials refused by ec2:DescribeInstanceTypes", "credentials refused by eks:DescribeCluster", "AuthFailure", "service account"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want one with %q", err, want)
		}
	}
	if _, err := fresh.InstanceTypes(t.Context(), provisioner("default")); err == nil {
		t.Error("there are instance types")
	}
	if err := s.World().Configure(world.Settings{AccessKeyIDs: &[]string{world.DefaultAccessKeyID}}); err != nil {
		t.Fatal(err)
	}
	s.run(fresh, "reading cluster facts", "reading instance types", "reading offerings")
	if err := fresh.Ready(); err != nil {
		t.Errorf("once AWS answers the provider is not ready: %v", err)
	}
}

func TestAnInstanceOfAnOldIntentIsGivenTheSameTimeToShow(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	launched, err := s.provider.Create(t.Context(), machine("waited", 1, 0, func(m *v1alpha5.Machine) {
		m.Status.Launch.Time = metav1.NewTime(s.clock.Now().Add(-10 * time.Minute))
	}))
	if err != nil {
		t.Fatal(err)
	}
	s.inject(on("DescribeInstances", -1, refuse("InvalidInstanceID.NotFound")))
	if err := s.provider.Delete(t.Context(), launched); err == nil || cloudprovider.IsNotFound(err) {
		t.Errorf("error = %v, want one to wait on", err)
	}
}
