package blockdevice

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/resource"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

func stated(device, size string) awsv1alpha1.BlockDeviceMapping {
	m := awsv1alpha1.BlockDeviceMapping{DeviceName: &device, EBS: &awsv1alpha1.BlockDevice{}}
	if size != "" {
		m.EBS.VolumeSize = new(resource.MustParse(size))
	}
	return m
}

// described maps device -> size, type and flags of volumes.
func described(mappings []awsv1alpha1.BlockDeviceMapping) map[string]string {
	out := map[string]string{}
	for _, m := range mappings {
		flags := ""
		if m.EBS.Encrypted != nil && *m.EBS.Encrypted {
			flags += " encrypted"
		}
		if m.EBS.DeleteOnTermination != nil && *m.EBS.DeleteOnTermination {
			flags += " ends with the instance"
		}
		out[*m.DeviceName] = m.EBS.VolumeSize.String() + " " + *m.EBS.VolumeType + flags
	}
	return out
}

func TestEachFamilyHasItsVolumes(t *testing.T) {
	const twenty, four, fifty = "20Gi gp3 encrypted ends with the instance", "4Gi gp3 encrypted ends with the instance", "50Gi gp3 encrypted ends with the instance"
	for family, want := range map[string]map[string]string{
		awsv1alpha1.AMIFamilyAL2:          {"/dev/xvda": twenty},
		awsv1alpha1.AMIFamilyAL2023:       {"/dev/xvda": twenty},
		awsv1alpha1.AMIFamilyUbuntu:       {"/dev/sda1": twenty},
		awsv1alpha1.AMIFamilyBottlerocket: {"/dev/xvda": four, "/dev/xvdb": twenty},
		awsv1alpha1.AMIFamilyWindows2019:  {"/dev/sda1": fifty},
		awsv1alpha1.AMIFamilyWindows2022:  {"/dev/sda1": fifty},
		awsv1alpha1.AMIFamilyWindows2025:  {"/dev/sda1": fifty},
		awsv1alpha1.AMIFamilyCustom:       {},
	} {
		if diff := cmp.Diff(want, described(Of(family, nil))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", family, diff)
		}
	}
}

func TestStatedVolumesReplaceAllOfTheFamily(t *testing.T) {
	own := []awsv1alpha1.BlockDeviceMapping{stated("/dev/xvdb", "50Gi")}
	for _, family := range []string{awsv1alpha1.AMIFamilyAL2, awsv1alpha1.AMIFamilyBottlerocket, awsv1alpha1.AMIFamilyCustom} {
		if diff := cmp.Diff(own, Of(family, own)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", family, diff)
		}
	}
}

func TestPodsHaveTheVolumeThatTheImagePutsThemOn(t *testing.T) {
	both := []awsv1alpha1.BlockDeviceMapping{stated("/dev/xvda", "30Gi"), stated("/dev/xvdb", "100Gi")}
	for name, tc := range map[string]struct {
		family string
		stated []awsv1alpha1.BlockDeviceMapping
		want   string
	}{
		"AL2, nothing stated":           {"AL2", nil, "20Gi"},
		"AL2, its root among others":    {"AL2", both, "30Gi"},
		"AL2023, its root among others": {"AL2023", both, "30Gi"},
		"AL2, another device alone":     {"AL2", both[1:], "20Gi"},
		"AL2, a size by the snapshot":   {"AL2", []awsv1alpha1.BlockDeviceMapping{stated("/dev/xvda", "")}, "20Gi"},
		"AL2, a size with a remainder":  {"AL2", []awsv1alpha1.BlockDeviceMapping{stated("/dev/xvda", "25G")}, "24Gi"},
		"Ubuntu, its own root":          {"Ubuntu", append(both, stated("/dev/sda1", "40Gi")), "40Gi"},
		"Ubuntu, roots of others":       {"Ubuntu", both, "20Gi"},
		"Bottlerocket, its data volume": {"Bottlerocket", both, "100Gi"},
		"Bottlerocket, only its system": {"Bottlerocket", both[:1], "20Gi"},
		"Windows, nothing stated":       {"Windows2022", nil, "50Gi"},
		"Windows, its root":             {"Windows2022", append(both, stated("/dev/sda1", "80Gi")), "80Gi"},
		"Windows, roots of others":      {"Windows2022", both, "50Gi"},
		"Custom, nothing stated":        {"Custom", nil, "20Gi"},
		"Custom, the last one":          {"Custom", both, "100Gi"},
		"a volume without any content":  {"AL2", []awsv1alpha1.BlockDeviceMapping{{DeviceName: new("/dev/xvda")}, {}}, "20Gi"},
	} {
		t.Run(name, func(t *testing.T) {
			want := resource.MustParse(tc.want)
			if got := PodBytes(tc.family, tc.stated); got != want.Value() {
				t.Errorf("%d bytes, want %s", got, tc.want)
			}
		})
	}
}

func TestSizesAreRoundedUpToWholeGiB(t *testing.T) {
	for size, want := range map[string]int32{
		"1Gi": 1, "20Gi": 20, "1G": 1, "1025Mi": 2, "20.5Gi": 21, "100G": 94, "64T": 59605, "64Ti": 65536, "1": 1, "0": 0, "-1Gi": 0, "1E": 931322575, "8Ei": 2147483647,
	} {
		if got := GiB(resource.MustParse(size)); got != want {
			t.Errorf("%s is %d GiB, want %d", size, got, want)
		}
	}
}
