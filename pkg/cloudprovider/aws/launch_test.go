package aws_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// create creates a machine that has to succeed and returns its provider id.
func create(t *testing.T, p *aws.Provider, m *v1alpha5.Machine) string {
	t.Helper()
	got, err := p.Create(t.Context(), m)
	if err != nil {
		t.Fatalf("creating %s: %v", m.Name, err)
	}
	return got.Status.ProviderID
}

// on deals with the first n calls of an action.
func on(action string, n int, deal awssim.Hook) awssim.Hook {
	return func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
		if r.Action != action || n == 0 {
			return next(ctx, r)
		}
		n--
		return deal(ctx, r, next)
	}
}

func refuse(code string) awssim.Hook {
	return func(context.Context, *wire.Request, awssim.Handler) (*wire.Response, error) {
		return nil, apierror.New(code, "refused by the test")
	}
}

// retag changes a template such that requests made from it differ from before.
func (s *sim) retag(template *awsv1alpha1.AWSNodeTemplate) {
	s.t.Helper()
	template.Spec.Tags = map[string]string{"team": "changed"}
	if err := s.client.Update(s.t.Context(), template); err != nil {
		s.t.Fatal(err)
	}
}

func TestAGroupCostsOneCallAndCarriesItsTags(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	for i := range int32(5) {
		create(t, s.provider, machine("five", 5, i))
	}
	if got := s.calls("ec2:CreateFleet"); got != 1 {
		t.Errorf("%d calls of CreateFleet, want 1", got)
	}
	if got := s.calls("ec2:DescribeInstances"); got != 0 {
		t.Errorf("%d calls of DescribeInstances, want none", got)
	}
	want := map[string]string{
		"Name": "karpenter.sh/provisioner-name/default", "karpenter.sh/provisioner-name": "default", "karpenter.sh/managed-by": clusterName,
		"kubernetes.io/cluster/demo": "owned", "karpenter.sh/cluster-uid": clusterUID, "karpenter.sh/launch-group": "five", "karpenter.sh/launch-attempt": "1",
	}
	for _, i := range s.World().Instances() {
		for key, value := range want {
			if i.Tags[key] != value {
				t.Errorf("instance %s: tag %s = %q, want %q", i.ID, key, i.Tags[key], value)
			}
		}
	}
	for _, template := range s.World().LaunchTemplates() {
		if template.Tags["karpenter.sh/provisioner-name"] != "default" || template.Tags["kubernetes.io/cluster/demo"] != "owned" || template.Tags["karpenter.k8s.aws/cluster"] != clusterName {
			t.Errorf("launch template %s has tags %v", template.Name, template.Tags)
		}
	}
}

func TestTagsOfTheSettingsYieldToThoseOfTheTemplateAndOfKerf(t *testing.T) {
	s := startSim(t)
	s.settings.Tags = map[string]string{"team": "all", "cost": "b", awsv1alpha1.TagClusterUID: "stolen"}
	s.retag(s.makeTemplate())
	create(t, s.newProvider(clusterUID), machine("tagged", 1, 0))
	got := s.World().Instances()[0].Tags
	for key, want := range map[string]string{"team": "changed", "cost": "b", awsv1alpha1.TagClusterUID: clusterUID} {
		if got[key] != want {
			t.Errorf("tag %s = %q, want %q", key, got[key], want)
		}
	}
}

func TestEC2RefusesNothingInTheNormalCourse(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	launched, err := s.provider.Create(t.Context(), machine("normal", 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.provider.Delete(t.Context(), launched); err != nil {
		t.Fatal(err)
	}
	s.run(s.provider, "sweeping launch templates")
	s.clock.Step(time.Minute)
	s.run(s.provider, "sweeping launch templates")
	if refused := s.Calls().Errors; len(refused) > 0 {
		t.Errorf("refused calls: %v", refused)
	}
}

func TestALostAnswerLaunchesNothingTwice(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	lose := func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
		if _, err := next(ctx, r); err != nil {
			return nil, err
		}
		return &wire.Response{Abort: true}, nil
	}
	s.inject(on("CreateFleet", 1, lose))
	create(t, s.provider, machine("lost", 2, 0))
	create(t, s.provider, machine("lost", 2, 1))
	if s.live() != 2 {
		t.Errorf("%d instances, want 2", s.live())
	}
}

func TestLabelsThatTheCloudHasAddedDoNotChangeTheRequest(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	launched, err := s.provider.Create(t.Context(), machine("again", 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	// The labels were written and the process ended before the status was.
	half := machine("again", 1, 0)
	half.Labels = launched.Labels
	if got := create(t, s.newProvider(clusterUID), half); got != launched.Status.ProviderID {
		t.Errorf("the repeated launch got %s, the first %s", got, launched.Status.ProviderID)
	}
	if n := s.Calls().Errors["IdempotentParameterMismatch"]; n > 0 {
		t.Error("the request was not the same")
	}
}

func TestAGroupIsAdoptedWhenItsRequestCannotBeRepeated(t *testing.T) {
	s := startSim(t)
	template := s.makeTemplate()
	var first []string
	for i := range int32(3) {
		first = append(first, create(t, s.provider, machine("adopted", 3, i)))
	}
	s.retag(template)
	restarted := s.newProvider(clusterUID)
	var second []string
	for i := range int32(3) {
		second = append(second, create(t, restarted, machine("adopted", 3, i)))
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("instances (-before +after):\n%s", diff)
	}
	if s.live() != 3 {
		t.Errorf("%d instances, want 3", s.live())
	}
}

func TestAPartOfAGroupIsAdoptedOnlyOnceEC2HasHadTimeToShowAll(t *testing.T) {
	s := startSim(t)
	template := s.makeTemplate()
	s.World().SetCapacity(world.CapacityLimit{Instances: 0})
	s.World().SetCapacity(world.CapacityLimit{InstanceType: "m5.large", Zone: "us-east-1a", Instances: 1})
	written := func(m *v1alpha5.Machine) { m.Status.Launch.Time = metav1.NewTime(s.clock.Now()) }
	first, second := machine("part", 2, 0, written), machine("part", 2, 1, written)
	id := create(t, s.provider, first)
	s.retag(template)
	restarted := s.newProvider(clusterUID)
	if _, err := restarted.Create(t.Context(), first); err == nil || cloudprovider.IsInsufficientCapacity(err) || !strings.Contains(err.Error(), "shows 1 of its 2") {
		t.Errorf("error = %v, want one to wait on", err)
	}
	s.clock.Step(5 * time.Minute)
	if got := create(t, restarted, first); got != id {
		t.Errorf("adopted %s, want %s", got, id)
	}
	if _, err := restarted.Create(t.Context(), second); !cloudprovider.IsInsufficientCapacity(err) {
		t.Errorf("error = %v, want insufficient capacity", err)
	}
}

func TestALaunchTemplateThatVanishedIsMadeAgain(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	create(t, s.provider, machine("first", 1, 0))
	for _, template := range s.World().LaunchTemplates() {
		if _, err := s.World().DeleteLaunchTemplate(template.ID, "", false); err != nil {
			t.Fatal(err)
		}
	}
	create(t, s.provider, machine("second", 1, 0))
	if s.live() != 2 || len(s.World().LaunchTemplates()) == 0 {
		t.Errorf("%d instances, %d launch templates", s.live(), len(s.World().LaunchTemplates()))
	}
}

// fruitless is an answer without instances whose errors all have the code.
func fruitless(code string) awssim.Hook {
	return fruitlessFor("<instanceType>m5.large</instanceType><availabilityZone>us-east-1a</availabilityZone>", code)
}

func fruitlessFor(offering, code string) awssim.Hook {
	return func(context.Context, *wire.Request, awssim.Handler) (*wire.Response, error) {
		return &wire.Response{Status: http.StatusOK, ContentType: "text/xml", Body: fmt.Appendf(nil,
			`<CreateFleetResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><fleetId>fleet-1</fleetId><fleetInstanceSet/><errorSet><item>`+
				`<launchTemplateAndOverrides><overrides>%s</overrides></launchTemplateAndOverrides>`+
				`<lifecycle>spot</lifecycle><errorCode>%s</errorCode><errorMessage>told by the test</errorMessage></item></errorSet></CreateFleetResponse>`, offering, code)}, nil
	}
}

func TestAnAnswerThatMissesTheLaunchTemplateIsAskedForAgainUnderASecondToken(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	s.inject(on("CreateFleet", 1, fruitless("InvalidLaunchTemplateName.NotFoundException")))
	create(t, s.provider, machine("second", 1, 0))
	if got := s.World().Fleets()[0].ClientToken; got != "token-second-2" {
		t.Errorf("token = %q, want another than that of the answered request", got)
	}
}

func TestRefusalsAreToldByTheirMeaning(t *testing.T) {
	type check func(error) bool
	reason := func(want string) check {
		return func(err error) bool { return cloudprovider.CreateReason(err, "") == want }
	}
	retried := func(want string) check {
		return func(err error) bool { return !cloudprovider.IsAnswered(err) && reason(want)(err) }
	}
	answered := func(want string) check {
		return func(err error) bool { return cloudprovider.IsAnswered(err) && reason(want)(err) }
	}
	plain := func(err error) bool {
		return err != nil && cloudprovider.CreateReason(err, "none") == "none" && !cloudprovider.IsInsufficientCapacity(err) && !cloudprovider.IsNotReady(err)
	}
	s := startSim(t)
	s.makeTemplate()
	s.attempts = 1
	p := s.newProvider(clusterUID)
	for name, tc := range map[string]struct {
		fault awssim.Hook
		want  check
	}{
		"a call that is not allowed":           {refuse("UnauthorizedOperation"), retried("Unauthorized")},
		"a call that is wrong":                 {refuse("InvalidParameterValue"), retried("InvalidRequest")},
		"a call that names what is gone":       {refuse("InvalidSubnetID.NotFound"), cloudprovider.IsNotReady},
		"a call beyond a quota":                {refuse("InstanceLimitExceeded"), cloudprovider.IsInsufficientCapacity},
		"a call too many":                      {refuse("RequestLimitExceeded"), cloudprovider.IsUnavailable},
		"a fault of EC2":                       {refuse("InternalError"), plain},
		"an answer without capacity":           {fruitless("InsufficientInstanceCapacity"), cloudprovider.IsInsufficientCapacity},
		"an answer of what is not allowed":     {fruitless("UnauthorizedOperation"), answered("Unauthorized")},
		"an answer with another failure alone": {fruitless("InternalError"), answered("FleetRefused")},
	} {
		t.Run(name, func(t *testing.T) {
			s.inject(on("CreateFleet", 1, tc.fault))
			if _, err := p.Create(t.Context(), machine(strings.ReplaceAll(name, " ", "-"), 1, 0)); !tc.want(err) {
				t.Errorf("error = %v", err)
			}
		})
	}
}

// available counts the available offerings of what machine asks for.
func (s *sim) available(p *aws.Provider) (n int) { return s.availableTo(p, "default") }

// availableTo counts them for the machines of another template.
func (s *sim) availableTo(p *aws.Provider, template string) (n int) {
	s.t.Helper()
	list, err := p.InstanceTypes(s.t.Context(), provisioner(template))
	if err != nil {
		s.t.Fatal(err)
	}
	requirements := scheduling.FromNodeSelector(machine("any", 1, 0).Spec.Requirements)
	for _, i := range list {
		if requirements.Get(corev1.LabelInstanceTypeStable).Has(i.Name) {
			n += len(i.Offerings.Compatible(requirements))
		}
	}
	return n
}

func TestWhatGaveNothingIsLeftAloneUntilItMayHaveComeBack(t *testing.T) {
	growing := []time.Duration{45 * time.Second, 90 * time.Second, 3 * time.Minute}
	even := []time.Duration{45 * time.Second, 45 * time.Second, 45 * time.Second} // pods wait for it
	for name, tc := range map[string]struct {
		action string
		fault  awssim.Hook
		rests  []time.Duration
		others bool // whether other templates suffer from it too
	}{
		"a quota refuses the call":            {"CreateFleet", refuse("MaxSpotInstanceCountExceeded"), growing, true},
		"there may be no more templates":      {"CreateLaunchTemplate", refuse("MaxTemplateLimitExceeded"), growing, false},
		"the answer names no instance type":   {"CreateFleet", fruitlessFor("", "InsufficientInstanceCapacity"), even, true},
		"the answer refuses what it is":       {"CreateFleet", fruitlessFor("", "InvalidParameterCombination"), growing, false},
		"the answer names some of the places": {"CreateFleet", fruitless("InsufficientInstanceCapacity"), even, true},
		"there are no free addresses":         {"CreateFleet", fruitless("InsufficientFreeAddressesInSubnet"), even, true},
		"nobody knows what the code means":    {"CreateFleet", fruitlessFor("", "SomethingNew"), growing, false},
		"it may not be bought":                {"CreateFleet", fruitlessFor("", "UnauthorizedOperation"), growing, false},
		"EC2 has a fault":                     {"CreateFleet", fruitlessFor("", "InternalError"), even, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSim(t)
			s.copyTemplate(s.makeTemplate(), "other")
			all := s.available(s.provider)
			s.inject(on(tc.action, -1, tc.fault))
			for i, rest := range tc.rests {
				if _, err := s.provider.Create(t.Context(), machine(fmt.Sprint("vain-", i), 1, 0)); !cloudprovider.IsAnswered(err) {
					t.Fatalf("error = %v, want an answer", err)
				}
				if got := s.available(s.provider); got != 0 {
					t.Errorf("%d of %d offerings are available after failure %d", got, all, i+1)
				}
				if got := s.availableTo(s.provider, "other"); got != map[bool]int{true: 0, false: all}[tc.others] {
					t.Errorf("%d of %d offerings are available to another template after failure %d", got, all, i+1)
				}
				s.clock.Step(rest)
				if got := s.available(s.provider); got != all {
					t.Errorf("%s after failure %d, %d of %d offerings are available", rest, i+1, got, all)
				}
			}
		})
	}
}

func TestWithoutItsRoleSpotIsLeftAloneAndSomebodyIsToldHowToMakeIt(t *testing.T) {
	for name, fault := range map[string]awssim.Hook{
		"the answer says so":         fruitlessFor("", "AuthFailure.ServiceLinkedRoleCreationNotPermitted"),
		"the call is refused for it": refuse("AuthFailure.ServiceLinkedRoleCreationNotPermitted"),
	} {
		t.Run(name, func(t *testing.T) {
			s := startSim(t)
			s.makeTemplate()
			offered := func(capacityType string) (n int) {
				list, err := s.provider.InstanceTypes(t.Context(), provisioner("default"))
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range list {
					for _, o := range i.Offerings {
						if o.CapacityType == capacityType && o.Available {
							n++
						}
					}
				}
				return n
			}
			spot, onDemand := offered(v1alpha5.CapacityTypeSpot), offered(v1alpha5.CapacityTypeOnDemand)
			s.inject(on("CreateFleet", 1, fault))
			_, err := s.provider.Create(t.Context(), machine("spot", 1, 0))
			if !cloudprovider.IsAnswered(err) || cloudprovider.CreateReason(err, "") != "SpotServiceLinkedRoleMissing" ||
				!strings.Contains(err.Error(), "aws iam create-service-linked-role --aws-service-name spot.amazonaws.com") {
				t.Errorf("error = %v, want one that says how to make the role", err)
			}
			if got := offered(v1alpha5.CapacityTypeSpot); got != 0 || offered(v1alpha5.CapacityTypeOnDemand) != onDemand {
				t.Errorf("%d spot and %d on-demand offerings are available, want none and %d", got, offered(v1alpha5.CapacityTypeOnDemand), onDemand)
			}
			s.clock.Step(5 * time.Minute)
			if got := offered(v1alpha5.CapacityTypeSpot); got != spot || spot == 0 {
				t.Errorf("five minutes later %d of %d spot offerings are available", got, spot)
			}
		})
	}
}

func TestAGroupIsToldTheSameWhenItsCallIsRefusedOnce(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	s.inject(on("CreateFleet", 1, refuse("InstanceLimitExceeded")))
	for i := range int32(2) {
		if _, err := s.provider.Create(t.Context(), machine("told", 2, i)); !cloudprovider.IsInsufficientCapacity(err) || strings.Count(err.Error(), "InstanceLimitExceeded") != 1 {
			t.Errorf("machine %d: error = %v, want insufficient capacity", i, err)
		}
	}
	if s.live() > 0 {
		t.Errorf("%d instances, want none", s.live())
	}
}

func TestARefusalReadsTheSameOnEachCall(t *testing.T) {
	s := startSim(t)
	template := s.makeTemplate()
	s.attempts = 1
	p := s.newProvider(clusterUID)
	written := func(m *v1alpha5.Machine) { m.Status.Launch.Time = metav1.NewTime(s.clock.Now()) }
	wantSame := func(name string, p *aws.Provider, m *v1alpha5.Machine) {
		t.Helper()
		_, first := p.Create(t.Context(), m)
		s.clock.Step(time.Minute)
		_, second := p.Create(t.Context(), m)
		if first == nil || second == nil || first.Error() != second.Error() {
			t.Errorf("%s: first %v, then %v", name, first, second)
		}
	}
	for _, code := range []string{"UnauthorizedOperation", "InvalidParameterValue", "RequestLimitExceeded", "InternalError"} {
		s.inject(on("CreateFleet", -1, refuse(code)))
		wantSame(code, p, machine(code, 1, 0))
	}
	s.inject(on("CreateFleet", -1, func(context.Context, *wire.Request, awssim.Handler) (*wire.Response, error) {
		return &wire.Response{Abort: true}, nil
	}))
	wantSame("a broken connection", p, machine("broken", 1, 0))
	s.inject(nil)
	create(t, p, machine("changed", 1, 0, written))
	s.retag(template)
	s.inject(on("DescribeInstances", -1, func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
		r.Form.Set("Filter.9.Name", "instance-id")
		r.Form.Set("Filter.9.Value.1", "i-00000000000000bad")
		return next(ctx, r)
	}))
	wantSame("a group that EC2 does not show yet", s.newProvider(clusterUID), machine("changed", 1, 0, written))
}

func TestATemplateThatCannotBeLaunchedFromIsNotReady(t *testing.T) {
	s := startSim(t)
	template := s.makeTemplate()
	template.Status.Conditions[0].Status, template.Status.Conditions[0].Message = metav1.ConditionFalse, "spec.subnetSelector {a: b} matches no subnet"
	if err := s.client.Status().Update(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ template, want string }{
		"it is not ready":      {"default", "spec.subnetSelector {a: b} matches no subnet"},
		"it does not exist":    {"missing", `AWSNodeTemplate "missing", which Provisioner "default" names, does not exist: create it`},
		"none is named at all": {"", "set spec.providerRef.name"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := s.provider.InstanceTypes(t.Context(), provisioner(tc.template))
			if !cloudprovider.IsNotReady(err) || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %v, want not ready: %s", err, tc.want)
			}
		})
	}
	if _, err := s.provider.Create(t.Context(), machine("early", 1, 0)); !cloudprovider.IsNotReady(err) {
		t.Errorf("error = %v, want not ready", err)
	}
}

func TestATemplateThatChangedIsNotReadyUntilItIsResolved(t *testing.T) {
	s := startSim(t)
	template := s.makeTemplate()
	if _, err := s.provider.InstanceTypes(t.Context(), provisioner("default")); err != nil {
		t.Fatal(err)
	}
	template.Generation = 2
	if err := s.client.Update(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	if _, err := s.provider.InstanceTypes(t.Context(), provisioner("default")); !cloudprovider.IsNotReady(err) {
		t.Errorf("error = %v, want not ready", err)
	}
}

func TestUserDataHoldsWhatTheMachineAsksFor(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	create(t, s.provider, machine("data", 1, 0, func(m *v1alpha5.Machine) {
		m.Labels["node-restriction.kubernetes.io/tenant"] = "a"
		m.Labels[corev1.LabelArchStable] = "amd64"
		m.Spec.StartupTaints = []corev1.Taint{{Key: "cni", Effect: corev1.TaintEffectNoExecute}}
	}))
	launched := s.World().Instances()[0]
	decoded, err := base64.StdEncoding.DecodeString(launched.Data.UserData)
	if err != nil {
		t.Fatal(err)
	}
	pods := map[string]string{"m5.large": "29", "c5.xlarge": "58", "m5.xlarge": "58"}[launched.Type]
	for _, want := range []string{
		"'" + clusterName + "'", "--node-labels=karpenter.sh/capacity-type=spot,karpenter.sh/provisioner-name=default,team=a ",
		"--register-with-taints=cni=:NoExecute", "--max-pods=" + pods + " ",
	} {
		if !strings.Contains(string(decoded), want) {
			t.Errorf("user data lacks %q:\n%s", want, decoded)
		}
	}
	if profile := launched.Data.IAMInstanceProfile; profile == nil || profile.Name != "nodes" {
		t.Errorf("instance profile = %+v", profile)
	}
}

func TestLaunchTemplatesGoOnceNoLaunchUsesThem(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	create(t, s.provider, machine("one", 1, 0))
	s.run(s.provider, "sweeping launch templates")
	if len(s.World().LaunchTemplates()) == 0 {
		t.Error("a launch template that was just used is gone")
	}
	s.clock.Step(time.Minute)
	s.run(s.provider, "sweeping launch templates")
	if left := len(s.World().LaunchTemplates()); left > 0 {
		t.Errorf("%d launch templates are left", left)
	}
}

// An intent may wait out an outage before it is sent: how old it is does not tell for how long EC2 may hide what came of it.
func TestWhatAnOldIntentLaunchedIsWaitedForAsLongAsWhatAYoungOneDid(t *testing.T) {
	s := startSim(t)
	template := s.makeTemplate()
	group := func(i int32) *v1alpha5.Machine {
		return machine("old", 2, i, func(m *v1alpha5.Machine) { m.Status.Launch.Time = metav1.NewTime(s.clock.Now().Add(-10 * time.Minute)) })
	}
	create(t, s.provider, group(0)) // the answer is lost with the process
	s.retag(template)
	s.inject(on("DescribeInstances", -1, func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
		r.Form.Set("Filter.9.Name", "instance-id")
		r.Form.Set("Filter.9.Value.1", "i-00000000000000bad")
		return next(ctx, r)
	}))
	restarted := s.newProvider(clusterUID)
	if _, err := restarted.Create(t.Context(), group(0)); err == nil || cloudprovider.IsInsufficientCapacity(err) || cloudprovider.IsAnswered(err) {
		t.Fatalf("error = %v, want one to wait on", err)
	}
	s.inject(nil)
	if first, second := create(t, restarted, group(0)), create(t, restarted, group(1)); first == second || s.live() != 2 {
		t.Errorf("two machines have %s and %s; %d instances live", first, second, s.live())
	}
}
