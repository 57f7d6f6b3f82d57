package userdata

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/cluster"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/kubelet"
)

// The container runtimes that images have, or have had.
const (
	runtimeContainerd = v1alpha5.DefaultContainerRuntime
	runtimeDocker     = "dockerd"
	// firstWithoutDocker is the Kubernetes minor version from which on the kubelet speaks to containerd only.
	firstWithoutDocker = 24
)

// kubeletSettings is what is configured, checked; what is nil or 0 leaves it to the image.
type kubeletSettings struct {
	maxPodsStated       bool // that the bound on pods is configured
	podsPerCore         int64
	containerRuntime    string
	kubeReserved        map[string]string
	systemReserved      map[string]string
	evictionHard        map[string]string
	evictionSoft        map[string]string
	evictionSoftGrace   map[string]string
	evictionMaxPodGrace *int32
	imageGCHigh         *int32
	imageGCLow          *int32
	cpuCFSQuota         *bool
}

func kubeletSettingsOf(family string, n Node) (kubeletSettings, error) {
	c := n.Kubelet
	if c == nil {
		c = &v1alpha5.KubeletConfiguration{}
	}
	s := kubeletSettings{
		maxPodsStated: c.MaxPods != nil, containerRuntime: runtimeContainerd, cpuCFSQuota: c.CPUCFSQuota,
		evictionMaxPodGrace: c.EvictionMaxPodGracePeriod, imageGCHigh: c.ImageGCHighThresholdPercent, imageGCLow: c.ImageGCLowThresholdPercent,
	}
	if c.PodsPerCore != nil {
		s.podsPerCore = int64(*c.PodsPerCore)
	}
	if c.ContainerRuntime != nil && *c.ContainerRuntime != "" {
		s.containerRuntime = *c.ContainerRuntime
	}
	var errs []error
	check := func(err error) { errs = append(errs, err) }
	var err error
	if len(c.KubeReserved) > 0 {
		s.kubeReserved, err = reserved("kubeReserved", n.KubeReserved)
		check(err)
	}
	s.systemReserved, err = reserved("systemReserved", c.SystemReserved)
	check(err)
	if len(c.EvictionHard) > 0 { // all of them: a flag stands in place of all that the image sets, not of those that it names
		s.evictionHard, err = thresholds("evictionHard", kubelet.Kubelet{Config: c, Family: family}.EvictionHard())
		check(err)
	}
	s.evictionSoft, err = thresholds("evictionSoft", c.EvictionSoft)
	check(err)
	s.evictionSoftGrace, err = gracePeriods(c)
	check(err)
	check(checkImageGC(c))
	return s, errors.Join(errs...)
}

func reserved(field string, list corev1.ResourceList) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(list))
	for _, name := range slices.Sorted(maps.Keys(list)) {
		switch name {
		case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage, "pid":
			q := list[name]
			out[string(name)] = q.String()
		default:
			return nil, fmt.Errorf("kubeletConfiguration.%s: %q is none of cpu, memory, ephemeral-storage, pid", field, name)
		}
	}
	return out, nil
}

func isSignal(name string) bool {
	switch name {
	case "memory.available", "nodefs.available", "nodefs.inodesFree", "imagefs.available", "imagefs.inodesFree", "pid.available":
		return true
	default:
		return false
	}
}

// thresholds returns the thresholds of signals in a fixed writing.
func thresholds(field string, stated map[string]string) (map[string]string, error) {
	if len(stated) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(stated))
	for _, signal := range slices.Sorted(maps.Keys(stated)) {
		threshold := stated[signal]
		if !isSignal(signal) {
			return nil, fmt.Errorf("kubeletConfiguration.%s: %q is no signal", field, signal)
		}
		if percent, ok := strings.CutSuffix(threshold, "%"); ok {
			if _, err := kubelet.Percentage(percent); err != nil {
				return nil, fmt.Errorf("kubeletConfiguration.%s: %s: %q is no percentage", field, signal, threshold)
			}
			out[signal] = threshold
			continue
		}
		q, err := resource.ParseQuantity(threshold)
		if err != nil || q.Sign() <= 0 {
			return nil, fmt.Errorf("kubeletConfiguration.%s: %s: %q is no quantity above 0", field, signal, threshold)
		}
		out[signal] = q.String()
	}
	return out, nil
}

// gracePeriods returns for how long soft thresholds have to be crossed. A kubelet wants one for each of them; one without a
// threshold would mean nothing.
func gracePeriods(c *v1alpha5.KubeletConfiguration) (map[string]string, error) {
	if len(c.EvictionSoft) == 0 && len(c.EvictionSoftGracePeriod) == 0 {
		return nil, nil
	}
	out := make(map[string]string, len(c.EvictionSoftGracePeriod))
	signals := maps.Clone(c.EvictionSoftGracePeriod)
	if signals == nil {
		signals = map[string]metav1.Duration{}
	}
	for signal := range c.EvictionSoft {
		if _, ok := signals[signal]; !ok {
			signals[signal] = metav1.Duration{}
		}
	}
	for _, signal := range slices.Sorted(maps.Keys(signals)) {
		_, threshold := c.EvictionSoft[signal]
		period, stated := c.EvictionSoftGracePeriod[signal]
		switch {
		case !stated:
			return nil, fmt.Errorf("kubeletConfiguration.evictionSoftGracePeriod: %s has a threshold in evictionSoft and no period", signal)
		case !threshold:
			return nil, fmt.Errorf("kubeletConfiguration.evictionSoft: %s has a period in evictionSoftGracePeriod and no threshold", signal)
		case period.Duration < 0:
			return nil, fmt.Errorf("kubeletConfiguration.evictionSoftGracePeriod: %s: %s is negative", signal, period.Duration)
		}
		out[signal] = period.Duration.String()
	}
	return out, nil
}

// checkImageGC holds what a kubelet checks at its start, its own value in place of one that is not configured.
func checkImageGC(c *v1alpha5.KubeletConfiguration) error {
	high, low := v1alpha5.DefaultImageGCHighThresholdPercent, v1alpha5.DefaultImageGCLowThresholdPercent
	if c.ImageGCHighThresholdPercent != nil {
		high = *c.ImageGCHighThresholdPercent
	}
	if c.ImageGCLowThresholdPercent != nil {
		low = *c.ImageGCLowThresholdPercent
	}
	if low < 0 || high > 100 || low >= high {
		return fmt.Errorf("kubeletConfiguration: a kubelet does not start with imageGCLowThresholdPercent %d and imageGCHighThresholdPercent %d: "+
			"the first has to be below the second (they are %d and %d where they are not stated), and both from 0 to 100",
			low, high, v1alpha5.DefaultImageGCLowThresholdPercent, v1alpha5.DefaultImageGCHighThresholdPercent)
	}
	return nil
}

// checkRuntime returns why images that can be told their container runtime do not start with the one that is configured.
func (s settings) checkRuntime() error {
	const field = "kubeletConfiguration.containerRuntime"
	minor, err := cluster.Facts{Version: s.version}.Minor()
	switch {
	case s.containerRuntime == runtimeContainerd:
		return nil
	case s.containerRuntime != runtimeDocker:
		return fmt.Errorf("%s: %q is neither %s nor %s", field, s.containerRuntime, runtimeContainerd, runtimeDocker)
	case err == nil && minor >= firstWithoutDocker:
		return fmt.Errorf("%s: images of Kubernetes 1.%d and later have no %s; leave it out", field, firstWithoutDocker, runtimeDocker)
	default:
		return nil
	}
}
