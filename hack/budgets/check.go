package main

import (
	"cmp"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// Budgets, in lines. Everything counts: comments and empty lines have to be read too.
const (
	fileLines       = 400
	testFileLines   = 600
	reconcileLines  = 45
	testHelperLines = 40
)

// finding is one broken rule.
type finding struct {
	path    string // relative to the root
	line    int
	message string
}

func (f finding) String() string { return fmt.Sprintf("%s:%d: %s", f.path, f.line, f.message) }

// check returns what is wrong in the Go files below the root, ordered by file and line. Generated files may be as they
// are; build output and test data are not looked at.
func check(root string) ([]finding, error) {
	var findings []finding
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); path != root && (name == "bin" || name == "testdata" || strings.HasPrefix(name, ".")) {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(path) != ".go" {
			return nil
		}
		found, err := checkFile(root, path)
		findings = append(findings, found...)
		return err
	})
	slices.SortFunc(findings, func(a, b finding) int {
		return cmp.Or(cmp.Compare(a.path, b.path), cmp.Compare(a.line, b.line), cmp.Compare(a.message, b.message))
	})
	return findings, err
}

// checkFile applies every rule to one file.
func checkFile(root, path string) ([]finding, error) {
	positions := token.NewFileSet()
	file, err := parser.ParseFile(positions, path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if file == nil {
		return nil, fmt.Errorf("parsing: %w", err)
	}
	if ast.IsGenerated(file) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("parsing: %w", err)
	}
	relative, err := filepath.Rel(root, path)
	if err != nil {
		return nil, errors.Join(errors.New("naming a file"), err)
	}
	source := &sourceFile{path: filepath.ToSlash(relative), positions: positions, file: file}
	source.checkLength()
	source.checkPackageName()
	for _, declaration := range file.Decls {
		if function, ok := declaration.(*ast.FuncDecl); ok {
			source.checkFunction(function)
		}
	}
	return source.findings, nil
}

// sourceFile collects the findings of one file.
type sourceFile struct {
	path      string
	positions *token.FileSet
	file      *ast.File
	findings  []finding
}

func (s *sourceFile) report(at token.Pos, format string, arguments ...any) {
	s.findings = append(s.findings, finding{
		path: s.path, line: s.positions.Position(at).Line, message: fmt.Sprintf(format, arguments...),
	})
}

func (s *sourceFile) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

func (s *sourceFile) lines(node ast.Node) int {
	return s.positions.Position(node.End()).Line - s.positions.Position(node.Pos()).Line + 1
}

func (s *sourceFile) checkLength() {
	budget := fileLines
	if s.isTest() {
		budget = testFileLines
	}
	if lines := s.positions.File(s.file.FileStart).LineCount(); lines > budget {
		s.report(s.file.Package, "the file has %d lines, at most %d are allowed", lines, budget)
	}
}

func (s *sourceFile) checkPackageName() {
	name := strings.TrimSuffix(s.file.Name.Name, "_test")
	if slices.Contains([]string{"utils", "util", "common", "helpers", "helper", "types", "misc", "shared"}, name) {
		s.report(s.file.Name.Pos(), "package %s says nothing; name it after the noun in it", name)
	}
}

func (s *sourceFile) checkFunction(function *ast.FuncDecl) {
	lines := s.lines(function)
	switch {
	case function.Recv != nil && function.Name.Name == "Reconcile" && lines > reconcileLines:
		s.report(function.Pos(), "Reconcile has %d lines, at most %d are allowed: make it a table of steps", lines, reconcileLines)
	case s.isTest() && takesTesting(function) && !isEntryPoint(function.Name.Name) && lines > testHelperLines:
		s.report(function.Pos(), "test helper %s has %d lines, at most %d are allowed", function.Name.Name, lines, testHelperLines)
	}
	if function.Recv == nil || len(function.Recv.List[0].Names) == 0 {
		return
	}
	if receiver := function.Recv.List[0].Names[0]; len([]rune(receiver.Name)) > 1 {
		s.report(receiver.Pos(), "receiver %s of %s has more than one letter", receiver.Name, function.Name.Name)
	}
}

// takesTesting tells whether a parameter is of a type of package testing.
func takesTesting(function *ast.FuncDecl) bool {
	return slices.ContainsFunc(function.Type.Params.List, func(parameter *ast.Field) bool {
		expression := parameter.Type
		if pointer, ok := expression.(*ast.StarExpr); ok {
			expression = pointer.X
		}
		selector, ok := expression.(*ast.SelectorExpr)
		if !ok {
			return false
		}
		name, ok := selector.X.(*ast.Ident)
		return ok && name.Name == "testing"
	})
}

// isEntryPoint tells whether the go command calls the function.
func isEntryPoint(name string) bool {
	return slices.ContainsFunc([]string{"Test", "Benchmark", "Fuzz", "Example"}, func(prefix string) bool {
		return strings.HasPrefix(name, prefix)
	})
}
