package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// pass is the benchmark of decisions on whole clusters.
const pass = "Pass"

// row is one benchmark, the fastest of its runs.
type row struct {
	// benchmark is the function, e.g. Solve; name the first part below it, e.g. karpenter-mix.
	benchmark, name string
	// sizes are the parts of the name of the form key=value.
	sizes map[string]string
	// metrics maps a unit -> the measured value.
	metrics map[string]float64
}

// parse reads what "go test -bench" prints, and keeps the benchmarks that count pods.
func parse(from io.Reader) ([]row, error) {
	var rows []row
	index := map[string]int{}
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		r, err := parseRow(fields)
		if err != nil {
			return nil, fmt.Errorf("reading %q: %w", lines.Text(), err)
		}
		if r.metrics["ns/pod"] == 0 {
			continue
		}
		i, known := index[fields[0]]
		switch {
		case !known:
			index[fields[0]], rows = len(rows), append(rows, r)
		case r.metrics["ns/op"] < rows[i].metrics["ns/op"]:
			rows[i] = r
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading lines: %w", err)
	}
	if len(rows) == 0 {
		return nil, errors.New("no benchmark counts pods")
	}
	return rows, nil
}

// parseRow reads the name, the number of runs, which does not matter, and then values with their units.
func parseRow(fields []string) (row, error) {
	r := row{sizes: map[string]string{}, metrics: map[string]float64{}}
	path := strings.Split(strings.TrimPrefix(fields[0], "Benchmark"), "/")
	last := len(path) - 1
	if i := strings.LastIndexByte(path[last], '-'); i >= 0 { // the number of cores
		path[last] = path[last][:i]
	}
	r.benchmark = path[0]
	for _, part := range path[1:] {
		if key, value, ok := strings.Cut(part, "="); ok {
			r.sizes[key] = value
		} else {
			r.name = part
		}
	}
	for i := 2; i+1 < len(fields); i += 2 {
		value, err := strconv.ParseFloat(fields[i], 64)
		if err != nil {
			return row{}, fmt.Errorf("parsing a value: %w", err)
		}
		r.metrics[fields[i+1]] = value
	}
	return r, nil
}

// tabulate writes a table of the worlds, one of what each grows with, and one of what is decided on whole clusters.
func tabulate(to io.Writer, rows []row) error {
	var out strings.Builder
	heading := ""
	for _, r := range rows {
		title, columns := "world", "pods\ttypes\tnodes\ttime\tper pod\tallocated\tallocs/pod\tmachines\t$/h\tx bound\t"
		if of := r.sizes["of"]; of != "" {
			title = "growth with " + of
		}
		if r.benchmark == pass {
			title, columns = "what costs less elsewhere", "pods\tnodes\ttime\tper pod\tallocated\tallocs/pod\tmachines that go\t$/h saved\t"
		}
		if title != heading {
			fmt.Fprintf(&out, "\n%s\t%s\n", title, columns)
			heading = title
		}
		out.WriteString(r.line())
	}
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	if _, err := io.WriteString(w, out.String()); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	if err := w.Flush(); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}

// line is the row in its table.
func (r *row) line() string {
	perPod := r.metrics["allocs/op"] * r.metrics["ns/pod"] / r.metrics["ns/op"]
	took := fmt.Sprintf("%s\t%s\t%.1f MB\t%.1f", duration(r.metrics["ns/op"]), duration(r.metrics["ns/pod"]), r.metrics["B/op"]/1e6, perPod)
	if r.benchmark == pass {
		return fmt.Sprintf("%s\t%s\t%s\t%s\t%.0f\t%.2f\t\n", r.name, r.sizes["pods"], r.sizes["nodes"], took, r.metrics["machines"], r.metrics["$/h-saved"])
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s\t%s\t%.0f\t%.2f\t%.3f\t\n",
		r.name, r.sizes["pods"], r.sizes["types"], r.sizes["nodes"], took, r.metrics["machines"], r.metrics["$/h"], r.metrics["x-bound"])
}

// duration prints nanoseconds with three digits.
func duration(ns float64) string {
	d := time.Duration(ns)
	unit := time.Nanosecond
	for d >= 1000*unit {
		unit *= 10
	}
	return d.Round(unit).String()
}
