package awssim_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
)

// disk is a mapping of a volume.
func disk(device string, volume ec2types.LaunchTemplateEbsBlockDeviceRequest) ec2types.LaunchTemplateBlockDeviceMappingRequest {
	return ec2types.LaunchTemplateBlockDeviceMappingRequest{DeviceName: aws.String(device), Ebs: &volume}
}

// withDisks makes the template map volumes.
func withDisks(mappings ...ec2types.LaunchTemplateBlockDeviceMappingRequest) func(*ec2.CreateLaunchTemplateInput) {
	return func(in *ec2.CreateLaunchTemplateInput) { in.LaunchTemplateData.BlockDeviceMappings = mappings }
}

func TestInstancesHaveTheVolumesOfImageAndTemplate(t *testing.T) {
	type volume = ec2types.LaunchTemplateEbsBlockDeviceRequest
	root := admin.Volume{Device: "/dev/xvda", Type: "gp3", SizeGiB: 20, DeleteOnTermination: true}
	for name, tc := range map[string]struct {
		mappings []ec2types.LaunchTemplateBlockDeviceMappingRequest
		want     []admin.Volume
	}{
		"the image's alone": {nil, []admin.Volume{root}},
		"a larger root, kept": {
			[]ec2types.LaunchTemplateBlockDeviceMappingRequest{disk("/dev/xvda", volume{
				VolumeSize: aws.Int32(100), VolumeType: "io2", Iops: aws.Int32(5000), Encrypted: aws.Bool(true), KmsKeyId: aws.String("key"), DeleteOnTermination: aws.Bool(false),
			})},
			[]admin.Volume{{Device: "/dev/xvda", Type: "io2", SizeGiB: 100, IOPS: 5000, Encrypted: true, KMSKeyID: "key"}},
		},
		"the root of the image's size": {
			[]ec2types.LaunchTemplateBlockDeviceMappingRequest{disk("/dev/xvda", volume{VolumeType: "gp3", Throughput: aws.Int32(500)})},
			[]admin.Volume{{Device: "/dev/xvda", Type: "gp3", SizeGiB: 20, Throughput: 500, DeleteOnTermination: true}},
		},
		"another beside it": {
			[]ec2types.LaunchTemplateBlockDeviceMappingRequest{disk("/dev/xvdb", volume{VolumeSize: aws.Int32(1)})},
			[]admin.Volume{root, {Device: "/dev/xvdb", Type: "gp2", SizeGiB: 1, DeleteOnTermination: true}},
		},
		"one from a snapshot": {
			[]ec2types.LaunchTemplateBlockDeviceMappingRequest{disk("/dev/xvdb", volume{SnapshotId: aws.String("snap-1")})},
			[]admin.Volume{root, {Device: "/dev/xvdb", Type: "gp2", SnapshotID: "snap-1", DeleteOnTermination: true}},
		},
		"another in place of the root": {
			[]ec2types.LaunchTemplateBlockDeviceMappingRequest{
				{DeviceName: aws.String("/dev/xvda"), NoDevice: aws.String("")}, disk("/dev/xvdb", volume{VolumeSize: aws.Int32(30), VolumeType: "gp3"}),
			},
			[]admin.Volume{{Device: "/dev/xvdb", Type: "gp3", SizeGiB: 30, DeleteOnTermination: true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.makeTemplate(withDisks(tc.mappings...))
			s.launch(s.fleetOf(1, "m5.large"))
			if diff := cmp.Diff(tc.want, s.Instances()[0].Volumes, cmpopts.IgnoreFields(admin.Volume{}, "ID")); diff != "" {
				t.Errorf("volumes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestVolumesThatEC2WouldNotMakeFailTheLaunchAndNotTheCall(t *testing.T) {
	type volume = ec2types.LaunchTemplateEbsBlockDeviceRequest
	data := func(v volume) []ec2types.LaunchTemplateBlockDeviceMappingRequest {
		return []ec2types.LaunchTemplateBlockDeviceMappingRequest{disk("/dev/xvdb", v)}
	}
	for name, tc := range map[string]struct {
		mappings []ec2types.LaunchTemplateBlockDeviceMappingRequest
		want     string
	}{
		"without a device":            {[]ec2types.LaunchTemplateBlockDeviceMappingRequest{{Ebs: &volume{VolumeSize: aws.Int32(1)}}}, "MissingParameter"},
		"without anything on it":      {[]ec2types.LaunchTemplateBlockDeviceMappingRequest{{DeviceName: aws.String("/dev/xvdb")}}, "MissingParameter"},
		"two on one device":           {append(data(volume{VolumeSize: aws.Int32(1)}), data(volume{VolumeSize: aws.Int32(2)})...), "InvalidBlockDeviceMapping"},
		"a root below the image":      {[]ec2types.LaunchTemplateBlockDeviceMappingRequest{disk("/dev/xvda", volume{VolumeSize: aws.Int32(8)})}, "InvalidBlockDeviceMapping"},
		"without a size":              {data(volume{VolumeType: "gp3"}), "MissingParameter"},
		"of no type":                  {data(volume{VolumeSize: aws.Int32(1), VolumeType: "gp4"}), "InvalidParameterValue"},
		"too small for its type":      {data(volume{VolumeSize: aws.Int32(100), VolumeType: "st1"}), "InvalidParameterValue"},
		"too large for its type":      {data(volume{VolumeSize: aws.Int32(16385), VolumeType: "gp2"}), "InvalidParameterValue"},
		"io1 without IOPS":            {data(volume{VolumeSize: aws.Int32(10), VolumeType: "io1"}), "MissingParameter"},
		"gp2 with IOPS":               {data(volume{VolumeSize: aws.Int32(10), VolumeType: "gp2", Iops: aws.Int32(3000)}), "InvalidParameterCombination"},
		"gp3 with too few IOPS":       {data(volume{VolumeSize: aws.Int32(10), VolumeType: "gp3", Iops: aws.Int32(100)}), "InvalidParameterValue"},
		"io2 with throughput":         {data(volume{VolumeSize: aws.Int32(10), VolumeType: "io2", Iops: aws.Int32(3000), Throughput: aws.Int32(500)}), "InvalidParameterCombination"},
		"a key and no encryption":     {data(volume{VolumeSize: aws.Int32(10), KmsKeyId: aws.String("key")}), "InvalidParameterDependency"},
		"gp3 with too much of a push": {data(volume{VolumeSize: aws.Int32(10), VolumeType: "gp3", Throughput: aws.Int32(5000)}), "InvalidParameterValue"},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.makeTemplate(withDisks(tc.mappings...))
			out := s.launch(s.fleetOf(1, "m5.large"))
			if len(out.Instances) > 0 || len(out.Errors) != 1 || *out.Errors[0].ErrorCode != tc.want {
				t.Errorf("instances %v, errors %+v; want %s", out.Instances, out.Errors, tc.want)
			}
		})
	}
}

func TestInstancesShowTheMetadataOptionsAndMonitoringInForce(t *testing.T) {
	type options = ec2types.LaunchTemplateInstanceMetadataOptionsRequest
	for name, tc := range map[string]struct {
		asked *options
		want  admin.MetadataOptions
	}{
		"nothing asked for": {nil, admin.MetadataOptions{HTTPTokens: "optional", HopLimit: 1, HTTPEndpoint: "enabled", HTTPProtocolIPv6: "disabled"}},
		"a part":            {&options{HttpTokens: "required"}, admin.MetadataOptions{HTTPTokens: "required", HopLimit: 1, HTTPEndpoint: "enabled", HTTPProtocolIPv6: "disabled"}},
		"all": {
			&options{HttpTokens: "required", HttpPutResponseHopLimit: aws.Int32(2), HttpEndpoint: "disabled", HttpProtocolIpv6: "enabled"},
			admin.MetadataOptions{HTTPTokens: "required", HopLimit: 2, HTTPEndpoint: "disabled", HTTPProtocolIPv6: "enabled"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.makeTemplate(func(in *ec2.CreateLaunchTemplateInput) {
				in.LaunchTemplateData.MetadataOptions = tc.asked
				in.LaunchTemplateData.Monitoring = &ec2types.LaunchTemplatesMonitoringRequest{Enabled: aws.Bool(tc.asked != nil)}
			})
			in := s.fleetOf(1, "m5.large")
			in.Context = aws.String("told by AWS")
			s.launch(in)
			got := s.Instances()[0]
			if got.Metadata != tc.want || got.Monitoring != (tc.asked != nil) || s.Fleets()[0].Context != "told by AWS" {
				t.Errorf("options %+v, monitoring %t, context %q", got.Metadata, got.Monitoring, s.Fleets()[0].Context)
			}
		})
	}
}
