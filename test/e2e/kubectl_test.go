package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// habits is what a user applies, with a value for everything that a column shows; CLUSTER stands for the cluster's name.
const habits = `
apiVersion: karpenter.sh/v1alpha5
kind: Provisioner
metadata: {name: default}
spec:
  providerRef: {name: default}
  requirements: [{key: karpenter.sh/capacity-type, operator: In, values: [spot]}]
  limits: {resources: {cpu: 1k}}
  weight: 10
  consolidation: {enabled: true}
---
apiVersion: karpenter.k8s.aws/v1alpha1
kind: AWSNodeTemplate
metadata: {name: default}
spec:
  subnetSelector: {karpenter.sh/discovery: CLUSTER}
  securityGroupSelector: {karpenter.sh/discovery: CLUSTER}
`

// column is the title of a column and a pattern for its cells, which have to match as a whole.
type column struct{ title, cell string }

// listing is what kubectl get shows of a kind: columns, those that come on top with -o wide, and other names for the kind.
type listing struct {
	names         []string
	columns, wide []column
}

// listings expects the one provisioner, the one template and the one machine of habits.
func listings() []listing {
	const age = `[0-9]+[smh]\S*`
	ready := column{"READY", "True"}
	return []listing{
		{
			names: []string{"provisioners", "provisioner", "prov"},
			columns: []column{
				{"NAME", "default"}, {"TEMPLATE", "default"}, {"CPU", `[1-9][0-9]*`}, {"LIMIT", "1k"}, {"NODES", "1"}, ready, {"AGE", age},
			},
			wide: []column{{"WEIGHT", "10"}, {"MEMORY", `[1-9][0-9]*[KMG]i`}, {"CONSOLIDATION", "true"}},
		},
		{
			names: []string{"machines", "machine", "mach"},
			columns: []column{
				{"NAME", `default-[a-z0-9]+`}, {"TYPE", `[a-z0-9-]+\.[a-z0-9]+`}, {"ZONE", `us-east-1[a-f]`}, {"CAPACITY", "spot"},
				{"NODE", `ip-[0-9-]+\.\S+`}, ready, {"AGE", age},
			},
			wide: []column{
				{"PROVISIONER", "default"}, {"TEMPLATE", "default"}, {"PRICE", `0\.0*[1-9][0-9]*`}, {"INSTANCE", `aws:///us-east-1[a-f]/i-[0-9a-f]+`},
			},
		},
		{
			names: []string{"awsnodetemplates", "awsnodetemplate", "awsnt"},
			columns: []column{
				{"NAME", "default"}, {"AMIFAMILY", `AL2\S*`}, {"SUBNETS", `[1-9]`}, {"SECURITYGROUPS", `[1-9]`}, ready, {"AGE", age},
			},
		},
	}
}

// answersKubectl goes through what people do with kubectl all day.
func (w *world) answersKubectl(t *testing.T) {
	const name = "default"
	manifests := strings.ReplaceAll(habits, "CLUSTER", w.ClusterName())
	w.triesOut(t, manifests)
	w.mustKubectl(t, "apply", "-f", manifestFile(t, manifests))
	w.mustKubectl(t, "wait", "--for=condition=Ready", "--timeout=60s", "provisioner/default")
	w.mustKubectl(t, "wait", "--for=condition=Ready", "--timeout=60s", "awsnodetemplate/default")
	w.create(t, workload(name, 2, "500m"))
	w.awaitRunning(t, name, 2)
	for _, l := range listings() {
		// What is counted is counted soon, but not at once.
		w.await(t, "the columns of "+l.names[0], func(ctx context.Context) error {
			return w.shows(ctx, slices.Concat(l.columns, l.wide), l.names[0], "--output=wide")
		})
		for _, other := range l.names {
			if err := w.shows(t.Context(), l.columns, other); err != nil {
				t.Errorf("as %s: %v", other, err)
			}
		}
	}
	if err := w.listsCategory(t.Context()); err != nil {
		t.Error(err)
	}
	w.explains(t)
	w.end(t, name)
}

// manifestFile returns the path of a file with the manifests.
func manifestFile(t *testing.T, manifests string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "manifests.yaml")
	if err := os.WriteFile(path, []byte(manifests), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// mustKubectl runs kubectl, which has to succeed.
func (w *world) mustKubectl(t *testing.T, arguments ...string) string {
	t.Helper()
	out, err := w.Kubectl(t.Context(), arguments...)
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return out
}

// triesOut has the server say what it would make of manifests, good ones and bad ones.
func (w *world) triesOut(t *testing.T, manifests string) {
	t.Helper()
	out := w.mustKubectl(t, "apply", "--dry-run=server", "-f", manifestFile(t, manifests))
	for _, want := range []string{
		"provisioner.karpenter.sh/default created (server dry run)", "awsnodetemplate.karpenter.k8s.aws/default created (server dry run)",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("trying manifests out: %q, want %q", out, want)
		}
	}
	if out := w.mustKubectl(t, "get", "provisioners,awsnodetemplates", "--ignore-not-found", "default"); out != "" {
		t.Errorf("trying manifests out has made objects: %s", out)
	}
	for _, mistake := range []struct{ right, wrong, message string }{
		{"weight: 10", "weight: 1000", "spec.weight"},
		{"weight: 10", "wieght: 10", "spec.wieght"},
		{"operator: In", "operator: Among", "spec.requirements[0].operator"},
		{"providerRef: {name: default}", "ttlSecondsAfterEmpty: 30", "spec.providerRef"},
		{"weight: 10", "ttlSecondsAfterEmpty: 30", "spec.ttlSecondsAfterEmpty"},
	} {
		wrong := strings.Replace(manifests, mistake.right, mistake.wrong, 1)
		_, err := w.Kubectl(t.Context(), "apply", "--dry-run=server", "-f", manifestFile(t, wrong))
		if err == nil || !strings.Contains(err.Error(), mistake.message) {
			t.Errorf("trying out %q in place of %q: error %v, want one about %s", mistake.wrong, mistake.right, err, mistake.message)
		}
	}
}

// shows returns nil when kubectl get prints a table of exactly these columns, with one row, each cell of which is as expected.
func (w *world) shows(ctx context.Context, columns []column, arguments ...string) error {
	out, err := w.Kubectl(ctx, append([]string{"get"}, arguments...)...)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != 2 {
		return fmt.Errorf("there is not one row:\n%s", out)
	}
	// No title and no cell that is wanted has a blank in it; where a cell is empty there is one cell less than there are titles.
	titles, cells := strings.Fields(lines[0]), strings.Fields(lines[1])
	if len(titles) != len(columns) || len(cells) != len(columns) {
		return fmt.Errorf("there are %d titles and %d cells, not %d:\n%s", len(titles), len(cells), len(columns), out)
	}
	for i, c := range columns {
		if titles[i] != c.title || !regexp.MustCompile(`^(?:`+c.cell+`)$`).MatchString(cells[i]) {
			return fmt.Errorf("column %d is %s: %s, not %s: %s\n%s", i+1, titles[i], cells[i], c.title, c.cell, out)
		}
	}
	return nil
}

// listsCategory returns nil when one word brings up everything that is kerf's.
func (w *world) listsCategory(ctx context.Context) error {
	out, err := w.Kubectl(ctx, "get", "karpenter", "--output=name")
	if err != nil {
		return err
	}
	found := strings.Fields(out)
	slices.Sort(found)
	if len(found) != 3 || found[0] != "awsnodetemplate.karpenter.k8s.aws/default" ||
		!strings.HasPrefix(found[1], "machine.karpenter.sh/default-") || found[2] != "provisioner.karpenter.sh/default" {
		return fmt.Errorf("kubectl get karpenter lists %q", found)
	}
	return nil
}

// explains has kubectl explain fields, each with its type and in words.
func (w *world) explains(t *testing.T) {
	t.Helper()
	for path, mentions := range map[string][]string{
		"provisioner.spec.requirements":         {"FIELD: requirements <[]Object>", "operator\t<string> -required-", "machines"},
		"provisioner.spec.requirements.key":     {"FIELD: key <string>", "node.kubernetes.io/instance-type", "instance-category"},
		"provisioner.spec":                      {"weight\t<integer>", "limits\t<Object>", "providerRef\t<Object>"},
		"provisioner.spec.kubeletConfiguration": {"maxPods\t<integer>"},
		"awsnodetemplate.spec":                  {"amiFamily\t<string>", "userData\t<string>"},
		"awsnodetemplate.spec.metadataOptions":  {"httpTokens\t<string>"},
		"awsnodetemplate.status":                {"subnets\t<[]Object>"},
	} {
		out := w.mustKubectl(t, "explain", path)
		if err := mentionsAll("the explanation of "+path, out, mentions); err != nil {
			t.Error(err)
		}
		_, description, _ := strings.Cut(out, "DESCRIPTION:")
		if strings.TrimSpace(description) == "" || strings.Contains(out, "<empty>") || strings.Contains(out, "<no description>") {
			t.Errorf("something of %s has no description: %s", path, out)
		}
	}
}

// TestEveryFieldHasAnExplanation looks at what kubectl explain has to go by.
func TestEveryFieldHasAnExplanation(t *testing.T) {
	files, err := filepath.Glob("../../config/crd/bases/*.yaml")
	if err != nil || len(files) != 3 {
		t.Fatalf("definitions %v, %v", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var definition struct {
			Spec struct {
				Versions []struct {
					Schema struct{ OpenAPIV3Schema field }
				}
			}
		}
		if err := yaml.Unmarshal(content, &definition); err != nil {
			t.Fatal(err)
		}
		for _, v := range definition.Spec.Versions {
			root := v.Schema.OpenAPIV3Schema
			delete(root.Properties, "metadata") // the API server explains it
			count, silent := root.silent("")
			if len(silent) > 0 || count < 20 {
				t.Errorf("%s: of %d fields these have no description: %v", filepath.Base(file), count, silent)
			}
		}
	}
}

// field is a part of a schema.
type field struct {
	Description          string
	Properties           map[string]field
	Items                *field
	AdditionalProperties *field
}

// silent returns how many fields there are below this one, and which of them have no description.
func (f field) silent(path string) (count int, silent []string) {
	below := map[string]field{}
	for name, property := range f.Properties {
		below[path+"."+name] = property
		if count++; strings.TrimSpace(property.Description) == "" {
			silent = append(silent, path+"."+name)
		}
	}
	for _, element := range []*field{f.Items, f.AdditionalProperties} {
		if element != nil {
			below[path+"[]"] = *element
		}
	}
	for path, next := range below {
		more, those := next.silent(path)
		count, silent = count+more, append(silent, those...)
	}
	return count, silent
}
