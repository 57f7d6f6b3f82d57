// Command charts writes the parts of the Helm charts that come from elsewhere in the repository: definitions, RBAC rules and
// webhook configurations from config/, values.yaml and the tables of the README from the schema of the values.
//
// Usage: go run ./hack/charts, in the root of the repository.
package main

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, "charts:", err)
		os.Exit(1)
	}
}

// run writes what is generated from the repository at a root, and removes what no longer is.
func run(root string) error {
	files, err := generate(os.DirFS(root))
	if err != nil {
		return err
	}
	obsolete, err := obsoleteFiles(os.DirFS(root), files)
	if err != nil {
		return err
	}
	for _, name := range obsolete {
		if err := os.Remove(filepath.Join(root, name)); err != nil {
			return fmt.Errorf("removing what is generated no longer: %w", err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("making the directory of a chart: %w", err)
		}
		if err := os.WriteFile(path, files[name], 0o644); err != nil {
			return fmt.Errorf("writing into a chart: %w", err)
		}
	}
	return nil
}

// obsoleteFiles returns the generated definitions that generate does not return any more, in order.
func obsoleteFiles(root fs.FS, generated map[string][]byte) ([]string, error) {
	var obsolete []string
	for _, directory := range []string{embeddedDefinitions, upgradedDefinitions} {
		there, err := fs.Glob(root, directory+"/*.yaml")
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", directory, err)
		}
		for _, name := range there {
			if _, ok := generated[name]; !ok {
				obsolete = append(obsolete, name)
			}
		}
	}
	return obsolete, nil
}
