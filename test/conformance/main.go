// Command conformance makes up clusters, lets kerf plan for them and holds the plans against the filters of the real
// kube-scheduler. It prints what they disagree about, each case made as small as it gets, and exits with 1 if there is any. When
// it is interrupted it prints what it has until then, and exits with 130.
//
// Call it as "make conformance", with ARGS=--help to learn about its flags.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/spf13/pflag"
)

// errDisagree says that the run has ended and kerf and the scheduler disagree; it has been printed already.
var errDisagree = errors.New("kerf and the scheduler disagree")

// errInterrupted says that the run was ended before all clusters were looked at; what there was has been printed.
var errInterrupted = errors.New("interrupted")

// interrupted is what shells exit with when they are.
const interrupted = 130

// settings are what the flags say.
type settings struct {
	// clusters is how many are made up, each with that many pods, from seed on.
	clusters, pods int
	seed           uint64
	// workers is how many clusters are looked at side by side.
	workers int
	// shown is of how many classes of disagreements a case is made small and printed.
	shown int
	// verbose prints each world with its plan.
	verbose bool
	// interval is the time between lines of progress.
	interval time.Duration
	out      io.Writer
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, cancel) // who interrupts again does not wait for the report
	err := run(ctx, os.Args[1:], os.Stdout)
	switch {
	case err == nil || errors.Is(err, pflag.ErrHelp):
	case errors.Is(err, errDisagree):
		os.Exit(1)
	case errors.Is(err, errInterrupted):
		os.Exit(interrupted)
	default:
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, arguments []string, out io.Writer) error {
	s := settings{out: out}
	long := false
	flags := pflag.NewFlagSet("conformance", pflag.ContinueOnError)
	flags.IntVar(&s.clusters, "clusters", 2_000, "clusters to make up")
	flags.IntVar(&s.pods, "pods", 50, "pods that wait in each")
	flags.Uint64Var(&s.seed, "seed", 1, "seed of the first cluster; the others follow")
	flags.IntVar(&s.workers, "workers", runtime.GOMAXPROCS(0), "clusters to look at side by side")
	flags.IntVar(&s.shown, "show", 5, "classes of disagreements of which to make a case small and print it")
	flags.BoolVar(&long, "long", false, "make up 50,000 clusters")
	flags.BoolVar(&s.verbose, "print", false, "print each cluster and its plan")
	flags.DurationVar(&s.interval, "interval", 10*time.Second, "time between lines of progress")
	flags.Usage = func() {
		fmt.Fprintf(os.Stderr, `conformance makes up clusters, lets kerf plan for the pods that wait there, and asks the filters of the real kube-scheduler:
do they let every pod go where the plan has it, whatever the planned machines turn out to be, and does no node that could
be bought take a pod that the plan leaves? It exits with 0 if so, with 1 if not, and with 130 if it is interrupted, after it has
reported on what it has looked at.

%s`, flags.FlagUsages())
	}
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q; --help explains", flags.Arg(0))
	}
	if s.clusters < 1 || s.pods < 1 || s.workers < 1 {
		return errors.New("--clusters, --pods and --workers have to be positive")
	}
	if long {
		s.clusters = 50_000
	}
	report, err := play(ctx, s)
	if err != nil {
		return err
	}
	report.print(out)
	if ctx.Err() != nil {
		_, _ = fmt.Fprintf(out, "interrupted after %d of %d clusters\n", report.clusters, s.clusters)
		return errInterrupted
	}
	if len(report.cases) > 0 {
		return errDisagree
	}
	return nil
}
