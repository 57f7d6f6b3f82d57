package kubelets

import (
	"fmt"
	"hash/fnv"
	"maps"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
)

const (
	mib = 1 << 20
	gib = 1 << 30
	// armMemoryMiB is what arm64 images keep for contiguous allocations.
	armMemoryMiB = 64
	// The part of the nominal memory that firmware and kernel take lies between these two, per thousand.
	leastMemoryLoss, mostMemoryLoss = 20, 60
	// defaultRootGiB is the root volume of the EKS images; its file system takes fileSystemBytes of it.
	defaultRootGiB  = 20
	fileSystemBytes = 12 * mib
	// kubeletMaxPods is the kubelet's own bound where nothing sets one.
	kubeletMaxPods = 110
)

// machineResources is what a kubelet reports of the machine that it runs on.
type machineResources struct {
	capacity    corev1.ResourceList
	allocatable corev1.ResourceList
	// devices appear only once their plugins run.
	devices corev1.ResourceList
}

// resourcesOf computes what the kubelet of an instance reports: the machine's capacity less what user data and image
// reserve.
func resourcesOf(t catalog.InstanceType, rootGiB int, s KubeletSettings) (machineResources, error) {
	if rootGiB == 0 {
		rootGiB = defaultRootGiB
	}
	capacity := corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewQuantity(int64(t.CPU.VCPUs), resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity(memoryBytes(t), resource.BinarySI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(int64(rootGiB)*gib-fileSystemBytes, resource.BinarySI),
		corev1.ResourcePods:             *resource.NewQuantity(podCount(t, s), resource.DecimalSI),
		"hugepages-1Gi":                 *resource.NewQuantity(0, resource.DecimalSI),
		"hugepages-2Mi":                 *resource.NewQuantity(0, resource.DecimalSI),
	}
	kube, err := quantities(s.KubeReserved.Over(imageKubeReserved(t, s)))
	if err != nil {
		return machineResources{}, fmt.Errorf("reading kube-reserved: %w", err)
	}
	system, err := quantities(s.SystemReserved.Over(nil))
	if err != nil {
		return machineResources{}, fmt.Errorf("reading system-reserved: %w", err)
	}
	eviction, err := evictionReserve(s.EvictionHard.Over(imageEvictionHard()), capacity)
	if err != nil {
		return machineResources{}, err
	}
	allocatable := capacity.DeepCopy()
	for name, q := range allocatable {
		for _, reserved := range []corev1.ResourceList{kube, system, eviction} {
			q.Sub(reserved[name])
		}
		if q.Sign() < 0 {
			return machineResources{}, fmt.Errorf("more %s is reserved than there is: a kubelet does not start", name)
		}
		allocatable[name] = q
	}
	return machineResources{capacity: capacity, allocatable: allocatable, devices: deviceResources(t, s)}, nil
}

// memoryBytes is the memory that a node of the type really has. No measured figures are known, so it follows a rule: from
// the nominal memory, less the arm64 reservation, firmware and kernel take 2 to 6 %, fixed for each type by a hash of its
// name. It is whole KiB, as a kubelet reads it from the kernel.
func memoryBytes(t catalog.InstanceType) int64 {
	nominal := int64(t.MemoryMiB) * mib
	if t.Architecture == "arm64" {
		nominal -= armMemoryMiB * mib
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.Name)) // a hash never fails to write
	loss := leastMemoryLoss + int64(h.Sum32()%(mostMemoryLoss-leastMemoryLoss+1))
	return (nominal - nominal*loss/1000) / 1024 * 1024
}

// interfacePods is how many pods the network interfaces of the type have addresses for.
func interfacePods(t catalog.InstanceType) int64 {
	return int64(t.Network.ENIsDefaultCard)*int64(t.Network.IPv4PerENI-1) + 2
}

func podCount(t catalog.InstanceType, s KubeletSettings) int64 {
	count := interfacePods(t)
	switch {
	case s.MaxPods != nil:
		count = int64(*s.MaxPods)
	case s.NoENIMaxPods:
		count = kubeletMaxPods
	}
	if s.PodsPerCore > 0 {
		count = min(count, int64(s.PodsPerCore)*int64(t.CPU.VCPUs))
	}
	return count
}

// imageKubeReserved is what the start-up programs of the EKS images reserve. Memory goes by the pods that the interfaces
// allow, whatever the kubelet's own bound; of Bottlerocket, by that bound.
func imageKubeReserved(t catalog.InstanceType, s KubeletSettings) map[string]string {
	pods := interfacePods(t)
	if s.CountsPods {
		pods = podCount(t, s)
	}
	return map[string]string{
		"cpu":               fmt.Sprintf("%dm", reservedMillicores(t.CPU.VCPUs)),
		"memory":            fmt.Sprintf("%dMi", 11*pods+255),
		"ephemeral-storage": "1Gi",
	}
}

// reservedMillicores is 6 % of the first core, 1 % of the second, 0.5 % of the next two and 0.25 % of the rest, each part
// cut to a whole millicore.
func reservedMillicores(cores int) int {
	reserved := 0
	for _, step := range []struct{ from, to, perHundredThousand int }{
		{0, 1, 6000}, {1, 2, 1000}, {2, 4, 500}, {4, cores, 250},
	} {
		if covered := min(cores, step.to) - step.from; covered > 0 {
			reserved += covered * step.perHundredThousand / 100
		}
	}
	return reserved
}

func imageEvictionHard() map[string]string {
	return map[string]string{"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%"}
}

// evictionReserve is the part of the capacity that hard eviction thresholds keep from pods; signals about anything but
// memory and disk space keep nothing.
func evictionReserve(thresholds map[string]string, capacity corev1.ResourceList) (corev1.ResourceList, error) {
	out := corev1.ResourceList{}
	for signal, name := range map[string]corev1.ResourceName{
		"memory.available": corev1.ResourceMemory,
		"nodefs.available": corev1.ResourceEphemeralStorage,
	} {
		threshold, ok := thresholds[signal]
		if !ok {
			continue
		}
		if percent, isPercent := strings.CutSuffix(threshold, "%"); isPercent {
			part, err := strconv.ParseFloat(percent, 64)
			if err != nil {
				return nil, fmt.Errorf("reading the eviction threshold of %s: %w", signal, err)
			}
			total := capacity[name]
			out[name] = *resource.NewQuantity(int64(float64(total.Value())*part/100), resource.BinarySI)
			continue
		}
		q, err := resource.ParseQuantity(threshold)
		if err != nil {
			return nil, fmt.Errorf("reading the eviction threshold of %s: %w", signal, err)
		}
		out[name] = q
	}
	return out, nil
}

func quantities(values map[string]string) (corev1.ResourceList, error) {
	out := corev1.ResourceList{}
	for name, value := range values {
		q, err := resource.ParseQuantity(value)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[corev1.ResourceName(name)] = q
	}
	return out, nil
}

// deviceResources is what is announced once the node is there: by the device plugins of the accelerated images, and on Windows
// by the controller of the VPC. Interfaces for EFA and for pods of
// their own are left out: they need a launch or an add-on that asks for them.
func deviceResources(t catalog.InstanceType, s KubeletSettings) corev1.ResourceList {
	counts := map[corev1.ResourceName]int{
		awsv1alpha1.ResourceAWSNeuron: t.Accelerator.Count, awsv1alpha1.ResourceAWSNeuronCore: t.Accelerator.Cores,
	}
	switch t.GPU.Manufacturer {
	case "NVIDIA":
		counts[awsv1alpha1.ResourceNVIDIAGPU] = t.GPU.LogicalCount
	case "AMD":
		counts[awsv1alpha1.ResourceAMDGPU] = t.GPU.LogicalCount
	case "Habana":
		counts[awsv1alpha1.ResourceHabanaGaudi] = t.GPU.LogicalCount
	}
	if s.Windows {
		counts[awsv1alpha1.ResourceAWSPrivateIPv4] = t.Network.IPv4PerENI - 1
	}
	maps.DeleteFunc(counts, func(_ corev1.ResourceName, count int) bool { return count == 0 })
	out := corev1.ResourceList{}
	for name, count := range counts {
		out[name] = *resource.NewQuantity(int64(count), resource.DecimalSI)
	}
	return out
}
