package v1alpha1

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AWSNodeTemplate says what machines look like at AWS: where they run, what they boot and what they are allowed to do.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:path=awsnodetemplates,scope=Cluster,categories=karpenter,shortName=awsnt
// +kubebuilder:subresource:status
// +kubebuilder:printcolumn:name="AMIFamily",type="string",JSONPath=".status.amiFamily",description="AMI family in use"
// +kubebuilder:printcolumn:name="Ready",type="string",JSONPath=".status.conditions[?(@.type=='Ready')].status",description="Whether machines can be launched from it"
// +kubebuilder:printcolumn:name="Age",type="date",JSONPath=".metadata.creationTimestamp",description="Time since creation"
type AWSNodeTemplate struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   AWSNodeTemplateSpec   `json:"spec,omitempty"`
	Status AWSNodeTemplateStatus `json:"status,omitempty"`
}

// AWSNodeTemplateSpec is what the user asks for.
type AWSNodeTemplateSpec struct {
	// SubnetSelector finds subnets by their tags: key -> value, all of which have to match. A value of "*" matches any
	// value, a comma separates alternatives. The key aws-ids takes subnet ids in place of tags.
	SubnetSelector map[string]string `json:"subnetSelector,omitempty"`
	// SecurityGroupSelector finds security groups in the same way; all that match are attached.
	SecurityGroupSelector map[string]string `json:"securityGroupSelector,omitempty"`
	// AMIFamily chooses the operating system. Default: AL2 on clusters that still have AL2 images (Kubernetes 1.32 and
	// older), else AL2023.
	// +kubebuilder:validation:Enum=AL2;AL2023
	// +optional
	AMIFamily string `json:"amiFamily,omitempty"`
	// InstanceProfile is the name of the IAM instance profile of the nodes. Default: the controller's setting.
	// +optional
	InstanceProfile string `json:"instanceProfile,omitempty"`
	// Tags are put on instances, volumes, fleets and launch templates.
	// +optional
	Tags map[string]string `json:"tags,omitempty"`
}

// Values of spec.amiFamily.
const (
	AMIFamilyAL2    = "AL2"
	AMIFamilyAL2023 = "AL2023"
)

// AWSNodeTemplateStatus is what the selectors found.
type AWSNodeTemplateStatus struct {
	// Subnets found, those with most free addresses first.
	// +optional
	Subnets []Subnet `json:"subnets,omitempty"`
	// SecurityGroups found, by id.
	// +optional
	SecurityGroups []SecurityGroup `json:"securityGroups,omitempty"`
	// AMIFamily in use.
	// +optional
	AMIFamily string `json:"amiFamily,omitempty"`
	// AMIs found, with the requirements that decide which instance types boot which.
	// +optional
	AMIs []AMI `json:"amis,omitempty"`
	// Conditions say whether machines can be launched from the template; Ready is the sum of the others.
	// +listType=map
	// +listMapKey=type
	// +optional
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// ObservedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
}

// Subnet is a subnet that machines may be put into.
type Subnet struct {
	// ID of the subnet.
	ID string `json:"id"`
	// Zone of the subnet.
	Zone string `json:"zone"`
}

// SecurityGroup is a security group that machines get.
type SecurityGroup struct {
	// ID of the group.
	ID string `json:"id"`
	// Name of the group.
	// +optional
	Name string `json:"name,omitempty"`
}

// AMI is a machine image and the machines that it is for.
type AMI struct {
	// ID of the image.
	ID string `json:"id"`
	// Name of the image.
	// +optional
	Name string `json:"name,omitempty"`
	// Requirements of an instance type that boots this image.
	// +listType=atomic
	// +optional
	Requirements []corev1.NodeSelectorRequirement `json:"requirements,omitempty"`
}

// Conditions of an AWSNodeTemplate, besides the root.
const (
	// ConditionSubnetsReady is true when spec.subnetSelector finds a subnet.
	ConditionSubnetsReady = "SubnetsReady"
	// ConditionSecurityGroupsReady is true when spec.securityGroupSelector finds a security group.
	ConditionSecurityGroupsReady = "SecurityGroupsReady"
	// ConditionAMIsReady is true when an image is found for the AMI family.
	ConditionAMIsReady = "AMIsReady"
	// ConditionInstanceProfileReady is true when the nodes' instance profile is named.
	ConditionInstanceProfileReady = "InstanceProfileReady"
)

// Reasons of those conditions.
const (
	ReasonResolved        = "Resolved"
	ReasonNoneFound       = "NoneFound"
	ReasonSelectorEmpty   = "SelectorEmpty"
	ReasonSelectorInvalid = "SelectorInvalid"
	ReasonCloudError      = "CloudError"
	ReasonNoImage         = "NoImage"
)

// AWSNodeTemplateList is a list of AWSNodeTemplates.
//
// +kubebuilder:object:root=true
type AWSNodeTemplateList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []AWSNodeTemplate `json:"items"`
}
