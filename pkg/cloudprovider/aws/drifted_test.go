package aws_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
)

// resolve changes what the template default has found.
func (s *sim) resolve(change func(*awsv1alpha1.AWSNodeTemplateStatus)) {
	s.t.Helper()
	template := s.template()
	change(&template.Status)
	if err := s.client.Status().Update(s.t.Context(), template); err != nil {
		s.t.Fatal(err)
	}
}

// edit changes the spec of the template default, and has it resolved. The client counts no generations.
func (s *sim) edit(change func(*awsv1alpha1.AWSNodeTemplateSpec)) {
	s.t.Helper()
	template := s.template()
	change(&template.Spec)
	template.Generation++
	if err := s.client.Update(s.t.Context(), template); err != nil {
		s.t.Fatal(err)
	}
	s.resolve(func(status *awsv1alpha1.AWSNodeTemplateStatus) { status.ObservedGeneration = template.Generation })
}

// releaseImages has AWS publish other images for Kubernetes 1.32 under the parameters that name the recommended ones, each the other
// release of the same image, and the template find them a day later.
func (s *sim) releaseImages() {
	s.t.Helper()
	other := map[string]string{} // id of an image -> that of its other release
	const old, latest = "v20260318", "v20260520"
	byName := map[string]string{}
	for _, i := range s.World().Images() {
		byName[i.Name] = i.ID
	}
	for name, id := range byName {
		if twin, ok := byName[strings.Replace(name, latest, old, 1)]; ok && twin != id {
			other[id], other[twin] = twin, id
		}
	}
	for _, variant := range []string{"amazon-linux-2", "amazon-linux-2-gpu", "amazon-linux-2-arm64"} {
		name := "/aws/service/eks/optimized-ami/1.32/" + variant + "/recommended/image_id"
		before, ok := s.World().Parameter(name)
		if !ok || other[before.Value] == "" {
			s.t.Fatalf("%s is %v, of which there is no other release", name, before)
		}
		if err := s.World().Publish(name, other[before.Value]); err != nil {
			s.t.Fatal(err)
		}
	}
	s.clock.Step(24 * time.Hour)
	_, images := s.images(s.template().Spec)
	s.resolve(func(status *awsv1alpha1.AWSNodeTemplateStatus) { status.AMIs = images })
}

// closeFirstZone takes the subnets of the first zone away from the template.
func (s *sim) closeFirstZone() {
	s.resolve(func(status *awsv1alpha1.AWSNodeTemplateStatus) {
		first := slices.MinFunc(status.Subnets, func(a, b awsv1alpha1.Subnet) int { return strings.Compare(a.Zone, b.Zone) }).Zone
		status.Subnets = slices.DeleteFunc(status.Subnets, func(s awsv1alpha1.Subnet) bool { return s.Zone == first })
	})
}

// changeGroups gives the template all the security groups that there are besides its own.
func (s *sim) changeGroups() {
	s.resolve(func(status *awsv1alpha1.AWSNodeTemplateStatus) {
		had := status.SecurityGroups
		status.SecurityGroups = nil
		for _, g := range s.World().SecurityGroups() {
			if !slices.ContainsFunc(had, func(h awsv1alpha1.SecurityGroup) bool { return h.ID == g.ID }) {
				status.SecurityGroups = append(status.SecurityGroups, awsv1alpha1.SecurityGroup{ID: g.ID, Name: g.Name})
			}
		}
	})
}

// recorded returns a machine as it is on record after its launch from the template default, hash included.
func (s *sim) recorded(group string) *v1alpha5.Machine {
	s.t.Helper()
	hash, err := drift.TemplateHash(s.template())
	if err != nil {
		s.t.Fatal(err)
	}
	asked := machine(group, 1, 0)
	asked.Annotations = map[string]string{
		awsv1alpha1.AnnotationTemplateHash: hash, awsv1alpha1.AnnotationTemplateHashVersion: drift.HashVersion,
	}
	out, err := s.provider.Create(s.t.Context(), asked)
	if err != nil {
		s.t.Fatal(err)
	}
	return out
}

// wantDrift fails unless the machine has drifted for the reason, "" for none, and the message names the parts.
func (s *sim) wantDrift(m *v1alpha5.Machine, reason string, parts ...string) {
	s.t.Helper()
	found, err := s.provider.Drifted(s.t.Context(), m)
	if err != nil || found.Reason != reason {
		s.t.Errorf("it has drifted: %+v, %v; want the reason %q", found, err, reason)
	}
	for _, part := range parts {
		if !strings.Contains(found.Message, part) {
			s.t.Errorf("%q does not name %s", found.Message, part)
		}
	}
}

func TestANewImageMakesMachinesDriftThatBootedTheOldOne(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	old := s.recorded("old")
	image := old.Labels[awsv1alpha1.LabelInstanceAMIID]
	s.wantDrift(old, "")
	s.releaseImages()
	fresh := s.template().Status.AMIs[0].ID
	if image == "" || image == fresh {
		t.Fatalf("the machine booted %q, the image of now is %q", image, fresh)
	}
	before := s.Calls()
	for range 100 {
		s.wantDrift(old, v1alpha5.ReasonAMIDrifted, image, fresh, old.Labels[corev1.LabelInstanceTypeStable])
	}
	if diff := cmp.Diff(before, s.Calls()); diff != "" {
		t.Errorf("a hundred comparisons have called AWS (-before +after):\n%s", diff)
	}
	s.wantDrift(s.recorded("new"), "")
	s.resolve(func(status *awsv1alpha1.AWSNodeTemplateStatus) { status.AMIs = status.AMIs[1:2] })
	s.wantDrift(old, v1alpha5.ReasonAMIDrifted, image, "none for")
}

func TestWhatIsFoundInAnotherOrderOrBesidesIsNoDrift(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	m := s.recorded("m")
	s.resolve(func(status *awsv1alpha1.AWSNodeTemplateStatus) {
		slices.Reverse(status.Subnets)
		status.Subnets = append(status.Subnets, awsv1alpha1.Subnet{ID: "subnet-more", Zone: "us-east-1a"})
		slices.Reverse(status.SecurityGroups)
	})
	s.wantDrift(m, "")
	s.changeGroups()
	groups := s.template().Status.SecurityGroups
	if len(groups) < 2 {
		t.Fatalf("%d other security groups, want several", len(groups))
	}
	s.wantDrift(m, v1alpha5.ReasonSecurityGroupDrifted, groups[0].ID, m.Annotations[awsv1alpha1.AnnotationSecurityGroupIDs])
	several := s.recorded("several")
	s.resolve(func(status *awsv1alpha1.AWSNodeTemplateStatus) { slices.Reverse(status.SecurityGroups) })
	s.wantDrift(several, "")
	s.resolve(func(status *awsv1alpha1.AWSNodeTemplateStatus) { status.Subnets = status.Subnets[:1] })
	s.wantDrift(several, v1alpha5.ReasonSubnetDrifted, several.Annotations[awsv1alpha1.AnnotationSubnetID])
}

// Every field of a template's spec either makes no difference, or machines that were made before it changed have drifted.
func TestEachFieldOfATemplateMakesMachinesDriftUnlessItResolvesToTheSame(t *testing.T) {
	s := startSim(t)
	s.makeLaunchTemplate("mine")
	s.makeTemplate()
	m := s.recorded("m")
	pristine := s.template().Spec
	same := map[string]bool{ // what is found is compared instead of these, and nothing else was found
		"APIVersion": true, "Kind": true, "SubnetSelector": true, "SecurityGroupSelector": true, "AMISelector": true,
	}
	spec := reflect.TypeFor[awsv1alpha1.AWSNodeTemplateSpec]()
	for i := range spec.NumField() {
		name := spec.Field(i).Name
		s.edit(func(spec *awsv1alpha1.AWSNodeTemplateSpec) {
			*spec = *pristine.DeepCopy()
			fill(t, reflect.ValueOf(spec).Elem().Field(i))
		})
		found, err := s.provider.Drifted(t.Context(), m)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if want := !same[name]; (found.Reason == v1alpha5.ReasonNodeTemplateDrifted) != want || found.There() != want {
			t.Errorf("with another %s it has drifted: %+v, want %t", name, found, want)
		}
		if name != "LaunchTemplate" && strings.Contains(found.Message, secret) {
			t.Errorf("with another %s the message repeats it: %s", name, found.Message)
		}
	}
	s.edit(func(spec *awsv1alpha1.AWSNodeTemplateSpec) { *spec = pristine })
	s.wantDrift(m, "")
}

// secret is the text of all that is filled in.
const secret = "unheard-of"

// fill sets a field to something that it is not by default.
func fill(t *testing.T, field reflect.Value) {
	t.Helper()
	switch value := field.Addr().Interface().(type) {
	case *string:
		*value = secret
	case **string:
		*value = new(secret)
	case **bool:
		*value = new(true)
	case *map[string]string:
		*value = map[string]string{secret: secret}
	case **awsv1alpha1.MetadataOptions:
		*value = &awsv1alpha1.MetadataOptions{HTTPTokens: new("optional")}
	case *[]awsv1alpha1.BlockDeviceMapping:
		*value = []awsv1alpha1.BlockDeviceMapping{{DeviceName: new("/dev/xvdz"), EBS: &awsv1alpha1.BlockDevice{VolumeType: new("gp3")}}}
	default:
		field.Set(reflect.New(field.Type()).Elem())
		if field.Kind() != reflect.String {
			t.Fatalf("nobody has said how a %s is filled in", field.Type())
		}
		field.SetString(secret)
	}
}

// A provisioner that asks for what an instance type is, label by label, gets a machine that is so.
func TestALaunchedMachineMeetsAllThatItsInstanceTypeMeets(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	m := s.recorded("m")
	asks := provisioner("default")
	list, err := s.provider.InstanceTypes(t.Context(), asks)
	if err != nil {
		t.Fatal(err)
	}
	if m.Spec.MachineTemplateRef == nil {
		t.Fatal("the machine names no template")
	}
	tried := 0
	for _, instanceType := range list {
		if instanceType.Name != m.Labels[corev1.LabelInstanceTypeStable] {
			continue
		}
		for _, r := range instanceType.Requirements.NodeSelectorRequirements() {
			tried++
			asks.Spec.Requirements = append(asks.Spec.Requirements, v1alpha5.Requirement{Key: r.Key, Operator: r.Operator, Values: r.Values})
		}
	}
	m.Spec.Requirements = nil // the labels alone have to do
	if found, err := drift.FromProvisioner(m, asks); found.There() || err != nil || tried < 20 {
		t.Errorf("with %d requirements it has drifted: %+v, %v", tried, found, err)
	}
}

func TestAnotherLaunchTemplateOfTheUserIsDriftAndWhatIsInItIsNot(t *testing.T) {
	s := startSim(t)
	s.makeLaunchTemplate("ours")
	s.makeTemplate(func(spec *awsv1alpha1.AWSNodeTemplateSpec) {
		spec.SecurityGroupSelector, spec.LaunchTemplate = nil, "ours"
	})
	m := s.recorded("m")
	s.wantDrift(m, "")
	s.changeGroups()
	s.wantDrift(m, "")
	s.edit(func(spec *awsv1alpha1.AWSNodeTemplateSpec) { spec.LaunchTemplate = "theirs" })
	s.wantDrift(m, v1alpha5.ReasonNodeTemplateDrifted, "ours", "theirs")
	s.edit(func(spec *awsv1alpha1.AWSNodeTemplateSpec) { spec.LaunchTemplate = "" })
	s.wantDrift(m, v1alpha5.ReasonNodeTemplateDrifted, "ours", "kerf makes")
}

func TestAHashIsComparedOnlyWithOneOfItsKind(t *testing.T) {
	for name, change := range map[string]func(map[string]string){
		"no hash":         func(a map[string]string) { delete(a, awsv1alpha1.AnnotationTemplateHash) },
		"no version":      func(a map[string]string) { delete(a, awsv1alpha1.AnnotationTemplateHashVersion) },
		"another version": func(a map[string]string) { a[awsv1alpha1.AnnotationTemplateHashVersion] = "another" },
	} {
		s := startSim(t)
		s.makeTemplate()
		m := s.recorded("m")
		s.edit(func(spec *awsv1alpha1.AWSNodeTemplateSpec) { spec.Tags = map[string]string{"a": "b"} })
		s.wantDrift(m, v1alpha5.ReasonNodeTemplateDrifted)
		change(m.Annotations)
		if s.wantDrift(m, ""); t.Failed() {
			t.Fatal(name)
		}
	}
}

func TestNothingIsComparedWithATemplateThatIsNotThereOrNotResolved(t *testing.T) {
	s := startSim(t)
	template := s.makeTemplate()
	m := s.recorded("m")
	wantNothing := func(when string) {
		t.Helper()
		if found, err := s.provider.Drifted(t.Context(), m); found.There() || !cloudprovider.IsNotReady(err) {
			t.Errorf("%s: it has drifted: %+v, %v", when, found, err)
		}
	}
	s.resolve(func(status *awsv1alpha1.AWSNodeTemplateStatus) { status.Conditions[0].Status = metav1.ConditionFalse })
	wantNothing("not ready")
	s.resolve(func(status *awsv1alpha1.AWSNodeTemplateStatus) {
		status.Conditions[0].Status, status.ObservedGeneration = metav1.ConditionTrue, 0
	})
	wantNothing("not resolved")
	if err := s.client.Delete(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	wantNothing("gone")
}

// An instance whose launch has left no answer is found by its tags, and EC2 tells what it was made with.
func TestAnAdoptedInstanceIsOnRecordLikeALaunchedOne(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	m := s.recorded("m")
	shown, err := s.provider.Get(t.Context(), m.Status.ProviderID)
	if err != nil {
		t.Fatal(err)
	}
	instance := s.World().Instances()[0]
	groups := make([]string, 0, len(instance.Groups))
	for _, g := range instance.Groups {
		groups = append(groups, g.ID)
	}
	want := map[string]string{
		awsv1alpha1.AnnotationSubnetID: instance.Subnet.ID, awsv1alpha1.AnnotationSecurityGroupIDs: strings.Join(slices.Sorted(slices.Values(groups)), ","),
	}
	for key, value := range want {
		if value == "" || m.Annotations[key] != value || shown.Annotations[key] != value {
			t.Errorf("%s is %q as launched and %q as shown, EC2 has %q", key, m.Annotations[key], shown.Annotations[key], value)
		}
	}
}
