package v1alpha1

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// decoder reads JSON that the API server has not compared with a schema. Unlike the decoders of Kubernetes it goes on after
// an error, and says where each one is.
type decoder struct {
	// forbidden maps the path of a field -> why it is not for use.
	forbidden map[string]string
}

// decode fills the struct that a pointer points to with all that can be read, and returns what cannot.
func (d decoder) decode(raw []byte, into any, path *field.Path) field.ErrorList {
	return d.value(raw, reflect.ValueOf(into).Elem(), path)
}

func (d decoder) value(raw json.RawMessage, into reflect.Value, path *field.Path) field.ErrorList {
	if _, own := reflect.TypeAssert[json.Unmarshaler](into.Addr()); own {
		return d.leaf(raw, into, path)
	}
	switch into.Kind() {
	case reflect.Pointer:
		if string(raw) == "null" {
			return nil
		}
		into.Set(reflect.New(into.Type().Elem()))
		return d.value(raw, into.Elem(), path)
	case reflect.Struct:
		return d.object(raw, into, path)
	case reflect.Map:
		return d.entries(raw, into, path)
	case reflect.Slice:
		return d.items(raw, into, path)
	default:
		return d.leaf(raw, into, path)
	}
}

func (d decoder) object(raw json.RawMessage, into reflect.Value, path *field.Path) field.ErrorList {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil || members == nil {
		return field.ErrorList{field.TypeInvalid(path, shown(raw), "must be an object")}
	}
	fields := fieldsOf(into.Type())
	var errs field.ErrorList
	for _, name := range slices.Sorted(maps.Keys(members)) {
		at := path.Child(name)
		index, known := fields[name]
		switch why, forbidden := d.forbidden[at.String()]; {
		case forbidden:
			errs = append(errs, field.Forbidden(at, why))
		case !known:
			errs = append(errs, field.Forbidden(at, "there is no such field; there are "+strings.Join(d.known(path, fields), ", ")))
		default:
			errs = append(errs, d.value(members[name], into.Field(index), at)...)
		}
	}
	return errs
}

func (d decoder) entries(raw json.RawMessage, into reflect.Value, path *field.Path) field.ErrorList {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(raw, &members); err != nil {
		return field.ErrorList{field.TypeInvalid(path, shown(raw), "must be an object")}
	}
	if members == nil { // null
		return nil
	}
	into.Set(reflect.MakeMapWithSize(into.Type(), len(members)))
	var errs field.ErrorList
	for _, key := range slices.Sorted(maps.Keys(members)) {
		value := reflect.New(into.Type().Elem()).Elem()
		errs = append(errs, d.value(members[key], value, path.Key(key))...)
		into.SetMapIndex(reflect.ValueOf(key), value)
	}
	return errs
}

func (d decoder) items(raw json.RawMessage, into reflect.Value, path *field.Path) field.ErrorList {
	var items []json.RawMessage
	if err := json.Unmarshal(raw, &items); err != nil {
		return field.ErrorList{field.TypeInvalid(path, shown(raw), "must be a list")}
	}
	into.Set(reflect.MakeSlice(into.Type(), len(items), len(items)))
	var errs field.ErrorList
	for i, item := range items {
		errs = append(errs, d.value(item, into.Index(i), path.Index(i))...)
	}
	return errs
}

func (d decoder) leaf(raw json.RawMessage, into reflect.Value, path *field.Path) field.ErrorList {
	if _, quantity := reflect.TypeAssert[resource.Quantity](into); quantity && !modest(raw) {
		return field.ErrorList{field.TypeInvalid(path, shown(raw), wanted(into))}
	}
	if err := json.Unmarshal(raw, into.Addr().Interface()); err != nil {
		return field.ErrorList{field.TypeInvalid(path, shown(raw), wanted(into))}
	}
	return nil
}

// modest reports whether a quantity is short and can be read in time.
func modest(raw json.RawMessage) bool {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		text = string(raw) // a number
	}
	return len(text) <= 64 && !endless.MatchString(text)
}

// wanted says what a value has to be like.
func wanted(into reflect.Value) string {
	if _, quantity := reflect.TypeAssert[resource.Quantity](into); quantity {
		return "must be a quantity, e.g. 20Gi"
	}
	switch into.Kind() {
	case reflect.String:
		return "must be a string"
	case reflect.Bool:
		return "must be true or false"
	case reflect.Int64:
		return "must be a whole number of 64 bits"
	default:
		return "must be of type " + into.Type().String()
	}
}

// known returns the names of the fields that may be used, in order.
func (d decoder) known(path *field.Path, fields map[string]int) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(fields)), func(name string) bool {
		_, forbidden := d.forbidden[path.Child(name).String()]
		return forbidden
	})
}

// fieldsOf maps the name of a field in JSON -> its index in the struct.
func fieldsOf(t reflect.Type) map[string]int {
	out := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		out[name] = i
	}
	return out
}

// shown returns a bad value for an error: scalars as they are, of others the kind, as the API server has it.
func shown(raw json.RawMessage) any {
	var value any
	if err := json.Unmarshal(raw, &value); err != nil {
		return string(raw)
	}
	switch value.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	default:
		return value
	}
}
