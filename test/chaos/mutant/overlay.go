// Package mutant puts bugs into kerf, to see whether the engine finds them. The product carries none of them: they are patches that
// the go command applies as it builds, by its overlay, to a binary that holds all of them, each asleep until a variable of the
// environment names it.
package mutant

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
)

// Variable names the mutant that is awake.
const Variable = "KERF_MUTANT"

// asks is the file that each patched package gets.
const asks = `package %s

import "os"

// mutant reports whether a bug is awake.
func mutant(name string) bool { return os.Getenv(%q) == name }
`

// Overlay writes the patched files below the directory and returns the file that tells the go command of them. A patch whose text is not
// there exactly once is an error: the code has moved on, and the mutant would be none.
func Overlay(root, directory string) (string, error) {
	texts := map[string]string{} // file -> its patched text
	var errs []error
	for _, m := range All() {
		for _, p := range m.patches {
			text, err := apply(root, texts, p)
			if err != nil {
				errs = append(errs, fmt.Errorf("mutant %s: %w", m.Name, err))
				continue
			}
			texts[p.file] = text
		}
	}
	if err := errors.Join(errs...); err != nil {
		return "", err
	}
	replaced := map[string]string{} // path of a file -> path of what replaces it
	for file, text := range texts {
		if err := put(replaced, filepath.Join(root, file), filepath.Join(directory, file), text); err != nil {
			return "", err
		}
		name, err := packageOf(filepath.Join(directory, file))
		if err != nil {
			return "", err
		}
		added := filepath.Join(filepath.Dir(file), "mutant_chaos.go")
		if err := put(replaced, filepath.Join(root, added), filepath.Join(directory, added), fmt.Sprintf(asks, name, Variable)); err != nil {
			return "", err
		}
	}
	encoded, err := json.Marshal(map[string]any{"Replace": replaced})
	if err != nil {
		return "", fmt.Errorf("encoding the overlay: %w", err)
	}
	path := filepath.Join(directory, "overlay.json")
	if err := os.WriteFile(path, encoded, 0o600); err != nil {
		return "", fmt.Errorf("writing the overlay: %w", err)
	}
	return path, nil
}

// apply returns the text of a file with one more patch.
func apply(root string, texts map[string]string, p patch) (string, error) {
	text, patched := texts[p.file]
	if !patched {
		read, err := os.ReadFile(filepath.Join(root, p.file))
		if err != nil {
			return "", fmt.Errorf("reading what to patch: %w", err)
		}
		text = string(read)
	}
	if n := strings.Count(text, p.old); n != 1 {
		return "", fmt.Errorf("%s holds %d times what is to be patched:\n%s", p.file, n, p.old)
	}
	return strings.Replace(text, p.old, p.new, 1), nil
}

func put(replaced map[string]string, path, by, text string) error {
	if err := os.MkdirAll(filepath.Dir(by), 0o750); err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	if err := os.WriteFile(by, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing a patched file: %w", err)
	}
	replaced[path] = by
	return nil
}

func packageOf(path string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.PackageClauseOnly)
	if err != nil {
		return "", fmt.Errorf("reading a patched file: %w", err)
	}
	return file.Name.Name, nil
}
