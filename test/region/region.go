// Package region offers the real instance types of one region to the tests of the whole and to the comparison with others: what
// EC2 sells there, at the prices of the catalogue, with what a node leaves for pods.
//
// It works out the kubelet's share of a node by itself, although the product's own instance types do so, too. Figures that are
// compared over years and with other programs must not move with the product's defaults, and a mistake in the product's arithmetic
// must not make the plans that it is tested with look right.
package region

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// Name of the region, the one whose on-demand prices are real.
const Name = catalog.PriceRegion

// NVIDIA is the resource that pods ask for to get whole NVIDIA GPUs.
const NVIDIA corev1.ResourceName = "nvidia.com/gpu"

// InstanceTypes returns the types of the region that are kept, in order of name, offered in each of the capacity types in all
// zones that have them. Spot prices are synthetic.
func InstanceTypes(keep func(catalog.InstanceType) bool, capacityTypes ...string) (cloudprovider.InstanceTypes, error) {
	c, err := catalog.Load()
	if err != nil {
		return nil, fmt.Errorf("loading the catalogue: %w", err)
	}
	var out cloudprovider.InstanceTypes
	for _, e := range c.InstanceTypesIn(Name) {
		if !keep(e) {
			continue
		}
		it := instanceType(e)
		for _, zone := range c.ZonesOffering(Name, e.Name) {
			for _, capacityType := range capacityTypes {
				if price, ok := priceOf(c, e.Name, zone, capacityType); ok {
					it.Offerings = append(it.Offerings, cloudprovider.Offering{
						Zone: zone, CapacityType: capacityType, Price: price, Available: true,
					})
				}
			}
		}
		if len(it.Offerings) > 0 {
			out = append(out, it)
		}
	}
	return out, nil
}

// Everything keeps all types.
func Everything(catalog.InstanceType) bool { return true }

// GeneralPurpose keeps what a plain Provisioner buys: amd64, categories c, m and r, of a generation above 2, virtual machines.
func GeneralPurpose(e catalog.InstanceType) bool { return e.Architecture == "amd64" && Common(e) }

// Common keeps virtual machines of the categories c, m and r, of a generation above 2, of any architecture.
func Common(e catalog.InstanceType) bool {
	category, generation := familyOf(e)
	return generation > 2 && !e.BareMetal && (category == "c" || category == "m" || category == "r")
}

// WithNVIDIA keeps what a plain Provisioner buys, and the amd64 types with whole NVIDIA GPUs.
func WithNVIDIA(e catalog.InstanceType) bool {
	return GeneralPurpose(e) || (e.Architecture == "amd64" && !e.BareMetal && e.GPU.Manufacturer == "NVIDIA" && e.GPU.Count > 0)
}

func priceOf(c *catalog.Catalog, name, zone, capacityType string) (float64, bool) {
	if capacityType == v1alpha5.CapacityTypeSpot {
		return c.SpotPrice(zone, name)
	}
	return c.OnDemandPrice(Name, name)
}

// familyOf returns category and generation of an instance type, e.g. m and 7 of m7i-flex.large, u and 1 of u-6tb1.metal.
func familyOf(e catalog.InstanceType) (category string, generation int) {
	family := e.Family()
	if after, ok := strings.CutPrefix(family, "u-"); ok {
		_, family, _ = strings.Cut(after, "tb")
		family = "u" + family
	}
	digits := strings.TrimLeft(family, "abcdefghijklmnopqrstuvwxyz")
	for _, c := range digits {
		if c < '0' || c > '9' {
			break
		}
		generation = 10*generation + int(c-'0')
	}
	return strings.TrimSuffix(family, digits), generation
}

func instanceType(e catalog.InstanceType) *cloudprovider.InstanceType {
	category, generation := familyOf(e)
	pods := e.Network.ENIsDefaultCard*(e.Network.IPv4PerENI-1) + 2
	it := &cloudprovider.InstanceType{
		Name: e.Name,
		Capacity: corev1.ResourceList{
			corev1.ResourceCPU:    *resource.NewQuantity(int64(e.CPU.VCPUs), resource.DecimalSI),
			corev1.ResourceMemory: mebibytes(seen(e.MemoryMiB)),
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
			corev1.LabelOSStable:                string(corev1.Linux),
			corev1.LabelTopologyRegion:          Name,
			awsv1alpha1.LabelInstanceCategory:   category,
			awsv1alpha1.LabelInstanceGeneration: fmt.Sprint(generation),
			awsv1alpha1.LabelInstanceSize:       e.Size(),
			awsv1alpha1.LabelInstanceFamily:     e.Family(),
			awsv1alpha1.LabelInstanceCPU:        fmt.Sprint(e.CPU.VCPUs),
			awsv1alpha1.LabelInstanceMemory:     fmt.Sprint(e.MemoryMiB),
		}),
	}
	if e.GPU.Manufacturer == "NVIDIA" && e.GPU.Count > 0 {
		it.Capacity[NVIDIA] = *resource.NewQuantity(int64(e.GPU.Count), resource.DecimalSI)
	}
	return it
}

// seen returns how much of the memory that EC2 sells a node sees, in MiB: the hypervisor and the kernel take 7.5 %.
func seen(memory int) int { return memory - (memory*75+999)/1000 }

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
