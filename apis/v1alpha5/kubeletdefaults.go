package v1alpha5

import (
	"maps"

	"k8s.io/apimachinery/pkg/api/resource"
)

// What kubelets do as long as nobody tells them otherwise.
const (
	// DefaultContainerRuntime is what images run containers with.
	DefaultContainerRuntime = "containerd"
	// DefaultImageGCHighThresholdPercent is the use of the disk from which on unused images are removed.
	DefaultImageGCHighThresholdPercent int32 = 85
	// DefaultImageGCLowThresholdPercent is the use of the disk down to which they are removed.
	DefaultImageGCLowThresholdPercent int32 = 80
)

// DefaultEvictionHard returns the thresholds below which a kubelet evicts, signal -> quantity or percentage, for the signals
// that evictionHard does not name.
func DefaultEvictionHard() map[string]string {
	return map[string]string{"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%"}
}

// WithoutDefaults returns a configuration that means the same and leaves out what would hold without being said.
func (k *KubeletConfiguration) WithoutDefaults() *KubeletConfiguration {
	if k == nil {
		return nil
	}
	out := k.DeepCopy()
	if out.ContainerRuntime != nil && *out.ContainerRuntime == "" {
		out.ContainerRuntime = nil
	}
	omit(&out.ContainerRuntime, DefaultContainerRuntime)
	omit(&out.PodsPerCore, 0)
	omit(&out.EvictionMaxPodGracePeriod, 0)
	omit(&out.ImageGCHighThresholdPercent, DefaultImageGCHighThresholdPercent)
	omit(&out.ImageGCLowThresholdPercent, DefaultImageGCLowThresholdPercent)
	omit(&out.CPUCFSQuota, true)
	defaults := DefaultEvictionHard()
	maps.DeleteFunc(out.EvictionHard, func(signal, threshold string) bool {
		standard, there := defaults[signal]
		return there && sameThreshold(threshold, standard)
	})
	return out
}

// omit takes a value away that is the default.
func omit[T comparable](value **T, standard T) {
	if *value != nil && **value == standard {
		*value = nil
	}
}

// sameThreshold reports whether two thresholds are the same, in whatever unit.
func sameThreshold(a, b string) bool {
	if a == b {
		return true
	}
	if !isThreshold(a) || !isThreshold(b) {
		return false
	}
	p, errP := resource.ParseQuantity(a)
	q, errQ := resource.ParseQuantity(b)
	return errP == nil && errQ == nil && p.Cmp(q) == 0
}
