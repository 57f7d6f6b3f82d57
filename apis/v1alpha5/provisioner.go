package v1alpha5

import (
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
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
// +kubebuilder:printcolumn:name="Consolidation",type="boolean",JSONPath=".spec.consolidation.enabled",priority=1,description="Whether underused machines are removed or replaced"
// +kubebuilder:validation:XValidation:rule=`has(self.spec) || oldSelf.optMap(old, !has(old.spec)).orValue(false)`,optionalOldSelf=true,reason=FieldValueRequired,fieldPath=".spec.providerRef",message="name the AWSNodeTemplate that machines are made from, e.g. providerRef: {name: default}"
// +kubebuilder:validation:XValidation:rule=`self.metadata.name.size() <= 63 || oldSelf.hasValue()`,optionalOldSelf=true,fieldPath=".metadata",message="metadata.name must be no longer than 63 characters: it becomes the value of a label"
type Provisioner struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   ProvisionerSpec   `json:"spec,omitempty"`
	Status ProvisionerStatus `json:"status,omitempty"`
}

// ProvisionerSpec is what the user asks for.
//
// +kubebuilder:validation:XValidation:rule=`!has(self.provider) || !has(self.providerRef) || oldSelf.optMap(old, has(old.provider) && has(old.providerRef) && old.providerRef == self.providerRef).orValue(false)`,optionalOldSelf=true,reason=FieldValueForbidden,fieldPath=".provider",message="spec.providerRef is set and says this as well: remove one of the two"
// +kubebuilder:validation:XValidation:rule=`has(self.provider) || has(self.providerRef) || oldSelf.optMap(old, old == self).orValue(false)`,optionalOldSelf=true,reason=FieldValueRequired,fieldPath=".providerRef",message="name the AWSNodeTemplate that machines are made from, e.g. providerRef: {name: default}"
// +kubebuilder:validation:XValidation:rule=`!has(self.ttlSecondsAfterEmpty) || !has(self.consolidation) || !has(self.consolidation.enabled) || !self.consolidation.enabled || oldSelf.optMap(old, has(old.ttlSecondsAfterEmpty) && old.ttlSecondsAfterEmpty == self.ttlSecondsAfterEmpty && has(old.consolidation) && old.consolidation == self.consolidation).orValue(false)`,optionalOldSelf=true,reason=FieldValueForbidden,fieldPath=".ttlSecondsAfterEmpty",message="spec.consolidation.enabled is true, and consolidation removes empty nodes as well: remove one of the two"
// +kubebuilder:validation:XValidation:rule=`!has(self.taints) || !has(self.startupTaints) || self.startupTaints.all(a, !has(a.key) || !has(a.effect) || !self.taints.exists(b, has(b.key) && has(b.effect) && a.key == b.key && a.effect == b.effect)) || oldSelf.optMap(old, has(old.taints) && old.taints == self.taints && has(old.startupTaints) && old.startupTaints == self.startupTaints).orValue(false)`,optionalOldSelf=true,fieldPath=".startupTaints",message="a node has one taint of a key and an effect, startup taints included: remove one of the two"
type ProvisionerSpec struct {
	// Annotations are copied to every machine and node.
	// +kubebuilder:validation:MaxProperties=100
	// +kubebuilder:validation:XValidation:rule=`self.all(key, key.matches('^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$') && key.indexOf('/') <= 253)`,message="must be a name of at most 63 letters, digits, '-', '_' and '.', a letter or digit first and last, with a domain and '/' before it if need be, e.g. example.com/team",messageExpression=`self.filter(key, !key.matches('^([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?([.][A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$') || key.indexOf('/') > 253)[0] + ": must be a name of at most 63 letters, digits, '-', '_' and '.', a letter or digit first and last, with a domain and '/' before it if need be, e.g. example.com/team"`
	// +optional
	Annotations map[string]string `json:"annotations,omitempty"`
	// Labels are put on every machine and node, and can be selected by pods.
	// +kubebuilder:validation:MaxProperties=100
	// +kubebuilder:validation:XValidation:rule=`self.all(key, key.matches('^([a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$') && key.indexOf('/') <= 253)`,message="must be a name of at most 63 letters, digits, '-', '_' and '.', a letter or digit first and last, with a domain and '/' before it if need be, e.g. example.com/team",messageExpression=`self.filter(key, !(key.matches('^([a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$') && key.indexOf('/') <= 253))[0] + ": must be a name of at most 63 letters, digits, '-', '_' and '.', a letter or digit first and last, with a domain and '/' before it if need be, e.g. example.com/team"`
	// +kubebuilder:validation:XValidation:rule=`self.all(key, !key.matches('^[^/]*(kubernetes[.]io|k8s[.]io|karpenter[.]sh|karpenter[.]k8s[.]aws)/') || key.matches('^[^/]*(kops[.]k8s[.]io|node[.]kubernetes[.]io|node-restriction[.]kubernetes[.]io)/') || key in ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region', 'kubernetes.io/arch', 'kubernetes.io/os', 'karpenter.sh/capacity-type', 'karpenter.k8s.aws/instance-hypervisor', 'karpenter.k8s.aws/instance-encryption-in-transit-supported', 'karpenter.k8s.aws/instance-category', 'karpenter.k8s.aws/instance-family', 'karpenter.k8s.aws/instance-generation', 'karpenter.k8s.aws/instance-size', 'karpenter.k8s.aws/instance-local-nvme', 'karpenter.k8s.aws/instance-cpu', 'karpenter.k8s.aws/instance-cpu-manufacturer', 'karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz', 'karpenter.k8s.aws/instance-ebs-bandwidth', 'karpenter.k8s.aws/instance-capability-flex', 'karpenter.k8s.aws/instance-tenancy', 'karpenter.k8s.aws/instance-memory', 'karpenter.k8s.aws/instance-network-bandwidth', 'karpenter.k8s.aws/instance-pods', 'karpenter.k8s.aws/instance-gpu-name', 'karpenter.k8s.aws/instance-gpu-manufacturer', 'karpenter.k8s.aws/instance-gpu-count', 'karpenter.k8s.aws/instance-gpu-memory', 'karpenter.k8s.aws/instance-accelerator-name', 'karpenter.k8s.aws/instance-accelerator-manufacturer', 'karpenter.k8s.aws/instance-accelerator-count'])`,message="the domains kubernetes.io, k8s.io, karpenter.sh and karpenter.k8s.aws are reserved: choose a domain of your own, or a label that kubectl explain provisioner.spec.requirements.key lists",messageExpression=`self.filter(key, !(!key.matches('^[^/]*(kubernetes[.]io|k8s[.]io|karpenter[.]sh|karpenter[.]k8s[.]aws)/') || key.matches('^[^/]*(kops[.]k8s[.]io|node[.]kubernetes[.]io|node-restriction[.]kubernetes[.]io)/') || key in ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region', 'kubernetes.io/arch', 'kubernetes.io/os', 'karpenter.sh/capacity-type', 'karpenter.k8s.aws/instance-hypervisor', 'karpenter.k8s.aws/instance-encryption-in-transit-supported', 'karpenter.k8s.aws/instance-category', 'karpenter.k8s.aws/instance-family', 'karpenter.k8s.aws/instance-generation', 'karpenter.k8s.aws/instance-size', 'karpenter.k8s.aws/instance-local-nvme', 'karpenter.k8s.aws/instance-cpu', 'karpenter.k8s.aws/instance-cpu-manufacturer', 'karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz', 'karpenter.k8s.aws/instance-ebs-bandwidth', 'karpenter.k8s.aws/instance-capability-flex', 'karpenter.k8s.aws/instance-tenancy', 'karpenter.k8s.aws/instance-memory', 'karpenter.k8s.aws/instance-network-bandwidth', 'karpenter.k8s.aws/instance-pods', 'karpenter.k8s.aws/instance-gpu-name', 'karpenter.k8s.aws/instance-gpu-manufacturer', 'karpenter.k8s.aws/instance-gpu-count', 'karpenter.k8s.aws/instance-gpu-memory', 'karpenter.k8s.aws/instance-accelerator-name', 'karpenter.k8s.aws/instance-accelerator-manufacturer', 'karpenter.k8s.aws/instance-accelerator-count']))[0] + ": the domains kubernetes.io, k8s.io, karpenter.sh and karpenter.k8s.aws are reserved: choose a domain of your own, or a label that kubectl explain provisioner.spec.requirements.key lists"`
	// +optional
	Labels map[string]LabelValue `json:"labels,omitempty"`
	// Taints are put on every node; only pods that tolerate them cause a launch.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:rule=`self.all(a, !has(a.key) || !has(a.effect) || self.exists_one(b, has(b.key) && has(b.effect) && a.key == b.key && a.effect == b.effect))`,message="a node has one taint of a key and an effect, startup taints included: remove one of the two"
	// +optional
	Taints []Taint `json:"taints,omitempty"`
	// StartupTaints are put on every node at boot, are ignored when deciding whether a pod fits, and have to be removed by
	// whoever they wait for (a CNI, a storage driver) before the node counts as initialized.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:rule=`self.all(a, !has(a.key) || !has(a.effect) || self.exists_one(b, has(b.key) && has(b.effect) && a.key == b.key && a.effect == b.effect))`,message="a node has one taint of a key and an effect, startup taints included: remove one of the two"
	// +optional
	StartupTaints []Taint `json:"startupTaints,omitempty"`
	// Requirements narrow down the machines that may be launched. Where a key is absent, kerf assumes: linux, amd64,
	// on-demand, and instance categories c, m and r of a generation above 2.
	// +kubebuilder:validation:MaxItems=128
	// +optional
	Requirements []Requirement `json:"requirements,omitempty"`
	// KubeletConfiguration is passed to the kubelet of every node.
	// +optional
	KubeletConfiguration *KubeletConfiguration `json:"kubeletConfiguration,omitempty"`
	// Provider is what the machines look like at AWS, written in place of a reference: the fields of an AWSNodeTemplate
	// without userData, amiSelector, detailedMonitoring and instanceStorePolicy. Deprecated: create an AWSNodeTemplate and name it in providerRef.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:pruning:PreserveUnknownFields
	// +optional
	Provider *runtime.RawExtension `json:"provider,omitempty"`
	// ProviderRef names the AWSNodeTemplate that machines are made from.
	// +optional
	ProviderRef *TemplateReference `json:"providerRef,omitempty"`
	// TTLSecondsAfterEmpty is how many seconds a node may be without pods, those of DaemonSets aside, before it is
	// removed. 0 removes it at once; absent never does.
	// +kubebuilder:validation:Minimum=0
	// +optional
	TTLSecondsAfterEmpty *int64 `json:"ttlSecondsAfterEmpty,omitempty"`
	// TTLSecondsUntilExpired is how many seconds a node may live before it is replaced. Absent lets it live for ever.
	// +kubebuilder:validation:Minimum=0
	// +optional
	TTLSecondsUntilExpired *int64 `json:"ttlSecondsUntilExpired,omitempty"`
	// TerminationGracePeriod bounds how long a node may take to be drained once it or its machine is deleted, e.g. 1h30m: then the instance
	// is terminated whatever runs on it. Pods that neither budgets nor annotations have let go by then are deleted so early that
	// they have their own grace period before. Absent waits for them for ever.
	// +kubebuilder:validation:XValidation:rule=`duration(self) >= duration('0s')`,message="must be a time that is not negative, e.g. 1h30m"
	// +optional
	TerminationGracePeriod *metav1.Duration `json:"terminationGracePeriod,omitempty"`
	// Limits bound what this provisioner may launch.
	// +optional
	Limits *Limits `json:"limits,omitempty"`
	// Weight, from 1 to 100, orders provisioners: a pod goes to the heaviest one that can host it. Default: 0, the lightest.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +optional
	Weight *int32 `json:"weight,omitempty"`
	// Consolidation says whether nodes that are not needed as they are get removed or replaced by cheaper ones.
	// +optional
	Consolidation *Consolidation `json:"consolidation,omitempty"`
	// Disruption bounds how many nodes kerf gives up at once.
	// +optional
	Disruption *Disruption `json:"disruption,omitempty"`
}

// Consolidation is what may be done to nodes that run pods, in order to save money.
type Consolidation struct {
	// Enabled lets kerf move pods in order to remove underused nodes, or to replace them by cheaper ones. Default: false.
	// It excludes ttlSecondsAfterEmpty, since empty nodes are then removed as well.
	// +optional
	Enabled *bool `json:"enabled,omitempty"`
}

// Limits bound the capacity of all the machines of a Provisioner together.
type Limits struct {
	// Resources maps a resource name to the most capacity that may be launched, e.g. cpu: 1000.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:MaxProperties=15
	// +kubebuilder:validation:XValidation:rule=`self.all(key, type(self[key]) == int || !self[key].matches('[eE].{4}'))`,message="a quantity must not have so large an exponent"
	// +kubebuilder:validation:XValidation:rule=`self.all(key, type(self[key]) == int || !self[key].matches('[eE].*\\.'))`,message="the exponent of a quantity must be an integer"
	// +optional
	Resources corev1.ResourceList `json:"resources,omitempty"`
}

// TemplateReference names the object that says what machines look like at the cloud provider.
type TemplateReference struct {
	// Name of the template.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// Kind of the template; AWSNodeTemplate is the only one and may be left out.
	// +optional
	Kind string `json:"kind,omitempty"`
	// APIVersion of the template; may be left out.
	// +optional
	APIVersion string `json:"apiVersion,omitempty"`
}

// ProvisionerStatus is what kerf reports.
type ProvisionerStatus struct {
	// Conditions say whether machines can be launched and why not; Ready is the sum of the others.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// Resources is the capacity of all launched machines but those on their way out, with their number under nodes.
	// +optional
	Resources corev1.ResourceList `json:"resources,omitempty"`
	// LastScaleTime was written by earlier versions of the API; kerf leaves it as it is.
	// +optional
	LastScaleTime *metav1.Time `json:"lastScaleTime,omitempty"`
	// ObservedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// FruitlessLaunches tell of machines that came to nothing one after the other, and when the next one is tried. They are kept
	// here so that a restart does not begin anew.
	// +kubebuilder:validation:MaxItems=100
	// +listType=atomic
	// +optional
	FruitlessLaunches []FruitlessLaunch `json:"fruitlessLaunches,omitempty"`
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

// TemplateName returns the name of the node template: the one that the provisioner names, or the one that is made from its
// spec.provider. It is "" when the provisioner says neither.
func (p *Provisioner) TemplateName() string {
	switch {
	case p.Spec.ProviderRef != nil:
		return p.Spec.ProviderRef.Name
	case p.Spec.Provider != nil:
		return InlineTemplateName(p.Name)
	default:
		return ""
	}
}

// Consolidates reports whether machines may go that are not needed as they are.
func (p *Provisioner) Consolidates() bool {
	return p.Spec.Consolidation != nil && p.Spec.Consolidation.Enabled != nil && *p.Spec.Consolidation.Enabled
}

// TTLUntilExpired returns how long a machine may live; false when it may live for ever. Long times are cut in the same way as in
// TTLAfterEmpty.
func (p *Provisioner) TTLUntilExpired() (time.Duration, bool) {
	return ttl(p.Spec.TTLSecondsUntilExpired)
}

// TTLAfterEmpty returns how long a machine may be empty; false when emptiness alone never removes it. Times beyond what a
// duration holds are as good as the longest one, 292 years.
func (p *Provisioner) TTLAfterEmpty() (time.Duration, bool) { return ttl(p.Spec.TTLSecondsAfterEmpty) }

func ttl(seconds *int64) (time.Duration, bool) {
	if seconds == nil {
		return 0, false
	}
	const longest = int64(math.MaxInt64 / time.Second)
	return time.Duration(min(*seconds, longest)) * time.Second, true
}
