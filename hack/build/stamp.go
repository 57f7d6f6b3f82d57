package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// fingerprint is a hash of everything that decides what the program is: its inputs, the flags, the compiler. It is
// empty for an artifact without inputs.
func (b *builder) fingerprint(a artifact, arguments []string) (string, error) {
	if len(a.inputs) == 0 {
		return "", nil
	}
	hash := sha256.New()
	_, _ = fmt.Fprintln(hash, runtime.Version(), runtime.GOOS, runtime.GOARCH, a.pkg, arguments) // a hash takes all
	for _, input := range a.inputs {
		if err := hashTree(hash, b.root, input); err != nil {
			return "", fmt.Errorf("reading the inputs: %w", err)
		}
	}
	return hex.EncodeToString(hash.Sum(nil)), nil
}

// hashTree adds the names and contents of a file, or of the files below a directory, in the order of their names. Tests
// are not part of a program.
func hashTree(hash io.Writer, root, input string) error {
	return filepath.WalkDir(filepath.Join(root, input), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(hash, "%s %d\n%s\n", filepath.ToSlash(relative), len(content), content)
		return err
	})
}

// stamp returns the fingerprint of the program that is there, or nothing if there is none.
func (b *builder) stamp(a artifact) string {
	if _, err := os.Stat(filepath.Join(b.root, a.output)); err != nil {
		return ""
	}
	content, err := os.ReadFile(b.stampPath(a))
	if err != nil {
		return ""
	}
	return string(content)
}

func (b *builder) setStamp(a artifact, fingerprint string) error {
	if fingerprint == "" {
		return nil
	}
	if err := os.WriteFile(b.stampPath(a), []byte(fingerprint), 0o644); err != nil {
		return errors.Join(fmt.Errorf("recording the build: %w", err), os.Remove(b.stampPath(a)))
	}
	return nil
}

func (b *builder) stampPath(a artifact) string {
	return filepath.Join(b.root, stampDirectory, a.name)
}
