package main

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const program = `package main

import "os"

func main() { _, _ = os.Stdout.WriteString("%s") }
`

func TestProgramIsRebuiltOnlyWhenItsInputsChange(t *testing.T) {
	root := newModule(t)
	steps := []struct {
		name   string
		change func()
		force  bool
		built  bool
		prints string
	}{
		{name: "the first time", built: true, prints: "one"},
		{name: "nothing changed", built: false, prints: "one"},
		{name: "a test changed", change: func() { write(t, root, "cmd/main_test.go", "package main\n") }, prints: "one"},
		{name: "a source changed", change: func() { writeProgram(t, root, "two") }, built: true, prints: "two"},
		{name: "a pinned version changed", change: func() { write(t, root, "go.sum", "\n") }, built: true, prints: "two"},
		{name: "the program is gone", change: func() { remove(t, root, "bin/program") }, built: true, prints: "two"},
		{name: "a link is gone", change: func() { remove(t, root, "bin/alias") }, built: false, prints: "two"},
		{name: "forced", force: true, built: true, prints: "two"},
	}
	for _, step := range steps {
		if step.change != nil {
			step.change()
		}
		output, err := build(t, root, step.force)
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if built := !strings.Contains(output, "up to date"); built != step.built {
			t.Errorf("%s: built is %t, want %t; printed %s", step.name, built, step.built, output)
		}
		got, err := exec.Command(filepath.Join(root, "bin", "alias")).Output()
		if err != nil || string(got) != step.prints {
			t.Errorf("%s: the program prints %q (%v), want %q", step.name, got, err, step.prints)
		}
	}
}

func TestFailedBuildSaysWhyKeepsTheProgramAndIsTriedAgain(t *testing.T) {
	root := newModule(t)
	if _, err := build(t, root, false); err != nil {
		t.Fatal(err)
	}
	write(t, root, "cmd/main.go", "package main\n\nfunc main() { undefined() }\n")
	for range 2 {
		_, err := build(t, root, false)
		if err == nil || !strings.Contains(err.Error(), "undefined: undefined") {
			t.Errorf("got error %v, want what the compiler says", err)
		}
	}
	got, err := exec.Command(filepath.Join(root, "bin", "program")).Output()
	if err != nil || string(got) != "one" {
		t.Errorf("the program prints %q (%v), want what it printed before", got, err)
	}
}

func TestSecondBuildWaitsForTheFirst(t *testing.T) {
	root := newModule(t)
	first := &builder{root: root, out: newConsole(io.Discard, false, time.Now)}
	unlock, err := first.lock()
	if err != nil {
		t.Fatal(err)
	}
	reader, writer := io.Pipe()
	done := make(chan error, 1)
	go func() {
		second := &builder{root: root, out: newConsole(writer, false, time.Now)}
		err := second.build(t.Context(), []artifact{testArtifact()})
		done <- errors.Join(err, writer.Close())
	}()
	lines := bufio.NewScanner(reader)
	if !lines.Scan() || lines.Text() != "waiting for another build to end" {
		t.Fatalf("the second build printed %q first", lines.Text())
	}
	if _, err := os.Stat(filepath.Join(root, "bin", "program")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the second build did not wait: %v", err)
	}
	if err := unlock(); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() { // its output has to go somewhere
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "bin", "program")); err != nil {
		t.Errorf("the second build ended without its program: %v", err)
	}
}

func TestUnknownArtifactIsAnsweredWithTheKnownOnes(t *testing.T) {
	_, err := selectArtifacts(artifacts(), []string{"kwok", "kubelet"})
	if err == nil || !strings.Contains(err.Error(), `no artifact "kubelet"`) || !strings.Contains(err.Error(), "control-plane") {
		t.Errorf("got %v", err)
	}
}

func TestEveryInputOfAnArtifactExists(t *testing.T) {
	for _, a := range artifacts() {
		for _, input := range a.inputs {
			if _, err := os.Stat(filepath.Join("../..", input)); err != nil {
				t.Errorf("%s: %v", a.name, err)
			}
		}
	}
}

func TestProgramsReportTheVersionsOfTheirModules(t *testing.T) {
	r := report{whole: []string{"a.version", "b.version"}, major: []string{"a.major"}, minor: []string{"a.minor"}}
	tests := map[string]string{
		"v1.36.3":     "-X a.version=v1.36.3 -X b.version=v1.36.3 -X a.major=1 -X a.minor=36",
		"v0.37.0-rc1": "-X a.version=v0.37.0-rc1 -X b.version=v0.37.0-rc1 -X a.major=0 -X a.minor=37",
		"devel":       "-X a.version=devel -X b.version=devel",
	}
	for version, want := range tests {
		if got := strings.Join(r.flags(version), " "); got != want {
			t.Errorf("%s: got %q, want %q", version, got, want)
		}
	}
}

// build builds the only artifact of the module and returns what was printed.
func build(t *testing.T, root string, force bool) (string, error) {
	t.Helper()
	var out bytes.Buffer
	b := &builder{root: root, force: force, out: newConsole(&out, false, time.Now)}
	err := b.build(t.Context(), []artifact{testArtifact()})
	return out.String(), err
}

// testArtifact is the program of newModule.
func testArtifact() artifact {
	return artifact{
		name:   "program",
		title:  "a program",
		pkg:    "./cmd",
		output: "bin/program",
		links:  []string{"alias"},
		inputs: []string{"go.mod", "go.sum", "cmd"},
	}
}

// newModule makes a module with one program, which prints "one".
func newModule(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	write(t, root, "go.mod", "module example.com/program\n\ngo 1.26.0\n")
	write(t, root, "go.sum", "")
	writeProgram(t, root, "one")
	return root
}

func writeProgram(t *testing.T, root, prints string) {
	t.Helper()
	write(t, root, "cmd/main.go", strings.ReplaceAll(program, "%s", prints))
}

func write(t *testing.T, root, name, content string) {
	t.Helper()
	path := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, root, name string) {
	t.Helper()
	if err := os.Remove(filepath.Join(root, name)); err != nil {
		t.Fatal(err)
	}
}

func TestCompilingAheadReportsWhatDoesNotCompile(t *testing.T) {
	root := newModule(t)
	b := &builder{root: root, out: newConsole(io.Discard, false, time.Now)}
	if err := b.warm(t.Context(), "compiling", []string{"./..."}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "cmd", "program")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it left a program: %v", err)
	}
	write(t, root, "cmd/main.go", "package main\n\nfunc main() { undefined() }\n")
	if err := b.warm(t.Context(), "compiling", []string{"./..."}); err == nil || !strings.Contains(err.Error(), "undefined: undefined") {
		t.Errorf("got %v, want what the compiler says", err)
	}
}
