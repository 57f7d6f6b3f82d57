// Package v1alpha5 is the karpenter.sh/v1alpha5 API: Provisioner and Machine, with their labels, conditions and defaults.
//
// +kubebuilder:object:generate=true
// +groupName=karpenter.sh
package v1alpha5
