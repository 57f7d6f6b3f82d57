package schema

import (
	"maps"
	"slices"
	"strings"
)

// rule is one expression that the API server evaluates.
type rule struct {
	Expression string
	Message    string
	FieldPath  string
}

func (s Schema) rules() []rule {
	list, _ := s["x-kubernetes-validations"].([]any)
	out := make([]rule, 0, len(list))
	for _, r := range list {
		fields, _ := r.(map[string]any)
		expression, _ := fields["rule"].(string)
		message, _ := fields["message"].(string)
		fieldPath, _ := fields["fieldPath"].(string)
		out = append(out, rule{Expression: expression, Message: message, FieldPath: fieldPath})
	}
	return out
}

// isDuration reports whether a rule reads the value as a duration: the API server refuses all that it cannot read.
func (s Schema) isDuration() bool {
	return slices.ContainsFunc(s.rules(), func(r rule) bool { return strings.Contains(r.Expression, "duration(self)") })
}

// Ruled returns the paths, as Leaves has them, of all that a rule of the schema may complain of. Bounds of size are no such
// rules: they are there so that the others stay affordable.
func (d Definition) Ruled() []string {
	found := map[string]bool{}
	for _, r := range d.rules {
		found[strings.TrimPrefix(r.FieldPath, ".")] = true
	}
	d.Spec.walk("spec", func(path string, s Schema) {
		for _, r := range s.rules() {
			found[path+r.FieldPath] = true
		}
		for _, name := range s.strings("required") {
			found[path+"."+name] = true
		}
		for _, keyword := range []string{"enum", "minimum", "maximum", "minLength", "pattern"} {
			if _, has := s[keyword]; has {
				found[path] = true
			}
		}
	})
	delete(found, "")
	return slices.Sorted(maps.Keys(found))
}

// Messages returns what the expressions of the schema say when they refuse.
func (d Definition) Messages() []string {
	found := map[string]bool{}
	for _, r := range d.rules {
		found[r.Message] = true
	}
	d.Spec.walk("", func(_ string, s Schema) {
		for _, r := range s.rules() {
			found[r.Message] = true
		}
	})
	return slices.Sorted(maps.Keys(found))
}
