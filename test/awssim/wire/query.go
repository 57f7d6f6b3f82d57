package wire

import (
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

// node is one level of the dotted names of a Query request.
type node struct {
	value    string
	set      bool
	used     bool
	children map[string]*node
}

func (n *node) child(name string) *node {
	if n.children[name] == nil {
		if n.children == nil {
			n.children = map[string]*node{}
		}
		n.children[name] = &node{}
	}
	return n.children[name]
}

// DecodeQuery fills the struct that target points to from a Query request. Fields take part by their tag `query:"Name"`, with ",required" added
// where the API demands a value; slices are flattened lists (Name.1, Name.2). A parameter that no field takes is refused: to ignore it would
// be to pretend that the simulator models it.
func DecodeQuery(form url.Values, target any) error {
	root := &node{}
	for name, values := range form {
		if IsEnvelope(name) || len(values) == 0 {
			continue
		}
		at := root
		for part := range strings.SplitSeq(name, ".") {
			at = at.child(part)
		}
		at.value, at.set = values[0], true
	}
	if err := decode(root, "", reflect.ValueOf(target).Elem()); err != nil {
		return err
	}
	if name := firstUnused(root, ""); name != "" {
		return apierror.New("UnknownParameter", "The parameter %s is not recognized", name)
	}
	return nil
}

// IsEnvelope knows the parameters that every Query request may carry besides its action's own.
func IsEnvelope(name string) bool {
	switch name {
	case "Action", "Version", "SignatureVersion", "Timestamp", "AWSAccessKeyId":
		return true
	}
	return strings.HasPrefix(name, "X-Amz-")
}

func firstUnused(n *node, name string) string {
	if n.set && !n.used {
		return name
	}
	for _, key := range sortedKeys(n.children) {
		if found := firstUnused(n.children[key], join(name, key)); found != "" {
			return found
		}
	}
	return ""
}

func sortedKeys(children map[string]*node) []string {
	keys := make([]string, 0, len(children))
	for key := range children {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func join(prefix, name string) string {
	if prefix == "" {
		return name
	}
	return prefix + "." + name
}

func decode(n *node, name string, into reflect.Value) error {
	switch {
	case into.Kind() == reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		return decode(n, name, into.Elem())
	case into.Type() == reflect.TypeFor[time.Time]():
		return decodeScalar(n, name, into)
	case into.Kind() == reflect.Struct:
		return decodeStruct(n, name, into)
	case into.Kind() == reflect.Slice:
		return decodeList(n, name, into)
	}
	return decodeScalar(n, name, into)
}

func decodeStruct(n *node, name string, into reflect.Value) error {
	for i := range into.NumField() {
		field := into.Type().Field(i)
		if field.Anonymous {
			if err := decodeStruct(n, name, into.Field(i)); err != nil {
				return err
			}
			continue
		}
		tag, option, _ := strings.Cut(field.Tag.Get("query"), ",")
		if tag == "" {
			continue
		}
		child, ok := n.children[tag]
		if !ok {
			if option == "required" {
				return apierror.Missing(join(name, tag))
			}
			continue
		}
		if err := decode(child, join(name, tag), into.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

func decodeList(n *node, name string, into reflect.Value) error {
	var indexes []int
	for key := range n.children {
		index, err := strconv.Atoi(key)
		if err != nil || index < 1 {
			return apierror.New("InvalidParameterValue", "%s.%s is not an element of a list", name, key)
		}
		indexes = append(indexes, index)
	}
	slices.Sort(indexes)
	list := reflect.MakeSlice(into.Type(), len(indexes), len(indexes))
	for i, index := range indexes {
		key := strconv.Itoa(index)
		if err := decode(n.children[key], join(name, key), list.Index(i)); err != nil {
			return err
		}
	}
	into.Set(list)
	return nil
}

func decodeScalar(n *node, name string, into reflect.Value) error {
	if !n.set {
		return apierror.InvalidValue(name, "", "A single value is expected.")
	}
	n.used = true
	value, err := parseScalar(n.value, into.Type())
	if err != nil {
		return apierror.InvalidValue(name, n.value, err.Error())
	}
	into.Set(value.Convert(into.Type()))
	return nil
}

func parseScalar(text string, as reflect.Type) (reflect.Value, error) {
	if as == reflect.TypeFor[time.Time]() {
		moment, err := time.Parse(time.RFC3339, text)
		return reflect.ValueOf(moment), err
	}
	switch as.Kind() {
	case reflect.String:
		return reflect.ValueOf(text), nil
	case reflect.Bool:
		b, err := strconv.ParseBool(text)
		return reflect.ValueOf(b), err
	case reflect.Int, reflect.Int64:
		i, err := strconv.ParseInt(text, 10, 64)
		return reflect.ValueOf(i), err
	case reflect.Float64:
		f, err := strconv.ParseFloat(text, 64)
		return reflect.ValueOf(f), err
	}
	return reflect.Value{}, fmt.Errorf("no value of kind %s can be sent", as.Kind())
}
