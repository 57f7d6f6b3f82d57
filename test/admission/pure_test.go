package admission_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
)

func TestPureFunctionsJudgeTheTable(t *testing.T) {
	decoder := strictDecoder(t)
	for _, r := range table(t) {
		t.Run(r.Name, func(t *testing.T) {
			mistakes, warnings, err := judge(decoder, r)
			if err != nil { // of a type that the schema does not allow; the API server's words are for it to check
				if r.CRD != crdRefuses {
					t.Errorf("the object cannot be read: %s", err)
				}
				return
			}
			if r.kind() == "Machine" && r.CRD == crdRefuses {
				return // Machines have no rules but those of their schema
			}
			compare(t, "errors", r.Errors, mistakes)
			compare(t, "warnings", r.Warnings, warnings)
		})
	}
}

func compare(t *testing.T, what string, want, got []string) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// judge returns what the pure functions say of a row as the webhooks have them say it.
func judge(decoder runtime.Decoder, r row) (mistakes, warnings []string, err error) {
	object, unknown, err := decode(decoder, r.given)
	if err != nil || len(unknown) > 0 {
		return unknown, nil, err
	}
	if r.keepsSpec() {
		return nil, nil, nil // the webhooks are not asked
	}
	encoded, err := r.given.MarshalJSON()
	if err != nil {
		return nil, nil, err
	}
	verdict, err := verdictOn(object, encoded)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range verdict.Errors {
		mistakes = append(mistakes, e.Error())
	}
	slices.Sort(mistakes)
	return mistakes, verdict.Warnings, nil
}

// verdictOn judges an object of a kind as it was sent.
func verdictOn(kind runtime.Object, sent []byte) (verdict admission.Verdict, err error) {
	switch kind.(type) {
	case *v1alpha5.Provisioner:
		_, verdict, err = admission.SentProvisioner(sent)
	case *awsv1alpha1.AWSNodeTemplate:
		_, verdict, err = admission.SentAWSNodeTemplate(sent)
	}
	return verdict, err
}

// decode reads an object, and returns what is in no field, in order.
func decode(decoder runtime.Decoder, given *unstructured.Unstructured) (runtime.Object, []string, error) {
	encoded, err := given.MarshalJSON()
	if err != nil {
		return nil, nil, err
	}
	object, _, err := decoder.Decode(encoded, nil, nil)
	if !runtime.IsStrictDecodingError(err) {
		return object, nil, err
	}
	var strict interface{ Errors() []error }
	if !errors.As(err, &strict) {
		return nil, nil, err
	}
	var unknown []string
	for _, e := range strict.Errors() {
		unknown = append(unknown, e.Error())
	}
	slices.Sort(unknown)
	return object, unknown, nil
}

func strictDecoder(t testing.TB) runtime.Decoder {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha5.AddToScheme, awsv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}
