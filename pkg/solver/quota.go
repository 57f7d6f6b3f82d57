package solver

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math/bits"
	"slices"
)

const (
	// mostSlots bounds the quotas that get rows in the linear program, mostCohorts the rows of each.
	mostSlots   = 3
	mostCohorts = 32
)

// claim is what some pods take of machines by a rule that bounds how many pods with its mark come together.
type claim struct {
	kind     *kind
	requests vector // of one pod
	most     int    // that the rule lets a machine have
	pods     int
}

// quota is the slot that a machine has for the pods that hold to a rule about a mark, carry it, and let a machine have no more than
// most of their like. There are never more than most of these on one machine: the last of them to come counts all the others, since
// they carry its mark, and its own rule lets there be most or fewer. So each takes one part in most of a slot, and a machine has one.
//
// That does not hold across rules that allow more: one pod of which there may be one and, after it, another of which there may be two
// do share a machine where they are only counted on coming. Pods whose rules about a mark differ make several slots, those that
// allow more with the holders of all stricter ones in them.
type quota struct {
	cohorts []cohort // by need, the greatest first
	need    float64  // machines, of all cohorts
}

// cohort is the holders in a slot that may be on the same offers and ask for about as much.
type cohort struct {
	kind     *kind  // nil for several
	requests vector // the least that one of the pods asks for
	need     float64
}

// claim notes the rules that the pods hold to among themselves. Those who were seated when all nodes had some hold to no rule of a
// spread over nodes.
func (c *account) claim(g *group, k *kind, pods int) {
	rules := g.guest.rules
	if g.seated {
		rules = g.manners.rules
	}
	for _, r := range rules {
		if g.guest.carries(r.mark) > 0 && r.most > 0 {
			c.claims[r.mark] = append(c.claims[r.mark], claim{k, g.requests, r.most, pods})
		}
	}
}

// quotas returns those of which the most machines are needed.
func (c *account) quotas() []quota {
	type limit struct {
		claims []claim
		most   int
		need   float64
	}
	var all []limit
	for _, m := range slices.Sorted(maps.Keys(c.claims)) {
		claims := c.claims[m]
		slices.SortStableFunc(claims, func(a, b claim) int { return cmp.Compare(a.most, b.most) })
		pods := 0
		for i, cl := range claims {
			pods += cl.pods
			if i+1 == len(claims) || claims[i+1].most > cl.most {
				all = append(all, limit{claims[:i+1], cl.most, float64(pods) / float64(cl.most)})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b limit) int { return cmp.Compare(b.need, a.need) })
	var out []quota
	for _, l := range all[:min(len(all), mostSlots)] {
		out = append(out, quota{cohortsOf(l.claims, l.most), l.need})
	}
	return out
}

// cohortsOf divides the holders in a slot, the more coarsely the more of them differ.
func cohortsOf(claims []claim, most int) []cohort {
	var out []cohort
	for _, digits := range []int{64, 3, 2, 1} {
		if out = cohortsBy(claims, most, digits); len(out) <= mostCohorts {
			break
		}
	}
	slices.SortStableFunc(out, func(a, b cohort) int { return cmp.Compare(b.need, a.need) })
	for len(out) > mostCohorts { // the rest makes one
		last := out[len(out)-1]
		out = out[:len(out)-1]
		rest := &out[len(out)-1]
		rest.kind, rest.need = nil, rest.need+last.need
		for r, q := range last.requests {
			rest.requests[r] = min(rest.requests[r], q)
		}
	}
	return out
}

// cohortsBy divides the holders by kind and by so many binary digits of what they ask for.
func cohortsBy(claims []claim, most, digits int) []cohort {
	type cohortKey struct {
		kind *kind
		size string
	}
	var out []cohort
	index := map[cohortKey]int{}
	var size []byte
	for _, cl := range claims {
		size = size[:0]
		for _, q := range cl.requests {
			size = binary.AppendVarint(size, leading(q, digits))
		}
		key := cohortKey{cl.kind, string(size)}
		i, ok := index[key]
		if !ok {
			i = len(out)
			index[key] = i
			out = append(out, cohort{kind: cl.kind, requests: cl.requests.clone()})
		}
		for r, q := range cl.requests {
			out[i].requests[r] = min(out[i].requests[r], q)
		}
		out[i].need += float64(cl.pods) / float64(most)
	}
	return out
}

// leading returns the first binary digits of a quantity, and zeroes for the others.
func leading(q int64, digits int) int64 {
	if q <= 0 {
		return 0
	}
	drop := max(bits.Len64(uint64(q))-digits, 0)
	return q >> drop << drop
}

// within returns the cohorts of which a pod may have room in so much, as bits.
func (q *quota) within(usable vector) uint32 {
	var out uint32
	for i := range q.cohorts {
		if q.cohorts[i].requests.within(usable) {
			out |= 1 << i
		}
	}
	return out
}
