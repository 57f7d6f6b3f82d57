package provisioning

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestAMachineTellsWhatItWasPlannedFrom(t *testing.T) {
	p := newPass(t, builders.MachineLabels(map[string]string{"team": "a"}))
	selector := map[string]string{"team": "a"}
	p.Create(&awsv1alpha1.AWSNodeTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: p.provisioner.TemplateName()},
		Spec:       awsv1alpha1.AWSNodeTemplateSpec{SubnetSelector: selector, SecurityGroupSelector: selector, Tags: map[string]string{"a": "b"}},
	})
	p.pending("a")
	p.provision(t)
	list := p.machines(t)
	if len(list) != 1 {
		t.Fatalf("%d machines, want 1", len(list))
	}
	template, err := templateOf(t.Context(), p.Client, p.provisioner)
	if err != nil {
		t.Fatal(err)
	}
	want, err := hashAnnotations(p.provisioner, template)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		v1alpha5.ProvisionerHashAnnotation, v1alpha5.ProvisionerHashVersionAnnotation,
		awsv1alpha1.AnnotationTemplateHash, awsv1alpha1.AnnotationTemplateHashVersion,
	} {
		if got := list[0].Annotations[key]; got == "" || got != want[key] {
			t.Errorf("%s is %q, want %q", key, got, want[key])
		}
	}
	found, err := drift.FromProvisioner(&list[0], p.provisioner)
	if err != nil || found.There() {
		t.Errorf("right after its planning it has drifted from its provisioner: %v, %v", found, err)
	}
	if found, err = drift.FromTemplate(&list[0], template); err != nil || found.There() {
		t.Errorf("right after its planning it has drifted from its template: %v, %v", found, err)
	}
}
