package v1alpha5

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Requirement narrows down the machines that may be launched by one of their labels.
//
// +kubebuilder:validation:XValidation:rule=`self.?operator.orValue("") != 'In' || (has(self.values) && self.values.size() > 0)`,reason=FieldValueRequired,fieldPath=".values",message="In takes at least one value; Exists takes any"
// +kubebuilder:validation:XValidation:rule=`!(self.?operator.orValue("") in ['Gt', 'Lt']) || (has(self.values) && self.values.size() == 1 && self.values[0].matches('^[0-9]+$') && double(self.values[0]) <= 9223372036854775807.0)`,fieldPath=".values",message="Gt and Lt take exactly one integer that is not negative"
// +kubebuilder:validation:XValidation:rule=`!has(self.minValues) || self.?operator.orValue("") != 'In' || !has(self.values) || self.values.size() >= self.minValues`,fieldPath=".minValues",message="In names fewer values: name more, or lower minValues"
// +kubebuilder:validation:XValidation:rule=`!has(self.minValues) || self.?operator.orValue("") != 'DoesNotExist'`,fieldPath=".minValues",message="DoesNotExist leaves no value to count: remove minValues"
type Requirement struct {
	// Key of the label, of your own or one of these: topology.kubernetes.io/zone, topology.kubernetes.io/region,
	// node.kubernetes.io/instance-type, node.kubernetes.io/windows-build, kubernetes.io/arch, kubernetes.io/os,
	// karpenter.sh/capacity-type (spot, on-demand), and of karpenter.k8s.aws/: instance-category, instance-family,
	// instance-generation, instance-size, instance-cpu, instance-cpu-manufacturer (intel, amd, aws),
	// instance-cpu-sustained-clock-speed-mhz, instance-memory (MiB), instance-pods, instance-network-bandwidth (Mbps),
	// instance-ebs-bandwidth (Mbps), instance-local-nvme (GB), instance-hypervisor, instance-encryption-in-transit-supported,
	// instance-capability-flex (true, false), instance-tenancy (default), instance-gpu-name, instance-gpu-manufacturer,
	// instance-gpu-count, instance-gpu-memory (MiB), instance-accelerator-name, instance-accelerator-manufacturer,
	// instance-accelerator-count.
	// +kubebuilder:validation:XValidation:rule=`!self.matches('^[^/]*(kubernetes[.]io|k8s[.]io|karpenter[.]sh|karpenter[.]k8s[.]aws)/') || self.matches('^[^/]*(kops[.]k8s[.]io|node[.]kubernetes[.]io|node-restriction[.]kubernetes[.]io)/') || self in ['topology.kubernetes.io/zone', 'topology.kubernetes.io/region', 'kubernetes.io/arch', 'kubernetes.io/os', 'karpenter.sh/capacity-type', 'failure-domain.beta.kubernetes.io/zone', 'failure-domain.beta.kubernetes.io/region', 'beta.kubernetes.io/arch', 'beta.kubernetes.io/os', 'beta.kubernetes.io/instance-type', 'karpenter.k8s.aws/instance-hypervisor', 'karpenter.k8s.aws/instance-encryption-in-transit-supported', 'karpenter.k8s.aws/instance-category', 'karpenter.k8s.aws/instance-family', 'karpenter.k8s.aws/instance-generation', 'karpenter.k8s.aws/instance-size', 'karpenter.k8s.aws/instance-local-nvme', 'karpenter.k8s.aws/instance-cpu', 'karpenter.k8s.aws/instance-cpu-manufacturer', 'karpenter.k8s.aws/instance-cpu-sustained-clock-speed-mhz', 'karpenter.k8s.aws/instance-ebs-bandwidth', 'karpenter.k8s.aws/instance-capability-flex', 'karpenter.k8s.aws/instance-tenancy', 'karpenter.k8s.aws/instance-memory', 'karpenter.k8s.aws/instance-network-bandwidth', 'karpenter.k8s.aws/instance-pods', 'karpenter.k8s.aws/instance-gpu-name', 'karpenter.k8s.aws/instance-gpu-manufacturer', 'karpenter.k8s.aws/instance-gpu-count', 'karpenter.k8s.aws/instance-gpu-memory', 'karpenter.k8s.aws/instance-accelerator-name', 'karpenter.k8s.aws/instance-accelerator-manufacturer', 'karpenter.k8s.aws/instance-accelerator-count']`,message="the domains kubernetes.io, k8s.io, karpenter.sh and karpenter.k8s.aws are reserved: choose a domain of your own, or a label that kubectl explain provisioner.spec.requirements.key lists"
	Key QualifiedName `json:"key"`
	// Operator relates the label to the values: In, NotIn, Exists, DoesNotExist, Gt or Lt.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`self in ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt']`,message="must be In, NotIn, Exists, DoesNotExist, Gt or Lt"
	Operator corev1.NodeSelectorOperator `json:"operator"`
	// There may be so many values that an expression, which could explain itself, costs more than an API server allows.

	// Values of the label, each at most 63 letters, digits, '-', '_' and '.', a letter or digit first and last: at least one for
	// In, exactly one integer for Gt and Lt.
	// +kubebuilder:validation:MaxItems=2000
	// +kubebuilder:validation:items:MaxLength=1024
	// +kubebuilder:validation:items:Pattern=`^([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?$`
	// +listType=atomic
	// +optional
	Values []string `json:"values,omitempty"`
	// MinValues, from 1 to 50, is how many different values of the label the instance types that a machine may become have to
	// have between them, so that it can still be launched where some are sold out. Labels of instance types and zones can have
	// several. Default: as many as are cheapest.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=50
	// +optional
	MinValues *int32 `json:"minValues,omitempty"`
}

// NodeSelectorRequirements returns the requirements in the terms of Kubernetes, which have no minValues.
func NodeSelectorRequirements(requirements []Requirement) []corev1.NodeSelectorRequirement {
	if requirements == nil {
		return nil
	}
	out := make([]corev1.NodeSelectorRequirement, 0, len(requirements))
	for _, r := range requirements {
		out = append(out, corev1.NodeSelectorRequirement{Key: r.Key, Operator: r.Operator, Values: r.Values})
	}
	return out
}

// MinValues maps the label of each requirement with minValues -> the most that is asked for; nil if none has any.
func MinValues(requirements []Requirement) map[string]int {
	var out map[string]int
	for _, r := range requirements {
		if r.MinValues == nil {
			continue
		}
		if out == nil {
			out = map[string]int{}
		}
		key := NormalizeLabel(r.Key)
		out[key] = max(out[key], int(*r.MinValues))
	}
	return out
}

// Taint keeps pods that do not tolerate it off a node.
type Taint struct {
	// Key of the taint.
	Key QualifiedName `json:"key"`
	// Value of the taint; may be left out.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`self == "" || self.matches('^([a-z0-9]([a-z0-9-]*[a-z0-9])?([.][a-z0-9]([a-z0-9-]*[a-z0-9])?)*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$') && self.indexOf('/') <= 253`,message="must be a name of at most 63 letters, digits, '-', '_' and '.', a letter or digit first and last, with a domain and '/' before it if need be, e.g. example.com/team"
	// +optional
	Value string `json:"value,omitempty"`
	// Effect on pods that do not tolerate the taint: NoSchedule, PreferNoSchedule or NoExecute.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule=`self in ['NoSchedule', 'PreferNoSchedule', 'NoExecute', ""]`,message="must be NoSchedule, PreferNoSchedule or NoExecute"
	Effect corev1.TaintEffect `json:"effect"`
	// TimeAdded is accepted, as Kubernetes' own taints have it, and means nothing here: a time such as 2023-08-01T12:00:00Z.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-5][0-9]([.][0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +optional
	TimeAdded *metav1.Time `json:"timeAdded,omitempty"`
}

// NodeTaints returns the taints in the terms of Kubernetes.
func NodeTaints(taints []Taint) []corev1.Taint {
	if taints == nil {
		return nil
	}
	out := make([]corev1.Taint, 0, len(taints))
	for _, t := range taints {
		out = append(out, corev1.Taint(t))
	}
	return out
}
