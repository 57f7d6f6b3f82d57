package admission_test

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kerf-autoscaler/kerf/test/admission/schema"
)

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
	var checked, refused atomic.Int64
	t.Run("of each accepted row", func(t *testing.T) {
		for i, r := range table(t) {
			if len(r.Errors) > 0 || r.kind() == "Machine" || r.given.Object["spec"] == nil {
				continue
			}
			t.Run(r.Name, func(t *testing.T) {
				t.Parallel()
				for n := range mutationsPerRow {
					given, err := s.mutated(r.given, uint64(i*mutationsPerRow+n))
					if err != nil {
						t.Fatal(err)
					}
					accepted, err := s.accepts(t.Context(), given)
					if err != nil {
						t.Fatal(err)
					}
					checked.Add(1)
					if accepted {
						continue
					}
					refused.Add(1)
					if pure(decoder, given) {
						t.Errorf("accepted by the pure functions and refused by the schema:\n%s", asText(given))
					}
				}
			})
		}
	})
	if all, bad := checked.Load(), refused.Load(); bad < all/10 || bad > all*9/10 {
		t.Errorf("of %d objects the schema refuses %d, so that the others say little", all, bad)
	}
}

// mutated returns an object with another spec: up to three changes away, all of which the schema's types allow.
func (s server) mutated(object *unstructured.Unstructured, seed uint64) (*unstructured.Unstructured, error) {
	generator := schema.NewGenerator(seed)
	generator.Unknown = s.kinds["AWSNodeTemplate"].Spec
	spec := object.DeepCopy().Object["spec"]
	for range 1 + seed%3 {
		changed, err := generator.Mutate(s.kinds[object.GetKind()].Spec, spec)
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
