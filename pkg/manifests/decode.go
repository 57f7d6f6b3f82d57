package manifests

import (
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/spelling"
)

// fault is a mistake within an object.
type fault struct {
	line int
	// path of the field, as validation writes it.
	path, text string
	// unknown says that there is a field below path that there should not be; meant is what it probably is, "" for no idea.
	unknown bool
	meant   string
}

// decoder fills structs by their JSON names. It goes on after a fault and knows the line of each, which the decoders of
// Kubernetes do not.
type decoder struct {
	faults []fault
	path   []string // of the value at hand, e.g. spec, containers, [0]
	// unfolded counts the values that aliases stand for, in all objects; a short file can mean billions.
	unfolded int
	inAlias  bool
	// fields maps a struct type -> JSON name -> index of the field.
	fields map[reflect.Type]map[string][]int
}

func newDecoder() *decoder { return &decoder{fields: map[reflect.Type]map[string][]int{}} }

// decode fills what a pointer points to with all that can be read, and returns what cannot.
func (d *decoder) decode(n *yaml.Node, into any) []fault {
	d.faults, d.path = nil, nil
	d.value(n, reflect.ValueOf(into).Elem())
	return d.faults
}

func (d *decoder) fail(n *yaml.Node, format string, arguments ...any) {
	d.faults = append(d.faults, fault{line: n.Line, path: strings.ReplaceAll(strings.Join(d.path, "."), ".[", "["), text: fmt.Sprintf(format, arguments...)})
}

// unknown notes a field that there is not.
func (d *decoder) unknown(key *yaml.Node, meant string) {
	if meant == "" {
		d.fail(key, "there is no field %q", key.Value)
	} else {
		d.fail(key, "there is no field %q; did you mean %q?", key.Value, meant)
	}
	last := &d.faults[len(d.faults)-1]
	last.unknown, last.meant = true, meant
}

// within decodes a part under its name.
func (d *decoder) within(name string, n *yaml.Node, into reflect.Value) {
	d.path = append(d.path, name)
	d.value(n, into)
	d.path = d.path[:len(d.path)-1]
}

func (d *decoder) value(n *yaml.Node, into reflect.Value) {
	if n.Kind == yaml.AliasNode {
		before := d.inAlias
		d.inAlias = true
		defer func() { d.inAlias = before }()
		n = resolved(n)
	}
	if d.inAlias {
		d.unfolded++
	}
	switch {
	case len(d.path) > maxDepth:
		d.fail(n, tooDeep)
		return
	case d.unfolded > maxUnfolded:
		if d.unfolded == maxUnfolded+1 {
			d.fail(n, "aliases stand for more than %d values", maxUnfolded)
		}
		return
	case n.Tag == "!!null" && n.Kind == yaml.ScalarNode:
		return
	}
	if into.Kind() == reflect.Pointer {
		if into.IsNil() {
			into.Set(reflect.New(into.Type().Elem()))
		}
		d.value(n, into.Elem())
		return
	}
	if _, own := reflect.TypeAssert[json.Unmarshaler](into.Addr()); own {
		d.leaf(n, into)
		return
	}
	switch into.Kind() {
	case reflect.Struct:
		d.object(n, into)
	case reflect.Map:
		d.entries(n, into)
	case reflect.Slice:
		d.items(n, into)
	default:
		d.scalar(n, into)
	}
}

func (d *decoder) object(n *yaml.Node, into reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, "must be an object, is %s", called(n))
		return
	}
	fields := d.fieldsOf(into.Type())
	seen := map[string]bool{}
	reported := len(d.path) > 0 && d.path[0] == "status" // nobody writes it; a newer cluster may report more than is known here
	for _, m := range members(n) {
		name := m.key.Value
		index, known := fields[name]
		switch {
		case seen[name]:
			d.fail(m.key, "%q is there twice", name)
		case !known && reported:
		case !known:
			d.unknown(m.key, suggestion(name, fields))
		default:
			d.within(name, m.value, into.FieldByIndex(index))
		}
		seen[name] = true
	}
}

func (d *decoder) entries(n *yaml.Node, into reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.fail(n, "must be an object, is %s", called(n))
		return
	}
	out := reflect.MakeMapWithSize(into.Type(), len(n.Content)/2)
	for _, m := range members(n) {
		key := reflect.ValueOf(m.key.Value).Convert(into.Type().Key())
		if out.MapIndex(key).IsValid() {
			d.fail(m.key, "%q is there twice", m.key.Value)
			continue
		}
		value := reflect.New(into.Type().Elem()).Elem()
		d.within("["+m.key.Value+"]", m.value, value)
		out.SetMapIndex(key, value)
	}
	into.Set(out)
}

func (d *decoder) items(n *yaml.Node, into reflect.Value) {
	if into.Type().Elem().Kind() == reflect.Uint8 {
		d.leaf(n, into)
		return
	}
	if n.Kind != yaml.SequenceNode {
		d.fail(n, "must be a list, is %s", called(n))
		return
	}
	out := reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		d.within("["+strconv.Itoa(i)+"]", item, out.Index(i))
	}
	into.Set(out)
}

// scalar reads text, numbers and booleans.
func (d *decoder) scalar(n *yaml.Node, into reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		d.fail(n, "must be %s, is %s", wanted(into), called(n))
		return
	}
	tag := tagOf(n)
	if into.Kind() == reflect.String && tag != "!!str" {
		d.fail(n, "must be a string, is %s: quote it", called(n))
		return
	}
	switch into.Kind() {
	case reflect.String:
		into.SetString(n.Value)
	case reflect.Bool:
		d.expect(tag == "!!bool", n, into)
		into.SetBool(truth(n.Value))
	case reflect.Int, reflect.Int32, reflect.Int64:
		var number int64
		if d.expect(tag == "!!int" && n.Decode(&number) == nil && !into.OverflowInt(number), n, into) {
			into.SetInt(number)
		}
	case reflect.Float64:
		var number float64
		if d.expect((tag == "!!int" || tag == "!!float") && n.Decode(&number) == nil && finite(number), n, into) {
			into.SetFloat(number)
		}
	default:
		d.leaf(n, into)
	}
}

// expect notes a fault unless a value is what its type takes.
func (d *decoder) expect(ok bool, n *yaml.Node, into reflect.Value) bool {
	if !ok {
		d.fail(n, "must be %s, is %s", wanted(into), called(n))
	}
	return ok
}

func finite(number float64) bool { return !math.IsNaN(number) && !math.IsInf(number, 0) }

// leaf hands a value to its type's own reader of JSON.
func (d *decoder) leaf(n *yaml.Node, into reflect.Value) {
	if _, quantity := reflect.TypeAssert[resource.Quantity](into); quantity {
		if n.Kind != yaml.ScalarNode || len(n.Value) > 64 || v1alpha5.EndlessQuantity(field.NewPath("quantity"), n.Value) != nil {
			d.fail(n, "must be a quantity, e.g. 500m or 2Gi")
			return
		}
	}
	raw, err := json.Marshal(d.plain(n, 0))
	if err == nil {
		err = json.Unmarshal(raw, into.Addr().Interface())
	}
	if err != nil {
		d.fail(n, "must be %s, is %s", wanted(into), called(n))
	}
}

// plain returns the value as the reader of JSON would have it.
func (d *decoder) plain(n *yaml.Node, depth int) any {
	if n.Kind == yaml.AliasNode {
		d.unfolded++
		n = resolved(n)
	}
	if depth > maxDepth || d.unfolded > maxUnfolded {
		d.fail(n, tooDeep)
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for _, m := range members(n) {
			out[m.key.Value] = d.plain(m.value, depth+1)
		}
		return out
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, item := range n.Content {
			out = append(out, d.plain(item, depth+1))
		}
		return out
	}
	switch tagOf(n) {
	case "!!null":
		return nil
	case "!!bool":
		return truth(n.Value)
	case "!!int", "!!float":
		var number float64
		if err := n.Decode(&number); err == nil && finite(number) {
			if json.Valid([]byte(n.Value)) {
				return json.Number(n.Value)
			}
			return number
		}
	}
	return n.Value
}

// tagOf returns the type of a scalar. Kubernetes reads YAML 1.1, which has more words for true and false.
func tagOf(n *yaml.Node) string {
	if n.Tag == "!!str" && n.Style == 0 && slices.Contains([]string{"y", "yes", "on", "n", "no", "off"}, strings.ToLower(n.Value)) {
		return "!!bool"
	}
	if n.Tag == "!!timestamp" {
		return "!!str"
	}
	return n.Tag
}

func truth(text string) bool {
	return slices.Contains([]string{"true", "y", "yes", "on"}, strings.ToLower(text))
}

// called says what a value is.
func called(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "an object"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case tagOf(n) == "!!str":
		return fmt.Sprintf("%.64q", n.Value)
	default:
		return fmt.Sprintf("%.64s", n.Value)
	}
}

// wanted says what a value has to be.
func wanted(into reflect.Value) string {
	switch into.Interface().(type) {
	case resource.Quantity:
		return "a quantity, e.g. 500m or 2Gi"
	case intstr.IntOrString:
		return "a number or a string"
	}
	switch into.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32:
		return "a whole number"
	case reflect.Int64:
		return "a whole number of 64 bits"
	case reflect.Float64:
		return "a number"
	default:
		return "a " + into.Type().Name()
	}
}

// fieldsOf returns JSON name -> index of the field. Fields of embedded structs without a name count as the struct's own.
func (d *decoder) fieldsOf(t reflect.Type) map[string][]int {
	if known, ok := d.fields[t]; ok {
		return known
	}
	out := map[string][]int{}
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case name == "-" || !f.IsExported():
		case name == "" && f.Anonymous && f.Type.Kind() == reflect.Struct:
			for inner, index := range d.fieldsOf(f.Type) {
				out[inner] = append([]int{i}, index...)
			}
		case name != "":
			out[name] = []int{i}
		}
	}
	d.fields[t] = out
	return out
}

// suggestion names the field that was probably meant; "" for none.
func suggestion(name string, fields map[string][]int) string {
	best, least := "", 3
	for known := range fields {
		distance := spelling.Edits(strings.ToLower(name), strings.ToLower(known))
		if distance < least || distance == least && best != "" && known < best {
			best, least = known, distance
		}
	}
	if best == "" || least >= len(name) {
		return ""
	}
	return best
}
