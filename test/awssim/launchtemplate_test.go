package awssim_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestLaunchTemplatesKeepWhatTheyWereGiven(t *testing.T) {
	s := start(t)
	made := s.makeTemplate(func(in *ec2.CreateLaunchTemplateInput) {
		in.VersionDescription = aws.String("first")
		in.LaunchTemplateData.SecurityGroupIds = nil
		in.LaunchTemplateData.EbsOptimized = aws.Bool(true)
		in.LaunchTemplateData.Monitoring = &ec2types.LaunchTemplatesMonitoringRequest{Enabled: aws.Bool(true)}
		in.LaunchTemplateData.MetadataOptions = &ec2types.LaunchTemplateInstanceMetadataOptionsRequest{
			HttpEndpoint: "enabled", HttpTokens: "required", HttpPutResponseHopLimit: aws.Int32(2), HttpProtocolIpv6: "disabled",
		}
		in.LaunchTemplateData.BlockDeviceMappings = []ec2types.LaunchTemplateBlockDeviceMappingRequest{{
			DeviceName: aws.String("/dev/xvda"), Ebs: &ec2types.LaunchTemplateEbsBlockDeviceRequest{
				VolumeSize: aws.Int32(20), VolumeType: "gp3", Encrypted: aws.Bool(true), Iops: aws.Int32(3000), Throughput: aws.Int32(125),
				DeleteOnTermination: aws.Bool(true), KmsKeyId: aws.String("key"), SnapshotId: aws.String("snap-1"),
			},
		}}
		in.LaunchTemplateData.NetworkInterfaces = []ec2types.LaunchTemplateInstanceNetworkInterfaceSpecificationRequest{{
			DeviceIndex: aws.Int32(0), AssociatePublicIpAddress: aws.Bool(false), Groups: []string{s.nodeGroup()},
		}}
	})
	out, err := s.ec2.DescribeLaunchTemplateVersions(s.ctx(), &ec2.DescribeLaunchTemplateVersionsInput{
		LaunchTemplateId: made.LaunchTemplateId, Versions: []string{"$Latest"},
	})
	if err != nil || len(out.LaunchTemplateVersions) != 1 {
		t.Fatalf("versions %+v (%v)", out, err)
	}
	version := out.LaunchTemplateVersions[0]
	want := &ec2types.ResponseLaunchTemplateData{
		ImageId: aws.String(s.image(x86Image)), UserData: aws.String(userData64), EbsOptimized: aws.Bool(true),
		Monitoring:         &ec2types.LaunchTemplatesMonitoring{Enabled: aws.Bool(true)},
		IamInstanceProfile: &ec2types.LaunchTemplateIamInstanceProfileSpecification{Name: aws.String("node")},
		MetadataOptions: &ec2types.LaunchTemplateInstanceMetadataOptions{
			HttpEndpoint: "enabled", HttpTokens: "required", HttpPutResponseHopLimit: aws.Int32(2), HttpProtocolIpv6: "disabled",
		},
		BlockDeviceMappings: []ec2types.LaunchTemplateBlockDeviceMapping{{DeviceName: aws.String("/dev/xvda"), Ebs: &ec2types.LaunchTemplateEbsBlockDevice{
			VolumeSize: aws.Int32(20), VolumeType: "gp3", Encrypted: aws.Bool(true), Iops: aws.Int32(3000), Throughput: aws.Int32(125),
			DeleteOnTermination: aws.Bool(true), KmsKeyId: aws.String("key"), SnapshotId: aws.String("snap-1"),
		}}},
		NetworkInterfaces: []ec2types.LaunchTemplateInstanceNetworkInterfaceSpecification{{
			DeviceIndex: aws.Int32(0), AssociatePublicIpAddress: aws.Bool(false), Groups: []string{s.nodeGroup()},
		}},
		TagSpecifications: []ec2types.LaunchTemplateTagSpecification{
			{ResourceType: "instance", Tags: []ec2types.Tag{{Key: aws.String("from"), Value: aws.String("template")}}},
		},
	}
	if diff := cmp.Diff(want, version.LaunchTemplateData, cmpopts.IgnoreUnexported(
		ec2types.ResponseLaunchTemplateData{}, ec2types.LaunchTemplatesMonitoring{}, ec2types.LaunchTemplateIamInstanceProfileSpecification{},
		ec2types.LaunchTemplateInstanceMetadataOptions{}, ec2types.LaunchTemplateBlockDeviceMapping{}, ec2types.LaunchTemplateEbsBlockDevice{},
		ec2types.LaunchTemplateInstanceNetworkInterfaceSpecification{}, ec2types.LaunchTemplateTagSpecification{}, ec2types.Tag{},
	)); diff != "" {
		t.Errorf("data (-want +got):\n%s", diff)
	}
	if *version.VersionNumber != 1 || !*version.DefaultVersion || *version.VersionDescription != "first" {
		t.Errorf("version %+v", version)
	}
}

func TestLaunchTemplatesAreListedTaggedAndDeleted(t *testing.T) {
	s := start(t)
	for n := range 25 {
		s.makeTemplate(func(in *ec2.CreateLaunchTemplateInput) {
			in.LaunchTemplateName = aws.String(fmt.Sprintf("kerf/%02d", n))
			in.TagSpecifications = []ec2types.TagSpecification{{
				ResourceType: "launch-template", Tags: []ec2types.Tag{{Key: aws.String("parity"), Value: aws.String(fmt.Sprint(n % 2))}},
			}}
		})
	}
	seen := map[string]int{}
	pages := ec2.NewDescribeLaunchTemplatesPaginator(s.ec2, &ec2.DescribeLaunchTemplatesInput{
		MaxResults: aws.Int32(3), Filters: []ec2types.Filter{where("tag:parity", "1"), where("launch-template-name", "kerf/*")},
	})
	for pages.HasMorePages() {
		out, err := pages.NextPage(s.ctx())
		if err != nil {
			t.Fatal(err)
		}
		for _, made := range out.LaunchTemplates {
			seen[*made.LaunchTemplateName]++
			if _, err := s.ec2.DeleteLaunchTemplate(s.ctx(), &ec2.DeleteLaunchTemplateInput{LaunchTemplateId: made.LaunchTemplateId}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(seen) != 12 || len(s.LaunchTemplates()) != 13 {
		t.Errorf("%d templates were listed and %d are left, want 12 and 13", len(seen), len(s.LaunchTemplates()))
	}
	out, err := s.ec2.DescribeLaunchTemplateVersions(s.ctx(), &ec2.DescribeLaunchTemplateVersionsInput{Versions: []string{"$Default"}})
	if err != nil || len(out.LaunchTemplateVersions) != 13 {
		t.Errorf("%d default versions (%v), want 13", len(out.LaunchTemplateVersions), err)
	}
}

func TestTheSameTokenMakesOneLaunchTemplate(t *testing.T) {
	s := start(t)
	withToken := func(in *ec2.CreateLaunchTemplateInput) { in.ClientToken = aws.String("token") }
	first, again := s.makeTemplate(withToken), s.makeTemplate(withToken)
	if *first.LaunchTemplateId != *again.LaunchTemplateId || len(s.LaunchTemplates()) != 1 {
		t.Errorf("%s, then %s: the retry made another template", *first.LaunchTemplateId, *again.LaunchTemplateId)
	}
	_, err := s.ec2.CreateLaunchTemplate(s.ctx(), &ec2.CreateLaunchTemplateInput{
		ClientToken: aws.String("token"), LaunchTemplateName: aws.String(template),
		LaunchTemplateData: &ec2types.RequestLaunchTemplateData{ImageId: aws.String(s.image(armImage))},
	})
	if code(err) != "IdempotentParameterMismatch" {
		t.Errorf("changed parameters under the same token: %v", err)
	}
}

func TestInstancesOutliveTheirLaunchTemplate(t *testing.T) {
	s := start(t)
	s.makeTemplate()
	s.launch(s.fleetOf(1, "m5.large"))
	if _, err := s.ec2.DeleteLaunchTemplate(s.ctx(), &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: aws.String(template)}); err != nil {
		t.Fatal(err)
	}
	if i := s.Instances(); len(i) != 1 || i[0].UserData != userData64 || i[0].LaunchTemplate != template {
		t.Errorf("instances after the deletion: %+v", i)
	}
	if _, err := s.ec2.CreateFleet(s.ctx(), s.fleetOf(1, "m5.large")); code(err) != "InvalidLaunchTemplateName.NotFoundException" {
		t.Errorf("a fleet of a deleted template: %v", err)
	}
	s.makeTemplate() // the name is free again
}
