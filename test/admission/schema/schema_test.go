package schema_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kerf-autoscaler/kerf/test/admission/schema"
)

func TestAllKindsAreDefined(t *testing.T) {
	kinds := definitions(t)
	for kind, want := range map[string]string{
		"Provisioner": "karpenter.sh/v1alpha5 provisioners", "Machine": "karpenter.sh/v1alpha5 machines",
		"AWSNodeTemplate": "karpenter.k8s.aws/v1alpha1 awsnodetemplates",
	} {
		d := kinds[kind]
		if got := d.Group + "/" + d.Version + " " + d.Plural; got != want {
			t.Errorf("%s is %s, want %s", kind, got, want)
		}
	}
}

func TestFieldsAreFoundInObjectsListsAndMaps(t *testing.T) {
	template := definitions(t)["AWSNodeTemplate"]
	for _, path := range []string{"spec.amiFamily", "spec.tags.*", "spec.blockDeviceMappings[].ebs.volumeSize", "spec.metadataOptions.httpTokens"} {
		if !slices.Contains(template.Leaves(), path) {
			t.Errorf("%s is not found in %v", path, template.Leaves())
		}
	}
	got := template.Present(map[string]any{"spec": map[string]any{
		"amiFamily": "AL2", "userData": nil, "unknown": "x", "tags": map[string]any{"a": "b", "c": "d"}, "amiSelector": map[string]any{},
		"blockDeviceMappings": []any{map[string]any{"deviceName": "a"}, map[string]any{"ebs": map[string]any{"iops": int64(1)}}},
	}})
	want := []string{"spec.amiFamily", "spec.blockDeviceMappings[].deviceName", "spec.blockDeviceMappings[].ebs.iops", "spec.tags.*"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("present (-want +got):\n%s", diff)
	}
}

func TestRulesAreFoundWhereTheyComplain(t *testing.T) {
	ruled := definitions(t)["AWSNodeTemplate"].Ruled()
	for _, path := range []string{
		"spec.subnetSelector", "spec.amiFamily", "spec.metadataOptions.httpPutResponseHopLimit", "spec.blockDeviceMappings[].deviceName",
		"spec.blockDeviceMappings[].ebs.volumeSize",
	} {
		if !slices.Contains(ruled, path) {
			t.Errorf("the rules about %s are not found in %v", path, ruled)
		}
	}
	for _, path := range []string{"", "spec.context", "spec.detailedMonitoring"} {
		if slices.Contains(ruled, path) {
			t.Errorf("%q has no rule", path)
		}
	}
}

func TestARelaxedDefinitionHasNoRule(t *testing.T) {
	for kind, d := range definitions(t) {
		relaxed, err := d.Relaxed()
		if err != nil {
			t.Fatal(err)
		}
		before, after := asYAML(t, d.Content), asYAML(t, relaxed)
		for _, rule := range []string{"x-kubernetes-validations:", "enum:"} {
			if !strings.Contains(before, rule) || strings.Contains(after, rule) {
				t.Errorf("%s: %s is in the definition: %t, and in the relaxed one: %t",
					kind, rule, strings.Contains(before, rule), strings.Contains(after, rule))
			}
		}
		if len(d.Ruled()) == 0 {
			t.Errorf("%s has lost its rules to its relaxed copy", kind)
		}
	}
}

func TestASeedMakesTheSameObjectAgain(t *testing.T) {
	for kind, d := range definitions(t) {
		for seed := range uint64(20) {
			first, err := schema.NewGenerator(seed).Value(d.Spec)
			if err != nil {
				t.Fatal(err)
			}
			second, err := schema.NewGenerator(seed).Value(d.Spec)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(first, second); diff != "" {
				t.Errorf("%s of seed %d (-first +second):\n%s", kind, seed, diff)
			}
		}
	}
}

func TestAMutationLeavesItsOriginalAlone(t *testing.T) {
	d := definitions(t)["Provisioner"]
	changed := 0
	for seed := range uint64(50) {
		generator := schema.NewGenerator(seed)
		original, err := generator.Value(d.Spec)
		if err != nil {
			t.Fatal(err)
		}
		copied, err := schema.NewGenerator(seed).Value(d.Spec)
		if err != nil {
			t.Fatal(err)
		}
		mutated, err := generator.Mutate(d.Spec, original)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(copied, original); diff != "" {
			t.Errorf("the original of seed %d is changed:\n%s", seed, diff)
		}
		if cmp.Diff(original, mutated) != "" {
			changed++
		}
	}
	if changed < 25 {
		t.Errorf("%d of 50 mutations changed anything", changed)
	}
}

func definitions(t *testing.T) map[string]schema.Definition {
	t.Helper()
	kinds, err := schema.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	return kinds
}

func asYAML(t *testing.T, value any) string {
	t.Helper()
	encoded, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}
