// Command chaos runs kerf in thousands of worlds in which everything goes wrong, and says which promises it broke.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
)

// settings are what to run.
type settings struct {
	seeds    int
	seed     uint64
	races    int
	race     uint64
	point    int
	phase    string
	choice   string
	machines int
	every    int
	alike    bool
	live     int
	mutants  bool
	mutant   string
	workers  int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "chaos: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var s settings
	flag.IntVar(&s.seeds, "seeds", 5000, "how many seeds to run")
	flag.Uint64Var(&s.seed, "seed", 0, "replay this seed and print its history")
	flag.IntVar(&s.races, "races", 250, "how many seeds to run of worlds in which pods race with emptiness")
	flag.Uint64Var(&s.race, "race", 0, "replay this seed of the race and print its history")
	flag.IntVar(&s.point, "point", 0, "replay the crash at this call of the launch and print its history")
	flag.StringVar(&s.phase, "phase", "before", "where at the call of -point the process ends: before, applied-without-answer, after")
	flag.StringVar(&s.choice, "choice", "", "say that -point is a call after machines have to go by choice: drift, expire, consolidate, empty")
	flag.IntVar(&s.machines, "machines", 20, "how many machines are launched at once where every crash point is tried")
	flag.IntVar(&s.every, "every", 1, "try each crash point, or every second, third, ...; 0 tries none")
	flag.BoolVar(&s.alike, "alike", false, "try crash points as well that leave the same world behind as one that is tried")
	flag.IntVar(&s.live, "live", 50, "how many worlds to run on real API servers, beside all else")
	flag.BoolVar(&s.mutants, "mutants", true, "look whether bugs that are put in on purpose are found")
	flag.StringVar(&s.mutant, "mutant", "", "hunt this one alone")
	flag.IntVar(&s.workers, "workers", runtime.NumCPU(), "how many processes run worlds at a time")
	flag.Parse()
	directory, err := os.MkdirTemp("", "kerf-chaos-")
	if err != nil {
		return fmt.Errorf("making a directory: %w", err)
	}
	defer os.RemoveAll(directory) //nolint:errcheck // what is left there harms nobody
	root, err := filepath.Abs(".")
	if err != nil {
		return fmt.Errorf("looking for the repository: %w", err)
	}
	c := &campaign{settings: s, root: root, directory: directory, out: os.Stdout, tally: newTally()}
	if s.seed != 0 || s.point != 0 || s.race != 0 {
		return c.replay(ctx)
	}
	return errors.Join(c.run(ctx), c.tally.verdict(os.Stdout))
}
