package environment

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// clusterNameVariable is what examples hold in place of the cluster's name; a user's shell substitutes it.
const clusterNameVariable = "${CLUSTER_NAME}"

// Kubectl runs kubectl as the cluster's administrator and returns what it prints.
func (e *Environment) Kubectl(ctx context.Context, arguments ...string) (string, error) {
	return e.kubectl(ctx, "", arguments...)
}

func (e *Environment) kubectl(ctx context.Context, input string, arguments ...string) (string, error) {
	command := exec.CommandContext(ctx, e.kubectlProgram, arguments...)
	// Nothing of the caller's environment may change what is done; HOME is where kubectl keeps its cache.
	command.Env = []string{"KUBECONFIG=" + e.cluster.Kubeconfig(), "HOME=" + e.directory, "PATH=/usr/bin:/bin"}
	command.Stdin = strings.NewReader(input)
	var output, errorOutput bytes.Buffer
	command.Stdout, command.Stderr = &output, &errorOutput
	if err := command.Run(); err != nil {
		return output.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(errorOutput.String()))
	}
	return output.String(), nil
}

// Apply applies manifests with kubectl, the cluster's name put in. A path is a file, or a directory of files that is relative
// to the module's root unless it is absolute.
func (e *Environment) Apply(ctx context.Context, paths ...string) error {
	for _, path := range paths {
		manifests, err := e.Manifests(path)
		if err != nil {
			return err
		}
		if _, err := e.kubectl(ctx, manifests, "apply", "-f", "-"); err != nil {
			return fmt.Errorf("applying %s: %w", path, err)
		}
	}
	return nil
}

// ApplyText applies manifests that are given as text; the cluster's name is put in.
func (e *Environment) ApplyText(ctx context.Context, manifests string) error {
	_, err := e.kubectl(ctx, e.substitute(manifests), "apply", "-f", "-")
	return err
}

// Manifests reads a file, or the YAML files of a directory in the order of their names, with the cluster's name put in.
func (e *Environment) Manifests(path string) (string, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(e.root, path)
	}
	files := []string{path}
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("reading manifests: %w", err)
	}
	if info.IsDir() {
		if files, err = filepath.Glob(filepath.Join(path, "*.yaml")); err != nil {
			return "", fmt.Errorf("reading manifests: %w", err)
		}
		// A kustomization is a recipe for other tools, not an object.
		files = slices.DeleteFunc(files, func(f string) bool { return filepath.Base(f) == "kustomization.yaml" })
	}
	var documents []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("reading manifests: %w", err)
		}
		documents = append(documents, e.substitute(string(content)))
	}
	return strings.Join(documents, "\n---\n"), nil
}

func (e *Environment) substitute(manifests string) string {
	return strings.ReplaceAll(manifests, clusterNameVariable, e.clusterName)
}
