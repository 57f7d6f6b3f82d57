package v1alpha5

import (
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Provisioner says which machines kerf may add to the cluster, for which pods, and when it gives them back.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=provisioners,scope=Cluster,categories=karpenter,shortName=prov
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Template",type="string",JSONPath=".spec.providerRef.name",description="Node template that machines are made from"
// +kubebuilder:printcolumn:name="CPU",type="string",JSONPath=".status.resources.cpu",description="CPU launched"
// +kubebuilder:printcolumn:name="Limit",type="string",JSONPath=".spec.limits.resources.cpu",description="CPU that may be launched"
// +kubebuilder:printcolumn:name="Nodes",type="string",JSONPath=".status.resources.nodes",description="Machines launched"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].status",description="Whether machines can be launched"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp",description="Time since creation"
// +kubebuilder:printcolumn:name="Weight",type="string",JSONPath=".spec.weight",priority=1,description="Heavier provisioners are tried first"
// +kubebuilder:printcolumn:name="Memory",type="string",JSONPath=".status.resources.memory",priority=1,description="Memory launched"
type Provisioner struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ProvisionerSpec   `json:"spec,omitempty"`
	Status ProvisionerStatus `json:"status,omitempty"`
}

// ProvisionerSpec is what the user asks for.
type ProvisionerSpec struct {
	// Annotations are copied to every machine and node.
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
	// Labels are put on every machine and node, and can be selected by pods.
	// +optional
	Labels map[string]string `json:"labels,omitempty"`
	// Taints are put on every node; only pods that tolerate them cause a launch.
	// +optional
	Taints []corev1.Taint `json:"taints,omitempty"`
	// StartupTaints are put on every node at boot, are ignored when deciding whether a pod fits, and have to be removed by
	// whoever they wait for (a CNI, a storage driver) before the node counts as initialized.
	// +optional
	StartupTaints []corev1.Taint `json:"startupTaints,omitempty"`
	// Requirements narrow down the machines that may be launched. Where a key is absent, kerf assumes: linux, amd64,
	// on-demand, and instance categories c, m and r of a generation above 2.
	// +optional
	Requirements []corev1.NodeSelectorRequirement `json:"requirements,omitempty"`
	// KubeletConfiguration is passed to the kubelet of every node.
	// +optional
	KubeletConfiguration *KubeletConfiguration `json:"kubeletConfiguration,omitempty"`
	// ProviderRef names the AWSNodeTemplate that machines are made from.
	// +optional
	ProviderRef *TemplateReference `json:"providerRef,omitempty"`
	// TTLSecondsAfterEmpty is how many seconds a node may be without pods, those of DaemonSets aside, before it is
	// removed. 0 removes it at once; absent never does.
	// +kubebuilder:validation:Minimum=0
	// +optional
	TTLSecondsAfterEmpty *int64 `json:"ttlSecondsAfterEmpty,omitempty"`
	// Limits bound what this provisioner may launch.
	// +optional
	Limits *Limits `json:"limits,omitempty"`
	// Weight orders provisioners: a pod goes to the heaviest one that can host it. Absent counts as 0.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	Weight *int32 `json:"weight,omitempty"`
}

// Limits bound the capacity of all the machines of a Provisioner together.
type Limits struct {
	// Resources maps a resource name to the most capacity that may be launched, e.g. cpu: 1000.
	// +optional
	Resources corev1.ResourceList `json:"resources,omitempty"`
}

// TemplateReference names the object that says what machines look like at the cloud provider.
type TemplateReference struct {
	// Name of the template.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// Kind of the template; AWSNodeTemplate is the only one and may be left out.
	// +optional
	Kind string `json:"kind,omitempty"`
	// APIVersion of the template; may be left out.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
}

// KubeletConfiguration is the part of the kubelet's configuration that changes what fits on a node or how it boots.
type KubeletConfiguration struct {
	// ClusterDNS lists the addresses of the cluster's DNS servers; the first one is used.
	// +optional
	ClusterDNS []string `json:"clusterDNS,omitempty"`
	// MaxPods is how many pods a node may run, in place of the number that its network interfaces allow.
	// +kubebuilder:validation:Minimum=0
	// +optional
	MaxPods *int32 `json:"maxPods,omitempty"`
	// PodsPerCore bounds the number of pods by the number of virtual CPUs; MaxPods still holds.
	// +kubebuilder:validation:Minimum=0
	// +optional
	PodsPerCore *int32 `json:"podsPerCore,omitempty"`
	// SystemReserved is kept free for the operating system. Keys: cpu, memory, ephemeral-storage, pid.
	// +optional
	SystemReserved corev1.ResourceList `json:"systemReserved,omitempty"`
	// KubeReserved is kept free for the kubelet and the container runtime, key by key in place of what kerf computes.
	// +optional
	KubeReserved corev1.ResourceList `json:"kubeReserved,omitempty"`
	// EvictionHard maps a signal, e.g. memory.available, to the quantity or percentage below which the kubelet evicts.
	// +optional
	EvictionHard map[string]string `json:"evictionHard,omitempty"`
}

// ProvisionerStatus is what kerf reports.
type ProvisionerStatus struct {
	// Conditions say whether machines can be launched and why not; Ready is the sum of the others.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Resources is the capacity of all launched machines, until their instance is gone, with their number under nodes.
	// +optional
	Resources corev1.ResourceList `json:"resources,omitempty"`
	// ObservedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// ResourceNodes counts machines in status.resources and may be limited like any other resource.
const ResourceNodes corev1.ResourceName = "nodes"

// ProvisionerList is a list of Provisioners.
//
// +kubebuilder:object:root=true
type ProvisionerList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Provisioner `json:"items"`
}

// Weight returns the weight that orders this provisioner, 0 when none is set.
func (p *Provisioner) Weight() int32 {
	if p.Spec.Weight == nil {
		return 0
	}
	return *p.Spec.Weight
}

// TemplateName returns the name of the node template, or "" when the provisioner names none.
func (p *Provisioner) TemplateName() string {
	if p.Spec.ProviderRef == nil {
		return ""
	}
	return p.Spec.ProviderRef.Name
}

// TTLAfterEmpty returns how long a machine may be empty; false when emptiness alone never removes it. Times beyond what a
// duration holds are as good as the longest one, 292 years.
func (p *Provisioner) TTLAfterEmpty() (time.Duration, bool) {
	if p.Spec.TTLSecondsAfterEmpty == nil {
		return 0, false
	}
	const longest = int64(math.MaxInt64 / time.Second)
	return time.Duration(min(*p.Spec.TTLSecondsAfterEmpty, longest)) * time.Second, true
}
