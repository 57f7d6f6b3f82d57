package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/go-logr/logr"

	"github.com/kerf-autoscaler/kerf/pkg/options"
)

func TestEveryProbeOfTheDeploymentsIsAnsweredFromTheStart(t *testing.T) {
	handler := newProcess(options.Options{}, nil, nil, logr.Discard()).health.Handler()
	for _, manifest := range []string{"config/manager/deployment.yaml", "charts/kerf/templates/deployment.yaml"} {
		content, err := os.ReadFile(filepath.Join("..", "..", manifest))
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]int{"livenessProbe": http.StatusOK, "readinessProbe": http.StatusServiceUnavailable}
		probe := regexp.MustCompile(`(\w+Probe):\s+httpGet:\s+path: (\S+)`)
		found := probe.FindAllStringSubmatch(string(content), -1)
		if len(found) != len(want) {
			t.Fatalf("%s has the probes %q", manifest, found)
		}
		for _, m := range found {
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, m[2], nil))
			if recorder.Code != want[m[1]] {
				t.Errorf("%s: the %s of a process that has just started gets %d %s", manifest, m[1], recorder.Code, recorder.Body)
			}
		}
	}
}
