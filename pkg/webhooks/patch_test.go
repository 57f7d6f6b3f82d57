package webhooks_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// tree decodes JSON without touching numbers.
func tree(t *testing.T, encoded []byte) map[string]any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(encoded))
	decoder.UseNumber()
	var object map[string]any
	if err := decoder.Decode(&object); err != nil {
		t.Fatal(err)
	}
	return object
}

// without returns an object without spec.requirements, and without a spec that has nothing else.
func without(t *testing.T, encoded []byte) map[string]any {
	t.Helper()
	object := tree(t, encoded)
	spec, _ := object["spec"].(map[string]any)
	delete(spec, "requirements")
	if len(spec) == 0 {
		delete(object, "spec")
	}
	return object
}

// apply applies a JSON patch that consists of additions, as RFC 6902 says.
func apply(t *testing.T, object string, patch []byte) []byte {
	t.Helper()
	var operations []struct {
		Op, Path string
		Value    any
	}
	decoder := json.NewDecoder(bytes.NewReader(patch))
	decoder.UseNumber()
	if err := decoder.Decode(&operations); err != nil {
		t.Fatal(err)
	}
	root := tree(t, []byte(object))
	for _, o := range operations {
		if o.Op != "add" {
			t.Fatalf("the patch does more than add: %s", patch)
		}
		steps := strings.Split(strings.TrimPrefix(o.Path, "/"), "/")
		parent, last := root, steps[len(steps)-1]
		if last == "-" {
			last, steps = steps[len(steps)-2], steps[:len(steps)-1]
		}
		for _, step := range steps[:len(steps)-1] {
			next, ok := parent[step].(map[string]any)
			if !ok {
				t.Fatalf("there is no %s to add %s to in %s", step, o.Path, object)
			}
			parent = next
		}
		if strings.HasSuffix(o.Path, "/-") {
			list, ok := parent[last].([]any)
			if !ok {
				t.Fatalf("there is no list to add %s to in %s", o.Path, object)
			}
			parent[last] = append(list, o.Value)
			continue
		}
		parent[last] = o.Value
	}
	return encode(t, root)
}

func encode(t *testing.T, object any) []byte {
	t.Helper()
	encoded, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}
