// Command build builds the programs that kerf's targets need into bin/, from pinned Go modules, when their inputs changed.
//
// Usage: go run ./hack/build [-force] [ARTIFACT...]
//
//	go run ./hack/build exec TITLE COMMAND...
//
// Without arguments it lists the artifacts. With compile it only fills the go command's cache, and with exec it runs any
// command that can be silent for long. It says what it is doing and for how long, because the first build of the
// control plane takes minutes.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		cancel()
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("build", flag.ContinueOnError)
	root := flags.String("root", ".", "the directory of the kerf module")
	force := flags.Bool("force", false, "build even what is up to date")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	b := &builder{root: *root, force: *force, out: newConsole(os.Stdout, isTerminal(os.Stdout), time.Now)}
	if flags.NArg() >= 3 {
		switch title, rest := flags.Arg(1), flags.Args()[2:]; flags.Arg(0) {
		case "compile":
			return b.warm(ctx, title, rest)
		case "exec":
			return relay(ctx, title, rest)
		}
	}
	if flags.NArg() == 0 {
		for _, a := range artifacts() {
			fmt.Printf("%-16s %s\n", a.name, a.title)
		}
		return nil
	}
	wanted, err := selectArtifacts(artifacts(), flags.Args())
	if err != nil {
		return err
	}
	return b.build(ctx, wanted)
}

// selectArtifacts returns the artifacts with the names, in the order of the names.
func selectArtifacts(all []artifact, names []string) ([]artifact, error) {
	var wanted []artifact
	var known []string
	byName := map[string]artifact{}
	for _, a := range all {
		byName[a.name] = a
		known = append(known, a.name)
	}
	for _, name := range names {
		a, ok := byName[name]
		if !ok {
			return nil, fmt.Errorf("there is no artifact %q; there are %s", name, strings.Join(known, ", "))
		}
		wanted = append(wanted, a)
	}
	return wanted, nil
}

// relay runs a command, with a sign of life on a line of its own whenever it is silent for long.
func relay(ctx context.Context, title string, words []string) error {
	command := exec.CommandContext(ctx, words[0], words[1:]...)
	command.Stdin = os.Stdin
	interruptible(command)
	return newConsole(os.Stdout, false, time.Now).relay(command, title)
}

// interruptGrace is how long a cancelled command may take to end by itself.
const interruptGrace = 15 * time.Second

// interruptible has a cancelled command end together with all that it started, tests and their servers included: they
// form a process group, which is interrupted, and killed if it has not ended after the grace.
func interruptible(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	command.Cancel = func() error {
		group := -command.Process.Pid
		time.AfterFunc(interruptGrace, func() { _ = syscall.Kill(group, syscall.SIGKILL) }) // it may have ended
		return syscall.Kill(group, syscall.SIGINT)
	}
	command.WaitDelay = interruptGrace + time.Second
}
