// Package kubelet is the arithmetic of a kubelet on the EKS images: how many pods it takes and what it keeps from them.
package kubelet

import (
	"maps"
	"math"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

const (
	mib = 1 << 20
	gib = 1 << 30
	// The images reserve this much memory: so much per pod that the network interfaces allow, and a base, in MiB.
	memoryPerPod, memoryBase = 11, 255
	// storageReserved is what they reserve of the ephemeral storage, bytes.
	storageReserved = 1 * gib
	// windowsPods is how many pods a Windows node takes: the addresses for them are counted as a resource of their own.
	windowsPods = 110
)

// Signals of eviction thresholds that keep capacity from pods.
const (
	SignalMemory  = "memory.available"
	SignalStorage = "nodefs.available"
)

// signalInodes is about the inodes that are free.
const signalInodes = "nodefs.inodesFree"

// Kubelet is the kubelet of nodes to be: what is configured, and the images that it comes with.
type Kubelet struct {
	// Config by the user; may be nil.
	Config *v1alpha5.KubeletConfiguration
	// Family of the images, as in status.amiFamily of an AWSNodeTemplate.
	Family string
}

// reservesByPods reports whether what the images reserve follows from the pods that the kubelet takes, rather than from those
// that the network interfaces allow.
func (k Kubelet) reservesByPods() bool {
	return k.Family == awsv1alpha1.AMIFamilyBottlerocket || awsv1alpha1.IsWindows(k.Family)
}

// takesPodsPerCore reports whether the images know a number of pods per core.
func (k Kubelet) takesPodsPerCore() bool { return k.Family != awsv1alpha1.AMIFamilyBottlerocket }

// PodLimit returns the kubelet's maxPods: what is configured, else what the network interfaces allow; on Windows these set no
// bound.
func (k Kubelet) PodLimit(interfacePods int64) int64 {
	switch {
	case k.Config != nil && k.Config.MaxPods != nil:
		return int64(*k.Config.MaxPods)
	case awsv1alpha1.IsWindows(k.Family):
		return windowsPods
	default:
		return interfacePods
	}
}

// Pods returns how many pods a node takes.
func (k Kubelet) Pods(interfacePods, vcpus int64) int64 {
	limit, c := k.PodLimit(interfacePods), k.Config
	if c != nil && c.PodsPerCore != nil && *c.PodsPerCore > 0 && k.takesPodsPerCore() {
		return min(limit, int64(*c.PodsPerCore)*vcpus)
	}
	return limit
}

// KubeReserved returns what is kept for the kubelet and the container runtime: what is configured and, for keys that are
// not, what the images reserve. Most go by the pods that the network interfaces allow, others by those that the node takes.
func (k Kubelet) KubeReserved(interfacePods, taken, vcpus int64) corev1.ResourceList {
	pods := interfacePods
	if k.reservesByPods() {
		pods = taken
	}
	out := corev1.ResourceList{
		corev1.ResourceCPU:              *resource.NewMilliQuantity(reservedMillicores(vcpus), resource.DecimalSI),
		corev1.ResourceMemory:           *resource.NewQuantity((memoryPerPod*pods+memoryBase)*mib, resource.BinarySI),
		corev1.ResourceEphemeralStorage: *resource.NewQuantity(storageReserved, resource.BinarySI),
	}
	if k.Config != nil {
		maps.Copy(out, k.Config.KubeReserved)
	}
	return out
}

// SystemReserved returns what is kept for the operating system: what is configured.
func (k Kubelet) SystemReserved() corev1.ResourceList {
	if k.Config == nil {
		return nil
	}
	return k.Config.SystemReserved
}

// reservedMillicores is 6 % of the first core, 1 % of the second, 0.5 % of the next two and 0.25 % of the rest, each part
// cut to a whole millicore.
func reservedMillicores(cores int64) int64 {
	var reserved int64
	for _, tier := range []struct{ from, to, perHundredThousand int64 }{
		{0, 1, 6000}, {1, 2, 1000}, {2, 4, 500}, {4, math.MaxInt64, 250},
	} {
		if covered := min(cores, tier.to) - tier.from; covered > 0 {
			reserved += covered * tier.perHundredThousand / 100
		}
	}
	return reserved
}

// EvictionHard returns the thresholds below which the kubelet evicts, signal -> quantity or percentage: those of the
// images, and in their place those that are configured. Windows counts no inodes.
func (k Kubelet) EvictionHard() map[string]string {
	out := v1alpha5.DefaultEvictionHard()
	if awsv1alpha1.IsWindows(k.Family) {
		delete(out, signalInodes)
	}
	if k.Config != nil {
		maps.Copy(out, k.Config.EvictionHard)
	}
	return out
}

// EvictionThreshold returns what has to stay free of a capacity lest the kubelet evicts. A threshold that cannot be read
// counts as that of the images. Soft thresholds keep nothing free: no kubelet takes them off what it offers to pods.
func (k Kubelet) EvictionThreshold(capacity corev1.ResourceList) corev1.ResourceList {
	out := corev1.ResourceList{}
	thresholds, defaults := k.EvictionHard(), Kubelet{}.EvictionHard()
	for signal, name := range map[string]corev1.ResourceName{
		SignalMemory: corev1.ResourceMemory, SignalStorage: corev1.ResourceEphemeralStorage,
	} {
		total := capacity[name]
		q, err := Threshold(thresholds[signal], total.Value())
		if err != nil {
			q, err = Threshold(defaults[signal], total.Value())
		}
		if err == nil {
			out[name] = q
		}
	}
	return out
}

// Threshold returns the quantity that a threshold means of a total; 100 % means that there is none.
func Threshold(text string, total int64) (resource.Quantity, error) {
	percent, isPercent := strings.CutSuffix(text, "%")
	if !isPercent {
		return resource.ParseQuantity(text)
	}
	part, err := Percentage(percent)
	if err != nil {
		return resource.Quantity{}, err
	}
	if part == 100 {
		part = 0
	}
	return *resource.NewQuantity(int64(math.Ceil(float64(total)*part/100)), resource.BinarySI), nil
}

// Percentage reads a number from 0 to 100.
func Percentage(text string) (float64, error) {
	part, err := strconv.ParseFloat(text, 64)
	if err == nil && !(part >= 0 && part <= 100) {
		err = strconv.ErrRange
	}
	return part, err
}
