// Package helm runs the real helm on kerf's charts, for tests.
//
// A test that wants to run kerf as the chart runs it, but as a process and not in a pod, templates the chart without pods
// and with a URL at which the API server reaches the webhooks, applies the result, and starts the controller with the
// environment that the chart has for it, and with flags, which go first, for what differs outside of a pod:
//
//	h, err := helm.New(root, directory, kubeconfig)
//	manifests, err := h.Template(ctx, "karpenter", "karpenter",
//		"--set=settings.clusterName="+clusterName, "--set=replicas=0", "--set=webhook.url=https://127.0.0.1:"+port)
//	// kubectl apply -f - <<<"$manifests"; the namespace and charts/kerf/crds are not among them.
//	variables, err := helm.ControllerEnvironment(manifests)
//	// env $variables bin/controller --kubeconfig=... --bind-address=127.0.0.1 --webhook-port=$port ...
package helm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The charts, relative to the root of the repository.
const (
	Chart            = "charts/kerf"
	DefinitionsChart = "charts/kerf-crd"
)

// Helm is the program that "make tools" builds, on one cluster or on none. Its methods may be called concurrently.
type Helm struct {
	program     string
	root        string
	environment []string
}

// New returns the helm of the repository at a root. What it keeps for itself goes into a directory; the kubeconfig may be
// empty as long as nothing is asked of a cluster.
func New(root, directory, kubeconfig string) (*Helm, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("resolving the root: %w", err)
	}
	program := filepath.Join(root, "bin", "helm")
	if _, err := os.Stat(program); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("looking for helm: %w; run \"make tools\" to build it", err)
	}
	// Nothing of the caller's environment may change what is done.
	environment := []string{"PATH=/usr/bin:/bin", "HOME=" + directory, "KUBECONFIG=" + kubeconfig}
	return &Helm{program: program, root: root, environment: environment}, nil
}

// Output is what helm has printed.
type Output struct {
	// Text is what was asked for.
	Text string
	// Warnings are on its standard error.
	Warnings string
}

// Run runs helm in the root of the repository. The error has what helm says about it.
func (h *Helm) Run(ctx context.Context, arguments ...string) (Output, error) {
	command := exec.CommandContext(ctx, h.program, arguments...)
	command.Dir, command.Env = h.root, h.environment
	var text, warnings bytes.Buffer
	command.Stdout, command.Stderr = &text, &warnings
	err := command.Run()
	output := Output{Text: text.String(), Warnings: warnings.String()}
	if err != nil {
		return output, fmt.Errorf("helm %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(output.Warnings))
	}
	return output, nil
}

// Template returns the manifests that the chart kerf makes for a release, without asking a cluster.
func (h *Helm) Template(ctx context.Context, release, namespace string, arguments ...string) (string, error) {
	output, err := h.Run(ctx, append([]string{"template", release, Chart, "--namespace=" + namespace}, arguments...)...)
	return output.Text, err
}
