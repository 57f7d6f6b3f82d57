// Package schema reads the schemas of kerf's kinds as the API server does, from the generated CustomResourceDefinitions: which
// fields there are, which of them have rules, and any object that the schema admits.
package schema

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// Definition is the generated definition of a kind.
type Definition struct {
	Kind   string
	Group  string
	Plural string
	// Version is the one that is served.
	Version string
	// Spec is the schema of the kind's spec.
	Spec Schema
	// Content is the whole definition.
	Content map[string]any
	// rules of the whole object.
	rules []rule
}

// Schema is the schema of a value.
type Schema map[string]any

// Definitions returns those of all kinds, by kind.
func Definitions() (map[string]Definition, error) {
	directory, err := workbench.FromRoot("config", "crd", "bases")
	if err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(directory, "*.yaml"))
	if err != nil {
		return nil, fmt.Errorf("listing definitions: %w", err)
	}
	out := make(map[string]Definition, len(files))
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("reading a definition: %w", err)
		}
		d, err := parse(content)
		if err != nil {
			return nil, fmt.Errorf("parsing %s: %w", filepath.Base(file), err)
		}
		out[d.Kind] = d
	}
	return out, nil
}

func parse(content []byte) (Definition, error) {
	var d struct {
		Spec struct {
			Group    string
			Names    struct{ Kind, Plural string }
			Versions []struct {
				Name   string
				Schema struct {
					OpenAPIV3Schema Schema `json:"openAPIV3Schema"`
				}
			}
		}
	}
	if err := yaml.Unmarshal(content, &d); err != nil {
		return Definition{}, err
	}
	out := Definition{Kind: d.Spec.Names.Kind, Group: d.Spec.Group, Plural: d.Spec.Names.Plural}
	if err := yaml.Unmarshal(content, &out.Content); err != nil {
		return Definition{}, err
	}
	if len(d.Spec.Versions) != 1 {
		return Definition{}, fmt.Errorf("%s has %d versions", out.Kind, len(d.Spec.Versions))
	}
	whole := d.Spec.Versions[0].Schema.OpenAPIV3Schema
	out.Version, out.Spec, out.rules = d.Spec.Versions[0].Name, whole.properties()["spec"], whole.rules()
	if out.Spec == nil {
		return Definition{}, fmt.Errorf("%s has no spec", out.Kind)
	}
	return out, nil
}

// properties returns the fields of an object.
func (s Schema) properties() map[string]Schema {
	fields, _ := s["properties"].(map[string]any)
	out := make(map[string]Schema, len(fields))
	for name, f := range fields {
		if child, ok := f.(map[string]any); ok {
			out[name] = child
		}
	}
	return out
}

// items returns the schema of the items of a list, and entries that of the values of a map; nil where there is none.
func (s Schema) items() Schema   { return s.child("items") }
func (s Schema) entries() Schema { return s.child("additionalProperties") }

func (s Schema) child(keyword string) Schema {
	child, _ := s[keyword].(map[string]any)
	return child
}

func (s Schema) kind() string {
	kind, _ := s["type"].(string)
	return kind
}

func (s Schema) is(extension string) bool {
	set, _ := s["x-kubernetes-"+extension].(bool)
	return set
}

func (s Schema) strings(keyword string) []string {
	list, _ := s[keyword].([]any)
	out := make([]string, 0, len(list))
	for _, v := range list {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

// number returns the value of a keyword such as maxLength.
func (s Schema) number(keyword string) (int64, bool) {
	switch v := s[keyword].(type) {
	case int64:
		return v, true
	case float64:
		return int64(v), true
	default:
		return 0, false
	}
}

// Leaves returns the paths of all fields that hold a value, in order: .* stands for any key of a map, [] for any item.
func (d Definition) Leaves() []string {
	var out []string
	d.Spec.walk("spec", func(path string, s Schema) {
		if s.isLeaf() {
			out = append(out, path)
		}
	})
	slices.Sort(out)
	return out
}

func (s Schema) isLeaf() bool {
	return len(s.properties()) == 0 && s.items() == nil && s.entries() == nil
}

// walk visits a schema and all that is in it.
func (s Schema) walk(path string, visit func(path string, s Schema)) {
	visit(path, s)
	for name, child := range s.properties() {
		child.walk(path+"."+name, visit)
	}
	if child := s.items(); child != nil {
		child.walk(path+"[]", visit)
	}
	if child := s.entries(); child != nil {
		child.walk(path+".*", visit)
	}
}

// Present returns the paths, as Leaves has them, of all that an object says in its spec.
func (d Definition) Present(object map[string]any) []string {
	found := map[string]bool{}
	d.Spec.present("spec", object["spec"], found)
	return slices.Sorted(maps.Keys(found))
}

func (s Schema) present(path string, value any, found map[string]bool) {
	if s.isLeaf() {
		if value != nil {
			found[path] = true
		}
		return
	}
	switch v := value.(type) {
	case map[string]any:
		fields, entries := s.properties(), s.entries()
		for name, child := range v {
			if f, ok := fields[name]; ok {
				f.present(path+"."+name, child, found)
			} else if entries != nil {
				entries.present(path+".*", child, found)
			}
		}
	case []any:
		for _, child := range v {
			s.items().present(path+"[]", child, found)
		}
	}
}

// Relaxed returns the definition without any rule on values: what the API server knew of the kind before it had rules.
func (d Definition) Relaxed() (map[string]any, error) {
	encoded, err := yaml.Marshal(d.Content)
	if err != nil {
		return nil, fmt.Errorf("copying a definition: %w", err)
	}
	var out map[string]any
	if err := yaml.Unmarshal(encoded, &out); err != nil {
		return nil, fmt.Errorf("copying a definition: %w", err)
	}
	spec, _ := out["spec"].(map[string]any)
	versions, _ := spec["versions"].([]any)
	for _, v := range versions {
		version, _ := v.(map[string]any)
		Schema(version).child("schema").child("openAPIV3Schema").walk("", func(_ string, s Schema) {
			maps.DeleteFunc(s, func(keyword string, _ any) bool { return restricts(keyword) })
		})
	}
	return out, nil
}

// restricts reports whether a keyword of a schema refuses values of the right type.
func restricts(keyword string) bool {
	switch keyword {
	case "enum", "pattern", "required", "x-kubernetes-validations", "x-kubernetes-list-type", "x-kubernetes-list-map-keys":
		return true
	default:
		return strings.HasPrefix(keyword, "min") || strings.HasPrefix(keyword, "max")
	}
}
