package webhooks

import (
	"context"
	"net/http"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	rules "github.com/kerf-autoscaler/kerf/pkg/admission"
)

// sent refuses objects of one kind that have mistakes as they were sent, in the phase in which objects may still be changed.
// The schema comes after it, and whoever makes a mistake that the schema knows would else hear of no other.
type sent[T any] struct {
	kind schema.GroupKind
	// judge reads an object and applies the rules of the kind; its error says that the object is none of the kind.
	judge func(raw []byte) (*T, rules.Verdict, error)
	// spec returns what the rules are about.
	spec func(*T) any
}

func sentProvisioners() *sent[v1alpha5.Provisioner] {
	return &sent[v1alpha5.Provisioner]{kind: provisionerKind(), judge: rules.SentProvisioner, spec: provisionerSpec}
}

func sentAWSNodeTemplates() *sent[awsv1alpha1.AWSNodeTemplate] {
	return &sent[awsv1alpha1.AWSNodeTemplate]{kind: awsNodeTemplateKind(), judge: rules.SentAWSNodeTemplate, spec: awsNodeTemplateSpec}
}

// Handle answers one request. Warnings come with a refusal only: about what is allowed here the validating webhook warns.
func (s *sent[T]) Handle(_ context.Context, request admission.Request) admission.Response {
	if err := expect(request, s.kind); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	object, verdict, err := s.judge(request.Object.Raw)
	if err != nil || len(verdict.Errors) == 0 {
		return admission.Allowed("") // of what is of the wrong type the schema says it best
	}
	stored := func() (*T, error) {
		stored, _, err := s.judge(request.OldObject.Raw)
		return stored, err
	}
	if keepsSpec(request, object, stored, s.spec) {
		return admission.Allowed("")
	}
	return refusal(s.kind, request.Name, verdict.Errors).WithWarnings(verdict.Warnings...)
}
