package aws_test

import (
	"encoding/base64"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/runtime"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/inline"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// launched creates a machine and returns the one instance that there is then.
func (s *sim) launched(modify ...func(*v1alpha5.Machine)) admin.Instance {
	s.t.Helper()
	create(s.t, s.provider, machine("one", 1, 0, modify...))
	all := s.Instances()
	if len(all) != 1 {
		s.t.Fatalf("there are %d instances", len(all))
	}
	return all[0]
}

func userData(t *testing.T, i admin.Instance) string {
	t.Helper()
	out, err := base64.StdEncoding.DecodeString(i.UserData)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestWhatATemplateStatesReachesItsInstances(t *testing.T) {
	s := startSim(t)
	s.makeTemplate(func(spec *awsv1alpha1.AWSNodeTemplateSpec) {
		spec.MetadataOptions = &awsv1alpha1.MetadataOptions{HTTPTokens: new("optional"), HTTPPutResponseHopLimit: new(int64(3))}
		spec.BlockDeviceMappings = []awsv1alpha1.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), EBS: &awsv1alpha1.BlockDevice{
			VolumeSize: new(resource.MustParse("50.5Gi")), VolumeType: new("gp3"), IOPS: new(int64(4000)), Throughput: new(int64(200)), Encrypted: new(true),
		}}}
		spec.DetailedMonitoring, spec.Context, spec.InstanceProfile = new(true), "context-1", "theirs"
		spec.UserData = "#!/bin/bash\necho mine\n"
		spec.Tags = map[string]string{"team": "a"}
	})
	got := s.launched()
	if want := (admin.MetadataOptions{HTTPTokens: "optional", HopLimit: 3, HTTPEndpoint: "enabled", HTTPProtocolIPv6: "disabled"}); got.Metadata != want {
		t.Errorf("metadata options %+v, want %+v", got.Metadata, want)
	}
	want := []admin.Volume{{Device: "/dev/xvda", Type: "gp3", SizeGiB: 51, IOPS: 4000, Throughput: 200, Encrypted: true, DeleteOnTermination: true}}
	if diff := cmp.Diff(want, got.Volumes, cmpopts.IgnoreFields(admin.Volume{}, "ID")); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
	if !got.Monitoring || s.Fleets()[0].Context != "context-1" || got.InstanceProfile != "theirs" || got.Tags["team"] != "a" || got.VolumeTags["team"] != "a" {
		t.Errorf("monitoring %t, context %q, profile %q, tags %v, of volumes %v", got.Monitoring, s.Fleets()[0].Context, got.InstanceProfile, got.Tags, got.VolumeTags)
	}
	if text := userData(t, got); !regexp.MustCompile(`(?s)echo mine.*/etc/eks/bootstrap\.sh`).MatchString(text) {
		t.Errorf("the user's part is not ahead of kerf's:\n%s", text)
	}
}

func TestWhatATemplateLeavesOutIsAsKerfHasIt(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	got := s.launched()
	if want := (admin.MetadataOptions{HTTPTokens: "required", HopLimit: 2, HTTPEndpoint: "enabled", HTTPProtocolIPv6: "disabled"}); got.Metadata != want {
		t.Errorf("metadata options %+v, want %+v", got.Metadata, want)
	}
	want := []admin.Volume{{Device: "/dev/xvda", Type: "gp3", SizeGiB: 20, Encrypted: true, DeleteOnTermination: true}}
	if diff := cmp.Diff(want, got.Volumes, cmpopts.IgnoreFields(admin.Volume{}, "ID")); diff != "" {
		t.Errorf("volumes (-want +got):\n%s", diff)
	}
	if got.Monitoring || s.Fleets()[0].Context != "" {
		t.Errorf("monitoring %t, context %q", got.Monitoring, s.Fleets()[0].Context)
	}
}

func TestInPrivateSubnetsMachinesAskForNoPublicAddress(t *testing.T) {
	for name, tc := range map[string]struct {
		selector map[string]string
		want     bool
	}{
		"those of the cluster are private": {map[string]string{"karpenter.sh/discovery": clusterName}, true},
		"all subnets, public ones too":     {map[string]string{"Name": "*"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSim(t)
			s.makeTemplate(func(spec *awsv1alpha1.AWSNodeTemplateSpec) { spec.SubnetSelector = tc.selector })
			got := s.launched()
			made := s.World().Instances()[0].Data
			asked := len(made.NetworkInterfaces) == 1 && made.NetworkInterfaces[0].AssociatePublicIP != nil && !*made.NetworkInterfaces[0].AssociatePublicIP
			if asked != tc.want || len(got.SecurityGroupIDs) == 0 {
				t.Errorf("asked for no public address: %t, want %t; security groups %v", asked, tc.want, got.SecurityGroupIDs)
			}
		})
	}
}

func TestTheCapacityOfAMachineFollowsItsTemplate(t *testing.T) {
	for name, tc := range map[string]struct {
		modify  func(*awsv1alpha1.AWSNodeTemplateSpec)
		storage string
	}{
		"AL2":                        {func(*awsv1alpha1.AWSNodeTemplateSpec) {}, "20Gi"},
		"Bottlerocket":               {func(spec *awsv1alpha1.AWSNodeTemplateSpec) { spec.AMIFamily = awsv1alpha1.AMIFamilyBottlerocket }, "20Gi"},
		"Bottlerocket's data volume": {onBottlerocket("/dev/xvdb", "70Gi"), "70Gi"},
		"Windows":                    {func(spec *awsv1alpha1.AWSNodeTemplateSpec) { spec.AMIFamily = awsv1alpha1.AMIFamilyWindows2022 }, "50Gi"},
		"AL2's root":                 {func(spec *awsv1alpha1.AWSNodeTemplateSpec) { spec.BlockDeviceMappings = mapped("/dev/xvda", "80Gi") }, "80Gi"},
	} {
		t.Run(name, func(t *testing.T) {
			s := startSim(t)
			s.makeTemplate(tc.modify)
			got, err := s.provider.Create(t.Context(), machine("one", 1, 0))
			if err != nil {
				t.Fatal(err)
			}
			if q := got.Status.Capacity[corev1.ResourceEphemeralStorage]; q.Cmp(resource.MustParse(tc.storage)) != 0 {
				t.Errorf("ephemeral storage %s, want %s", q.String(), tc.storage)
			}
			planned, err := s.provider.InstanceTypes(t.Context(), provisioner("default"))
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range planned {
				if i.Name == got.Labels[corev1.LabelInstanceTypeStable] && !cmp.Equal(i.Allocatable(), got.Status.Allocatable) {
					t.Errorf("planned with %v, created with %v", i.Allocatable(), got.Status.Allocatable)
				}
			}
		})
	}
}

func TestWindowsMachinesBootWindowsAndAreLabelledSo(t *testing.T) {
	s := startSim(t)
	s.makeTemplate(func(spec *awsv1alpha1.AWSNodeTemplateSpec) {
		spec.AMIFamily, spec.UserData = awsv1alpha1.AMIFamilyWindows2019, "Write-Host 'mine'"
	})
	got, err := s.provider.Create(t.Context(), machine("one", 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	if os, build := got.Labels[corev1.LabelOSStable], got.Labels[corev1.LabelWindowsBuild]; os != "windows" || build != "10.0.17763" {
		t.Errorf("the labels say %q of build %q", os, build)
	}
	if q := got.Status.Capacity[awsv1alpha1.ResourceAWSPrivateIPv4]; q.Value() <= 0 {
		t.Errorf("there are %s addresses for pods", q.String())
	}
	made := s.Instances()[0]
	if image := made.ImageName; !strings.HasPrefix(image, "Windows_Server-2019-English-Core-EKS_Optimized-1.32-") {
		t.Errorf("image %s", image)
	}
	text := userData(t, made)
	for _, want := range []string{"<powershell>\nWrite-Host 'mine'\n", "Start-EKSBootstrap.ps1", "'--max-pods=110 --node-labels=", "team=a"} {
		if !strings.Contains(text, want) {
			t.Errorf("the user data lacks %q: %s", want, text)
		}
	}
}

func mapped(device, size string) []awsv1alpha1.BlockDeviceMapping {
	return []awsv1alpha1.BlockDeviceMapping{{DeviceName: &device, EBS: &awsv1alpha1.BlockDevice{VolumeSize: new(resource.MustParse(size))}}}
}

func onBottlerocket(device, size string) func(*awsv1alpha1.AWSNodeTemplateSpec) {
	return func(spec *awsv1alpha1.AWSNodeTemplateSpec) {
		spec.AMIFamily, spec.BlockDeviceMappings = awsv1alpha1.AMIFamilyBottlerocket, mapped(device, size)
	}
}

func TestCustomImagesGetTheUsersTextOnOneLaunchTemplate(t *testing.T) {
	s := startSim(t)
	s.makeTemplate(func(spec *awsv1alpha1.AWSNodeTemplateSpec) {
		spec.AMIFamily, spec.AMISelector = awsv1alpha1.AMIFamilyCustom, map[string]string{"aws::name": "amazon-eks-node-1.32-*"}
		spec.UserData = "#!/bin/sh\nexec /opt/join\n"
	})
	got := s.launched(func(m *v1alpha5.Machine) {
		m.Spec.Kubelet = &v1alpha5.KubeletConfiguration{KubeReserved: corev1.ResourceList{"cpu": resource.MustParse("200m")}}
	})
	if text := userData(t, got); text != "#!/bin/sh\nexec /opt/join\n" {
		t.Errorf("user data %q", text)
	}
	if got.ImageName != "amazon-eks-node-1.32-v20260520" {
		t.Errorf("image %s, want the newest", got.ImageName)
	}
	if len(got.Volumes) != 1 || got.Volumes[0].Encrypted {
		t.Errorf("volumes %+v, want the image's own", got.Volumes)
	}
	if n := len(s.LaunchTemplates()); n != 1 {
		t.Errorf("%d launch templates, want one for all instance types", n)
	}
}

// makeLaunchTemplate makes a launch template as a user would, by hand, with the tags that the IAM policy asks for; it carries the tag of the
// cluster's UID, too.
func (s *sim) makeLaunchTemplate(name string) {
	s.t.Helper()
	_, images := s.images(awsv1alpha1.AWSNodeTemplateSpec{})
	owned := world.Tags{awsv1alpha1.TagClusterPrefix + clusterName: "owned", v1alpha5.ProvisionerNameLabel: "any"}
	_, err := s.World().CreateLaunchTemplate(world.NewLaunchTemplate{
		Name: name, Tags: owned.With(awsv1alpha1.TagClusterUID, clusterUID),
		Data: world.LaunchTemplateData{
			ImageID: images[0].ID, UserData: base64.StdEncoding.EncodeToString([]byte("theirs")),
			TagSpecifications: []world.TagSpecification{{ResourceType: "network-interface", Tags: owned.List()}},
		},
	})
	if err != nil {
		s.t.Fatal(err)
	}
}

func TestAUsersLaunchTemplateIsUsedAsItIsAndStays(t *testing.T) {
	s := startSim(t)
	s.makeLaunchTemplate("mine")
	s.makeTemplate(func(spec *awsv1alpha1.AWSNodeTemplateSpec) {
		spec.SecurityGroupSelector, spec.LaunchTemplate, spec.Tags = nil, "mine", map[string]string{"team": "a"}
	})
	list, err := s.provider.InstanceTypes(t.Context(), provisioner("default"))
	if err != nil || len(list) == 0 {
		t.Fatalf("%d instance types, %v", len(list), err)
	}
	got := s.launched()
	if got.LaunchTemplate != "mine" || userData(t, got) != "theirs" || got.Tags["team"] != "a" || got.Tags[awsv1alpha1.TagClusterUID] != clusterUID {
		t.Errorf("launch template %q, user data %q, tags %v", got.LaunchTemplate, userData(t, got), got.Tags)
	}
	for range 3 {
		s.run(s.provider, "sweeping launch templates")
		s.clock.Step(time.Hour)
	}
	if all := s.LaunchTemplates(); len(all) != 1 || all[0].Name != "mine" {
		t.Errorf("launch templates %+v, want mine alone", all)
	}
	if n := s.calls("ec2:CreateLaunchTemplate"); n > 0 {
		t.Errorf("%d launch templates were made", n)
	}
}

func TestAUsersLaunchTemplateThatIsGoneIsNotReady(t *testing.T) {
	s := startSim(t)
	s.makeTemplate(func(spec *awsv1alpha1.AWSNodeTemplateSpec) {
		spec.SecurityGroupSelector, spec.LaunchTemplate = nil, "mine"
	})
	if _, err := s.provider.Create(t.Context(), machine("one", 1, 0)); !cloudprovider.IsNotReady(err) {
		t.Errorf("error = %v, want not ready", err)
	}
	s.makeLaunchTemplate("mine")
	if got := s.launched(); got.LaunchTemplate != "mine" {
		t.Errorf("launch template %q", got.LaunchTemplate)
	}
}

func TestATemplateOfSomebodyElseDoesNotStandForAnInlineProvider(t *testing.T) {
	s := startSim(t)
	template := s.makeTemplate()
	p := provisioner("")
	p.UID, p.Spec.ProviderRef = "uid-1", nil
	p.Spec.Provider = &runtime.RawExtension{Raw: []byte(`{"subnetSelector": {"karpenter.sh/discovery": "demo"}, "securityGroupSelector": {"karpenter.sh/discovery": "demo"}}`)}
	list := func(template *awsv1alpha1.AWSNodeTemplate) error {
		template.ResourceVersion = ""
		status := template.Status
		if err := s.client.Create(t.Context(), template); err != nil {
			t.Fatal(err)
		}
		template.Status = status
		if err := s.client.Status().Update(t.Context(), template); err != nil {
			t.Fatal(err)
		}
		_, err := s.provider.InstanceTypes(t.Context(), p)
		if err := s.client.Delete(t.Context(), template); err != nil {
			t.Fatal(err)
		}
		return err
	}
	foreign := template.DeepCopy()
	foreign.Name = p.TemplateName()
	if err := list(foreign); !cloudprovider.IsNotReady(err) || !strings.Contains(err.Error(), "belongs to somebody else") {
		t.Errorf("error = %v, want not ready", err)
	}
	own, err := inline.Template(p)
	if err != nil {
		t.Fatal(err)
	}
	own.Status, own.Generation = template.Status, 1
	if err := list(own); err != nil {
		t.Errorf("its own template: %v", err)
	}
}

func TestUserDataThatCannotBeWrittenIsToldWithItsField(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	_, err := s.provider.Create(t.Context(), machine("one", 1, 0, func(m *v1alpha5.Machine) {
		m.Spec.Kubelet = &v1alpha5.KubeletConfiguration{ImageGCHighThresholdPercent: new(int32(50))}
	}))
	planned := provisioner("default")
	planned.Spec.KubeletConfiguration = &v1alpha5.KubeletConfiguration{ImageGCHighThresholdPercent: new(int32(50))}
	if _, err := s.provider.InstanceTypes(t.Context(), planned); !cloudprovider.IsNotReady(err) || !strings.Contains(err.Error(), "imageGCLowThresholdPercent") {
		t.Errorf("planning: error = %v, want one that names the field", err)
	}
	if cloudprovider.CreateReason(err, "") != "InvalidRequest" || !strings.Contains(err.Error(), "imageGCLowThresholdPercent") {
		t.Errorf("error = %v, want one that names the field", err)
	}
}
