package marking

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func TestAProvisionerAndATemplateWakeTheirMachinesAndNoOthers(t *testing.T) {
	s, other := newSubject(t), newSubject(t)
	template := &awsv1alpha1.AWSNodeTemplate{ObjectMeta: metav1.ObjectMeta{Name: s.machine.Spec.MachineTemplateRef.Name}}
	want := []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(s.machine)}}
	if got := s.controller.ofProvisioner(t.Context(), s.provisioner); !slices.Equal(got, want) {
		t.Errorf("the provisioner wakes %v, want %v", got, want)
	}
	if got := s.controller.ofTemplate(t.Context(), template); !slices.Equal(got, want) {
		t.Errorf("the template wakes %v, want %v; there is %s as well", got, want, other.machine.Name)
	}
}

func TestATemplateWakesMachinesOnlyWhereItMayDiffer(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*awsv1alpha1.AWSNodeTemplate)
		want   bool
	}{
		"nothing":              {func(*awsv1alpha1.AWSNodeTemplate) {}, false},
		"the order of subnets": {func(t *awsv1alpha1.AWSNodeTemplate) { slices.Reverse(t.Status.Subnets) }, false},
		"words of a condition": {func(t *awsv1alpha1.AWSNodeTemplate) { t.Status.Conditions[0].Message = "new" }, false},
		"a label":              {func(t *awsv1alpha1.AWSNodeTemplate) { t.Labels = map[string]string{"a": "b"} }, false},
		"the spec":             {func(t *awsv1alpha1.AWSNodeTemplate) { t.Generation++ }, true},
		"its resolution":       {func(t *awsv1alpha1.AWSNodeTemplate) { t.Status.ObservedGeneration++ }, true},
		"a subnet":             {func(t *awsv1alpha1.AWSNodeTemplate) { t.Status.Subnets = t.Status.Subnets[1:] }, true},
		"a security group":     {func(t *awsv1alpha1.AWSNodeTemplate) { t.Status.SecurityGroups = nil }, true},
		"an image":             {func(t *awsv1alpha1.AWSNodeTemplate) { t.Status.AMIs[0].ID = "ami-2" }, true},
		"what an image is for": {func(t *awsv1alpha1.AWSNodeTemplate) {
			t.Status.AMIs[0].Requirements = []corev1.NodeSelectorRequirement{{Key: "a", Operator: corev1.NodeSelectorOpExists}}
		}, true},
		"readiness": {func(t *awsv1alpha1.AWSNodeTemplate) { t.Status.Conditions[0].Status = metav1.ConditionFalse }, true},
	} {
		before := &awsv1alpha1.AWSNodeTemplate{Status: awsv1alpha1.AWSNodeTemplateStatus{
			Subnets: []awsv1alpha1.Subnet{{ID: "subnet-1"}, {ID: "subnet-2"}}, SecurityGroups: []awsv1alpha1.SecurityGroup{{ID: "sg-1"}},
			AMIs: []awsv1alpha1.AMI{{ID: "ami-1"}}, Conditions: []metav1.Condition{{Type: v1alpha5.ConditionReady, Status: metav1.ConditionTrue}},
		}}
		after := before.DeepCopy()
		tc.change(after)
		if got := resolvedAnew().Update(event.UpdateEvent{ObjectOld: before, ObjectNew: after}); got != tc.want {
			t.Errorf("%s: wakes machines: %t", name, got)
		}
	}
}
