package admission_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// row is a line of the table; the package says what the fields mean.
type row struct {
	Name     string   `json:"name"`
	Object   string   `json:"object"`
	Stored   string   `json:"stored,omitempty"`
	Errors   []string `json:"errors,omitempty"`
	Warnings []string `json:"warnings,omitempty"`
	CRD      string   `json:"crd,omitempty"`

	// file that the row is in.
	file string
	// given is the parsed object, and before what is stored; nil if nothing is.
	given, before *unstructured.Unstructured
}

const (
	crdRefuses = "refuses"
	crdAccepts = "accepts"
)

// leastRows is how many rows the table has at least.
const leastRows = 150

func TestTheTableIsWhole(t *testing.T) {
	rows := table(t)
	if len(rows) < leastRows {
		t.Errorf("the table has %d rows, fewer than %d", len(rows), leastRows)
	}
	seen := map[string]string{}
	counts := map[string]int{}
	for _, r := range rows {
		if other, double := seen[r.Name]; double {
			t.Errorf("%s: %q is in %s as well", r.file, r.Name, other)
		}
		seen[r.Name] = r.file
		for _, fault := range r.faults() {
			t.Errorf("%s: %q: %s", r.file, r.Name, fault)
		}
		counts[r.kind()]++
		for what, counted := range map[string]bool{
			"accepted": len(r.Errors) == 0, "refused by the schema": r.CRD == crdRefuses,
			"refused by the webhook alone": r.CRD == crdAccepts, "with warnings": len(r.Warnings) > 0, "updates": r.before != nil,
		} {
			if counted {
				counts[what]++
			}
		}
	}
	t.Logf("%d rows: %v", len(rows), counts)
}

// faults returns what is wrong with the row itself.
func (r row) faults() []string {
	var out []string
	fault := func(wrong bool, what string) {
		if wrong {
			out = append(out, what)
		}
	}
	fault(r.Name == "" || strings.HasSuffix(r.Name, "."), "the name is no sentence without its full stop")
	fault(!slices.IsSorted(r.Errors), "the errors are not sorted")
	fault(len(r.Errors) == 0 && r.CRD != "", "crd is for rows with errors")
	fault(len(r.Errors) > 0 && r.CRD != crdRefuses && r.CRD != crdAccepts, "crd has to say refuses or accepts")
	fault(r.before != nil && r.before.GetKind() != r.kind(), "the stored object is of another kind")
	for _, w := range r.Warnings {
		fault(len(w) > 256, "a warning is longer than what clients are sure to get: "+w)
	}
	return out
}

func (r row) kind() string { return r.given.GetKind() }

// update reports whether the row is an update, or else creates an object.
func (r row) update() bool { return r.before != nil }

// keepsSpec reports whether the row is an update of something other than the spec, of which the webhooks are not asked.
func (r row) keepsSpec() bool {
	return r.update() && equality.Semantic.DeepEqual(r.before.Object["spec"], r.given.Object["spec"])
}

// table returns all rows. Updates have names of their own, so that what they start from can be stored.
func table(t testing.TB) []row {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var out []row
	for _, file := range files {
		rows, err := readRows(file)
		if err != nil {
			t.Fatalf("%s: %s", file, err)
		}
		out = append(out, rows...)
	}
	for i, r := range out {
		if r.update() {
			name := fmt.Sprintf("row-%d", i)
			r.given.SetName(name)
			r.before.SetName(name)
		}
	}
	return out
}

func readRows(file string) ([]row, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var rows []row
	if err := yaml.UnmarshalStrict(content, &rows); err != nil {
		return nil, err
	}
	for i := range rows {
		r := &rows[i]
		r.file = filepath.Base(file)
		if r.given, err = parse(r.Object); err != nil {
			return nil, fmt.Errorf("%q: object: %w", r.Name, err)
		}
		if r.Stored == "" {
			continue
		}
		if r.before, err = parse(r.Stored); err != nil {
			return nil, fmt.Errorf("%q: stored: %w", r.Name, err)
		}
	}
	return rows, nil
}

// parse reads YAML as kubectl does; an object without a name gets one.
func parse(text string) (*unstructured.Unstructured, error) {
	encoded, err := yaml.YAMLToJSONStrict([]byte(text))
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(encoded); err != nil {
		return nil, err
	}
	if object.GetName() == "" {
		object.SetName("example")
	}
	return object, nil
}
