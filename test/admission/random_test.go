package admission_test

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
	"github.com/kerf-autoscaler/kerf/test/admission/schema"
)

// objectsPerKind is how many made-up objects a run of the tests judges.
const objectsPerKind = 1000

func TestNoObjectThatTheSchemaAdmitsIsTooMuch(t *testing.T) {
	kinds, err := schema.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range kinds {
		for seed := range uint64(objectsPerKind) {
			judgeRandom(t, kind, seed)
		}
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
			judgeRandom(t, kind, seed, word)
		}
	})
}

// judgeRandom makes an object up and has everything look at it that looks at what users write. What goes wrong here is a
// panic, or an answer that is another one the second time.
func judgeRandom(t *testing.T, kind schema.Definition, seed uint64, words ...string) {
	t.Helper()
	defer func() {
		if p := recover(); p != nil {
			t.Fatalf("%s of seed %d with %q: panic: %v", kind.Kind, seed, words, p)
		}
	}()
	generator := schema.NewGenerator(seed, words...)
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
		return provisionerReactions(t, p, q)
	case "AWSNodeTemplate":
		template := &awsv1alpha1.AWSNodeTemplate{}
		if !into(t, &template.Spec, spec) {
			return nil
		}
		hash, err := drift.TemplateHash(template)
		return append(words(admission.AWSNodeTemplate(template)), hash, fmt.Sprint(err))
	case "Machine":
		into(t, &v1alpha5.MachineSpec{}, spec)
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
	return append(out, hash, fmt.Sprint(err))
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

// sampledPerKind is how many made-up objects the API server is asked about.
const sampledPerKind = 50

func TestTheSchemaAdmitsWhatIsMadeUp(t *testing.T) {
	s := connect(t)
	for name, kind := range s.kinds {
		messages := kind.Messages()
		for seed := range uint64(sampledPerKind) {
			spec, err := schema.NewGenerator(seed).Value(kind.Spec)
			if err != nil {
				t.Fatal(err)
			}
			object := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
			object.SetAPIVersion(kind.Group + "/" + kind.Version)
			object.SetKind(name)
			object.SetName("random")
			_, _, err = s.send(t.Context(), row{given: object})
			// Expressions may refuse it; they are evaluated only where everything else is right.
			for _, c := range causes(err) {
				if !slices.ContainsFunc(messages, func(m string) bool { return strings.Contains(c, m) }) {
					t.Errorf("%s of seed %d: %s", name, seed, c)
				}
			}
			if err != nil && causes(err) == nil {
				t.Errorf("%s of seed %d: %s", name, seed, err)
			}
		}
	}
}

// mutationsPerRow is how many objects are made of each accepted row, each by a change or a few.
const mutationsPerRow = 4

// What the schema refuses, the pure functions have to refuse as well: where the webhook is the only one to look, and at
// inline providers, their word is the last.
func TestWhatTheSchemaRefusesThePureFunctionsRefuse(t *testing.T) {
	s, decoder := connect(t), strictDecoder(t)
	var checked, refused int
	for i, r := range table(t) {
		if len(r.Errors) > 0 || r.kind() == "Machine" || r.given.Object["spec"] == nil {
			continue
		}
		for n := range mutationsPerRow {
			given, err := mutated(s.kinds[r.kind()], r.given, uint64(i*mutationsPerRow+n))
			if err != nil {
				t.Fatal(err)
			}
			accepted, err := s.accepts(t.Context(), given)
			if err != nil {
				t.Fatal(err)
			}
			checked++
			if accepted {
				continue
			}
			refused++
			if pure(decoder, given) {
				t.Errorf("accepted by the pure functions and refused by the schema:\n%s", asText(given))
			}
		}
	}
	t.Logf("%d objects, of which the schema refuses %d", checked, refused)
}

// mutated returns an object with another spec: up to three changes away, all of which the schema's types allow.
func mutated(kind schema.Definition, object *unstructured.Unstructured, seed uint64) (*unstructured.Unstructured, error) {
	generator := schema.NewGenerator(seed)
	spec := object.DeepCopy().Object["spec"]
	for range 1 + seed%3 {
		changed, err := generator.Mutate(kind.Spec, spec)
		if err != nil {
			return nil, err
		}
		spec = changed
	}
	out := object.DeepCopy()
	out.SetName("mutated")
	out.Object["spec"] = spec
	return out, nil
}

// accepts reports whether the API server would store an object.
func (s server) accepts(ctx context.Context, object *unstructured.Unstructured) (bool, error) {
	_, _, err := s.send(ctx, row{given: object})
	if err != nil && causes(err) == nil {
		return false, err
	}
	return err == nil, nil
}

// pure reports whether the pure functions accept an object.
func pure(decoder runtime.Decoder, given *unstructured.Unstructured) bool {
	mistakes, _, err := judge(decoder, row{given: given})
	return err == nil && len(mistakes) == 0
}

func asText(object *unstructured.Unstructured) string {
	encoded, err := json.MarshalIndent(object.Object, "", "  ")
	if err != nil {
		return err.Error()
	}
	return string(encoded)
}
