package helm_test

import (
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kerf-autoscaler/kerf/test/helm"
)

var update = flag.Bool("update", false, "rewrite the golden files of the charts")

const root = "../.."

func newHelm(t *testing.T) *helm.Helm {
	t.Helper()
	h, err := helm.New(root, t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// template returns the manifests of a release that is called karpenter, in the namespace of that name.
func template(t *testing.T, arguments ...string) string {
	t.Helper()
	manifests, err := newHelm(t).Template(t.Context(), "karpenter", "karpenter", arguments...)
	if err != nil {
		t.Fatal(err)
	}
	return manifests
}

// refusal returns what helm says about values that it refuses.
func refusal(t *testing.T, arguments ...string) string {
	t.Helper()
	manifests, err := newHelm(t).Template(t.Context(), "karpenter", "karpenter", arguments...)
	if err == nil {
		t.Fatalf("%v are accepted:\n%s", arguments, manifests)
	}
	return err.Error()
}

// seedArguments are the flags of the command that people install Karpenter with, after the chart's name.
func seedArguments() []string {
	return []string{
		"--version", "v0.16.0", "--namespace", "karpenter", "--create-namespace",
		"--set", `serviceAccount.annotations.eks\.amazonaws\.com/role-arn=arn:aws:iam::123456789012:role/demo-karpenter`,
		"--set", "clusterName=demo",
		"--set", "clusterEndpoint=https://ABC.gr7.us-east-1.eks.amazonaws.com",
		"--set", "aws.defaultInstanceProfile=KarpenterNodeInstanceProfile-demo",
		"--wait",
	}
}

// valuesFile returns the path of values in testdata, from where helm runs.
func valuesFile(name string) string { return filepath.Join("test", "helm", "testdata", name) }

func TestManifestsAreAsTheyWere(t *testing.T) {
	tests := map[string][]string{
		"default":    {"--set=settings.clusterName=demo"},
		"seed":       seedArguments(),
		"everything": {"--values=" + valuesFile("everything.yaml")},
		"nothing":    {"--values=" + valuesFile("nothing.yaml")},
	}
	for name, arguments := range tests {
		t.Run(name, func(t *testing.T) {
			got := template(t, arguments...)
			golden := filepath.Join("testdata", name+".golden.yaml")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("manifests (-want +got), -update accepts them:\n%s", diff)
			}
		})
	}
}

func TestLintHasNothingToSay(t *testing.T) {
	for name, arguments := range map[string][]string{
		"default":     {helm.Chart, "--set=settings.clusterName=demo"},
		"everything":  {helm.Chart, "--values=" + valuesFile("everything.yaml")},
		"nothing":     {helm.Chart, "--values=" + valuesFile("nothing.yaml")},
		"definitions": {helm.DefinitionsChart},
	} {
		t.Run(name, func(t *testing.T) {
			output, err := newHelm(t).Run(t.Context(), append([]string{"lint", "--strict"}, arguments...)...)
			if err != nil {
				t.Errorf("%v\n%s", err, output.Text)
			}
		})
	}
}

// schemaNode is what the tests read of values.schema.json.
type schemaNode struct {
	Type                 any                   `json:"type"`
	Description          string                `json:"description"`
	Default              json.RawMessage       `json:"default"`
	AdditionalProperties any                   `json:"additionalProperties"`
	Properties           map[string]schemaNode `json:"properties"`
}

func readSchema(t *testing.T) schemaNode {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, helm.Chart, "values.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	var schema schemaNode
	if err := json.Unmarshal(content, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

// walk fills leaves with path -> each described value, and objects with path -> each map of values.
func (n schemaNode) walk(prefix string, leaves, objects map[string]schemaNode) {
	objects[strings.TrimSuffix(prefix, ".")] = n
	for name, property := range n.Properties {
		if property.Description != "" {
			leaves[prefix+name] = property
			continue
		}
		property.walk(prefix+name+".", leaves, objects)
	}
}

// schemaValues returns the values of the chart: all that have a default, and those that other charts have.
func schemaValues(t *testing.T) (own, foreign []string) {
	t.Helper()
	leaves, objects := map[string]schemaNode{}, map[string]schemaNode{}
	readSchema(t).walk("", leaves, objects)
	for path, leaf := range leaves {
		if leaf.Default != nil {
			own = append(own, path)
		} else {
			foreign = append(foreign, path)
		}
	}
	return own, foreign
}

func TestEveryMapOfValuesRefusesUnknownKeys(t *testing.T) {
	leaves, objects := map[string]schemaNode{}, map[string]schemaNode{}
	readSchema(t).walk("", leaves, objects)
	for path, object := range objects {
		if object.AdditionalProperties != false {
			t.Errorf("%q takes any key", path)
		}
	}
}

func TestTemplatesReadOnlyValuesThatTheSchemaHas(t *testing.T) {
	leaves, objects := map[string]schemaNode{}, map[string]schemaNode{}
	readSchema(t).walk("", leaves, objects)
	files, err := filepath.Glob(filepath.Join(root, helm.Chart, "templates", "*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("templates: %v, %v", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(`\.Values\.([\w.]+)`).FindAllStringSubmatch(string(content), -1) {
			known := slices.ContainsFunc(slices.Collect(maps.Keys(leaves)), func(path string) bool {
				return path == match[1] || strings.HasPrefix(path, match[1]+".") || strings.HasPrefix(match[1], path+".")
			})
			if !known {
				t.Errorf("%s reads %s, which no user can set", filepath.Base(file), match[1])
			}
		}
	}
}

// readValues reads a file of values in testdata.
func readValues(t *testing.T, name string) map[string]any {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	if err := yaml.UnmarshalStrict(content, &values); err != nil {
		t.Fatal(err)
	}
	return values
}

// settingsOf returns the paths of what values set: whatever is no map, or an empty one.
func settingsOf(values map[string]any, prefix ...string) [][]string {
	var paths [][]string
	for _, key := range slices.Sorted(maps.Keys(values)) {
		path := append(slices.Clone(prefix), key)
		if inner, ok := values[key].(map[string]any); ok && len(inner) > 0 {
			paths = append(paths, settingsOf(inner, path...)...)
			continue
		}
		paths = append(paths, path)
	}
	return paths
}

// without returns values without the one at a path.
func without(values map[string]any, path []string) map[string]any {
	result := maps.Clone(values)
	if len(path) == 1 {
		delete(result, path[0])
		return result
	}
	result[path[0]] = without(values[path[0]].(map[string]any), path[1:])
	return result
}

func TestEveryValueChangesTheManifests(t *testing.T) {
	t.Parallel()
	set := map[string]bool{}
	for _, name := range []string{"everything.yaml", "nothing.yaml"} {
		values := readValues(t, name)
		for _, path := range settingsOf(values) {
			for end := range path {
				set[strings.Join(path[:end+1], ".")] = true
			}
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			requireEachChanges(t, name, values)
		})
	}
	own, _ := schemaValues(t)
	for _, path := range own {
		if !set[path] {
			t.Errorf("%s is set by no file of the tests", path)
		}
	}
}

// requireEachChanges fails for each of the values in a file without which the manifests are the same.
func requireEachChanges(t *testing.T, name string, values map[string]any) {
	t.Helper()
	h := newHelm(t)
	all := template(t, "--values="+valuesFile(name))
	file := filepath.Join(t.TempDir(), name)
	for _, path := range settingsOf(values) {
		content, err := yaml.Marshal(without(values, path))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		// A value without which helm refuses the rest has a meaning, too.
		manifests, err := h.Template(t.Context(), "karpenter", "karpenter", "--values="+file)
		if err == nil && manifests == all {
			t.Errorf("without %s the manifests are the same", strings.Join(path, "."))
		}
	}
}
