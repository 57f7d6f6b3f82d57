package plan

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// table is text in columns: numbers to the right, all else to the left.
type table struct {
	header []string
	rows   [][]string
	// right says which columns are numbers.
	right []bool
	// below maps the index of a row -> lines that belong under it.
	below map[int][]string
}

func newTable(header ...string) *table {
	t := &table{right: make([]bool, len(header)), below: map[int][]string{}}
	for i, name := range header {
		plain := strings.TrimPrefix(name, ">")
		t.right[i] = plain != name
		t.header = append(t.header, plain)
	}
	return t
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// under puts a line below the row that was added last.
func (t *table) under(line string) { t.below[len(t.rows)-1] = append(t.below[len(t.rows)-1], line) }

func (t *table) write(w io.Writer) error {
	widths := make([]int, len(t.header))
	for _, row := range append([][]string{t.header}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	t.line(&out, t.header, widths)
	for i, row := range t.rows {
		t.line(&out, row, widths)
		for _, line := range t.below[i] {
			out.WriteString("    " + line + "\n")
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (t *table) line(out *strings.Builder, cells []string, widths []int) {
	var line strings.Builder
	for i, cell := range cells {
		pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
		if t.right[i] {
			line.WriteString(pad + cell + "  ")
		} else {
			line.WriteString(cell + pad + "  ")
		}
	}
	out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
}

// writeText writes the answer for people; wide adds what machines may become and what runs on them.
func (a *Answer) writeText(w io.Writer, wide bool) error {
	sections := []func(io.Writer) error{
		func(w io.Writer) error { return a.writeMachines(w, wide) }, a.writeShares, a.writeTotals, a.writePlacements, a.writeUnplaced,
	}
	for _, section := range sections {
		if err := section(w); err != nil {
			return err
		}
	}
	return nil
}

// alike is machines that do not differ.
type alike struct {
	*Machine
	count int
}

// collapsed counts machines that do not differ, in the order of the first of each.
func (a *Answer) collapsed() []alike {
	var out []alike
	index := map[string]int{}
	for i := range a.Machines {
		m := &a.Machines[i]
		key := fmt.Sprint(m.Provisioner, m.InstanceTypes, m.Zones, m.Zone, m.CapacityType, m.PricePerHour, m.workloads, m.CPUFilled, m.MemoryFilled)
		if at, ok := index[key]; ok {
			out[at].count++
			continue
		}
		index[key] = len(out)
		out = append(out, alike{m, 1})
	}
	return out
}

func (a *Answer) writeMachines(w io.Writer, wide bool) error {
	if len(a.Machines) == 0 {
		return nil
	}
	t := newTable(">MACHINES", "TYPE", "ZONE", "CAPACITY", ">$/H EACH", ">$/H", ">PODS", ">CPU", ">MEMORY", "PROVISIONER")
	for _, m := range a.collapsed() {
		t.add(thousands(m.count), m.InstanceType, m.Zone, m.CapacityType, price(m.CostPerHour), price(m.CostPerHour*float64(m.count)),
			thousands(len(m.Pods)), percent(m.CPUFilled), percent(m.MemoryFilled), m.Provisioner)
		if m.MinValuesRelaxed {
			t.under("there is less to choose from than minValues ask for")
		}
		if wide {
			t.under("pods:  " + strings.Join(written(m.workloads), ", "))
			t.under("types: " + strings.Join(m.InstanceTypes, ", "))
			t.under("zones: " + strings.Join(m.Zones, ", "))
		}
	}
	return t.write(w)
}

// written writes counts of workloads; a single pod is its own.
func written(list []tally) []string {
	out := make([]string, 0, len(list))
	for _, t := range list {
		if t.ref.Kind == "Pod" {
			out = append(out, t.ref.Namespace+"/"+t.ref.Name)
		} else {
			out = append(out, fmt.Sprintf("%s of %s", thousands(t.count), t.ref))
		}
	}
	return out
}

// writeShares writes what each provisioner buys, where that is not all by one.
func (a *Answer) writeShares(w io.Writer) error {
	if len(a.Provisioners) < 2 {
		return nil
	}
	t := newTable("PROVISIONER", ">MACHINES", ">$/H")
	for _, s := range a.Provisioners {
		t.add(s.Name, thousands(s.Machines), price(s.CostPerHour))
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	return t.write(w)
}

func (a *Answer) writeTotals(w io.Writer) error {
	var out strings.Builder
	placed := len(a.Placements)
	for i := range a.Machines {
		placed += len(a.Machines[i].Pods)
	}
	switch {
	case placed == 0 && len(a.Unplaced) == 0:
		out.WriteString("There is no pod to place.\n")
	case len(a.Machines) == 0:
		fmt.Fprintf(&out, "No machine is to be bought for %s.\n", count(placed+len(a.Unplaced), "pod", "pods"))
	default:
		fmt.Fprintf(&out, "\n%s for %s: $%s per hour, $%s per month of 730 hours.\n", count(len(a.Machines), "machine", "machines"),
			count(placed-len(a.Placements), "pod", "pods"), price(a.CostPerHour), cents(a.CostPerHour*730))
		if a.LowerBoundPerHour > 0 {
			fmt.Fprintf(&out, "No plan can cost less than $%s: this one is at %.3f times that bound.\n", price(a.LowerBoundPerHour), a.Ratio)
		}
	}
	if a.CutShort {
		out.WriteString("The time was over before the plan was done: more pods may have a place, or cheaper machines. Give it more by --timeout.\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func (a *Answer) writePlacements(w io.Writer) error {
	if len(a.Placements) == 0 {
		return nil
	}
	t := newTable("NODE", ">PODS", "PLACED THERE")
	for start := 0; start < len(a.Placements); {
		end := start
		var names []string
		for ; end < len(a.Placements) && a.Placements[end].Node == a.Placements[start].Node; end++ {
			names = append(names, a.Placements[end].Pod)
		}
		t.add(a.Placements[start].Node, thousands(end-start), few(names))
		start = end
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	return t.write(w)
}

// few lists the first names, and how many more there are.
func few(names []string) string {
	if rest := len(names) - mostNamed; rest > 0 {
		return fmt.Sprintf("%s and %s more", strings.Join(names[:mostNamed], ", "), thousands(rest))
	}
	return strings.Join(names, ", ")
}

// writeUnplaced writes unplaced pods by workload and reason.
func (a *Answer) writeUnplaced(w io.Writer) error {
	if len(a.Unplaced) == 0 {
		return nil
	}
	type group struct{ workload, reason string }
	counts := map[group]int{}
	var order []group
	for _, u := range a.Unplaced {
		g := group{u.Workload, u.Reason}
		if counts[g]++; counts[g] == 1 {
			order = append(order, g)
		}
	}
	t := newTable(">UNPLACED", "WORKLOAD", "REASON")
	for _, g := range order {
		t.add(thousands(counts[g]), g.workload, g.reason)
	}
	if _, err := io.WriteString(w, "\n"); err != nil {
		return err
	}
	return t.write(w)
}

// price writes US dollars to the hundredth of a cent.
func price(amount float64) string { return grouped(strconv.FormatFloat(amount, 'f', 4, 64)) }

func cents(amount float64) string { return grouped(strconv.FormatFloat(amount, 'f', 2, 64)) }

func percent(part float64) string { return fmt.Sprintf("%.0f %%", part*100) }

func thousands(n int) string { return grouped(strconv.Itoa(n)) }

// grouped puts commas between the thousands of a number.
func grouped(number string) string {
	whole, rest, fraction := strings.Cut(number, ".")
	var parts []string
	for len(whole) > 3 {
		parts = append(parts, whole[len(whole)-3:])
		whole = whole[:len(whole)-3]
	}
	parts = append(parts, whole)
	slices.Reverse(parts)
	whole = strings.Join(parts, ",")
	if !fraction {
		return whole
	}
	return whole + "." + rest
}
