package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// stampDirectory holds, for each artifact with inputs, the hash of what its program was built from.
const stampDirectory = "bin/.stamps"

// builder builds artifacts below one root.
type builder struct {
	root  string
	force bool
	out   *console
}

// build builds the artifacts that are out of date, one after the other.
func (b *builder) build(ctx context.Context, wanted []artifact) (err error) {
	root, err := filepath.Abs(b.root)
	if err != nil {
		return fmt.Errorf("resolving %s: %w", b.root, err)
	}
	b.root = root
	unlock, err := b.lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	for i, a := range wanted {
		b.out.step(i+1, len(wanted), a.name)
		if err := b.ensure(ctx, a); err != nil {
			return fmt.Errorf("building %s: %w", a.name, err)
		}
	}
	return nil
}

// lock keeps two builds from doing the same work at once; the second waits and then finds it done.
func (b *builder) lock() (func() error, error) {
	directory := filepath.Join(b.root, stampDirectory)
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return nil, fmt.Errorf("making %s: %w", stampDirectory, err)
	}
	file, err := os.OpenFile(filepath.Join(directory, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the build lock: %w", err)
	}
	if errors.Is(syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB), syscall.EWOULDBLOCK) {
		b.out.say("waiting for another build to end")
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
			return nil, errors.Join(fmt.Errorf("waiting for the build lock: %w", err), file.Close())
		}
	}
	return file.Close, nil // the lock ends with the descriptor
}

// ensure leaves the artifact's program and its links in place, building it only when needed.
func (b *builder) ensure(ctx context.Context, a artifact) error {
	arguments, err := b.arguments(ctx, a)
	if err != nil {
		return err
	}
	want, err := b.fingerprint(a, arguments)
	if err != nil {
		return err
	}
	if !b.force && want != "" && want == b.stamp(a) {
		b.out.say("up to date")
		return b.link(a)
	}
	b.out.say(a.title)
	if err := b.compile(ctx, a, arguments); err != nil {
		return err
	}
	if err := b.link(a); err != nil {
		return err
	}
	return b.setStamp(a, want)
}

// compile runs the go command. A program with inputs is put in place whole, by a rename: neither an interrupted build
// nor one during a test run leaves or executes half a program.
func (b *builder) compile(ctx context.Context, a artifact, arguments []string) error {
	total := 0
	if len(a.inputs) > 0 {
		total = b.countPackages(ctx, a)
	}
	output := filepath.Join(b.root, a.output)
	target := output
	if len(a.inputs) > 0 {
		target += ".new"
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil {
		return fmt.Errorf("making the output directory: %w", err)
	}
	command := b.command(ctx, a, append([]string{"build", "-v", "-o", target}, append(arguments, a.pkg)...)...)
	report := &compilation{total: total}
	if err := b.out.watch(command, report); err != nil {
		return fmt.Errorf("%w\n%s", err, strings.Join(report.messages, "\n"))
	}
	if target != output {
		if err := os.Rename(target, output); err != nil {
			return fmt.Errorf("putting the program in place: %w", err)
		}
	}
	return nil
}

// warm compiles packages for no other purpose than that later commands find them compiled.
func (b *builder) warm(ctx context.Context, title string, arguments []string) error {
	b.out.say(title)
	report := &compilation{}
	command := b.command(ctx, artifact{}, append([]string{"build", "-v", "-buildvcs=false", "-o", os.DevNull}, arguments...)...)
	if err := b.out.watch(command, report); err != nil {
		return fmt.Errorf("%s: %w\n%s", title, err, strings.Join(report.messages, "\n"))
	}
	return nil
}

// arguments are the flags of go build that decide what the program is.
func (b *builder) arguments(ctx context.Context, a artifact) ([]string, error) {
	arguments := []string{"-buildvcs=false"} // a checkout that git distrusts builds as well
	if len(a.inputs) == 0 {
		return arguments, nil // the same flags as the tests': they share compiled packages
	}
	if a.modfile != "" {
		arguments = append(arguments, "-modfile="+a.modfile)
	}
	linker := []string{"-s", "-w"}
	for _, r := range a.reports {
		version, err := b.version(ctx, a, r.module)
		if err != nil {
			return nil, err
		}
		linker = append(linker, r.flags(version)...)
	}
	return append(arguments, "-trimpath", "-ldflags="+strings.Join(linker, " ")), nil
}

// version returns the version of a module that the artifact pins.
func (b *builder) version(ctx context.Context, a artifact, module string) (string, error) {
	arguments := []string{"list", "-m", "-f", "{{.Version}}"}
	if a.modfile != "" {
		arguments = append(arguments, "-modfile="+a.modfile)
	}
	output, err := b.command(ctx, a, append(arguments, module)...).Output()
	if err != nil {
		return "", fmt.Errorf("asking for the version of %s: %w", module, err)
	}
	return strings.TrimSpace(string(output)), nil
}

// flags returns what has the linker set the variables.
func (r report) flags(version string) []string {
	var flags []string
	set := func(variables []string, value string) {
		for _, variable := range variables {
			flags = append(flags, "-X "+variable+"="+value)
		}
	}
	set(r.whole, version)
	if parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3); len(parts) == 3 {
		set(r.major, parts[0])
		set(r.minor, parts[1])
	}
	return flags
}

// countPackages returns how many packages the program consists of, for the progress report, or 0 if that is not known.
// It fetches missing modules, which is why it reports progress as well.
func (b *builder) countPackages(ctx context.Context, a artifact) int {
	arguments := []string{"list", "-deps"}
	if a.modfile != "" {
		arguments = append(arguments, "-modfile="+a.modfile)
	}
	command := b.command(ctx, a, append(arguments, a.pkg)...)
	var packages bytes.Buffer
	command.Stdout = &packages
	if err := b.out.watch(command, &compilation{}); err != nil {
		return 0 // the build will say what is wrong
	}
	return bytes.Count(packages.Bytes(), []byte("\n"))
}

// command is a go command that an interrupt ends together with the compilers it started.
func (b *builder) command(ctx context.Context, a artifact, arguments ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, "go", arguments...)
	command.Dir = filepath.Join(b.root, a.directory)
	interruptible(command)
	return command
}

// link makes the other names of the program.
func (b *builder) link(a artifact) error {
	for _, name := range a.links {
		path := filepath.Join(b.root, filepath.Dir(a.output), name)
		target := filepath.Base(a.output)
		if existing, err := os.Readlink(path); err == nil && existing == target {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("replacing the link %s: %w", name, err)
		}
		if err := os.Symlink(target, path); err != nil {
			return fmt.Errorf("linking %s: %w", name, err)
		}
	}
	return nil
}
