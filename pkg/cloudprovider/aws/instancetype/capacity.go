package instancetype

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/kubelet"
)

const (
	mib = 1 << 20
	// arm64 images keep this much for contiguous allocations, MiB.
	armReservedMiB = 64
)

// Setup is what is put onto an instance to make it a node.
type Setup struct {
	// Kubelet of the node.
	Kubelet kubelet.Kubelet
	// PodBytes is the size of the volume that pods keep their files on.
	PodBytes int64
	// Images that it may boot, as ImageSet names them. What was measured on them counts.
	Images string
}

// capacity returns what a node of the type has in all. Overhead is the part of the memory that firmware and kernel keep.
func capacity(i Info, setup Setup, overhead float64, addressing Addressing) corev1.ResourceList {
	out := corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(i.VCPUs, resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(memoryMiB(i, overhead)*mib, resource.BinarySI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(setup.PodBytes, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(setup.Kubelet.Pods(addressing.pods(i), i.VCPUs), resource.DecimalSI),
	}
	counts := map[corev1.ResourceName]int64{
		gpuResource(i.GPU.Manufacturer): i.GPU.Count,
		awsv1alpha1.ResourceAWSNeuron:   i.Accelerator.Count, awsv1alpha1.ResourceAWSNeuronCore: i.NeuronCores,
	}
	if awsv1alpha1.IsWindows(setup.Kubelet.Family) {
		// Pods have their addresses from one interface, which keeps one itself, and none has an interface of its own.
		counts[awsv1alpha1.ResourceAWSPrivateIPv4] = i.IPv4PerInterface - 1
	} else {
		counts[awsv1alpha1.ResourceAWSPodENI] = i.BranchInterfaces
	}
	for name, count := range counts {
		if name != "" && count > 0 {
			out[name] = *resource.NewQuantity(count, resource.DecimalSI)
		}
	}
	return out
}

func memoryMiB(i Info, overhead float64) int64 {
	memory := i.MemoryMiB
	if i.Arch == "arm64" {
		memory -= armReservedMiB
	}
	return memory - int64(math.Ceil(float64(memory)*overhead))
}

// plausible reports whether a node of a type with so much memory may have said so. A node that reports next to nothing, or more
// than there is, must not decide what is planned for others.
func plausible(bytes, nominalMiB int64) bool {
	return bytes > nominalMiB*mib/2 && bytes <= nominalMiB*mib
}

func overhead(i Info, k kubelet.Kubelet, capacity corev1.ResourceList) cloudprovider.Overhead {
	return cloudprovider.Overhead{
		KubeReserved:      k.KubeReserved(i.InterfacePods(), capacity.Pods().Value(), i.VCPUs),
		SystemReserved:    k.SystemReserved(),
		EvictionThreshold: k.EvictionThreshold(capacity),
	}
}
