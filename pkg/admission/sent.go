package admission

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// SentProvisioner judges a Provisioner as its user has sent it, before the API server compares it with the schema. The error
// says that it is no Provisioner: something is of the wrong type.
func SentProvisioner(raw []byte) (*v1alpha5.Provisioner, Verdict, error) {
	return sent(raw, v1alpha5.EndlessQuantity, Provisioner)
}

// SentAWSNodeTemplate judges an AWSNodeTemplate in the same way.
func SentAWSNodeTemplate(raw []byte) (*awsv1alpha1.AWSNodeTemplate, Verdict, error) {
	return sent(raw, awsv1alpha1.EndlessQuantity, AWSNodeTemplate)
}

// sent reads an object without its status, which is not the user's, and without the quantities of which a guard returns an
// error: they count as 0, and as mistakes.
func sent[T any](raw []byte, endless guard, judge func(*T) Verdict) (*T, Verdict, error) {
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber() // and leave numbers as they are written
	var tree map[string]any
	if err := decoder.Decode(&tree); err != nil {
		return nil, Verdict{}, fmt.Errorf("reading JSON: %w", err)
	}
	delete(tree, "status")
	unread := endless.withhold(tree, reflect.TypeFor[T](), nil)
	readable, err := json.Marshal(tree)
	if err != nil {
		return nil, Verdict{}, fmt.Errorf("writing JSON: %w", err)
	}
	object := new(T)
	if err := utiljson.Unmarshal(readable, object); err != nil {
		return nil, Verdict{}, fmt.Errorf("reading the object: %w", err)
	}
	verdict := judge(object)
	found := slices.DeleteFunc(verdict.Errors, func(mistake *field.Error) bool { // about the 0, which nobody has written
		return slices.ContainsFunc(unread, func(e *field.Error) bool { return e.Field == mistake.Field })
	})
	verdict.Errors = append(unread, found...)
	return object, verdict, nil
}

// guard returns an error for a quantity that nobody comes to the end of reading.
type guard func(path *field.Path, text string) *field.Error

// withhold puts 0 in place of such quantities in a JSON value that is to be read as a type, and returns the errors.
func (g guard) withhold(value any, as reflect.Type, path *field.Path) field.ErrorList {
	for as.Kind() == reflect.Pointer {
		as = as.Elem()
	}
	var mistakes field.ErrorList
	switch v := value.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			of, at := member(as, key, path)
			if of == nil {
				continue
			}
			if mistake := g.judge(v[key], of, at); mistake != nil {
				mistakes, v[key] = append(mistakes, mistake), "0"
				continue
			}
			mistakes = append(mistakes, g.withhold(v[key], of, at)...)
		}
	case []any:
		if as.Kind() == reflect.Slice {
			for i, item := range v {
				mistakes = append(mistakes, g.withhold(item, as.Elem(), path.Index(i))...)
			}
		}
	}
	return mistakes
}

// judge returns an error for a JSON value that is to be read as a quantity and cannot be.
func (g guard) judge(value any, as reflect.Type, path *field.Path) *field.Error {
	if as != reflect.TypeFor[resource.Quantity]() && as != reflect.TypeFor[*resource.Quantity]() {
		return nil
	}
	switch v := value.(type) {
	case string:
		return g(path, v)
	case json.Number:
		return g(path, v.String())
	default:
		return nil
	}
}

// member returns the type and the path of what is under a key of a JSON object that is to be read as a type; nil if nothing is.
func member(as reflect.Type, key string, path *field.Path) (reflect.Type, *field.Path) {
	switch as.Kind() {
	case reflect.Map:
		return as.Elem(), path.Key(key)
	case reflect.Struct:
		for f := range as.Fields() {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); name == key {
				return f.Type, path.Child(key)
			}
		}
	}
	return nil, nil
}
