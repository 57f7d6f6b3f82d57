package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/kerf-autoscaler/kerf/test/environment"
)

const (
	// goal is what goalPart of kerf's answers are to stay within.
	goal     = 10 * time.Millisecond
	goalPart = 0.99
	// maxShown is how many failures are printed.
	maxShown = 10
)

// Names of metrics: what the API server measures of its webhooks, network included, and what kerf measures of its answers.
const (
	serverDuration  = "apiserver_admission_webhook_admission_duration_seconds"
	serverRejection = "apiserver_admission_webhook_rejection_count"
	kerfDuration    = "karpenter_webhook_admission_duration_seconds"
)

// report is what was found.
type report struct {
	mu sync.Mutex
	// done maps an act -> how often it was done.
	done map[string]int
	// refused counts mistakes that kerf has refused.
	refused int
	// failures are all answers that should have been others.
	failures []string

	took time.Duration
	// certificates and authorities count the different ones that the webhook has served.
	certificates, authorities int
	latencies                 []latency
}

// latency is how long one side of one webhook took.
type latency struct {
	who       string
	histogram histogram
	// judged is set for what kerf measures of itself. What the API server measures has the network in it and what else the
	// machine does, and no bound at the goal: it is for people to look at.
	judged bool
}

// record notes how a request was answered.
func (r *report) record(a act, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done[a.name]++
	switch {
	case a.refused && err == nil:
		r.failures = append(r.failures, a.name+": it was accepted")
	case a.refused && refusedByKerf(err):
		r.refused++
	case err != nil:
		r.failures = append(r.failures, a.name+": "+err.Error())
	}
}

// requests returns how many requests were made.
func (r *report) requests() int {
	sum := 0
	for _, count := range r.done {
		sum += count
	}
	return sum
}

// measure reads what both sides have measured, kerf's at the paths that the API server calls. A call of the webhook that failed
// is a failure even if nobody saw it.
func (r *report) measure(ctx context.Context, world *environment.Environment, paths []string) error {
	server, serverErr := world.APIServerMetrics(ctx)
	kerf, kerfErr := world.Controller().Metrics(ctx)
	if err := errors.Join(serverErr, kerfErr); err != nil {
		return fmt.Errorf("reading metrics: %w", err)
	}
	for _, path := range paths {
		h := histogramOf(kerf, kerfDuration, map[string]string{"webhook": path})
		r.latencies = append(r.latencies, latency{who: "kerf, " + path, histogram: h, judged: true})
	}
	for _, kind := range []struct{ labels, who string }{{"admit", "API server, mutating"}, {"validating", "API server, validating"}} {
		h := histogramOf(server, serverDuration, map[string]string{"type": kind.labels})
		r.latencies = append(r.latencies, latency{who: kind.who, histogram: h})
	}
	for _, name := range slices.Sorted(maps.Keys(server)) {
		pairs, ok := strings.CutPrefix(name, serverRejection+"{")
		if ok && label(pairs, "error_type") != "no_error" {
			r.failures = append(r.failures, fmt.Sprintf("%s is %g", name, server[name]))
		}
	}
	return nil
}

// slow returns who is not known to have met the goal.
func (r *report) slow() []string {
	var out []string
	for _, l := range r.latencies {
		if l.judged && l.histogram.within(goal) < goalPart {
			out = append(out, l.who)
		}
	}
	return out
}

func (r *report) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(cells ...any) {
		for _, c := range cells {
			_, _ = fmt.Fprintf(w, "%v\t", c)
		}
		_, _ = fmt.Fprintln(w)
	}
	for _, name := range slices.Sorted(maps.Keys(r.done)) {
		row(name, r.done[name])
	}
	_ = w.Flush() // a terminal that went away ends the load by a signal
	_, _ = fmt.Fprintln(out)
	row("webhook calls as measured by", "calls", "p50", "p99", "within "+goal.String())
	for _, l := range r.latencies {
		within := "" // where no bound is at the goal, the part would be lower than it is
		if l.judged {
			within = fmt.Sprintf("%.2f %%", 100*l.histogram.within(goal))
		}
		row(l.who, l.histogram.total(), l.histogram.quantile(0.5), l.histogram.quantile(0.99), within)
	}
	_ = w.Flush()
	_, _ = fmt.Fprintln(out)
	for _, f := range r.failures[:min(len(r.failures), maxShown)] {
		_, _ = fmt.Fprintln(out, "FAILED", f)
	}
	_, _ = fmt.Fprintf(out, "%d requests in %.0f s under %d certificates of %d authorities: %d failed, %d mistakes refused\n",
		r.requests(), r.took.Seconds(), r.certificates, r.authorities, len(r.failures), r.refused)
}

// printVerdict says whether the goal is met.
func (r *report) printVerdict(out io.Writer) {
	verdict := "PASS"
	if !r.good() {
		verdict = "FAIL"
	}
	_, _ = fmt.Fprintf(out, "%s: no failures, and kerf answers %g %% of each webhook's calls within %s\n", verdict, 100*goalPart, goal)
	for _, who := range r.slow() {
		_, _ = fmt.Fprintf(out, "too slow, or not called: %s\n", who)
	}
}

// good says whether all is as it should be.
func (r *report) good() bool { return len(r.failures) == 0 && len(r.slow()) == 0 }
