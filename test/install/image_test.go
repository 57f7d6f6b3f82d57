package install_test

import (
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
)

func TestTheImageIsMadeOfAllThatTheControllerIsMadeOf(t *testing.T) {
	recipe, ignored := read(t, "Dockerfile"), read(t, ".dockerignore")
	var copied []string
	for _, m := range regexp.MustCompile(`(?m)^COPY (\w+) (\w+)$`).FindAllStringSubmatch(recipe, -1) {
		if m[1] != m[2] {
			t.Errorf("%s becomes %s", m[1], m[2])
		}
		copied = append(copied, m[1])
		if !strings.Contains(ignored, "\n!"+m[1]+"\n") {
			t.Errorf(".dockerignore keeps %s away", m[1])
		}
	}
	command := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{if .Main}}{{$.ImportPath}}{{end}}{{end}}", "./cmd/controller")
	command.Dir = root
	listed, err := command.Output()
	if err != nil {
		t.Fatalf("listing what the controller is made of: %s", err)
	}
	var needed []string
	for _, m := range regexp.MustCompile(`(?m)^github\.com/kerf-autoscaler/kerf/(\w+)`).FindAllStringSubmatch(string(listed), -1) {
		needed = append(needed, m[1])
	}
	slices.Sort(copied)
	slices.Sort(needed)
	if needed = slices.Compact(needed); !slices.Equal(copied, needed) {
		t.Errorf("the image is made from %v, and the controller from %v", copied, needed)
	}
}

func TestTheImageIsWhatTheDeploymentExpects(t *testing.T) {
	recipe := read(t, "Dockerfile")
	var deployment appsv1.Deployment
	found(t, build(t.Context(), t, "config/default"), "Deployment", &deployment)
	pod := deployment.Spec.Template.Spec
	if user := fmt.Sprintf("USER %d:%d\n", *pod.SecurityContext.RunAsUser, *pod.SecurityContext.RunAsGroup); !strings.Contains(recipe, user) {
		t.Errorf("the image does not say %s", user)
	}
	if len(pod.Containers[0].Command)+len(pod.Containers[0].Args) > 0 {
		t.Error("the Deployment says what runs, and so does the image")
	}
	// The Go of the image is that of go.mod, or a later patch of it.
	minor := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(read(t, "go.mod"))[1]
	if !strings.Contains(recipe, " golang:"+minor+" AS build\n") {
		t.Errorf("the image is not built by Go %s", minor)
	}
	version := regexp.MustCompile(`(?m)^appVersion: (\S+)$`).FindStringSubmatch(read(t, "charts/kerf/Chart.yaml"))[1]
	if _, tag, _ := strings.Cut(pod.Containers[0].Image, ":"); tag != strings.Trim(version, `"`) {
		t.Errorf("the manifests run %s, and the chart %s", tag, version)
	}
}
