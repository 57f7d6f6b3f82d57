// Package plan is the command that plans machines for the pods of manifests, without a cluster and without AWS.
package plan

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/offline"
	"github.com/kerf-autoscaler/kerf/pkg/manifests"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// ErrUnplaced says that there is an answer, and that in it a pod has no place.
var ErrUnplaced = errors.New("a pod is unplaced")

// flags are the command line's values.
type flags struct {
	files           []string
	region, catalog string
	zones           []string
	version         string
	memoryOverhead  float64
	reservedENIs    int
	prefixes        bool
	output, explain string
	timeout         time.Duration
	expendable      int32
	minValues       string
	settings        solver.Settings
}

// Forms of the answer.
const (
	outputTable = "table"
	outputWide  = "wide"
	outputJSON  = "json"
	outputYAML  = "yaml"
)

// NewCommand returns the command.
func NewCommand() *cobra.Command {
	var f flags
	c := &cobra.Command{
		Use:     "plan -f FILE...",
		Short:   "Plan machines for the pods of manifests, without a cluster",
		Long:    long,
		Example: example,
		RunE: func(c *cobra.Command, arguments []string) error {
			f.files = append(f.files, arguments...)
			return f.run(c.Context(), streams{c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()})
		},
	}
	set := c.Flags()
	set.SortFlags = false
	set.StringSliceVarP(&f.files, "filename", "f", nil, "file or directory with manifests, or - for standard input; may be given often, and as arguments")
	set.StringVar(&f.region, "region", catalog.PriceRegion, "region to buy in; of one that is not known, the error lists those that are")
	set.StringSliceVar(&f.zones, "zones", nil, "zones to buy in (default all of the region)")
	set.StringVar(&f.catalog, "catalog", "", "CSV or JSON file with the instance types to choose from, in place of those that are built in")
	set.StringVarP(&f.output, "output", "o", outputTable, "table, wide, json or yaml")
	set.StringVar(&f.explain, "explain", "", "pod or controller, as name, namespace/name or kind/name, to tell more of")
	set.Float64Var(&f.settings.NodeFee, "node-fee", 0, "what a node costs on top of its price, US dollars per hour")
	set.Float64Var(&f.settings.MostDearer, "most-dearer", 0, "how many times its cheapest instance type a machine may cost when that is sold out (default 1.5)")
	set.IntVar(&f.settings.Steps, "steps", 0, "bound on the work that goes into making the plan cheaper (default is the controller's)")
	set.BoolVar(&f.settings.IgnorePreferences, "ignore-preferences", false, "leave preferred affinity, ScheduleAnyway and PreferNoSchedule out of account")
	set.StringVar(&f.minValues, "min-values-policy", string(v1alpha5.MinValuesStrict), "Strict buys no machine for which there is less to choose from than minValues of its Provisioner ask for; BestEffort does")
	set.Int32Var(&f.expendable, "expendable-pods-priority-cutoff", problem.DefaultExpendableBelow, "pods of a lower priority cause no machine")
	set.StringVar(&f.version, "kubernetes-version", "1.34", "minor version that nodes run; it decides which images there are")
	set.Float64Var(&f.memoryOverhead, "vm-memory-overhead-percent", 0.075, "part of an instance's memory that its kernel keeps, as a fraction")
	set.IntVar(&f.reservedENIs, "reserved-enis", 0, "network interfaces of each instance that the VPC CNI gives no pod an address of, as with custom networking")
	set.BoolVar(&f.prefixes, "prefix-delegation", false, "the VPC CNI hands out prefixes of 16 addresses (ENABLE_PREFIX_DELEGATION)")
	set.DurationVar(&f.timeout, "timeout", time.Minute, "give the best plan found by then; 0 is no bound")
	return c
}

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

// say writes a line for people; nothing depends on it being read.
func (s streams) say(format string, arguments ...any) {
	_, _ = fmt.Fprintf(s.err, format+"\n", arguments...)
}

func (f *flags) run(ctx context.Context, s streams) error {
	if err := f.check(); err != nil {
		return err
	}
	progress := newProgress(s.err)
	defer progress.done()
	progress.stage("reading manifests")
	objects, err := f.read(s)
	if err != nil {
		return err
	}
	facts, err := f.facts(s)
	if err != nil {
		return err
	}
	market, err := offline.NewMarket(facts, offline.Settings{
		Region: f.region, Zones: f.zones, Version: f.version, MemoryOverhead: f.memoryOverhead,
		ReservedENIs: f.reservedENIs, PrefixDelegation: f.prefixes,
	}, objects.Templates)
	if err != nil {
		return err
	}
	progress.stage("making the pods of controllers")
	w, err := newWorld(ctx, objects, market)
	if err != nil {
		return err
	}
	w.notePrices(facts, f.region)
	answer, err := f.plan(ctx, w, progress)
	if err != nil {
		return err
	}
	progress.done()
	return f.tell(s, answer, w.notes)
}

// plan solves and explains. What an interruption leaves is no answer; what is there when the time is over is one.
func (f *flags) plan(interruptible context.Context, w *world, progress *progress) (Answer, error) {
	ctx := interruptible
	if f.timeout > 0 {
		bounded, cancel := context.WithTimeout(ctx, f.timeout)
		defer cancel()
		ctx = bounded
	}
	progress.stage("gathering what there is to decide on")
	inquiry := inquiry{world: w, facts: w.facts(f.expendable, f.settings)}
	inquiry.problem = problem.Build(inquiry.facts)
	inquiry.leftAlone = w.leftAlone(inquiry.problem.Pods, f.expendable)
	progress.stage("planning for %s", count(len(inquiry.problem.Pods), "pod", "pods"))
	plan := solver.Solve(ctx, inquiry.problem)
	inquiry.placeRest(ctx, &plan)
	w.noteDaemons(&plan, inquiry.problem.DaemonSets)
	answer := newAnswer(&plan, w.offers, f.settings.NodeFee)
	if f.explain != "" && interruptible.Err() == nil {
		progress.stage("explaining %s", f.explain)
		var err error
		if answer.Explanations, err = inquiry.explain(ctx, &plan, f.explain); err != nil {
			return Answer{}, err
		}
	}
	return answer, interruptible.Err()
}

func (f *flags) check() error {
	var errs []error
	if len(f.files) == 0 {
		errs = append(errs, errors.New("no file is given: kerf plan -f FILE..., or - for standard input; see kerf plan --help"))
	}
	if f.catalog == manifests.Stdin && slices.Contains(f.files, manifests.Stdin) {
		errs = append(errs, errors.New("--catalog: standard input is read for -f already; one of them has to be a file"))
	}
	if forms := []string{outputTable, outputWide, outputJSON, outputYAML}; !slices.Contains(forms, f.output) {
		errs = append(errs, fmt.Errorf("--output: %q is none of %s", f.output, strings.Join(forms, ", ")))
	}
	policies := []string{string(v1alpha5.MinValuesStrict), string(v1alpha5.MinValuesBestEffort)}
	if !slices.Contains(policies, f.minValues) {
		errs = append(errs, fmt.Errorf("--min-values-policy: %q is neither %s", f.minValues, strings.Join(policies, " nor ")))
	}
	f.settings.MinValuesBestEffort = f.minValues == policies[1]
	for _, n := range []struct {
		name  string
		value float64
		valid bool
		want  string
	}{
		{"--node-fee", f.settings.NodeFee, f.settings.NodeFee >= 0 && !math.IsInf(f.settings.NodeFee, 1), "0 or more, and finite"},
		{"--most-dearer", f.settings.MostDearer, f.settings.MostDearer == 0 || f.settings.MostDearer >= 1, "1 or more"},
		{"--steps", float64(f.settings.Steps), f.settings.Steps >= 0, "0 or more"},
		{"--vm-memory-overhead-percent", f.memoryOverhead, f.memoryOverhead >= 0 && f.memoryOverhead < 1, "a fraction from 0 to below 1"},
		{"--reserved-enis", float64(f.reservedENIs), f.reservedENIs >= 0, "0 or more"},
		{"--timeout", f.timeout.Seconds(), f.timeout >= 0, "0 or more"},
	} {
		if !n.valid {
			errs = append(errs, fmt.Errorf("%s: %g is not %s", n.name, n.value, n.want))
		}
	}
	return errors.Join(errs...)
}

// read reads the manifests, and tells of what is doubtful about them.
func (f *flags) read(s streams) (manifests.Objects, error) {
	sources, err := manifests.Open(f.files, s.in)
	if err != nil {
		return manifests.Objects{}, err
	}
	objects, mistakes := manifests.Read(sources)
	for _, warning := range objects.Warnings {
		s.say("%s:%d: warning: %s", warning.File, warning.Line, warning.Text)
	}
	for _, kind := range slices.Sorted(maps.Keys(objects.Ignored)) {
		s.say("ignored: %s of %s, which is no kind that decides on machines", count(objects.Ignored[kind], "object", "objects"), kind)
	}
	return objects, listed(mistakes)
}

// listed makes one error of mistakes, a line each.
func listed(mistakes []manifests.Mistake) error {
	errs := make([]error, 0, len(mistakes))
	for _, m := range mistakes {
		errs = append(errs, errors.New(m.String()))
	}
	return errors.Join(errs...)
}

// facts returns the catalogue to choose from.
func (f *flags) facts(s streams) (*catalog.Catalog, error) {
	facts, err := catalog.Load()
	if err != nil {
		return nil, fmt.Errorf("loading the built-in catalogue: %w", err)
	}
	if f.catalog == "" {
		return facts, nil
	}
	var content []byte
	if f.catalog == manifests.Stdin {
		content, err = io.ReadAll(s.in)
	} else {
		content, err = os.ReadFile(f.catalog)
	}
	if err != nil {
		return nil, fmt.Errorf("--catalog: %w", err)
	}
	own, found := facts.Read(content, f.region)
	mistakes := make([]manifests.Mistake, 0, len(found))
	for _, m := range found {
		mistakes = append(mistakes, manifests.Mistake{File: f.catalog, Line: m.Line, Text: m.Text})
	}
	return own, listed(mistakes)
}

// tell writes the answer: notes to people, the rest to whoever reads it.
func (f *flags) tell(s streams, answer Answer, notes []string) error {
	for _, note := range notes {
		s.say("note: %s", note)
	}
	answer.Notes = append(answer.Notes, notes...)
	if err := f.write(s.out, &answer); err != nil {
		return fmt.Errorf("writing the answer: %w", err)
	}
	if len(answer.Unplaced) > 0 {
		return ErrUnplaced
	}
	return nil
}

func (f *flags) write(w io.Writer, answer *Answer) error {
	switch f.output {
	case outputJSON:
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		encoder.SetEscapeHTML(false)
		return encoder.Encode(answer)
	case outputYAML:
		content, err := yaml.Marshal(answer)
		if err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	}
	if len(answer.Explanations) > 0 {
		return writeExplanations(w, answer.Explanations)
	}
	return answer.writeText(w, f.output == outputWide)
}
