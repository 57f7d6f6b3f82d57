package launchtemplate

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"path/filepath"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/blockdevice"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// stated is a spec of which every part is the user's.
func stated() Spec {
	s := spec("#!/bin/sh\n")
	s.Metadata = &awsv1alpha1.MetadataOptions{
		HTTPEndpoint: awssdk.String("enabled"), HTTPProtocolIPv6: awssdk.String("enabled"), HTTPPutResponseHopLimit: awssdk.Int64(64), HTTPTokens: awssdk.String("optional"),
	}
	s.Volumes = []awsv1alpha1.BlockDeviceMapping{
		{DeviceName: awssdk.String("/dev/xvda"), EBS: &awsv1alpha1.BlockDevice{
			VolumeSize: new(resource.MustParse("100G")), VolumeType: awssdk.String("io2"), IOPS: awssdk.Int64(10_000), Encrypted: awssdk.Bool(true),
			KMSKeyID: awssdk.String("arn:aws:kms:us-east-1:123456789012:key/1"), DeleteOnTermination: awssdk.Bool(false),
		}},
		{DeviceName: awssdk.String("/dev/xvdb"), EBS: &awsv1alpha1.BlockDevice{
			SnapshotID: awssdk.String("snap-1"), VolumeType: awssdk.String("gp3"), Throughput: awssdk.Int64(500),
		}},
	}
	s.DetailedMonitoring = awssdk.Bool(true)
	return s
}

func TestLaunchTemplatesHoldWhatIsRecorded(t *testing.T) {
	ofFamily := func(family string) Spec {
		s := spec("#!/bin/sh\n")
		s.Volumes = blockdevice.Of(family, nil)
		return s
	}
	ipv6, half, none := ofFamily(awsv1alpha1.AMIFamilyAL2), ofFamily(awsv1alpha1.AMIFamilyAL2), ofFamily(awsv1alpha1.AMIFamilyCustom)
	ipv6.IPv6 = true
	half.Metadata = &awsv1alpha1.MetadataOptions{HTTPTokens: awssdk.String("required")}
	private := ofFamily(awsv1alpha1.AMIFamilyAL2)
	private.NoPublicIP = true
	efa, lastCards := ofFamily(awsv1alpha1.AMIFamilyAL2), ofFamily(awsv1alpha1.AMIFamilyAL2)
	efa.NoPublicIP, efa.Cards, efa.EFAInterfaces = true, 1, 1
	lastCards.NoPublicIP, lastCards.IPv6, lastCards.Cards, lastCards.EFAInterfaces = true, true, 3, 2
	none.UserData, none.DetailedMonitoring = "", awssdk.Bool(false)
	for name, s := range map[string]Spec{
		"al2": ofFamily(awsv1alpha1.AMIFamilyAL2), "bottlerocket": ofFamily(awsv1alpha1.AMIFamilyBottlerocket), "ubuntu": ofFamily(awsv1alpha1.AMIFamilyUbuntu),
		"windows":                  ofFamily(awsv1alpha1.AMIFamilyWindows2022),
		"custom_without_user_data": none, "ipv6": ipv6, "metadata_half_stated": half, "all_stated": stated(),
		"no_public_ip": private, "efa": efa, "efa_on_the_last_cards": lastCards,
	} {
		t.Run(name, func(t *testing.T) {
			got, err := json.MarshalIndent(present(t, s.data()), "", "  ")
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".json")
			if *update {
				if err := os.WriteFile(golden, append(got, '\n'), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)+"\n"); diff != "" {
				t.Errorf("content (-want +got):\n%s", diff)
			}
		})
	}
}

// present returns the members of a request that would be sent: those that say something.
func present(t *testing.T, data *ec2types.RequestLaunchTemplateData) any {
	t.Helper()
	encoded, err := json.Marshal(data)
	if err != nil {
		t.Fatal(err)
	}
	var out any
	if err := json.Unmarshal(encoded, &out); err != nil {
		t.Fatal(err)
	}
	return pruned(out)
}

func pruned(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key, member := range v {
			if member = pruned(member); member == nil || member == "" {
				delete(v, key)
			} else {
				v[key] = member
			}
		}
	case []any:
		for i := range v {
			v[i] = pruned(v[i])
		}
	}
	return value
}

func TestANumberThatEC2CannotTakeDoesNotBecomeAnother(t *testing.T) {
	s := stated()
	s.Volumes[0].EBS.IOPS, s.Volumes[1].EBS.Throughput = awssdk.Int64(math.MaxInt64), awssdk.Int64(math.MinInt64)
	got := s.data().BlockDeviceMappings
	if *got[0].Ebs.Iops != math.MaxInt32 || *got[1].Ebs.Throughput != math.MinInt32 {
		t.Errorf("%d and %d, want the largest and the smallest", *got[0].Ebs.Iops, *got[1].Ebs.Throughput)
	}
}

func TestAVolumeWithoutContentIsPassedOnAsItIs(t *testing.T) {
	s := spec("a")
	s.Volumes = []awsv1alpha1.BlockDeviceMapping{{DeviceName: awssdk.String("/dev/sdb")}, {}}
	got := s.data().BlockDeviceMappings
	if len(got) != 2 || got[0].Ebs != nil || *got[0].DeviceName != "/dev/sdb" || got[1].DeviceName != nil {
		t.Errorf("mappings = %+v", got)
	}
}
