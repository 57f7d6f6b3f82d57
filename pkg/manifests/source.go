package manifests

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Stdin is the path that stands for the standard input.
const Stdin = "-"

// Source is one file.
type Source struct {
	// Name that mistakes are reported under.
	Name    string
	Content []byte
}

// Open reads the files at the paths; of a directory those below it that end in .yaml, .yml or .json. A file that several paths
// lead to is read once. The error says of every path that cannot be read why.
func Open(paths []string, stdin io.Reader) ([]Source, error) {
	var out []Source
	var errs []error
	seen := map[string]bool{}
	for _, path := range paths {
		files, err := filesAt(path)
		errs = append(errs, err)
		for _, file := range files {
			if seen[filepath.Clean(file)] {
				continue
			}
			seen[filepath.Clean(file)] = true
			source, err := read(file, stdin)
			errs = append(errs, err)
			if err == nil {
				out = append(out, source)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	return out, errors.Join(errs...)
}

// filesAt returns the files that a path stands for.
func filesAt(path string) ([]string, error) {
	if path == Stdin {
		return []string{path}, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, reason(path, err)
	}
	if !info.IsDir() {
		return []string{path}, nil
	}
	var out []string
	err = filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return reason(file, err)
		}
		if !entry.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, strings.ToLower(filepath.Ext(file))) {
			out = append(out, file)
		}
		return nil
	})
	if err == nil && len(out) == 0 {
		err = fmt.Errorf("%s: no file below this directory ends in .yaml, .yml or .json", path)
	}
	return out, err
}

func read(file string, stdin io.Reader) (Source, error) {
	if file == Stdin {
		content, err := io.ReadAll(stdin)
		if err != nil {
			return Source{}, fmt.Errorf("reading standard input: %w", err)
		}
		return Source{Name: "stdin", Content: content}, nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return Source{}, reason(file, err)
	}
	return Source{Name: file, Content: content}, nil
}

// reason says in the form of other mistakes why a file cannot be read.
func reason(path string, err error) error {
	if at := (*fs.PathError)(nil); errors.As(err, &at) {
		err = at.Err
	}
	return fmt.Errorf("%s: %w", path, err)
}
