package launchtemplate

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"
	clocktesting "k8s.io/utils/clock/testing"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

// cloud holds launch templates, name -> tags, and counts the calls that look for or make them.
type cloud struct {
	templates map[string]map[string]string
	calls     int
	deny      string // the action that is refused
}

func newCloud() *cloud { return &cloud{templates: map[string]map[string]string{}} }

func code(c string) error { return &smithy.GenericAPIError{Code: c, Message: "no"} }

func (c *cloud) CreateLaunchTemplate(_ context.Context, in *ec2.CreateLaunchTemplateInput, _ ...func(*ec2.Options)) (*ec2.CreateLaunchTemplateOutput, error) {
	c.calls++
	if c.deny == "create" {
		return nil, code("UnauthorizedOperation")
	}
	name := *in.LaunchTemplateName
	if _, ok := c.templates[name]; ok {
		return nil, code("InvalidLaunchTemplateName.AlreadyExistsException")
	}
	c.templates[name] = map[string]string{}
	for _, t := range in.TagSpecifications[0].Tags {
		c.templates[name][*t.Key] = *t.Value
	}
	return &ec2.CreateLaunchTemplateOutput{}, nil
}

func (c *cloud) DescribeLaunchTemplates(_ context.Context, in *ec2.DescribeLaunchTemplatesInput, _ ...func(*ec2.Options)) (*ec2.DescribeLaunchTemplatesOutput, error) {
	c.calls++
	out := &ec2.DescribeLaunchTemplatesOutput{}
	if len(in.LaunchTemplateNames) > 0 {
		return nil, code("InvalidLaunchTemplateName.NotFoundException")
	}
	for name, tags := range c.templates {
		f := in.Filters[0]
		value := tags[strings.TrimPrefix(*f.Name, "tag:")]
		if *f.Name == "launch-template-name" {
			value = name
		}
		if match, err := path.Match(f.Values[0], value); err != nil || !match && f.Values[0] != value {
			continue // like EC2's, a value may be a pattern
		}
		out.LaunchTemplates = append(out.LaunchTemplates, ec2types.LaunchTemplate{LaunchTemplateName: awssdk.String(name)})
	}
	return out, nil
}

func (c *cloud) DeleteLaunchTemplate(_ context.Context, in *ec2.DeleteLaunchTemplateInput, _ ...func(*ec2.Options)) (*ec2.DeleteLaunchTemplateOutput, error) {
	if c.deny == "delete" {
		return nil, code("UnauthorizedOperation")
	}
	delete(c.templates, *in.LaunchTemplateName)
	return &ec2.DeleteLaunchTemplateOutput{}, nil
}

func spec(userData string) Spec {
	return Spec{
		ImageID: "ami-1", InstanceProfile: "nodes", SecurityGroups: []string{"sg-1"}, UserData: userData,
		Tags: map[string]string{awsv1alpha1.TagClusterUID: "uid-1", "team": "a"},
	}
}

func newStore(c *cloud) (*Store, *clocktesting.FakePassiveClock) {
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	return NewStore(c, clock, "uid-1", time.Minute), clock
}

func ensure(t *testing.T, s *Store, spec Spec) string {
	t.Helper()
	name, err := s.Ensure(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func TestTheNameFollowsTheContent(t *testing.T) {
	base, err := spec("a").Name()
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := spec("a").Name(); again != base || !strings.HasPrefix(base, "karpenter.k8s.aws/") {
		t.Errorf("the same content is named %s and %s", base, again)
	}
	for name, change := range map[string]func(*Spec){
		"user data":        func(s *Spec) { s.UserData = "b" },
		"image":            func(s *Spec) { s.ImageID = "ami-2" },
		"profile":          func(s *Spec) { s.InstanceProfile = "others" },
		"security groups":  func(s *Spec) { s.SecurityGroups = []string{"sg-2"} },
		"a tag":            func(s *Spec) { s.Tags["team"] = "b" },
		"metadata options": func(s *Spec) { s.Metadata = &awsv1alpha1.MetadataOptions{HTTPTokens: awssdk.String("optional")} },
		"protocol":         func(s *Spec) { s.IPv6 = true },
		"volume":           func(s *Spec) { s.Volumes = []awsv1alpha1.BlockDeviceMapping{{DeviceName: awssdk.String("/dev/xvda")}} },
		"public address":   func(s *Spec) { s.NoPublicIP = true },
		"monitoring":       func(s *Spec) { s.DetailedMonitoring = awssdk.Bool(true) },
		"the cluster":      func(s *Spec) { s.Tags[awsv1alpha1.TagClusterUID] = "uid-2" },
	} {
		changed := spec("a")
		change(&changed)
		if got, _ := changed.Name(); got == base {
			t.Errorf("with another %s the name stays the same", name)
		}
	}
}

func TestATemplateIsMadeOnceAndThenKnown(t *testing.T) {
	c := newCloud()
	s, _ := newStore(c)
	name := ensure(t, s, spec("a"))
	calls := c.calls
	if again := ensure(t, s, spec("a")); again != name || c.calls != calls {
		t.Errorf("asked again it is %s after %d more calls", again, c.calls-calls)
	}
	other, _ := newStore(c) // a new process finds it
	if ensure(t, other, spec("a")); len(c.templates) != 1 {
		t.Errorf("%d templates, want 1", len(c.templates))
	}
}

func TestATemplateThatIsGoneIsMadeAgain(t *testing.T) {
	c := newCloud()
	s, _ := newStore(c)
	name := ensure(t, s, spec("a"))
	delete(c.templates, name)
	s.Forget(name)
	if ensure(t, s, spec("a")); len(c.templates) != 1 {
		t.Errorf("%d templates, want 1", len(c.templates))
	}
}

func TestATemplateExistsByItsExactName(t *testing.T) {
	c := newCloud()
	s, _ := newStore(c)
	c.templates["web-2"] = nil
	for name, want := range map[string]bool{"web-2": true, "web-*": false, "web": false} {
		if got, err := s.Exists(t.Context(), name); err != nil || got != want {
			t.Errorf("%s: %t, %v; want %t", name, got, err, want)
		}
	}
}

func TestARefusalIsTold(t *testing.T) {
	c := newCloud()
	c.deny = "create"
	s, _ := newStore(c)
	if _, err := s.Ensure(t.Context(), spec("a")); err == nil || !strings.Contains(err.Error(), "ec2:CreateLaunchTemplate") {
		t.Errorf("error = %v, want one that names the call", err)
	}
}

func TestTheSweepRemovesWhatNoLaunchUsed(t *testing.T) {
	c := newCloud()
	s, clock := newStore(c)
	sweep := func(at time.Duration, want ...string) {
		t.Helper()
		clock.SetTime(time.Unix(0, 0).Add(at))
		if err := s.Sweep(t.Context()); err != nil {
			t.Fatal(err)
		}
		var got []string
		for name := range c.templates {
			got = append(got, name)
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("after %v there are %v, want %v", at, got, want)
		}
	}
	const foreign, orphan, users = "karpenter.k8s.aws/foreign", "karpenter.k8s.aws/orphan", "made-by-hand"
	c.templates[foreign] = map[string]string{awsv1alpha1.TagClusterUID: "uid-2"}
	c.templates[orphan] = map[string]string{awsv1alpha1.TagClusterUID: "uid-1"} // of a former process
	c.templates[users] = map[string]string{awsv1alpha1.TagClusterUID: "uid-1"}
	a, b := ensure(t, s, spec("a")), ensure(t, s, spec("b"))
	sweep(30*time.Second, foreign, users, orphan, a, b)
	ensure(t, s, spec("b"))
	sweep(60*time.Second, foreign, users, orphan, b) // a was last used a minute ago
	sweep(89*time.Second, foreign, users, orphan, b)
	sweep(90*time.Second, foreign, users) // the orphan was first seen a minute ago, b used
	if again := ensure(t, s, spec("a")); again != a {
		t.Errorf("made again, the template is named %s, it was %s", again, a)
	}
	sweep(91*time.Second, foreign, users, a)
	sweep(10*time.Minute, foreign, users)
	sweep(20*time.Minute, foreign, users)
	if len(s.used) > 0 || len(s.there) > 0 {
		t.Errorf("the store still remembers %v, %v", s.used, s.there)
	}
}

func TestTheSweepAsksOnlyWhereATemplateIsDueAndNowAndThen(t *testing.T) {
	c := newCloud()
	s, clock := newStore(c)
	sweep := func(at time.Duration, want int) {
		t.Helper()
		clock.SetTime(time.Unix(0, 0).Add(at))
		before := c.calls
		if err := s.Sweep(t.Context()); err != nil || c.calls-before != want {
			t.Errorf("at %v it asked EC2 %d times, %v; want %d", at, c.calls-before, err, want)
		}
	}
	sweep(time.Minute, 1)
	sweep(2*time.Minute, 0)
	ensure(t, s, spec("a"))
	sweep(150*time.Second, 0)
	sweep(3*time.Minute, 1) // it is listed, and removed
	sweep(4*time.Minute, 1) // and gone
	sweep(5*time.Minute, 0)
	c.templates["karpenter.k8s.aws/late"] = map[string]string{awsv1alpha1.TagClusterUID: "uid-1"} // EC2 shows late what a former process made
	sweep(13*time.Minute, 0)
	sweep(14*time.Minute, 1)
	sweep(15*time.Minute, 1)
	if len(c.templates) > 0 {
		t.Errorf("there are still %v", c.templates)
	}
}

func TestATemplateThatCannotBeRemovedIsTriedAgain(t *testing.T) {
	c := newCloud()
	s, clock := newStore(c)
	ensure(t, s, spec("a"))
	clock.SetTime(time.Unix(60, 0))
	c.deny = "delete"
	if err := s.Sweep(t.Context()); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("error = %v, want the refusal", err)
	}
	c.deny = ""
	if err := s.Sweep(t.Context()); err != nil || len(c.templates) > 0 {
		t.Errorf("error = %v, %d templates; want none", err, len(c.templates))
	}
}
