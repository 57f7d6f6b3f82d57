// Command peer gives the same pods and the same instance types to kerf and to Karpenter, in one process, and holds both plans to a
// lower bound that neither of them has computed: how long it took, what it allocated and what the machines cost.
//
// Call it as "make peer-bench", or with --help to learn about its flags.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"regexp"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/pflag"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// errFailed says that the comparison has run, and that kerf did not hold its own or a plan is none; why has been printed already.
var errFailed = errors.New("kerf did worse than the other side, or a plan cannot be carried out")

// settings are what the flags say.
type settings struct {
	// trace is the path of a list of pods; what is made of it is left out when empty.
	trace string
	// workloads selects by name.
	workloads *regexp.Regexp
	// repeat is how many times each side may solve a workload; the fastest counts.
	repeat int
	// patience is how long a side is asked again.
	patience time.Duration
	// output is where the rows go as JSON; nowhere when empty.
	output string
	// progress is told what is going on, now and then.
	progress io.Writer
}

func main() {
	ctrllog.SetLogger(logr.Discard()) // what Karpenter logs is about clusters that are not there
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	cancel()
	switch {
	case err == nil || errors.Is(err, pflag.ErrHelp):
	case errors.Is(err, errFailed):
		os.Exit(1)
	default:
		fmt.Fprintln(os.Stderr, "peer:", err)
		os.Exit(2)
	}
}

func run(ctx context.Context, arguments []string, out io.Writer) error {
	s, list, err := parse(arguments, out)
	if err != nil {
		return err
	}
	menu := recipes(s.trace)
	if list {
		for _, r := range menu {
			fmt.Fprintf(out, "%-26s %s\n", r.name, r.about)
		}
		return nil
	}
	contests, err := compete(ctx, s, menu)
	rows := rowsOf(contests)
	if len(rows) > 0 {
		printTable(out, rows)
	}
	if err != nil { // the file is for whole runs; what there is of this one has been printed
		return err
	}
	if len(contests) == 0 {
		return fmt.Errorf("no workload that %q names can be made; --list names them", s.workloads)
	}
	if s.output != "" {
		if err := writeRows(s.output, rows); err != nil {
			return fmt.Errorf("writing the rows: %w", err)
		}
		fmt.Fprintf(out, "\n%d rows are in %s\n", len(rows), s.output)
	}
	return judge(out, contests)
}

// parse reads the flags; list says that only the names of the workloads are wanted.
func parse(arguments []string, out io.Writer) (s settings, list bool, err error) {
	var pattern string
	s.progress = os.Stderr
	flags := pflag.NewFlagSet("peer", pflag.ContinueOnError)
	flags.SetOutput(out)
	flags.StringVar(&s.trace, "trace", "", "CSV file with the pods of the openb trace (columns name, cpu_milli, memory_mib, num_gpu)")
	flags.StringVar(&pattern, "workloads", ".", "regular expression for the names of the workloads to run")
	flags.IntVar(&s.repeat, "repeat", 3, "how many times each side solves each workload at most; the fastest counts")
	flags.DurationVar(&s.patience, "patience", 10*time.Second, "a side that has had so much time with a workload is not asked again")
	flags.StringVar(&s.output, "output", "", "file that the rows are written to as JSON")
	flags.BoolVar(&list, "list", false, "print the names of the workloads and what they are, and end")
	flags.Usage = func() { fmt.Fprintf(out, usage, flags.FlagUsages()) }
	if err := flags.Parse(arguments); err != nil {
		return s, false, err
	}
	if flags.NArg() > 0 {
		return s, false, fmt.Errorf("unexpected argument %q; --help explains", flags.Arg(0))
	}
	if s.repeat < 1 || s.patience < 0 {
		return s, false, errors.New("--repeat has to be positive, and --patience not negative")
	}
	if s.workloads, err = regexp.Compile(pattern); err != nil {
		return s, false, fmt.Errorf("reading --workloads: %w", err)
	}
	return s, list, nil
}

const usage = `peer gives the same pods and the same instance types to the solver of kerf and to the scheduler of Karpenter v1.14.1,
in this process, and prints a table of what came out:

  pods, types   how many pods there are to place, and how many instance types to buy for them
  seconds       the fastest of the runs. Inputs are converted before. kerf's includes all that Solve does; Karpenter's leaves
                its preparations out (topology, daemon overhead, filtering of types), as its own benchmark does
  $/h           each node at its cheapest offering that is left under its requirements, over the instance types left for it, each
                of which has to hold its pods
  bound         what no plan can cost less than: the linear program that buys the sums of cpu, memory, pods and devices in
                fractions of machines, solved apart from both
  MB            allocated by one run, in 10^6 bytes

Both plans are held against what Kubernetes would make of them: every pod is placed once or refused; instance types and offerings
are there to be bought within the limits; room beside DaemonSets, node selectors and affinity, taints, host ports, affinity and
anti-affinity between pods, topology spread. A plan that breaks a rule has no price: it is printed what is wrong with which pod,
and the workload gets no row. Karpenter, whose plans differ from run to run, is asked again first, up to twenty times in all.

It exits with 1 if a plan of either side breaks a rule, or kerf places fewer pods than Karpenter, costs more, counts its costs wrong
or claims a lower bound that is none; and says which. It exits with 2 if the comparison could not be made.

  make peer-bench                                     all workloads that need no file
  make peer-bench TRACE=openb_pod_list_default.csv    and those of the trace of a cluster with GPUs
  make peer-bench WORKLOADS='^mix-500$' REPEAT=5      one of them, each side five times at most

It says what it does as it goes, a side that takes long every ten seconds. All workloads take about a quarter of an hour on two
cores, with the trace twice that: nearly all of it is Karpenter's time with the largest.

Flags:
%s`
