package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

// descriptions keeps what is registered.
type descriptions []*prometheus.Desc

func (d *descriptions) Register(c prometheus.Collector) error {
	told := make(chan *prometheus.Desc, 64)
	c.Describe(told)
	close(told)
	for desc := range told {
		*d = append(*d, desc)
	}
	return nil
}

func (d *descriptions) MustRegister(...prometheus.Collector) {}
func (d *descriptions) Unregister(prometheus.Collector) bool { return false }

// section returns a part of the page of metrics and events, from its heading on.
func section(t *testing.T, heading string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference", "metrics.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, found := strings.Cut(string(content), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("the page has no part %s", heading)
	}
	part, _, _ := strings.Cut(after, "\n## ")
	return part
}

func TestTheTableOfMetricsHasThoseThatThereAre(t *testing.T) {
	var registered descriptions
	recorded, err := metrics.New(&registered)
	if err != nil {
		t.Fatal(err)
	}
	collectors := append(startStorm(t).provider.Collectors(), metrics.NewCluster(func() (metrics.Figures, bool) { return metrics.Figures{}, false }))
	for _, c := range collectors {
		if err := recorded.Add(c); err != nil {
			t.Fatal(err)
		}
	}
	form := regexp.MustCompile(`fqName: "([^"]+)".*variableLabels: {([^}]*)}`)
	want := map[string]string{}
	for _, desc := range registered {
		found := form.FindStringSubmatch(desc.String())
		if found == nil {
			t.Fatalf("a description is written as %s", desc)
		}
		want[found[1]] = ordered(strings.FieldsFunc(found[2], func(r rune) bool { return r == ',' || r == ' ' }))
	}
	got := map[string]string{}
	word := regexp.MustCompile("`([a-z_]+)`")
	for _, row := range regexp.MustCompile("(?m)^\\| `(karpenter_[a-z0-9_]+)` \\|([^|]*)\\|").FindAllStringSubmatch(section(t, "Metrics"), -1) {
		var labels []string
		for _, label := range word.FindAllStringSubmatch(row[2], -1) {
			labels = append(labels, label[1])
		}
		got[row[1]] = ordered(labels)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics and their labels, in the code and on the page (-want +got):\n%s", diff)
	}
}

func ordered(labels []string) string {
	slices.Sort(labels)
	return strings.Join(labels, " ")
}

func TestTheTableOfEventsHasThoseThatThereAre(t *testing.T) {
	parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "pkg", "events", "events.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{}
	for _, reason := range []string{ // of conditions that events have too
		v1alpha5.ReasonNodeDeleted, v1alpha5.ReasonNeverReady, v1alpha5.ReasonPodsStayedAway,
		"FleetRefused", "Unauthorized", "NothingLaunched", "SpotServiceLinkedRoleMissing",
	} {
		want[reason] = true
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(spec.Names[0].Name, "Reason") {
			reason, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			want[reason] = true
		}
		return true
	})
	got := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (`[^|]*`) \\|").FindAllStringSubmatch(section(t, "Events"), -1) {
		for reason := range strings.SplitSeq(row[1], ", ") {
			got[strings.Trim(reason, "`")] = true
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("reasons of events, in the code and on the page (-want +got):\n%s", diff)
	}
}
