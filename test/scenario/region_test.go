package scenario_test

import (
	"math"
	"strconv"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

const region = "us-east-1"

// generalPurpose returns the instance types of the region that a plain Provisioner may buy: amd64, categories c, m and r, of a
// generation above 2, on demand, with what AL2023 leaves for pods.
func generalPurpose(t testing.TB) cloudprovider.InstanceTypes {
	t.Helper()
	c, err := catalog.Load()
	if err != nil {
		t.Fatal(err)
	}
	var out cloudprovider.InstanceTypes
	for _, e := range c.InstanceTypesIn(region) {
		category, generation := familyOf(e.Name)
		price, ok := c.OnDemandPrice(region, e.Name)
		if ok && e.Architecture == "amd64" && generation > 2 && (category == "c" || category == "m" || category == "r") {
			out = append(out, instanceType(e, price, c.ZonesOffering(region, e.Name)))
		}
	}
	return out
}

// familyOf returns category and generation from an instance type's name, e.g. m and 5 from m5d.large.
func familyOf(name string) (category string, generation int) {
	family, _, _ := strings.Cut(name, ".")
	digits := strings.IndexAny(family, "0123456789")
	if digits < 0 || strings.Contains(family, "-") {
		return "", 0
	}
	generation, _ = strconv.Atoi(strings.TrimRight(family[digits:], "abcdefghijklmnopqrstuvwxyz-"))
	if generation == 0 {
		generation = int(family[digits] - '0')
	}
	return family[:digits], generation
}

func instanceType(e catalog.InstanceType, price float64, zones []string) *cloudprovider.InstanceType {
	category, generation := familyOf(e.Name)
	pods := e.Network.ENIsDefaultCard*(e.Network.IPv4PerENI-1) + 2
	memory := e.MemoryMiB - int(math.Ceil(float64(e.MemoryMiB)*0.075))
	it := &cloudprovider.InstanceType{
		Name: e.Name,
		Capacity: corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewQuantity(int64(e.CPU.VCPUs), resource.DecimalSI),
			corev1.ResourceMemory: mebibytes(memory),
			corev1.ResourcePods:   *resource.NewQuantity(int64(pods), resource.DecimalSI),
		},
		Overhead: cloudprovider.Overhead{
			KubeReserved: corev1.ResourceList{
				corev1.ResourceCPU:    *resource.NewMilliQuantity(reservedCPU(e.CPU.VCPUs), resource.DecimalSI),
				corev1.ResourceMemory: mebibytes(11*pods + 255),
			},
			EvictionThreshold: corev1.ResourceList{corev1.ResourceMemory: mebibytes(100)},
		},
		Requirements: scheduling.FromLabels(map[string]string{
			corev1.LabelInstanceTypeStable:      e.Name,
			corev1.LabelArchStable:              e.Architecture,
			corev1.LabelOSStable:                "linux",
			awsv1alpha1.LabelInstanceCategory:   category,
			awsv1alpha1.LabelInstanceGeneration: strconv.Itoa(generation),
			awsv1alpha1.LabelInstanceSize:       e.Size(),
			awsv1alpha1.LabelInstanceFamily:     e.Family(),
			awsv1alpha1.LabelInstanceCPU:        strconv.Itoa(e.CPU.VCPUs),
			awsv1alpha1.LabelInstanceMemory:     strconv.Itoa(e.MemoryMiB),
			corev1.LabelTopologyRegion:          region,
		}),
	}
	for _, zone := range zones {
		it.Offerings = append(it.Offerings, cloudprovider.Offering{
			Zone: zone, CapacityType: v1alpha5.CapacityTypeOnDemand, Price: price, Available: true,
		})
	}
	return it
}

func mebibytes(n int) resource.Quantity {
	return *resource.NewQuantity(int64(n)<<20, resource.BinarySI)
}

// reservedCPU returns the kubelet's part in thousandths: 6 % of the first core, 1 % of the second, 0.5 % of the next two and
// 0.25 % of the rest.
func reservedCPU(cores int) int64 {
	reserved := int64(60)
	if cores > 1 {
		reserved += 10
	}
	if cores > 2 {
		reserved += int64(5 * (min(cores, 4) - 2))
	}
	if cores > 4 {
		reserved += int64(float64(cores-4) * 2.5)
	}
	return reserved
}
