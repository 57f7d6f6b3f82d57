package aws_test

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// machine returns one of a launch group's machines, its intent written. Modifiers change what is special about it.
func machine(group string, size, index int32, modify ...func(*v1alpha5.Machine)) *v1alpha5.Machine {
	m := &v1alpha5.Machine{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("%s-%d", group, index), Labels: map[string]string{v1alpha5.ProvisionerNameLabel: "default", "team": "a"},
		},
		Spec: v1alpha5.MachineSpec{
			MachineTemplateRef: &v1alpha5.TemplateReference{Name: "default"},
			LaunchGroup:        &v1alpha5.LaunchGroup{Name: group, Size: size},
			Requirements: []corev1.NodeSelectorRequirement{
				{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"m5.large", "c5.xlarge", "m5.xlarge"}},
				{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"us-east-1a", "us-east-1b"}},
				{Key: v1alpha5.CapacityTypeLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{v1alpha5.CapacityTypeSpot}},
			},
		},
		Status: v1alpha5.MachineStatus{Launch: &v1alpha5.Launch{
			Group: group, Attempt: 1, Size: size, Index: index, Token: "token-" + group, RequestHash: "hash",
		}},
	}
	for _, f := range modify {
		f(m)
	}
	return m
}
