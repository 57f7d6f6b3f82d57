package fuzz_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
	"github.com/kerf-autoscaler/kerf/pkg/webhooks"
	"github.com/kerf-autoscaler/kerf/test/admission/schema"
)

// objectsPerKind is how many made-up objects a run of the tests judges.
const objectsPerKind = 300

func TestNoObjectThatTheSchemaAdmitsIsTooMuch(t *testing.T) {
	kinds, err := schema.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	for name, kind := range kinds {
		read := 0
		for seed := range uint64(objectsPerKind) {
			if judgeRandom(t, kinds, kind, seed) {
				read++
			}
		}
		// Some strings are no durations, and so on; most objects have to get beyond being read.
		if read < objectsPerKind/2 {
			t.Errorf("%s: %d of %d objects can be read at all", name, read, objectsPerKind)
		}
		t.Logf("%s: %d of %d objects can be read", name, read, objectsPerKind)
	}
}

func FuzzNoObjectThatTheSchemaAdmitsIsTooMuch(f *testing.F) {
	kinds, err := schema.Definitions()
	if err != nil {
		f.Fatal(err)
	}
	for _, kind := range []string{"Provisioner", "Machine", "AWSNodeTemplate"} {
		f.Add(kind, uint64(1), "a word")
	}
	f.Fuzz(func(t *testing.T, name string, seed uint64, word string) {
		if kind, known := kinds[name]; known {
			judgeRandom(t, kinds, kind, seed, word)
		}
	})
}

// judgeRandom makes an object up and has everything look at it that looks at what users write. What goes wrong here is a
// panic, or an answer that is another one the second time. It reports whether the object can be read.
func judgeRandom(t *testing.T, kinds map[string]schema.Definition, kind schema.Definition, seed uint64, words ...string) bool {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%s of seed %d with %q: panic: %v", kind.Kind, seed, words, p)
		}
	}()
	generator := schema.NewGenerator(seed, words...)
	generator.Unknown = kinds["AWSNodeTemplate"].Spec
	spec, err := generator.Value(kind.Spec)
	if err != nil {
		t.Fatal(err)
	}
	other, err := generator.Value(kind.Spec)
	if err != nil {
		t.Fatal(err)
	}
	first, second := reactions(t, kind.Kind, spec, other), reactions(t, kind.Kind, spec, other)
	if diff := cmp.Diff(first, second); diff != "" {
		t.Errorf("%s of seed %d is judged in another way the second time:\n%s", kind.Kind, seed, diff)
	}
	return first != nil
}

// reactions returns all that is said of a spec, in words. Specs that cannot be decoded are refused before anything else.
func reactions(t *testing.T, kind string, spec, other any) []string {
	t.Helper()
	switch kind {
	case "Provisioner":
		p, q := &v1alpha5.Provisioner{}, &v1alpha5.Provisioner{}
		if !into(t, &p.Spec, spec) || !into(t, &q.Spec, other) {
			return nil
		}
		kind := metav1.GroupVersionKind(v1alpha5.GroupVersion().WithKind(kind))
		answers := webhookUses(t, objectOf(kind, spec), objectOf(kind, other), kind, webhooks.PathDefaultProvisioners, webhooks.PathValidateProvisioners)
		return append(provisionerReactions(t, p, q), answers...)
	case "AWSNodeTemplate":
		template := &awsv1alpha1.AWSNodeTemplate{}
		if !into(t, &template.Spec, spec) {
			return nil
		}
		return templateReactions(t, template, spec, other)
	case "Machine":
		if into(t, &v1alpha5.MachineSpec{}, spec) {
			return []string{"read"}
		}
	default:
		t.Fatalf("nothing looks at a %s", kind)
	}
	return nil
}

func provisionerReactions(t *testing.T, p, other *v1alpha5.Provisioner) []string {
	t.Helper()
	out := words(admission.Provisioner(p))
	admission.Default(p)
	defaulted := p.DeepCopy()
	admission.Default(p)
	if !reflect.DeepEqual(p, defaulted) {
		t.Errorf("defaults are added twice:\n%s", cmp.Diff(defaulted, p))
	}
	if after := words(admission.Provisioner(p)); !slices.Equal(out, after) {
		t.Errorf("defaults change the verdict:\n%s", cmp.Diff(out, after))
	}
	other.Name = "other"
	out = append(out, admission.Overlaps(p, []v1alpha5.Provisioner{*other, *p})...)
	hash, err := drift.ProvisionerHash(p)
	out = append(out, hash, fmt.Sprint(err))
	return slices.Concat(out, inlineUses(p), solverUses(t.Context(), p),
		nodeUses(&awsv1alpha1.AWSNodeTemplate{}, p.Spec.KubeletConfiguration, p.Spec.Labels, v1alpha5.NodeTaints(p.Spec.Taints)))
}

func templateReactions(t *testing.T, template *awsv1alpha1.AWSNodeTemplate, spec, other any) []string {
	t.Helper()
	hash, err := drift.TemplateHash(template)
	kind := metav1.GroupVersionKind(awsv1alpha1.GroupVersion().WithKind("AWSNodeTemplate"))
	return slices.Concat(words(admission.AWSNodeTemplate(template)), []string{hash, fmt.Sprint(err)}, nodeUses(template, nil, nil, nil),
		webhookUses(t, objectOf(kind, spec), objectOf(kind, other), kind, webhooks.PathDefaultAWSNodeTemplates, webhooks.PathValidateAWSNodeTemplates))
}

// objectOf returns an object of a kind as it is sent.
func objectOf(kind metav1.GroupVersionKind, spec any) map[string]any {
	return map[string]any{
		"apiVersion": kind.Group + "/" + kind.Version, "kind": kind.Kind, "metadata": map[string]any{"name": "made-up"}, "spec": spec,
	}
}

func words(v admission.Verdict) []string {
	var out []string
	for _, e := range v.Errors {
		out = append(out, e.Error())
	}
	return append(out, v.Warnings...)
}

// into decodes a spec, and reports whether it can be decoded.
func into(t *testing.T, target, spec any) bool {
	t.Helper()
	encoded, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	return json.Unmarshal(encoded, target) == nil
}
