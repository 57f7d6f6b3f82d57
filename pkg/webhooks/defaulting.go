package webhooks

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	admissionv1 "k8s.io/api/admission/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	rules "github.com/kerf-autoscaler/kerf/pkg/admission"
)

// defaulting answers with the requirements that a Provisioner leaves out, if it is without mistakes.
type defaulting struct {
	provisioners *sent[v1alpha5.Provisioner]
}

// Handle answers one request.
//
// Defaults are added to a Provisioner with a field of the wrong type as well, of which nothing but the requirements is read
// here. Requirements of the wrong type are let through as they are: the schema names all such fields at once.
func (d defaulting) Handle(ctx context.Context, request admission.Request) admission.Response {
	if response := d.provisioners.Handle(ctx, request); !response.Allowed {
		return response
	}
	var object struct {
		Spec struct {
			Requirements []v1alpha5.Requirement `json:"requirements"`
		} `json:"spec"`
	}
	if err := utiljson.Unmarshal(request.Object.Raw, &object); err != nil {
		return admission.Allowed("")
	}
	provisioner := &v1alpha5.Provisioner{Spec: v1alpha5.ProvisionerSpec{Requirements: object.Spec.Requirements}}
	patch, err := defaultsPatch(request.Object.Raw, provisioner)
	if err != nil {
		return admission.Errored(http.StatusInternalServerError, err)
	}
	response := admission.Allowed("")
	if patch != nil {
		patchType := admissionv1.PatchTypeJSONPatch
		response.Patch, response.PatchType = patch, &patchType
	}
	return response
}

// operation is one step of a JSON patch.
type operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value"`
}

// defaultsPatch returns the JSON patch that puts the defaults of a Provisioner into the object as it was sent, or nil if there
// is nothing to add. It is made of additions alone, so that nothing else of the object changes: neither fields that this
// version of kerf does not know nor the way that a quantity is written.
func defaultsPatch(sent []byte, provisioner *v1alpha5.Provisioner) ([]byte, error) {
	said := len(provisioner.Spec.Requirements)
	rules.Default(provisioner)
	added := provisioner.Spec.Requirements[said:]
	if len(added) == 0 {
		return nil, nil
	}
	// A patch cannot add to what is absent or null, which the decoded Provisioner does not tell from what is empty.
	var object struct {
		Spec *struct {
			Requirements *[]json.RawMessage `json:"requirements"`
		} `json:"spec"`
	}
	if err := utiljson.Unmarshal(sent, &object); err != nil {
		return nil, fmt.Errorf("reading the requirements: %w", err)
	}
	var patch []operation
	switch {
	case object.Spec == nil:
		patch = append(patch, operation{"add", "/spec", map[string]any{"requirements": added}})
	case object.Spec.Requirements == nil:
		patch = append(patch, operation{"add", "/spec/requirements", added})
	default:
		for _, requirement := range added {
			patch = append(patch, operation{"add", "/spec/requirements/-", requirement})
		}
	}
	encoded, err := json.Marshal(patch)
	if err != nil {
		return nil, fmt.Errorf("writing the patch: %w", err)
	}
	return encoded, nil
}
