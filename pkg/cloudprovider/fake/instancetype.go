package fake

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// Region and zones of the fake cloud.
const (
	Region = "test-1"
	ZoneA  = "test-1a"
	ZoneB  = "test-1b"
	ZoneC  = "test-1c"
)

// spotPart is what spot costs of the on-demand price in ZoneA; each further zone costs spotStep more.
const (
	spotPart = 0.4
	spotStep = 0.05
)

// Shape is what one instance type of the fake cloud is like.
type Shape struct {
	// Name, e.g. m5.large; category, family, generation and size are read from it.
	Name      string
	CPU       int
	MemoryGiB int
	Pods      int
	// Price on demand, US dollars per hour.
	Price float64
	// Arch is amd64 when empty.
	Arch string
	// GPUs of nvidia.
	GPUs int
	// Zones that offer it; all when empty.
	Zones []string
}

// InstanceTypes returns a small assortment: three categories in three sizes, one arm64, one GPU and one small burstable type.
func InstanceTypes() cloudprovider.InstanceTypes {
	return Make(
		Shape{Name: "c5.large", CPU: 2, MemoryGiB: 4, Pods: 29, Price: 0.085},
		Shape{Name: "c5.xlarge", CPU: 4, MemoryGiB: 8, Pods: 58, Price: 0.17},
		Shape{Name: "c5.4xlarge", CPU: 16, MemoryGiB: 32, Pods: 234, Price: 0.68},
		Shape{Name: "m5.large", CPU: 2, MemoryGiB: 8, Pods: 29, Price: 0.096},
		Shape{Name: "m5.xlarge", CPU: 4, MemoryGiB: 16, Pods: 58, Price: 0.192},
		Shape{Name: "m5.4xlarge", CPU: 16, MemoryGiB: 64, Pods: 234, Price: 0.768},
		Shape{Name: "r5.large", CPU: 2, MemoryGiB: 16, Pods: 29, Price: 0.126},
		Shape{Name: "r5.xlarge", CPU: 4, MemoryGiB: 32, Pods: 58, Price: 0.252},
		Shape{Name: "r5.4xlarge", CPU: 16, MemoryGiB: 128, Pods: 234, Price: 1.008},
		Shape{Name: "m6g.large", CPU: 2, MemoryGiB: 8, Pods: 29, Price: 0.077, Arch: "arm64"},
		Shape{Name: "g4dn.xlarge", CPU: 4, MemoryGiB: 16, Pods: 29, Price: 0.526, GPUs: 1},
		Shape{Name: "t3.small", CPU: 2, MemoryGiB: 2, Pods: 11, Price: 0.0208},
	)
}

// Make returns the instance types of the given shapes in order of name.
func Make(shapes ...Shape) cloudprovider.InstanceTypes {
	out := make(cloudprovider.InstanceTypes, 0, len(shapes))
	for _, s := range shapes {
		out = append(out, s.instanceType())
	}
	slices.SortFunc(out, func(a, b *cloudprovider.InstanceType) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (s Shape) instanceType() *cloudprovider.InstanceType {
	if s.Arch == "" {
		s.Arch = "amd64"
	}
	if len(s.Zones) == 0 {
		s.Zones = []string{ZoneA, ZoneB, ZoneC}
	}
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(int64(s.CPU), resource.DecimalSI),
		corev1.ResourceMemory:           resource.MustParse(fmt.Sprintf("%dGi", s.MemoryGiB)),
		corev1.ResourcePods:             *resource.NewQuantity(int64(s.Pods), resource.DecimalSI),
		corev1.ResourceEphemeralStorage: resource.MustParse("20Gi"),
	}
	if s.GPUs > 0 {
		capacity[awsv1alpha1.ResourceNVIDIAGPU] = *resource.NewQuantity(int64(s.GPUs), resource.DecimalSI)
	}
	return &cloudprovider.InstanceType{
		Name:         s.Name,
		Requirements: s.requirements(),
		Offerings:    s.offerings(),
		Capacity:     capacity,
		Overhead: cloudprovider.Overhead{
			KubeReserved: corev1.ResourceList{
				corev1.ResourceCPU:    resource.MustParse("80m"),
				corev1.ResourceMemory: resource.MustParse(fmt.Sprintf("%dMi", 255+11*s.Pods)),
			},
			EvictionThreshold: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("100Mi")},
		},
	}
}

func (s Shape) requirements() scheduling.Requirements {
	family, size, _ := strings.Cut(s.Name, ".")
	category, rest := family, ""
	if digit := strings.IndexAny(family, "0123456789"); digit >= 0 {
		category, rest = family[:digit], family[digit:]
	}
	labels := map[string]string{
		corev1.LabelInstanceTypeStable:      s.Name,
		corev1.LabelArchStable:              s.Arch,
		corev1.LabelOSStable:                string(corev1.Linux),
		corev1.LabelTopologyRegion:          Region,
		awsv1alpha1.LabelInstanceCategory:   category,
		awsv1alpha1.LabelInstanceFamily:     family,
		awsv1alpha1.LabelInstanceGeneration: strings.TrimRight(rest, "abcdefghijklmnopqrstuvwxyz"),
		awsv1alpha1.LabelInstanceSize:       size,
		awsv1alpha1.LabelInstanceCPU:        strconv.Itoa(s.CPU),
		awsv1alpha1.LabelInstanceMemory:     strconv.Itoa(s.MemoryGiB * 1024),
		awsv1alpha1.LabelInstancePods:       strconv.Itoa(s.Pods),
	}
	r := scheduling.FromLabels(labels)
	r.Add(
		scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, s.Zones...),
		scheduling.NewRequirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, v1alpha5.CapacityTypeOnDemand, v1alpha5.CapacityTypeSpot),
	)
	gpu := scheduling.NewRequirement(awsv1alpha1.LabelInstanceGPUCount, corev1.NodeSelectorOpDoesNotExist)
	if s.GPUs > 0 {
		gpu = scheduling.NewRequirement(awsv1alpha1.LabelInstanceGPUCount, corev1.NodeSelectorOpIn, strconv.Itoa(s.GPUs))
	}
	r.Add(gpu)
	return r
}

func (s Shape) offerings() cloudprovider.Offerings {
	var out cloudprovider.Offerings
	for i, zone := range slices.Sorted(slices.Values(s.Zones)) {
		out = append(out,
			cloudprovider.Offering{Zone: zone, CapacityType: v1alpha5.CapacityTypeOnDemand, Price: s.Price, Available: true},
			cloudprovider.Offering{Zone: zone, CapacityType: v1alpha5.CapacityTypeSpot, Price: s.Price * (spotPart + spotStep*float64(i)), Available: true},
		)
	}
	return out
}
