// Package v1alpha1 is the karpenter.k8s.aws/v1alpha1 API: AWSNodeTemplate, and the labels and defaults that are AWS's own.
//
// +kubebuilder:object:generate=true
// +groupName=karpenter.k8s.aws
package v1alpha1
