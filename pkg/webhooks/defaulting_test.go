package webhooks_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	rules "github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/pkg/webhooks"
)

const allDefaults = `{"key":"kubernetes.io/os","operator":"In","values":["linux"]},` +
	`{"key":"kubernetes.io/arch","operator":"In","values":["amd64"]},` +
	`{"key":"karpenter.sh/capacity-type","operator":"In","values":["on-demand"]},` +
	`{"key":"karpenter.k8s.aws/instance-category","operator":"In","values":["c","m","r"]},` +
	`{"key":"karpenter.k8s.aws/instance-generation","operator":"Gt","values":["2"]}`

func TestDefaultsAreAddedWhereTheObjectHasRoomForThem(t *testing.T) {
	const ownChoice = `{"key":"karpenter.k8s.aws/instance-family","operator":"Exists"},{"key":"kubernetes.io/os","operator":"Exists"},` +
		`{"key":"kubernetes.io/arch","operator":"Exists"}`
	const ref = `"providerRef":{"name":"x"}`
	tests := map[string]struct{ object, patch string }{
		"no requirements":       {`{"spec":{` + ref + `}}`, `[{"op":"add","path":"/spec/requirements","value":[` + allDefaults + `]}]`},
		"null requirements":     {`{"spec":{"requirements":null,` + ref + `}}`, `[{"op":"add","path":"/spec/requirements","value":[` + allDefaults + `]}]`},
		"requirements of zero":  {`{"spec":{"requirements":[],` + ref + `}}`, additions(allDefaults)},
		"some of them":          {`{"spec":{"requirements":[` + ownChoice + `],` + ref + `}}`, additions(`{"key":"karpenter.sh/capacity-type","operator":"In","values":["on-demand"]}`)},
		"all of them":           {`{"spec":{"requirements":[` + allDefaults + `],` + ref + `}}`, ``},
		"a field of later days": {`{"spec":{"later":{"a":1},` + ref + `}}`, `[{"op":"add","path":"/spec/requirements","value":[` + allDefaults + `]}]`},
		"a name in capitals":    {`{"spec":{"Requirements":[1],` + ref + `}}`, `[{"op":"add","path":"/spec/requirements","value":[` + allDefaults + `]}]`},
		"a field of wrong type": {`{"spec":{"weight":"ten"}}`, `[{"op":"add","path":"/spec/requirements","value":[` + allDefaults + `]}]`},
		"a key of wrong type":   {`{"spec":{"requirements":[{"key":5}]}}`, ``},
		"no object":             {`[]`, ``},
	}
	for name, tc := range tests {
		for _, operation := range []admissionv1.Operation{admissionv1.Create, admissionv1.Update} {
			t.Run(fmt.Sprint(name, " of ", operation), func(t *testing.T) { expectPatch(t, operation, tc.object, `{}`, tc.patch) })
		}
	}
	for name, object := range map[string]string{"no spec": `{}`, "a null spec": `{"spec":null}`} {
		t.Run(name+" before and after", func(t *testing.T) {
			expectPatch(t, admissionv1.Update, object, `{}`, `[{"op":"add","path":"/spec","value":{"requirements":[`+allDefaults+`]}}]`)
		})
	}
}

// expectPatch checks that an object is allowed, and what is added to it.
func expectPatch(t *testing.T, operation admissionv1.Operation, object, stored, patch string) {
	t.Helper()
	got := newWebhook(t, peers{}).ask(t, webhooks.PathDefaultProvisioners, operation, object, stored)
	if !got.Allowed {
		t.Fatalf("refused: %+v", got.Result)
	}
	if diff := cmp.Diff(patch, string(got.Patch)); diff != "" {
		t.Errorf("patch (-want +got):\n%s", diff)
	}
	if hasType := got.PatchType != nil; hasType != (patch != "") {
		t.Errorf("the type of the patch is %v", got.PatchType)
	}
}

// additions returns a patch that appends each of the requirements.
func additions(requirements string) string {
	var patch []string
	for r := range strings.SplitSeq(strings.ReplaceAll(requirements, "},{", "}\n{"), "\n") {
		patch = append(patch, `{"op":"add","path":"/spec/requirements/-","value":`+r+`}`)
	}
	return "[" + strings.Join(patch, ",") + "]"
}

// FuzzDefaults compares what a patch makes of an object with what the rules make of it, and looks for anything else that changed.
func FuzzDefaults(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"spec":{"providerRef":{"name":"x"},"requirements":[]}}`, valid, invalid,
		`{"spec":{"providerRef":{"name":"x"},"limits":{"resources":{"cpu":"1e3"}},"x":0.10}}`,
		`{"metadata":{"name":"a","annotations":{"b":"c"}},"spec":{"providerRef":{"name":"x"},"ttlSecondsUntilExpired":9223372036854775807}}`,
		`{"spec":{"providerRef":{"name":"x"},"requirements":[{"key":"beta.kubernetes.io/os","operator":"In","values":["linux"],"minValues":3}]}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		var object map[string]any
		if utiljson.Unmarshal([]byte(sent), &object) != nil {
			return
		}
		sent = string(encode(t, object)) // as the API server does
		var want v1alpha5.Provisioner
		known := utiljson.Unmarshal([]byte(sent), &want) == nil
		answer := newWebhook(t, peers{}).ask(t, webhooks.PathDefaultProvisioners, admissionv1.Create, sent, "")
		if len(answer.Patch) == 0 {
			return
		}
		if !known {
			t.Fatalf("what is no Provisioner is patched with %s", answer.Patch)
		}
		rules.Default(&want)
		patched := apply(t, sent, answer.Patch)
		var got v1alpha5.Provisioner
		if err := utiljson.Unmarshal(patched, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Spec.Requirements, got.Spec.Requirements); diff != "" {
			t.Errorf("requirements (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(without(t, []byte(sent)), without(t, patched)); diff != "" {
			t.Errorf("beside the requirements (-sent +patched):\n%s", diff)
		}
	})
}
