// Command iam writes what AWS has to allow kerf, from one source, into the files that people install from.
//
// It is called as "go run ./hack/iam [DIRECTORY]"; the directory is docs/install unless it is given.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/kerf-autoscaler/kerf/hack/iam/copies"
)

func main() {
	directory := filepath.Join("docs", "install")
	if len(os.Args) > 1 {
		directory = os.Args[1]
	}
	if err := write(directory); err != nil {
		fmt.Fprintln(os.Stderr, "iam:", err)
		os.Exit(1)
	}
}

func write(directory string) error {
	files, err := copies.Files()
	if err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(directory, f.Path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("making a directory: %w", err)
		}
		if err := os.WriteFile(path, []byte(f.Content), 0o644); err != nil {
			return fmt.Errorf("writing a policy: %w", err)
		}
	}
	return nil
}
