package helm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/version"
	"sigs.k8s.io/yaml"

	"github.com/kerf-autoscaler/kerf/test/helm"
)

// since maps what the manifests use -> the first Kubernetes whose API server acts on it without being told to.
func since() map[string]string {
	return map[string]string{"optionalOldSelf:": "1.30", "matchConditions:": "1.28"}
}

// contents returns the texts of the files that a pattern matches in a chart.
func contents(t *testing.T, chart, pattern string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, chart, pattern))
	if err != nil || len(files) == 0 {
		t.Fatalf("%s of %s: %v, %v", pattern, chart, files, err)
	}
	var all strings.Builder
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(content)
	}
	return all.String()
}

func TestChartsAskForAKubernetesThatActsOnAllTheyInstall(t *testing.T) {
	for chart, patterns := range map[string][]string{
		helm.Chart:            {"crds/*.yaml", "files/webhooks.yaml"},
		helm.DefinitionsChart: {"templates/*.yaml"},
	} {
		var about struct {
			KubeVersion string `json:"kubeVersion"`
		}
		if err := yaml.Unmarshal([]byte(contents(t, chart, "Chart.yaml")), &about); err != nil {
			t.Fatal(err)
		}
		bound, found := strings.CutPrefix(about.KubeVersion, ">=")
		lowest, err := version.ParseSemantic(bound)
		if !found || err != nil {
			t.Fatalf("%s asks for Kubernetes %q: %v", chart, about.KubeVersion, err)
		}
		used := 0
		for _, pattern := range patterns {
			installed := contents(t, chart, pattern)
			for field, first := range since() {
				if !strings.Contains(installed, field) {
					continue
				}
				used++
				if lowest.LessThan(version.MustParseSemantic(first + ".0-0")) {
					t.Errorf("%s asks for Kubernetes %s, and %s has %s, which is there from %s on", chart, about.KubeVersion, pattern, field, first)
				}
			}
		}
		if used != len(patterns) {
			t.Errorf("%s uses %d of the fields", chart, used)
		}
		told := "of Kubernetes " + strings.TrimSuffix(bound, ".0-0") + " or later"
		if !strings.Contains(contents(t, "docs/install", "README.md"), told) {
			t.Errorf("docs/install/README.md does not say %q", told)
		}
	}
}

func TestHelmRefusesAnOlderKubernetes(t *testing.T) {
	for kubernetes, taken := range map[string]bool{"1.29.9": false, "1.30.0": true, "1.30.4-eks-a737599": true} {
		_, err := newHelm(t).Template(t.Context(), "karpenter", "karpenter", "--set=clusterName=demo", "--kube-version="+kubernetes)
		if (err == nil) != taken {
			t.Errorf("Kubernetes %s: %v", kubernetes, err)
		}
	}
}
