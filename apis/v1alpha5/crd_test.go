package v1alpha5_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

func TestTheSpecOfAMachineNeverChanges(t *testing.T) {
	changes := map[string]func(*v1alpha5.Machine){
		"a requirement is added": func(m *v1alpha5.Machine) {
			m.Spec.Requirements = append(m.Spec.Requirements, corev1.NodeSelectorRequirement{Key: "a", Operator: corev1.NodeSelectorOpExists})
		},
		"a taint is taken off":       func(m *v1alpha5.Machine) { m.Spec.Taints = nil },
		"the launch group is larger": func(m *v1alpha5.Machine) { m.Spec.LaunchGroup.Size = 2 },
		"the requests are smaller": func(m *v1alpha5.Machine) {
			m.Spec.Resources.Requests[corev1.ResourceCPU] = resource.MustParse("1m")
		},
		"the spec is emptied": func(m *v1alpha5.Machine) { m.Spec = v1alpha5.MachineSpec{} },
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			b := workbench.New(t)
			machine := fullMachine(b.Name("immutable"))
			b.Create(machine)
			change(machine)
			err := b.Client.Update(t.Context(), machine)
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "never changes") {
				t.Errorf("got %v, want that the spec never changes", err)
			}
		})
	}
}

func TestWithoutItsSpecAMachineIsRefused(t *testing.T) {
	b := workbench.New(t)
	machine := fullMachine(b.Name("spec"))
	b.Create(machine)
	patch := client.RawPatch("application/json-patch+json", []byte(`[{"op": "remove", "path": "/spec"}]`))
	if err := b.Client.Patch(t.Context(), machine, patch); err == nil {
		t.Error("the spec of a machine could be taken away, and then be replaced by any other")
	}
}

func TestLabelsAndStatusOfAMachineChange(t *testing.T) {
	b := workbench.New(t)
	machine := fullMachine(b.Name("mutable"))
	b.Create(machine)
	workbench.Update(b, machine, func(m *v1alpha5.Machine) {
		m.Labels["a"] = "b"
		m.Status.ProviderID = "fake:///zone/i-1"
	})
	if machine.Labels["a"] != "b" || machine.Status.ProviderID != "fake:///zone/i-1" {
		t.Errorf("got labels %v and provider id %q", machine.Labels, machine.Status.ProviderID)
	}
}

// The rule on the spec is checked on every write of a Machine; the largest that kerf makes has to be within its budget.
func TestTheLargestMachineIsAccepted(t *testing.T) {
	b := workbench.New(t)
	machine := fullMachine(b.Name("large"))
	values := make([]string, 0, 1500)
	for range 1500 {
		values = append(values, b.Name("m5-metal-24xl"))
	}
	for range 50 {
		machine.Spec.Requirements = append(machine.Spec.Requirements, corev1.NodeSelectorRequirement{
			Key: b.Name("example.com/some-rather-long-label-key"), Operator: corev1.NodeSelectorOpIn, Values: values[:30],
		})
	}
	machine.Spec.Requirements[0].Values = values
	b.Create(machine)
	workbench.Update(b, machine, func(m *v1alpha5.Machine) { m.Labels["a"] = "b" })
	if len(machine.Spec.Requirements[0].Values) != 1500 {
		t.Errorf("%d of 1500 instance types were kept", len(machine.Spec.Requirements[0].Values))
	}
}

func TestUnknownFieldsArePruned(t *testing.T) {
	b := workbench.New(t)
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "karpenter.sh/v1alpha5", "kind": "Provisioner",
		"metadata": map[string]any{"name": b.Name("pruned")},
		"spec": map[string]any{
			"inventedField":        "x",
			"providerRef":          map[string]any{"name": "default"},
			"ttlSecondsAfterEmpty": int64(30),
			"limits":               map[string]any{"resources": map[string]any{"cpu": int64(1000)}},
			"labels":               map[string]any{"any.example.com/key": "kept"},
		},
	}}
	if err := b.Client.Create(t.Context(), object); err != nil {
		t.Fatal(err)
	}
	if _, there, err := unstructured.NestedString(object.Object, "spec", "inventedField"); there || err != nil {
		t.Errorf("a field that is in no schema was kept (%v)", err)
	}
	provisioner := &v1alpha5.Provisioner{ObjectMeta: metav1.ObjectMeta{Name: object.GetName()}}
	b.Reload(provisioner)
	cpu := provisioner.Spec.Limits.Resources[corev1.ResourceCPU]
	if cpu.String() != "1k" || provisioner.Spec.Labels["any.example.com/key"] != "kept" || *provisioner.Spec.TTLSecondsAfterEmpty != 30 {
		t.Errorf("got %+v", provisioner.Spec)
	}
}

func TestWhatTheSchemaForbidsIsRefusedByName(t *testing.T) {
	tests := map[string]struct {
		object client.Object
		field  string
	}{
		"a weight of 0":           {builders.Provisioner("x", builders.Weight(0)), "spec.weight"},
		"a weight of 101":         {builders.Provisioner("x", builders.Weight(101)), "spec.weight"},
		"a time to live below 0":  {builders.Provisioner("x", builders.TTLAfterEmpty(-1)), "spec.ttlSecondsAfterEmpty"},
		"a template without name": {provisionerOfNoTemplate(), "spec.providerRef.name"},
		"a launch group of 0": {builders.Machine("x", "p", func(m *v1alpha5.Machine) {
			m.Spec.LaunchGroup = &v1alpha5.LaunchGroup{Name: "g"}
		}), "spec.launchGroup.size"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			b := workbench.New(t)
			tc.object.SetName(b.Name("refused"))
			tc.object.SetUID("")
			err := b.Client.Create(t.Context(), tc.object)
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), tc.field) {
				t.Errorf("got %v, want a refusal that names %s", err, tc.field)
			}
		})
	}
}

func TestTheStatusKeepsOneConditionOfAType(t *testing.T) {
	b := workbench.New(t)
	machine := fullMachine(b.Name("conditions"))
	b.Create(machine)
	condition := metav1.Condition{Type: "Ready", Status: "True", Reason: "Ready", LastTransitionTime: metav1.Now()}
	machine.Status.Conditions = []metav1.Condition{condition, condition}
	if err := b.Client.Status().Update(t.Context(), machine); !apierrors.IsInvalid(err) {
		t.Errorf("two conditions of one type: got %v, want a refusal", err)
	}
}

func TestTheExamplesAreAccepted(t *testing.T) {
	directory, err := workbench.FromRoot("examples")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(directory, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no examples in %s (%v)", directory, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			// One server for all: the default objects of one file may be those of another.
			content = bytes.ReplaceAll(content, []byte("${CLUSTER_NAME}"), []byte("cluster-1"))
			decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
			for n := 0; ; n++ {
				object := &unstructured.Unstructured{}
				err := decoder.Decode(object)
				if errors.Is(err, io.EOF) {
					if n == 0 {
						t.Error("the file holds no object")
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				apply(t, object)
			}
		})
	}
}

// apply applies an object strictly, as kubectl does: a field that is in no schema is an error.
func apply(t *testing.T, object *unstructured.Unstructured) {
	t.Helper()
	b := workbench.New(t)
	if namespace := object.GetNamespace(); namespace != "" && object.GetKind() != "Namespace" {
		made := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
		if err := b.Client.Create(t.Context(), made); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
	if object.GetNamespace() == "" {
		if namespaced, err := b.Client.IsObjectNamespaced(object); err != nil {
			t.Fatal(err)
		} else if namespaced {
			object.SetNamespace(metav1.NamespaceDefault)
		}
	}
	strict := client.WithFieldValidation(b.Client, client.FieldValidation(metav1.FieldValidationStrict))
	if err := strict.Create(t.Context(), object); err != nil {
		t.Errorf("%s %s is refused: %s", object.GetKind(), object.GetName(), err)
	}
}

func provisionerOfNoTemplate() *v1alpha5.Provisioner {
	provisioner := builders.Provisioner("x")
	provisioner.Spec.ProviderRef = &v1alpha5.TemplateReference{}
	return provisioner
}

// fullMachine returns a machine with something in every field of its spec.
func fullMachine(name string) *v1alpha5.Machine {
	maxPods := int32(58)
	return builders.Machine(name, "default", func(m *v1alpha5.Machine) {
		m.Finalizers = nil
		m.Spec.Taints = []corev1.Taint{{Key: "team", Value: "a", Effect: corev1.TaintEffectNoSchedule}}
		m.Spec.StartupTaints = []corev1.Taint{{Key: "cni", Effect: corev1.TaintEffectNoExecute}}
		m.Spec.Resources.Requests = corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("1500m"), corev1.ResourceMemory: resource.MustParse("3Gi"),
		}
		m.Spec.Kubelet = &v1alpha5.KubeletConfiguration{
			ClusterDNS: []string{"10.0.0.10"}, MaxPods: &maxPods,
			SystemReserved: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")},
			EvictionHard:   map[string]string{"memory.available": "5%"},
		}
	}, builders.MachineRequirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, "m5.large", "m5.xlarge"))
}
