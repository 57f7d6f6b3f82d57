package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/kerf-autoscaler/kerf/test/conformance/judge"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

// report adds up what came of the worlds.
type report struct {
	clusters, planned, unplaced int
	// drawn and placed map a kind of constraint -> how many pods had it, and how many of them were planned for.
	drawn, placed map[string]int
	// surroundings maps what there is in a world beside the waiting pods -> in how many worlds.
	surroundings map[string]int
	// cases are the worlds with disagreements.
	cases []result
	// small are texts of some of them, made as small as they get.
	small []string
}

func newReport() *report {
	return &report{drawn: map[string]int{}, placed: map[string]int{}, surroundings: map[string]int{}}
}

func (r *report) add(one result) {
	r.clusters++
	if len(one.disagreements) > 0 {
		r.cases = append(r.cases, one)
		if one.disagreements[0].Kind == judge.Crash {
			return
		}
	}
	left := map[string]bool{}
	for _, u := range one.plan.Unplaced {
		left[string(u.Pod.UID)] = true
	}
	r.unplaced += len(left)
	waiting := one.world.Waiting()
	r.planned += len(waiting) - len(left)
	for _, pod := range waiting {
		for _, kind := range one.world.Kinds(pod) {
			r.drawn[kind]++
			if !left[string(pod.UID)] {
				r.placed[kind]++
			}
		}
	}
	for _, what := range one.world.Surroundings() {
		r.surroundings[what]++
	}
}

// explain makes the first case of each class small, the most frequent classes first, until the context ends.
func (r *report) explain(ctx context.Context, most int) error {
	slices.SortFunc(r.cases, func(a, b result) int { return cmp.Compare(a.world.Seed, b.world.Seed) })
	classes := r.classes()
	for _, c := range classes[:min(len(classes), most)] {
		small, err := shrink(c[0], func(w *world.World) (result, error) {
			if ctx.Err() != nil {
				return result{}, context.Cause(ctx)
			}
			return look(context.WithoutCancel(ctx), w)
		})
		if ctx.Err() != nil {
			return nil //nolint:nilerr // half made small, a case is not the reader's
		}
		if err != nil {
			return fmt.Errorf("making seed %d small: %w", c[0].world.Seed, err)
		}
		r.small = append(r.small, describe(small))
	}
	return nil
}

// classes groups the cases by what is wrong first, the largest group first.
func (r *report) classes() [][]result {
	byClass := map[string][]result{}
	for _, c := range r.cases {
		class := class(c)
		byClass[class] = append(byClass[class], c)
	}
	return slices.SortedFunc(maps.Values(byClass), func(a, b []result) int {
		return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(class(a[0]), class(b[0])))
	})
}

func class(r result) string {
	return fmt.Sprintf("%s, %s", r.disagreements[0].Kind, r.disagreements[0].Cause)
}

func (r *report) disagreements() int {
	sum := 0
	for _, c := range r.cases {
		sum += len(c.disagreements)
	}
	return sum
}

func (r *report) summary() string {
	return fmt.Sprintf("%d clusters, %d pods planned, %d unplaced, %d disagreements", r.clusters, r.planned, r.unplaced, r.disagreements())
}

func (r *report) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	row := func(cells ...any) {
		for _, c := range cells {
			_, _ = fmt.Fprintf(w, "%v\t", c)
		}
		_, _ = fmt.Fprintln(w)
	}
	row("constraint", "pods", "planned", "")
	for _, kind := range slices.Sorted(maps.Keys(r.drawn)) {
		row(kind, r.drawn[kind], r.placed[kind], fmt.Sprintf("%d %%", 100*r.placed[kind]/r.drawn[kind]))
	}
	row()
	row("beside the pods", "clusters")
	for _, what := range slices.Sorted(maps.Keys(r.surroundings)) {
		row(what, r.surroundings[what])
	}
	_ = w.Flush() // a terminal that went away ends the run by a signal
	for _, text := range r.small {
		_, _ = fmt.Fprintf(out, "\n%s", text)
	}
	if len(r.cases) > 0 {
		_, _ = fmt.Fprintf(out, "\n%d clusters with disagreements:\n", len(r.cases))
		r.list(out)
	}
	_, _ = fmt.Fprintf(out, "\n%s\n", r.summary())
}

// list prints in how many clusters each class of disagreement comes first, with some of their seeds.
func (r *report) list(out io.Writer) {
	const most = 8
	for _, cases := range r.classes() {
		var seeds []uint64
		for _, c := range cases[:min(len(cases), most)] {
			seeds = append(seeds, c.world.Seed)
		}
		text, _, _ := strings.Cut(cases[0].disagreements[0].String(), "\n")
		_, _ = fmt.Fprintf(out, "%s: %d clusters, seeds %v\n  %s\n", class(cases[0]), len(cases), seeds, text)
	}
}
