// Command live runs kerf against a real API server in worlds in which something goes wrong, and says which promises it broke.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/test/chaos/live"
)

// settings are what to run.
type settings struct {
	worlds, lanes int
	seed          uint64
	history       bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var s settings
	flag.IntVar(&s.worlds, "worlds", 50, "how many worlds to run in which all that is planned goes wrong")
	flag.Uint64Var(&s.seed, "seed", 1, "the seed of the first of them; the others follow")
	flag.IntVar(&s.lanes, "lanes", 2, "how many worlds to run at a time, each with an API server of its own")
	flag.BoolVar(&s.history, "history", false, "print the history of every world that breaks a promise, and of the only one")
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	if err := s.run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "live: %v\n", err)
		os.Exit(1)
	}
}

// run runs worlds in lanes, one after the other in each.
func (s settings) run(ctx context.Context) error {
	t := newTally(s.worlds)
	var next atomic.Uint64
	next.Store(s.seed)
	errs := make([]error, min(s.lanes, s.worlds))
	var lanes sync.WaitGroup
	for i := range errs {
		lanes.Go(func() { errs[i] = s.lane(ctx, t, &next) })
	}
	lanes.Wait()
	return errors.Join(errors.Join(errs...), t.verdict(os.Stdout))
}

// lane runs worlds until there are enough. Of those in which not everything struck there may be as many again.
func (s settings) lane(ctx context.Context, t *tally, next *atomic.Uint64) error {
	site, err := live.NewSite(ctx)
	if err != nil {
		return err
	}
	for t.wants() && ctx.Err() == nil {
		seed := next.Add(1) - 1
		if seed >= s.seed+2*uint64(s.worlds) { //nolint:gosec // it is not negative
			break
		}
		result := live.Run(ctx, site, live.Draw(seed))
		t.take(os.Stdout, seed, result)
		if s.history && (s.worlds == 1 || len(result.Violations) > 0) {
			if err := result.History.Print(os.Stdout); err != nil {
				return errors.Join(err, site.Close())
			}
		}
	}
	return site.Close()
}
