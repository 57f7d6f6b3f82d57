package v1alpha5

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KubeletConfiguration is the part of the kubelet's configuration that changes what fits on a node or how it boots.
type KubeletConfiguration struct {
	// ClusterDNS lists the addresses of the cluster's DNS servers; the first one is used.
	// +optional
	ClusterDNS []string `json:"clusterDNS,omitempty"`
	// ContainerRuntime is containerd, the default, or dockerd on images that still have it: those of AL2 and Windows. Other
	// AMI families ignore it.
	// +optional
	ContainerRuntime *string `json:"containerRuntime,omitempty"`
	// MaxPods is how many pods a node may run, in place of the number that its network interfaces allow.
	// +kubebuilder:validation:Minimum=0
	// +optional
	MaxPods *int32 `json:"maxPods,omitempty"`
	// PodsPerCore bounds the number of pods by the number of virtual CPUs; MaxPods still holds. 0 sets no bound.
	// +kubebuilder:validation:Minimum=0
	// +optional
	PodsPerCore *int32 `json:"podsPerCore,omitempty"`
	// SystemReserved is kept free for the operating system. Keys: cpu, memory, ephemeral-storage, pid.
	// +optional
	SystemReserved corev1.ResourceList `json:"systemReserved,omitempty"`
	// KubeReserved is kept free for the kubelet and the container runtime, key by key in place of what kerf computes.
	// Keys: cpu, memory, ephemeral-storage, pid.
	// +optional
	KubeReserved corev1.ResourceList `json:"kubeReserved,omitempty"`
	// EvictionHard maps a signal, e.g. memory.available, to the quantity or percentage below which the kubelet evicts at once.
	// Keys: memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree, pid.available.
	// +optional
	EvictionHard map[string]string `json:"evictionHard,omitempty"`
	// EvictionSoft maps a signal to the quantity or percentage below which the kubelet evicts once its grace period is over.
	// It has the same keys as EvictionSoftGracePeriod.
	// +optional
	EvictionSoft map[string]string `json:"evictionSoft,omitempty"`
	// EvictionSoftGracePeriod maps a signal to how long its soft threshold has to be crossed, e.g. 1m30s.
	// +optional
	EvictionSoftGracePeriod map[string]metav1.Duration `json:"evictionSoftGracePeriod,omitempty"`
	// EvictionMaxPodGracePeriod is how many seconds a pod that is evicted at a soft threshold gets at most.
	// +optional
	EvictionMaxPodGracePeriod *int32 `json:"evictionMaxPodGracePeriod,omitempty"`
	// ImageGCHighThresholdPercent is the use of the disk, in percent, from which on unused images are removed.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	ImageGCHighThresholdPercent *int32 `json:"imageGCHighThresholdPercent,omitempty"`
	// ImageGCLowThresholdPercent is the use of the disk, in percent, down to which unused images are removed.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	ImageGCLowThresholdPercent *int32 `json:"imageGCLowThresholdPercent,omitempty"`
	// CPUCFSQuota enforces the CPU limits of containers. Default: the kubelet's, true.
	// +optional
	CPUCFSQuota *bool `json:"cpuCFSQuota,omitempty"`
}
