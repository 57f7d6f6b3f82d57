package webhooks

import (
	"context"
	"fmt"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	rules "github.com/kerf-autoscaler/kerf/pkg/admission"
)

func provisionerKind() schema.GroupKind {
	return v1alpha5.GroupVersion().WithKind("Provisioner").GroupKind()
}

func awsNodeTemplateKind() schema.GroupKind {
	return awsv1alpha1.GroupVersion().WithKind("AWSNodeTemplate").GroupKind()
}

func provisionerSpec(p *v1alpha5.Provisioner) any { return p.Spec }

func awsNodeTemplateSpec(t *awsv1alpha1.AWSNodeTemplate) any { return t.Spec }

// validating answers whether objects of one kind are without mistakes.
type validating[T any] struct {
	kind schema.GroupKind
	// judge applies the rules of the kind.
	judge func(context.Context, *T) rules.Verdict
	// spec returns what the rules are about.
	spec func(*T) any
}

func validateProvisioners(peers Peers) admission.Handler {
	return &validating[v1alpha5.Provisioner]{
		kind: provisionerKind(),
		spec: provisionerSpec,
		judge: func(ctx context.Context, p *v1alpha5.Provisioner) rules.Verdict {
			verdict := rules.Provisioner(p)
			if len(verdict.Errors) == 0 {
				verdict.Warnings = append(verdict.Warnings, rules.Overlaps(p, peers.Known(ctx))...)
			}
			return verdict
		},
	}
}

func validateAWSNodeTemplates() admission.Handler {
	return &validating[awsv1alpha1.AWSNodeTemplate]{
		kind:  awsNodeTemplateKind(),
		spec:  awsNodeTemplateSpec,
		judge: func(_ context.Context, t *awsv1alpha1.AWSNodeTemplate) rules.Verdict { return rules.AWSNodeTemplate(t) },
	}
}

// Handle answers one request.
func (v *validating[T]) Handle(ctx context.Context, request admission.Request) admission.Response {
	if err := expect(request, v.kind); err != nil {
		return admission.Errored(http.StatusBadRequest, err)
	}
	object := new(T)
	if err := utiljson.Unmarshal(request.Object.Raw, object); err != nil {
		return admission.Errored(http.StatusBadRequest, fmt.Errorf("reading the %s: %w", v.kind.Kind, err))
	}
	stored := func() (*T, error) {
		stored := new(T)
		return stored, utiljson.Unmarshal(request.OldObject.Raw, stored)
	}
	if keepsSpec(request, object, stored, v.spec) {
		return admission.Allowed("")
	}
	verdict := v.judge(ctx, object)
	response := admission.Allowed("")
	if len(verdict.Errors) > 0 {
		response = refusal(v.kind, request.Name, verdict.Errors)
	}
	return response.WithWarnings(verdict.Warnings...)
}

// keepsSpec says whether an update leaves the spec as it is. Such updates are let through whatever the spec says: an object
// that was stored before a rule was there has to take labels and lose finalizers. The webhook configurations keep most of them
// from coming here.
func keepsSpec[T any](request admission.Request, object *T, stored func() (*T, error), spec func(*T) any) bool {
	if request.Operation != admissionv1.Update {
		return false
	}
	before, err := stored()
	if err != nil {
		return false // whatever is stored, it is not what was sent
	}
	return equality.Semantic.DeepEqual(spec(before), spec(object))
}

// expect refuses requests that no webhook configuration of kerf's sends here.
func expect(request admission.Request, kind schema.GroupKind) error {
	sent := schema.GroupKind{Group: request.Kind.Group, Kind: request.Kind.Kind}
	if sent != kind {
		return fmt.Errorf("this webhook is about %s, not about %q", kind, sent.String())
	}
	if request.Operation != admissionv1.Create && request.Operation != admissionv1.Update {
		return fmt.Errorf("this webhook is about CREATE and UPDATE, not about %s", request.Operation)
	}
	return nil
}

// refusal returns the answer that the API server itself would give for mistakes: kubectl shows each with its field.
func refusal(kind schema.GroupKind, name string, mistakes field.ErrorList) admission.Response {
	status := apierrors.NewInvalid(kind, name, mistakes).Status()
	response := admission.Denied("")
	response.Result = &status
	return response
}
