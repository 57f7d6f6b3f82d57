package v1alpha5

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Requirement narrows down the machines that may be launched by one of their labels.
type Requirement struct {
	// Key of the label, e.g. node.kubernetes.io/instance-type.
	// +kubebuilder:validation:MaxLength=316
	Key string `json:"key"`
	// Operator relates the label to the values: In, NotIn, Exists, DoesNotExist, Gt or Lt.
	// +kubebuilder:validation:Enum=In;NotIn;Exists;DoesNotExist;Gt;Lt
	Operator corev1.NodeSelectorOperator `json:"operator"`
	// Values: at least one for In, exactly one integer for Gt and Lt.
	// +kubebuilder:validation:MaxItems=2000
	// +kubebuilder:validation:items:MaxLength=63
	// +listType=atomic
	// +optional
	Values []string `json:"values,omitempty"`
}

// NodeSelectorRequirements returns the requirements in the terms of Kubernetes.
func NodeSelectorRequirements(requirements []Requirement) []corev1.NodeSelectorRequirement {
	if requirements == nil {
		return nil
	}
	out := make([]corev1.NodeSelectorRequirement, 0, len(requirements))
	for _, r := range requirements {
		out = append(out, corev1.NodeSelectorRequirement(r))
	}
	return out
}

// Taint keeps pods that do not tolerate it off a node.
type Taint struct {
	// Key of the taint.
	// +kubebuilder:validation:MaxLength=316
	Key string `json:"key"`
	// Value of the taint; may be left out.
	// +kubebuilder:validation:MaxLength=316
	// +optional
	Value string `json:"value,omitempty"`
	// Effect on pods that do not tolerate the taint: NoSchedule, PreferNoSchedule or NoExecute.
	// +kubebuilder:validation:Enum=NoSchedule;PreferNoSchedule;NoExecute;""
	Effect corev1.TaintEffect `json:"effect"`
	// TimeAdded is accepted, as Kubernetes' own taints have it, and means nothing here.
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
