package install_test

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/test/cluster"
	"github.com/kerf-autoscaler/kerf/test/install"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

func TestMain(m *testing.M) { os.Exit(workbench.Run(m)) }

const (
	root = "../.."
	// namespace of kerf.
	namespace = "karpenter"
)

// kubectl returns a kubectl with the workbench's cluster.
func kubectl(t *testing.T) install.Kubectl {
	t.Helper()
	assets, err := cluster.EnvtestAssets()
	if err != nil {
		t.Fatal(err)
	}
	config, err := workbench.Config()
	if err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	kubeconfig := filepath.Join(home, "kubeconfig")
	if err := cluster.WriteKubeconfig(kubeconfig, config); err != nil {
		t.Fatal(err)
	}
	return install.Kubectl{Program: filepath.Join(assets, "kubectl"), Kubeconfig: kubeconfig, Home: home}
}

// run runs a kubectl that has to succeed without a warning.
func run(t *testing.T, k install.Kubectl, input string, arguments ...string) string {
	t.Helper()
	output, warnings, err := k.Run(t.Context(), input, arguments...)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(warnings) {
		// Definitions and namespaces were made by the workbench, which does not note what it applied, as kubectl does.
		if !strings.Contains(line, "is missing the kubectl.kubernetes.io/last-applied-configuration annotation") {
			t.Errorf("kubectl %s warns: %s", strings.Join(arguments, " "), line)
		}
	}
	return output
}

// ensureNamespaces makes namespaces that are not there.
func ensureNamespaces(t *testing.T, names ...string) {
	t.Helper()
	b := workbench.New(t)
	for _, name := range names {
		err := b.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
		if err != nil && !apierrors.IsAlreadyExists(err) {
			t.Fatal(err)
		}
	}
}

// source is a text with manifests.
type source struct{ name, text string }

// read returns a file of the repository.
func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// files returns the files below a directory of the repository whose names match, in order.
func files(t *testing.T, directory, pattern string) []string {
	t.Helper()
	var out []string
	err := fs.WalkDir(os.DirFS(root), directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ok, err := filepath.Match(pattern, entry.Name()); err != nil || !ok || entry.IsDir() {
			return err
		}
		out = append(out, path)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatalf("there is no %s in %s", pattern, directory)
	}
	return out
}

// documents are what people read: the Markdown files for users and for who changes kerf.
func documents(t *testing.T) []source {
	t.Helper()
	var out []source
	paths := []string{"README.md", "CONTRIBUTING.md"}
	for _, path := range slices.Concat(paths, files(t, "docs", "*.md"), files(t, "charts", "README.md")) {
		out = append(out, source{path, read(t, path)})
	}
	return out
}

// kustomizations are the directories that kubectl builds.
func kustomizations(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, path := range slices.Concat(files(t, "config", "kustomization.yaml"), files(t, "docs", "kustomization.yaml")) {
		out = append(out, filepath.Dir(path))
	}
	return out
}

// build returns what kubectl makes of a directory of the repository, the cluster's name put in.
func build(ctx context.Context, t *testing.T, directory string) string {
	t.Helper()
	output, warnings, err := kubectl(t).Run(ctx, "", "kustomize", filepath.Join(root, directory))
	if err != nil {
		t.Fatal(err)
	}
	if warnings != "" {
		t.Errorf("building %s warns: %s", directory, warnings)
	}
	return substitute(output)
}

// substitute puts a name in for the cluster's, as a user's shell does.
func substitute(text string) string { return strings.ReplaceAll(text, "${CLUSTER_NAME}", "demo") }
