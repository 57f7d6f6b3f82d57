package cluster

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestErrorOfAnEndedProcessQuotesTheEndOfItsLogOnly(t *testing.T) {
	log := filepath.Join(t.TempDir(), "program.log")
	earlier := strings.Repeat("an earlier line\n", tailBytes/10)
	if err := os.WriteFile(log, []byte(earlier), 0o600); err != nil {
		t.Fatal(err)
	}
	p, err := startProcess(exec.Command("sh", "-c", "echo the reason >&2; exit 3"), log)
	if err != nil {
		t.Fatal(err)
	}
	<-p.done
	got := p.exitError().Error()
	for _, part := range []string{"exit status 3", log, "\nthe reason"} {
		if !strings.Contains(got, part) {
			t.Errorf("the error lacks %q: %s", part, got)
		}
	}
	if len(got) > tailBytes+500 {
		t.Errorf("the error has %d bytes", len(got))
	}
	if strings.Contains(got, ":\nn earlier") {
		t.Errorf("the quotation begins within a line: %s", got)
	}
}

func TestProgramThatIgnoresBeingAskedIsKilledWithAllItStarted(t *testing.T) {
	directory := t.TempDir()
	p, err := startProcess(exec.Command("sh", "-c", "trap '' TERM; sleep 600 & echo $!; wait"), filepath.Join(directory, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if !p.running() {
		t.Fatal("it does not run")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	p.stop(ctx)
	if p.running() {
		t.Error("it still runs")
	}
	p.stop(ctx) // a second stop finds nothing to do
	p.kill()
}

func TestPortIsReservedOnceUntilItIsReleased(t *testing.T) {
	var first, second portSet
	seen := map[int]bool{}
	for range 50 {
		for _, set := range []*portSet{&first, &second} {
			port, err := set.reserve()
			if err != nil {
				t.Fatal(err)
			}
			if seen[port] {
				t.Errorf("port %d was given out twice", port)
			}
			if port < firstPort || port > lastPort {
				t.Errorf("port %d is outside the range", port)
			}
			seen[port] = true
		}
	}
	names := make([]string, 0, len(first.locks))
	for _, lock := range first.locks {
		names = append(names, lock.Name())
	}
	if err := errors.Join(first.release(), second.release(), first.release()); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		lock, err := lockFile(name)
		if err != nil {
			t.Errorf("after the release: %v", err)
			continue
		}
		if err := errors.Join(os.Remove(name), lock.Close()); err != nil {
			t.Error(err)
		}
	}
}

func TestOnlyDirectoriesWithoutAnOwnerAreRemoved(t *testing.T) {
	parent := t.TempDir()
	for _, name := range []string{"owned", "abandoned", "unborn"} {
		if err := os.Mkdir(filepath.Join(parent, directoryPattern+name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	lock, err := lockFile(filepath.Join(parent, directoryPattern+"owned", lockName))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(parent, directoryPattern+"abandoned", lockName), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := removeAbandoned(parent); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"owned": true, "abandoned": false, "unborn": true} {
		_, err := os.Stat(filepath.Join(parent, directoryPattern+name))
		if got := err == nil; got != want {
			t.Errorf("%s is there: %t, want %t", name, got, want)
		}
	}
	if err := lock.Close(); err != nil {
		t.Error(err)
	}
}

func TestMissingProgramsAreNamedTogetherWithTheWayToGetThem(t *testing.T) {
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte(moduleLine), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(root)
	t.Setenv(assetsVariable, "")
	_, err := Assets()
	if err == nil {
		t.Fatal("no error")
	}
	for _, part := range []string{filepath.Join("bin", "k8s", "etcd"), "make control-plane"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error lacks %q: %v", part, err)
		}
	}
	t.Chdir(t.TempDir())
	if _, err := Assets(); err == nil || !strings.Contains(err.Error(), "not inside the kerf module") {
		t.Errorf("outside of the module: %v", err)
	}
}

func TestDirectoryNamedByHandIsUsedIfItIsComplete(t *testing.T) {
	directory := t.TempDir()
	t.Setenv(assetsVariable, directory)
	for _, name := range []ComponentName{Etcd, APIServer, kubectl, ControllerManager, Scheduler, Kwok} {
		if got, err := Assets(); err == nil && got == directory {
			t.Errorf("it is used without %s", name)
		}
		if err := os.WriteFile(filepath.Join(directory, string(name)), nil, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, find := range map[string]func() (string, error){"Assets": Assets, "EnvtestAssets": EnvtestAssets} {
		if got, err := find(); err != nil || got != directory {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, directory)
		}
	}
}
