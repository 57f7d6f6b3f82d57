package mutant

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEveryMutantFitsTheCode(t *testing.T) {
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	path, err := Overlay(root, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "mutant_chaos.go") {
		t.Errorf("the overlay is %s, %v", text, err)
	}
	names := map[string]bool{}
	for _, m := range All() {
		if names[m.Name] || len(m.patches) == 0 || m.Does == "" {
			t.Errorf("mutant %q is there twice, or changes nothing, or does not say what", m.Name)
		}
		names[m.Name] = true
	}
	if len(names) < 15 {
		t.Errorf("%d mutants are too few", len(names))
	}
}

func TestAPatchThatDoesNotFitIsRefused(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.go"), []byte("package a\nx\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]patch{"not there": {"a.go", "y", "z"}, "there twice": {"a.go", "x", "z"}, "no such file": {"b.go", "x", "z"}} {
		if _, err := apply(root, map[string]string{}, p); err == nil {
			t.Errorf("%s: the patch was applied", name)
		}
	}
}
