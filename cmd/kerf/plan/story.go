package plan

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// writeExplanations writes explanations for people.
func writeExplanations(w io.Writer, list []Explanation) error {
	var out strings.Builder
	for i := range list {
		if i > 0 {
			out.WriteString("\n")
		}
		e := &list[i]
		title := e.Workload
		if len(e.Pods) > 1 || e.Workload != "Pod "+e.Pods[0] {
			title = fmt.Sprintf("%s of %s: %s", count(len(e.Pods), "pod", "pods"), e.Workload, few(e.Pods))
		}
		out.WriteString(title + "\n")
		paragraph(&out, "goes to", []string{e.whereTo()})
		paragraph(&out, "why", e.Why)
		paragraph(&out, "requests", []string{amounts(e.Requests)})
		paragraph(&out, "asks", e.Asks)
		misses := make([]string, 0, len(e.Misses))
		for _, miss := range e.Misses {
			misses = append(misses, fmt.Sprintf("provisioner %s: %s", miss.Provisioner, miss.Reason))
		}
		paragraph(&out, "misses", misses)
		paragraph(&out, "what would change it", e.different())
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// whereTo says what becomes of the pods.
func (e *Explanation) whereTo() string {
	switch {
	case e.Machine != nil:
		m := e.Machine
		return fmt.Sprintf("one %s in %s, %s at $%s per hour, bought by provisioner %s; %s of its CPU and %s of its memory are filled",
			m.InstanceType, m.Zone, m.CapacityType, price(m.CostPerHour), m.Provisioner, percent(m.CPUFilled), percent(m.MemoryFilled))
	case e.Node != "":
		return "node " + e.Node
	default:
		return "nowhere: " + e.Reason
	}
}

func (e *Explanation) different() []string {
	if e.untried {
		return nil
	}
	if len(e.Changes) == 0 {
		return []string{"nothing that was tried: selectors, affinity, spread, tolerations, half the requests, requirements and limits of provisioners"}
	}
	out := make([]string, 0, len(e.Changes))
	for _, c := range e.Changes {
		line := c.If
		switch {
		case e.Reason != "" && c.Unplaced == 0:
			line += ": all would have a place"
		case e.Reason != "":
			line += ": " + count(c.Unplaced, "pod of it would have none", "pods of it would have none")
		}
		switch {
		case c.Cheaper > 0:
			line += fmt.Sprintf(", and all in all it would cost $%s less per hour", price(c.Cheaper))
		case c.Cheaper < 0:
			line += fmt.Sprintf(", and all in all it would cost $%s more per hour", price(-c.Cheaper))
		}
		out = append(out, line)
	}
	return out
}

// paragraph writes lines under a title in the margin.
func paragraph(out *strings.Builder, title string, lines []string) {
	for i, line := range lines {
		if i > 0 {
			title = ""
		}
		fmt.Fprintf(out, "  %-22s%s\n", title, line)
	}
}

// amounts writes a list of resources in order.
func amounts(list corev1.ResourceList) string {
	parts := make([]string, 0, len(list))
	for _, name := range slices.Sorted(maps.Keys(list)) {
		if name == corev1.ResourcePods {
			continue
		}
		quantity := list[name]
		parts = append(parts, fmt.Sprintf("%s %s", name, quantity.String()))
	}
	if len(parts) == 0 {
		return "nothing but to be there"
	}
	return strings.Join(parts, ", ")
}
