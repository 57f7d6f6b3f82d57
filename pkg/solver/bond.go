package solver

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// guest returns what a pod that is yet to come brings to its node. Those who come by a loose rule come first, so what they
// count are others of their kind; pods that no such rule is about come after them and need not be counted for it. A rule is not
// loose where its pod may have to wait for them.
func (b *rulebook) guest(pod *corev1.Pod, t *ties, of *bearing) guest {
	rules := b.rules(pod, t, of)
	loose := slices.ContainsFunc(rules, func(r rule) bool { return r.loose })
	out := guest{rules: rules}
	for _, m := range of.marks {
		if tr := &b.traits[m]; tr.strict || tr.onNode && loose {
			out.marks = append(out.marks, carry{m, 1})
		}
	}
	return out
}

// resident returns what a pod brings that is there already: all that can be counted, and what it keeps away.
func (b *rulebook) resident(pod *corev1.Pod, t *ties, of *bearing) guest {
	out := guest{rules: slices.DeleteFunc(b.rules(pod, t, of), func(r rule) bool { return r.loose })}
	for _, m := range of.marks {
		if b.traits[m].onNode {
			out.marks = append(out.marks, carry{m, 1})
		}
	}
	return out
}

// manners returns what a pod that comes now brings to its node, and what it asks of those who are there, but for spreads.
func (b *rulebook) manners(pod *corev1.Pod, t *ties, of *bearing) guest {
	var own *ties
	if t != nil {
		own = &ties{apart: t.apart, near: slices.DeleteFunc(slices.Clone(t.near), func(n tie) bool { return n.soft || n.skew > 0 })}
	}
	return b.resident(pod, own, of)
}

// rules returns what the pod asks of the company on its node, in order of mark, the strictest of each mark.
func (b *rulebook) rules(pod *corev1.Pod, t *ties, of *bearing) []rule {
	var out []rule
	for _, p := range hostPorts(pod) {
		out = append(out, rule{mark: b.portMark(p), most: 1})
	}
	if t != nil {
		for _, n := range t.near {
			r := rule{mark: n.mark, most: n.skew, loose: n.soft || n.skew > 0 && !n.after}
			if _, own := slices.BinarySearch(of.marks, n.mark); n.skew == 0 {
				r.most = oneIf(own)
			}
			out = append(out, r)
		}
		for _, x := range t.apart {
			if m, come := b.daemons[x.carriers]; come && !x.soft {
				out = append(out, rule{mark: m})
			}
		}
	}
	slices.SortFunc(out, compareRules)
	return slices.CompactFunc(out, func(x, y rule) bool { return x.mark == y.mark }) // the strictest comes first
}

// compareRules orders by mark, the strictest rule of each first.
func compareRules(x, y rule) int {
	switch {
	case x.mark != y.mark:
		return int(x.mark - y.mark)
	case x.most != y.most:
		return x.most - y.most
	case x.loose == y.loose:
		return 0
	case x.loose:
		return 1
	default:
		return -1
	}
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}
