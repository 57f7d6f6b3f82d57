package v1alpha5

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Machine is one unit of capacity: the intent to have an instance, then the instance and its Node.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=machines,scope=Cluster,categories=karpenter,shortName=mach
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="Type",type="string",JSONPath=".metadata.labels.node\\.kubernetes\\.io/instance-type",description="Instance type"
// +kubebuilder:printcolumn:name="Zone",type="string",JSONPath=".metadata.labels.topology\\.kubernetes\\.io/zone",description="Availability zone"
// +kubebuilder:printcolumn:name="Capacity",type="string",JSONPath=".metadata.labels.karpenter\\.sh/capacity-type",description="spot or on-demand"
// +kubebuilder:printcolumn:name="Node",type="string",JSONPath=".status.nodeName",description="Node that the instance registered as"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].status",description="Whether the node is ready for pods"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp",description="Time since creation"
// +kubebuilder:printcolumn:name="Provisioner",type="string",JSONPath=".metadata.labels.karpenter\\.sh/provisioner-name",priority=1,description="Provisioner that the machine was made for"
// +kubebuilder:printcolumn:name="Template",type="string",JSONPath=".spec.machineTemplateRef.name",priority=1,description="Node template"
// +kubebuilder:printcolumn:name="Price",type="string",JSONPath=".metadata.annotations.karpenter\\.sh/price-per-hour",priority=1,description="US dollars per hour"
// +kubebuilder:printcolumn:name="Instance",type="string",JSONPath=".status.providerID",priority=1,description="Provider id of the instance"
// +kubebuilder:validation:XValidation:rule=`has(self.spec) || oldSelf.optMap(old, !has(old.spec)).orValue(false)`,optionalOldSelf=true,reason=FieldValueRequired,fieldPath=".spec",message="it says which machine to launch"
type Machine struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// Spec is what was decided. It never changes, and so cannot be taken away either.
	// +optional
	Spec   MachineSpec   `json:"spec"`
	Status MachineStatus `json:"status,omitempty"`
}

// MachineSpec is what was decided; it never changes.
//
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="a Machine's spec never changes; delete the Machine instead"
type MachineSpec struct {
	// Taints that the Node carries for as long as it lives.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:rule=`self.all(taint, taint.?effect.orValue("") in ['NoSchedule', 'PreferNoSchedule', 'NoExecute', ""])`,message="the effect of a taint must be NoSchedule, PreferNoSchedule or NoExecute"
	// +listType=atomic
	// +optional
	Taints []corev1.Taint `json:"taints,omitempty"`
	// StartupTaints that the Node carries at boot and has to lose before it is initialized.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:rule=`self.all(taint, taint.?effect.orValue("") in ['NoSchedule', 'PreferNoSchedule', 'NoExecute', ""])`,message="the effect of a taint must be NoSchedule, PreferNoSchedule or NoExecute"
	// +listType=atomic
	// +optional
	StartupTaints []corev1.Taint `json:"startupTaints,omitempty"`
	// Requirements that the instance has to meet; the instance types are listed cheapest first.
	// +kubebuilder:validation:MaxItems=100
	// +kubebuilder:validation:XValidation:rule=`self.all(r, r.?operator.orValue('In') in ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'])`,message="the operator of a requirement must be In, NotIn, Exists, DoesNotExist, Gt or Lt"
	// +kubebuilder:validation:XValidation:rule=`self.all(r, r.?operator.orValue("") != 'In' || (has(r.values) && r.values.size() > 0))`,message="In takes at least one value; no machine meets a requirement that allows none"
	// +kubebuilder:validation:XValidation:rule=`self.all(r, !(r.?operator.orValue("") in ['Gt', 'Lt']) || (has(r.values) && r.values.size() == 1))`,message="Gt and Lt take exactly one integer"
	// +listType=atomic
	// +optional
	Requirements []corev1.NodeSelectorRequirement `json:"requirements,omitempty"`
	// MinValues maps a label -> how many different values of it the instance types that are on offer have to have between them
	// when the machine is launched.
	// +kubebuilder:validation:MaxProperties=100
	// +kubebuilder:validation:XValidation:rule=`self.all(key, self[key] >= 1)`,message="must be at least 1 for each label"
	// +optional
	MinValues map[string]int32 `json:"minValues,omitempty"`
	// MinValuesPolicy says what becomes of the machine where they have fewer: Strict gives it up, so that its pods are decided on
	// anew, and BestEffort launches it and annotates it. Default: Strict.
	// +kubebuilder:validation:Enum=Strict;BestEffort
	// +optional
	MinValuesPolicy MinValuesPolicy `json:"minValuesPolicy,omitempty"`
	// Resources that the pods planned for the machine need, DaemonSets included.
	// +optional
	Resources ResourceRequirements `json:"resources,omitempty"`
	// Kubelet is the configuration that the Node boots with.
	// +optional
	Kubelet *KubeletConfiguration `json:"kubelet,omitempty"`
	// MachineTemplateRef names the node template.
	// +optional
	MachineTemplateRef *TemplateReference `json:"machineTemplateRef,omitempty"`
	// TerminationGracePeriod bounds how long the Node may take to be drained once the machine is deleted, e.g. 1h30m: then the instance
	// is terminated whatever runs on it. Pods that neither budgets nor annotations have let go by then are deleted so early that
	// they have their own grace period before. Absent waits for them for ever.
	// +kubebuilder:validation:XValidation:rule=`duration(self) >= duration('0s')`,message="must be a time that is not negative, e.g. 1h30m"
	// +optional
	TerminationGracePeriod *metav1.Duration `json:"terminationGracePeriod,omitempty"`
	// LaunchGroup names the machines that one request to the cloud provider launches together.
	// +optional
	LaunchGroup *LaunchGroup `json:"launchGroup,omitempty"`
}

// MinValuesPolicy is what becomes of a machine for which there is less to choose from than is asked for.
type MinValuesPolicy string

// Policies.
const (
	// MinValuesStrict buys no such machine.
	MinValuesStrict MinValuesPolicy = "Strict"
	// MinValuesBestEffort buys it, with MinValuesRelaxedAnnotation.
	MinValuesBestEffort MinValuesPolicy = "BestEffort"
)

// ResourceRequirements is what a machine has to offer at least.
type ResourceRequirements struct {
	// Requests is the sum of what the planned pods ask for.
	// +kubebuilder:validation:Type=object
	// +kubebuilder:validation:MaxProperties=15
	// +kubebuilder:validation:XValidation:rule=`self.all(key, type(self[key]) == int || !self[key].matches('[eE].{4}'))`,message="a quantity must not have so large an exponent"
	// +kubebuilder:validation:XValidation:rule=`self.all(key, type(self[key]) == int || !self[key].matches('[eE].*\\.'))`,message="the exponent of a quantity must be an integer"
	// +optional
	Requests corev1.ResourceList `json:"requests,omitempty"`
}

// LaunchGroup is a set of machines of one plan that ask for the same thing.
type LaunchGroup struct {
	// Name identifies the group; it never repeats within a cluster.
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name"`
	// Size is how many machines the plan put into the group.
	// +kubebuilder:validation:Minimum=1
	Size int32 `json:"size"`
}

// MachineStatus is what is known of the instance and its Node.
type MachineStatus struct {
	// NodeName is the name of the Node that the instance registered as.
	// +optional
	NodeName string `json:"nodeName,omitempty"`
	// ProviderID identifies the instance, e.g. aws:///us-east-1a/i-0123456789abcdef0.
	// +optional
	ProviderID string `json:"providerID,omitempty"`
	// Capacity is what the instance has in all.
	// +optional
	Capacity corev1.ResourceList `json:"capacity,omitempty"`
	// Allocatable is what the instance has for pods.
	// +optional
	Allocatable corev1.ResourceList `json:"allocatable,omitempty"`
	// Launch is the intent that is written before the cloud provider is asked for an instance.
	// +optional
	Launch *Launch `json:"launch,omitempty"`
	// Disruption is the decision by which the machine goes, or nil.
	// +optional
	Disruption *DisruptionRecord `json:"disruption,omitempty"`
	// LastPodEventTime is when a pod last came to the Node or left it; time without pods counts from here.
	// +optional
	LastPodEventTime *metav1.Time `json:"lastPodEventTime,omitempty"`
	// Conditions tell how far the machine has come.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Launch is a written intent to launch: whoever finds it after a crash repeats the very same request.
type Launch struct {
	// Group is the launch group that the request serves.
	Group string `json:"group"`
	// Attempt counts requests of the group that differ from each other, from 1.
	Attempt int32 `json:"attempt"`
	// Size is how many instances the request asks for.
	Size int32 `json:"size"`
	// Index is the place of this machine among the machines of the request, from 0, by UID.
	Index int32 `json:"index"`
	// Token makes the request idempotent at the cloud provider; a function of cluster, group, size and attempt.
	Token string `json:"token"`
	// RequestHash is a hash over what the request asks for; equal for all the machines of a request.
	RequestHash string `json:"requestHash"`
	// Time when the intent was written.
	Time metav1.Time `json:"time"`
	// Answered is true once the cloud provider's answer to this request is recorded in this object.
	// +optional
	Answered bool `json:"answered,omitempty"`
}

// MachineList is a list of Machines.
//
// +kubebuilder:object:root=true
type MachineList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Machine `json:"items"`
}

// ProvisionerName returns the name of the provisioner that the machine was made for.
func (m *Machine) ProvisionerName() string { return m.Labels[ProvisionerNameLabel] }
