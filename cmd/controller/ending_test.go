package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kerf-autoscaler/kerf/pkg/options"
	"github.com/kerf-autoscaler/kerf/pkg/webhooks"
)

func TestNoDrainIsSoLongThatTheLastAnswersAreCutOff(t *testing.T) {
	for _, manifest := range []string{"config/manager/deployment.yaml", "charts/kerf/templates/deployment.yaml"} {
		content, err := os.ReadFile(filepath.Join("..", "..", manifest))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`terminationGracePeriodSeconds: (\d+)`).FindStringSubmatch(string(content))
		if found == nil {
			t.Fatalf("%s does not say when a pod that is to end is killed", manifest)
		}
		grace, err := time.ParseDuration(found[1] + "s")
		if err != nil {
			t.Fatal(err)
		}
		drain := grace - webhooks.LastAnswers // and no time is left for anything else
		nothing := func(string) (string, bool) { return "", false }
		_, err = options.Parse([]string{"--cluster-name=a", "--webhook-drain-duration=" + drain.String()}, nothing)
		if err == nil || !strings.Contains(err.Error(), "--webhook-drain-duration") {
			t.Errorf("%s: a drain of %s and %s of last answers, out of %s, get %v", manifest, drain, webhooks.LastAnswers, grace, err)
		}
	}
}
