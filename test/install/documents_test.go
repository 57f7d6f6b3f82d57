package install_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kerf-autoscaler/kerf/test/install"
)

// manifests returns all that people are shown to apply.
func manifests(t *testing.T) []source {
	t.Helper()
	var out []source
	for _, path := range slices.Concat(files(t, "examples", "*.yaml"), files(t, "config/samples", "*.yaml")) {
		out = append(out, source{path, read(t, path)})
	}
	for _, d := range documents(t) {
		blocks, err := install.Blocks(d.text)
		if err != nil {
			t.Fatalf("%s: %s", d.name, err)
		}
		for _, b := range blocks {
			if b.Language == "yaml" || b.Language == "yml" {
				out = append(out, source{fmt.Sprintf("%s:%d", d.name, b.Line), b.Text})
			}
		}
	}
	return out
}

func TestTheAPIServerTakesEveryManifestThatPeopleAreShown(t *testing.T) {
	k := kubectl(t)
	for _, s := range manifests(t) {
		t.Run(s.name, func(t *testing.T) {
			text := substitute(s.text)
			if left := regexp.MustCompile(`\$\{?[A-Z_]+`).FindString(text); left != "" {
				t.Errorf("nothing is known to stand for %s", left)
			}
			objects, err := install.Objects(text)
			if err != nil {
				t.Fatal(err)
			}
			if len(objects) == 0 {
				t.Fatal("there is no object")
			}
			if objects[0].GetKind() == "Kustomization" {
				buildAlone(t, s)
				return
			}
			for _, o := range objects {
				if o.GetNamespace() != "" {
					ensureNamespaces(t, o.GetNamespace())
				}
			}
			output := run(t, k, text, "apply", "--dry-run=server", "-f", "-")
			if got := strings.Count(output, "(server dry run)"); got != len(objects) {
				t.Errorf("%d of %d objects were applied:\n%s", got, len(objects), output)
			}
		})
	}
}

// buildAlone builds a kustomization that a document shows, or that lies among the samples, where the overlay is.
func buildAlone(t *testing.T, s source) {
	t.Helper()
	if strings.HasSuffix(s.name, ".yaml") {
		return // TestTheAPIServerTakesWhatEachKustomizationBuilds builds it where it is
	}
	copied := t.TempDir()
	if err := os.CopyFS(filepath.Join(copied, "config"), os.DirFS(filepath.Join(root, "config"))); err != nil {
		t.Fatal(err)
	}
	directory := filepath.Join(copied, "docs", "install", "overlay")
	if err := os.MkdirAll(directory, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(directory, "kustomization.yaml"), []byte(s.text), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, kubectl(t), "", "kustomize", directory)
}

func TestEveryLinkOfADocumentLeadsToAFile(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#\s]+)(#[^)\s]*)?\)`)
	for _, d := range documents(t) {
		for _, m := range link.FindAllStringSubmatch(d.text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			target := filepath.Join(root, filepath.Dir(d.name), m[1])
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %s leads nowhere", d.name, m[1])
				continue
			}
			if m[2] != "" && !slices.Contains(anchors(t, target), m[2]) {
				t.Errorf("%s: %s has no heading %s", d.name, m[1], m[2])
			}
		}
	}
}

// anchors returns what the headings of a Markdown file are linked by.
func anchors(t *testing.T, path string) []string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(string(content), -1) {
		plain := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(m[1]), "")
		out = append(out, "#"+strings.ReplaceAll(plain, " ", "-"))
	}
	return out
}

func TestEveryPathThatACommandNamesIsThere(t *testing.T) {
	path := regexp.MustCompile(`\b(docs|config|examples|charts)/[\w./-]+`)
	for _, d := range documents(t) {
		blocks, err := install.Blocks(d.text)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			for _, named := range path.FindAllString(b.Text, -1) {
				if _, err := os.Stat(filepath.Join(root, named)); err != nil {
					t.Errorf("%s:%d: there is no %s", d.name, b.Line, named)
				}
			}
		}
	}
}

func TestBlocksAreFoundWithTheirLinesAndWithoutTheirMargins(t *testing.T) {
	blocks, err := install.Blocks("a\n```yaml\nb: 1\n```\n- c\n\n  ```\n    d\n  ```\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []install.Block{{Line: 2, Language: "yaml", Text: "b: 1\n"}, {Line: 7, Text: "  d\n"}}
	if !slices.Equal(blocks, want) {
		t.Errorf("blocks %v, want %v", blocks, want)
	}
	if _, err := install.Blocks("```yaml\nb: 1\n"); err == nil {
		t.Error("a block without an end was taken")
	}
}
