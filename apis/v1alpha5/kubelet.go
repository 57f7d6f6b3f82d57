package v1alpha5

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// KubeletConfiguration is the part of the kubelet's configuration that changes what fits on a node or how it boots.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.evictionSoft) || self.evictionSoft.all(signal, has(self.evictionSoftGracePeriod) && signal in self.evictionSoftGracePeriod)`,reason=FieldValueRequired,fieldPath=".evictionSoftGracePeriod",message="evictionSoft has a threshold for a signal that has no time here: say how long it has to be crossed, e.g. 1m30s"
// +kubebuilder:validation:XValidation:rule=`!has(self.evictionSoftGracePeriod) || self.evictionSoftGracePeriod.all(signal, has(self.evictionSoft) && signal in self.evictionSoft)`,reason=FieldValueRequired,fieldPath=".evictionSoft",message="evictionSoftGracePeriod has a time for a signal that has no threshold here: say at which one it counts, e.g. 10%"
// +kubebuilder:validation:XValidation:rule=`!has(self.imageGCHighThresholdPercent) || !has(self.imageGCLowThresholdPercent) || self.imageGCHighThresholdPercent >= self.imageGCLowThresholdPercent`,fieldPath=".imageGCHighThresholdPercent",message="must not be below imageGCLowThresholdPercent"
type KubeletConfiguration struct {
	// ClusterDNS lists the addresses of the cluster's DNS servers; the first one is used. Default: what the image finds out.
	// +kubebuilder:validation:MaxItems=32
	// +optional
	ClusterDNS []IPAddress `json:"clusterDNS,omitempty"`
	// ContainerRuntime is containerd, the default, or dockerd on images that still have it: those of AL2 and Windows. Other
	// AMI families ignore it.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`self.matches('^[A-Za-z0-9._-]*$')`,message="must be the name of a program, of letters, digits, '.', '_' and '-'; leave it out for containerd"
	// +optional
	ContainerRuntime *string `json:"containerRuntime,omitempty"`
	// MaxPods is how many pods a node may run. Default: as many as its network interfaces have addresses for.
	// +kubebuilder:validation:Minimum=0
	// +optional
	MaxPods *int32 `json:"maxPods,omitempty"`
	// PodsPerCore bounds the number of pods by the number of virtual CPUs; MaxPods still holds. 0 sets no bound.
	// +kubebuilder:validation:Minimum=0
	// +optional
	PodsPerCore *int32 `json:"podsPerCore,omitempty"`
	// SystemReserved is kept free for the operating system. Keys: cpu, memory, ephemeral-storage, pid.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:MaxProperties=10
	// +kubebuilder:validation:XValidation:rule=`self.all(key, key in ['cpu', 'memory', 'ephemeral-storage', 'pid'])`,message="what can be reserved is cpu, memory, ephemeral-storage and pid",messageExpression=`self.filter(key, !(key in ['cpu', 'memory', 'ephemeral-storage', 'pid']))[0] + ": what can be reserved is cpu, memory, ephemeral-storage and pid"`
	// +kubebuilder:validation:XValidation:rule=`self.all(key, type(self[key]) == int ? self[key] >= 0 : !self[key].startsWith('-'))`,message="must not be negative"
	// +kubebuilder:validation:XValidation:rule=`self.all(key, type(self[key]) == int || !self[key].matches('[eE].{4}'))`,message="a quantity must not have so large an exponent"
	// +kubebuilder:validation:XValidation:rule=`self.all(key, type(self[key]) == int || !self[key].matches('[eE].*\\.'))`,message="the exponent of a quantity must be an integer"
	// +optional
	SystemReserved corev1.ResourceList `json:"systemReserved,omitempty"`
	// KubeReserved is kept free for the kubelet and the container runtime, key by key in place of what kerf computes.
	// Keys: cpu, memory, ephemeral-storage, pid.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:MaxProperties=10
	// +kubebuilder:validation:XValidation:rule=`self.all(key, key in ['cpu', 'memory', 'ephemeral-storage', 'pid'])`,message="what can be reserved is cpu, memory, ephemeral-storage and pid",messageExpression=`self.filter(key, !(key in ['cpu', 'memory', 'ephemeral-storage', 'pid']))[0] + ": what can be reserved is cpu, memory, ephemeral-storage and pid"`
	// +kubebuilder:validation:XValidation:rule=`self.all(key, type(self[key]) == int ? self[key] >= 0 : !self[key].startsWith('-'))`,message="must not be negative"
	// +kubebuilder:validation:XValidation:rule=`self.all(key, type(self[key]) == int || !self[key].matches('[eE].{4}'))`,message="a quantity must not have so large an exponent"
	// +kubebuilder:validation:XValidation:rule=`self.all(key, type(self[key]) == int || !self[key].matches('[eE].*\\.'))`,message="the exponent of a quantity must be an integer"
	// +optional
	KubeReserved corev1.ResourceList `json:"kubeReserved,omitempty"`
	// EvictionHard maps a signal, e.g. memory.available, to the quantity or percentage below which the kubelet evicts at once.
	// Keys: memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree, pid.available.
	// Default, key by key: memory.available 100Mi, nodefs.available 10%, nodefs.inodesFree 5%.
	// +kubebuilder:validation:MaxProperties=10
	// +kubebuilder:validation:XValidation:rule=`self.all(signal, signal in ['memory.available', 'nodefs.available', 'nodefs.inodesFree', 'imagefs.available', 'imagefs.inodesFree', 'pid.available'])`,message="the signals are memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree and pid.available",messageExpression=`self.filter(signal, !(signal in ['memory.available', 'nodefs.available', 'nodefs.inodesFree', 'imagefs.available', 'imagefs.inodesFree', 'pid.available']))[0] + ": the signals are memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree and pid.available"`
	// +optional
	EvictionHard map[string]EvictionThreshold `json:"evictionHard,omitempty"`
	// EvictionSoft maps a signal to the quantity or percentage below which the kubelet evicts once its grace period is over.
	// It has the same keys as EvictionSoftGracePeriod. Default: none.
	// +kubebuilder:validation:MaxProperties=10
	// +kubebuilder:validation:XValidation:rule=`self.all(signal, signal in ['memory.available', 'nodefs.available', 'nodefs.inodesFree', 'imagefs.available', 'imagefs.inodesFree', 'pid.available'])`,message="the signals are memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree and pid.available",messageExpression=`self.filter(signal, !(signal in ['memory.available', 'nodefs.available', 'nodefs.inodesFree', 'imagefs.available', 'imagefs.inodesFree', 'pid.available']))[0] + ": the signals are memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree and pid.available"`
	// +optional
	EvictionSoft map[string]EvictionThreshold `json:"evictionSoft,omitempty"`
	// EvictionSoftGracePeriod maps a signal to how long its soft threshold has to be crossed, e.g. 1m30s.
	// +kubebuilder:validation:MaxProperties=10
	// +kubebuilder:validation:XValidation:rule=`self.all(signal, signal in ['memory.available', 'nodefs.available', 'nodefs.inodesFree', 'imagefs.available', 'imagefs.inodesFree', 'pid.available'])`,message="the signals are memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree and pid.available",messageExpression=`self.filter(signal, !(signal in ['memory.available', 'nodefs.available', 'nodefs.inodesFree', 'imagefs.available', 'imagefs.inodesFree', 'pid.available']))[0] + ": the signals are memory.available, nodefs.available, nodefs.inodesFree, imagefs.available, imagefs.inodesFree and pid.available"`
	// +kubebuilder:validation:XValidation:rule=`oldSelf.optMap(old, old == self).orValue(false) || self.all(signal, duration(self[signal]) >= duration('0s'))`,optionalOldSelf=true,message="must be times that are not negative, e.g. 1m30s"
	// +optional
	EvictionSoftGracePeriod map[string]metav1.Duration `json:"evictionSoftGracePeriod,omitempty"`
	// EvictionMaxPodGracePeriod is how many seconds a pod that is evicted at a soft threshold gets at most to end. Default: 0.
	// +optional
	EvictionMaxPodGracePeriod *int32 `json:"evictionMaxPodGracePeriod,omitempty"`
	// ImageGCHighThresholdPercent is the use of the disk, in percent, from which on unused images are removed.
	// Default: 85.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	ImageGCHighThresholdPercent *int32 `json:"imageGCHighThresholdPercent,omitempty"`
	// ImageGCLowThresholdPercent is the use of the disk, in percent, down to which unused images are removed.
	// It has to be lower than the other. Default: 80.
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100
	// +optional
	ImageGCLowThresholdPercent *int32 `json:"imageGCLowThresholdPercent,omitempty"`
	// CPUCFSQuota enforces the CPU limits of containers. Default: the kubelet's, true.
	// +optional
	CPUCFSQuota *bool `json:"cpuCFSQuota,omitempty"`
}
