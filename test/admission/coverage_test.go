package admission_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"

	"github.com/kerf-autoscaler/kerf/test/admission/schema"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

func TestEveryFieldHasAnObjectThatIsAccepted(t *testing.T) {
	kinds, err := schema.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	objects := examples(t)
	for _, r := range table(t) {
		if len(r.Errors) == 0 {
			objects = append(objects, r.given)
		}
	}
	present := map[string]map[string]bool{} // kind -> path -> said by some object
	for _, object := range objects {
		kind, ours := kinds[object.GetKind()]
		if !ours {
			continue
		}
		if present[kind.Kind] == nil {
			present[kind.Kind] = map[string]bool{}
		}
		for _, path := range kind.Present(object.Object) {
			present[kind.Kind][path] = true
		}
	}
	fields := 0
	for _, kind := range kinds {
		for _, path := range kind.Leaves() {
			fields++
			if !present[kind.Kind][path] {
				t.Errorf("%s: no accepted row and no example says %s", kind.Kind, path)
			}
		}
	}
	t.Logf("%d fields of %d kinds", fields, len(kinds))
}

func TestEveryFieldWithARuleHasAnObjectThatIsRefused(t *testing.T) {
	kinds, err := schema.Definitions()
	if err != nil {
		t.Fatal(err)
	}
	refused := map[string]map[string]bool{} // kind -> path -> complained of in some row
	for _, r := range table(t) {
		if refused[r.kind()] == nil {
			refused[r.kind()] = map[string]bool{}
		}
		for _, e := range r.Errors {
			for path := general(fieldOf(e)); path != ""; path = parent(path) {
				refused[r.kind()][path] = true
			}
		}
	}
	ruled := 0
	for _, kind := range kinds {
		for _, path := range slices.Concat(kind.Ruled(), ruledByWebhook()[kind.Kind]) {
			ruled++
			if !includes(refused[kind.Kind], path) {
				t.Errorf("%s: %s has a rule, and no row is refused for it", kind.Kind, path)
			}
		}
	}
	t.Logf("%d fields with rules", ruled)
}

// ruledByWebhook maps a kind -> the paths that have rules which its schema does not tell.
func ruledByWebhook() map[string][]string {
	return map[string][]string{
		"Provisioner": {
			"spec.labels", "spec.taints[].key", "spec.taints[].value", "spec.startupTaints[].key",
			"spec.requirements[].key", "spec.requirements[].values",
			"spec.kubeletConfiguration.systemReserved", "spec.kubeletConfiguration.kubeReserved",
			"spec.kubeletConfiguration.evictionHard", "spec.kubeletConfiguration.evictionSoft",
			"spec.kubeletConfiguration.evictionSoftGracePeriod", "spec.kubeletConfiguration.imageGCHighThresholdPercent",
			"spec.provider", "spec.provider.apiVersion", "spec.provider.kind", "spec.provider.subnetSelector",
			"spec.provider.securityGroupSelector", "spec.provider.amiFamily", "spec.provider.tags",
			"spec.provider.metadataOptions", "spec.provider.blockDeviceMappings",
			"spec.provider.userData", "spec.provider.amiSelector", "spec.provider.detailedMonitoring", "spec.provider.instanceStorePolicy",
		},
	}
}

// general returns the path of a field as the schema has it: with [] for every item, and with the keys of maps like fields.
func general(path string) string {
	path = regexp.MustCompile(`\[\d+\]`).ReplaceAllString(path, "[]")
	return regexp.MustCompile(`\[([^\]]+)\]`).ReplaceAllString(path, ".$1")
}

// includes reports whether a path is among some, or stands for the values of a map, of which one is.
func includes(paths map[string]bool, path string) bool {
	values, isMap := strings.CutSuffix(path, "*")
	if !isMap {
		return paths[path]
	}
	for p := range paths {
		if strings.HasPrefix(p, values) {
			return true
		}
	}
	return false
}

// parent returns the path of what a field is in.
func parent(path string) string {
	if list, isItem := strings.CutSuffix(path, "[]"); isItem {
		return list
	}
	return path[:max(strings.LastIndex(path, "."), 0)]
}

// examples returns the objects that users start from.
func examples(t *testing.T) []*unstructured.Unstructured {
	t.Helper()
	var out []*unstructured.Unstructured
	for _, directory := range [][]string{{"examples"}, {"config", "samples"}} {
		path, err := workbench.FromRoot(directory...)
		if err != nil {
			t.Fatal(err)
		}
		files, err := filepath.Glob(filepath.Join(path, "*.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			objects, err := readObjects(file)
			if err != nil {
				t.Fatalf("%s: %s", file, err)
			}
			out = append(out, objects...)
		}
	}
	return out
}

func readObjects(file string) ([]*unstructured.Unstructured, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var out []*unstructured.Unstructured
	decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		if object.Object != nil {
			out = append(out, object)
		}
	}
}
