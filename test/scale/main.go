// Command scale launches, registers and terminates many machines against a real control plane and simulated AWS, and prints
// how long that took, what it asked of AWS, and what the controller used for it.
//
// Call it as "go run ./test/scale", with --help to learn about its flags.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// errFailed says that the run came to its end but missed a target; it has been printed already.
var errFailed = errors.New("a target was missed")

// settings are what the flags say.
type settings struct {
	// root is the directory of kerf's module.
	root string
	// directory keeps logs and data of the world; a temporary one when empty.
	directory string
	// machines to launch.
	machines int
	// patience bounds each phase.
	patience time.Duration
	// out is told how far it is, now and then, and what was found.
	out io.Writer
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	cancel()
	switch {
	case err == nil || errors.Is(err, pflag.ErrHelp):
	case errors.Is(err, errFailed):
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "scale:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, arguments []string) error {
	s := settings{root: ".", out: os.Stdout}
	flags := pflag.NewFlagSet("scale", pflag.ContinueOnError)
	flags.StringVar(&s.directory, "directory", "", "directory that keeps logs and data of the world; a temporary one when empty")
	flags.IntVar(&s.machines, "machines", 1000, "machines to launch and to terminate")
	flags.DurationVar(&s.patience, "patience", 15*time.Minute, "the longest that a phase may take")
	flags.Usage = func() {
		fmt.Fprintf(os.Stderr, `scale starts a real Kubernetes control plane, simulated AWS and kerf, asks for as many pods as machines are wanted, no two
of which may share a node, waits until all run, takes them away, and waits until nothing is left. It prints a table of the
phases: how long, the calls to AWS by action, and the CPU time and memory of the controller. Control plane, kubelets and kerf
share this computer: times are those of all together.

It exits with 0 if there was one instance for each machine at every look, nothing was left in the end, CreateFleet was
called at most %d times, and the controller's memory stayed within %d MB.

%s`, fleetBudget, memoryBudget/1_000_000, flags.FlagUsages())
	}
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; --help explains", flags.Arg(0))
	}
	if s.machines < 1 || s.patience <= 0 {
		return errors.New("--machines and --patience have to be positive")
	}
	r, err := play(ctx, s)
	if r != nil {
		r.print(s.out)
	}
	if err != nil {
		return err
	}
	if !r.verdict(s.out) {
		return errFailed
	}
	return nil
}
