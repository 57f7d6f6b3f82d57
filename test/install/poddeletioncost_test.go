package install_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/kerf-autoscaler/kerf/test/install"
)

// The right to patch pods never comes without the policy that bounds it, and is nobody else's.
func TestTheRightToPatchPodsComesWithItsPolicy(t *testing.T) {
	objects, err := install.Objects(build(t.Context(), t, "config/poddeletioncost"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]any{}
	for _, o := range objects {
		kind := o.GetKind()
		switch kind {
		case "ClusterRole":
			got[kind], _, err = unstructured.NestedSlice(o.Object, "rules")
		case "ClusterRoleBinding":
			got[kind], _, err = unstructured.NestedSlice(o.Object, "subjects")
		case "ValidatingAdmissionPolicy":
			got[kind], _, err = unstructured.NestedSlice(o.Object, "spec", "matchConditions")
		case "ValidatingAdmissionPolicyBinding":
			got[kind], _, err = unstructured.NestedMap(o.Object, "spec")
		default:
			t.Errorf("a %s", kind)
		}
		if err != nil {
			t.Error(err)
		}
	}
	want := map[string]any{
		"ClusterRole":               []any{map[string]any{"apiGroups": []any{""}, "resources": []any{"pods"}, "verbs": []any{"patch"}}},
		"ClusterRoleBinding":        []any{map[string]any{"kind": "ServiceAccount", "name": "karpenter", "namespace": "karpenter"}},
		"ValidatingAdmissionPolicy": []any{map[string]any{"name": "by-kerf", "expression": `request.userInfo.username == "system:serviceaccount:karpenter:karpenter"`}},
		"ValidatingAdmissionPolicyBinding": map[string]any{
			"policyName": "karpenter-pod-deletion-cost", "validationActions": []any{"Deny"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
}
