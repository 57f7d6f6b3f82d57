package machines

import (
	"encoding/json"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func TestAStatusPatchMakesTheStatusThatIsWantedAndNamesNothingElse(t *testing.T) {
	stored := func() *v1alpha5.Machine {
		m := &v1alpha5.Machine{}
		m.Name, m.ResourceVersion = "m", "7"
		m.Spec.Requirements = []corev1.NodeSelectorRequirement{{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"m5.large"}}}
		m.Status.ProviderID = "aws:///us-east-1a/i-1"
		m.Status.Launch = &v1alpha5.Launch{Group: "g", Attempt: 2, Size: 1, Token: "t", Answered: true}
		m.Status.Capacity = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2"), corev1.ResourceMemory: resource.MustParse("8Gi")}
		Conditions(m).True(v1alpha5.ConditionLaunched, "Launched", "")
		return m
	}
	for name, change := range map[string]struct {
		make  func(*v1alpha5.Machine)
		named []string
	}{
		"a condition more":   {func(m *v1alpha5.Machine) { Conditions(m).False(v1alpha5.ConditionRegistered, "No", "") }, []string{"conditions"}},
		"a field more":       {func(m *v1alpha5.Machine) { m.Status.NodeName = "n" }, []string{"nodeName"}},
		"a field less":       {func(m *v1alpha5.Machine) { m.Status.ProviderID = "" }, []string{"providerID"}},
		"a struct less":      {func(m *v1alpha5.Machine) { m.Status.Launch = nil }, []string{"launch"}},
		"part of a struct":   {func(m *v1alpha5.Machine) { m.Status.Launch.Answered = false }, []string{"launch"}},
		"an entry of a map":  {func(m *v1alpha5.Machine) { delete(m.Status.Capacity, corev1.ResourceCPU) }, []string{"capacity"}},
		"the same otherwise": {func(m *v1alpha5.Machine) { m.Status.Capacity[corev1.ResourceCPU] = resource.MustParse("2000m") }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			before, after := stored(), stored()
			change.make(after)
			data, err := statusPatch{before}.Data(after)
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range []string{"spec", "conditions", "nodeName", "providerID", "launch", "capacity"} {
				want := strings.Contains(strings.Join(change.named, " "), field)
				if got := strings.Contains(string(data), `"`+field+`"`); got != want {
					t.Errorf("the patch names %s: %t, want %t: %s", field, got, want, data)
				}
			}
			if !strings.Contains(string(data), `"resourceVersion":"7"`) {
				t.Errorf("the patch is not locked: %s", data)
			}
			if diff := cmp.Diff(patched(t, after, []byte("{}")).Status, patched(t, before, data).Status); diff != "" {
				t.Errorf("status (-want +got):\n%s", diff)
			}
		})
	}
}

// patched returns what a document of the Machine comes to with a patch.
func patched(t *testing.T, machine *v1alpha5.Machine, patch []byte) *v1alpha5.Machine {
	t.Helper()
	document, err := json.Marshal(machine)
	if err != nil {
		t.Fatal(err)
	}
	document, err = jsonpatch.MergePatch(document, patch)
	if err != nil {
		t.Fatal(err)
	}
	out := &v1alpha5.Machine{}
	if err := json.Unmarshal(document, out); err != nil {
		t.Fatal(err)
	}
	return out
}
