// Command kerf answers questions about kerf from a terminal. Put onto the PATH as kubectl-kerf it is a plugin of kubectl.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/kerf-autoscaler/kerf/cmd/kerf/plan"
)

// Exit codes, which scripts rely on.
const (
	exitUnplaced    = 1
	exitBadInput    = 2
	exitInterrupted = 130 // as of a program that a shell's Ctrl-C ended
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // whoever does not want to wait for the end interrupts again
	code := run(ctx, os.Args, os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run carries out a command line and returns the exit code.
func run(ctx context.Context, arguments []string, stdin io.Reader, stdout, stderr io.Writer) int {
	root := command(arguments[0])
	root.SetArgs(arguments[1:])
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, plan.ErrUnplaced):
		return exitUnplaced
	case errors.Is(err, context.Canceled):
		_, _ = fmt.Fprintln(stderr, "interrupted: there is no answer")
		return exitInterrupted
	}
	_, _ = fmt.Fprintln(stderr, err) // there is nobody else to tell
	return exitBadInput
}

func command(name string) *cobra.Command {
	use := "kerf"
	if strings.HasPrefix(filepath.Base(name), "kubectl-") {
		use = "kubectl kerf"
	}
	root := &cobra.Command{
		Use:           "kerf",
		Short:         "Ask kerf what it would do",
		SilenceUsage:  true,
		SilenceErrors: true,
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: use},
	}
	root.AddCommand(plan.NewCommand())
	return root
}
