package solver

import (
	"fmt"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// verdict is the viable options of a group, or why there is none.
type verdict struct {
	options []option
	miss    miss
}

// viable returns the options that have an instance type large enough for a unit of the group on offer, or why there is none.
// Special instance types are left out of an option that does not need them. The options are shared and must not be changed.
func (s *shelf) viable(g *group) ([]option, miss) {
	if !g.guest.plain() && s.minds() {
		return s.judge(g)
	}
	q := g.question()
	known, ok := s.verdicts[q]
	if !ok {
		known.options, known.miss = s.judge(g)
		s.verdicts[q] = known
	}
	return known.options, known.miss
}

// question returns what the verdict on the group depends on where nobody minds it.
func (g *group) question() valuesQuestion {
	return valuesQuestion{question: question{g.filter, g.pins.text()}, requests: g.asking()}
}

// judged reports whether the verdict on the group is known.
func (s *shelf) judged(g *group) bool {
	_, known := s.verdicts[g.question()]
	return known
}

func (s *shelf) judge(g *group) ([]option, miss) { return s.sift(s.choose(g.filter, g.pins), g) }

// sift returns the options of a choice that are viable for the group, or why none is. Where none of its terms alone allows as much of
// a choice of instance types as is wanted, several may do between them.
func (s *shelf) sift(c *choice, g *group) ([]option, miss) {
	out, m := s.siftEach(c, g)
	if len(out) == 0 && len(s.wants) > 0 && len(c.options) > 1 {
		out, _ = s.siftEach(s.between(c), g)
	}
	return out, m
}

// between returns the choice with the options for the same labels made one: any instance type of theirs, where all of them may be.
func (s *shelf) between(c *choice) *choice {
	out := &choice{miss: c.miss}
	for _, o := range c.options {
		i := slices.IndexFunc(out.options, func(p option) bool { return p.lot == o.lot && p.indifferent == o.indifferent })
		if i < 0 {
			o.stocks, o.zones, o.ways = slices.Clone(o.stocks), slices.Clone(o.zones), slices.Clone(o.ways)
			out.options = append(out.options, o)
			continue
		}
		p := &out.options[i]
		p.stocks.or(o.stocks)
		p.zones.and(o.zones)
		p.ways = p.ways[:min(len(p.ways), len(o.ways))] // ways that came later are in one of them only
		p.ways.and(o.ways)
	}
	for i := range out.options {
		out.options[i] = out.options[i].identified()
		out.plain = append(out.plain, s.withoutSpecial(&out.options[i]))
	}
	out.tops = make([]tops, len(out.options))
	return out
}

func (s *shelf) siftEach(c *choice, g *group) ([]option, miss) {
	out := make([]option, 0, len(c.options))
	m := c.miss
	for i := range c.options {
		plain, any := &c.plain[i], &c.options[i]
		if r, over := c.exceeds(i, g); over {
			m = m.nearer(s.beyond(c.tops[i], r, g))
			continue
		}
		switch hosts := s.hosts(plain, g); {
		case hosts && s.varied(plain, g):
			out = append(out, *plain)
		case !hosts && !s.hosts(any, g):
			c.tops[i] = s.topsOf(any, c.tops[i])
			m = m.nearer(s.whyNot(any, g))
		case s.varied(any, g):
			out = append(out, *any)
		case s.relaxed && hosts:
			out = append(out, plain.relax())
		case s.relaxed:
			out = append(out, any.relax())
		default:
			m = m.nearer(s.tooAlike(any, g))
		}
	}
	return out, m
}

// varied reports whether machines of the option that host a unit of the group can meet what the provisioner wants of them.
func (s *shelf) varied(o *option, g *group) bool {
	if len(s.wants) == 0 {
		return true
	}
	b, _ := s.kitFor(o, g)
	return b != nil
}

// relax returns the option for machines that meet as much of what is wanted as they can.
func (o option) relax() option {
	o.relaxed = true
	return o.identified()
}

// fits reports whether the ware has room for a unit of the group, DaemonSets included.
func (s *shelf) fits(g *group, st *stock, w *ware) bool {
	return g.requests.within(w.usable) && w.overhead.within(st.allocatable) && w.residents.room(g.guest, 1) > 0
}

// hosts reports whether a machine of the option that is on offer can host a unit of the group.
func (s *shelf) hosts(o *option, g *group) bool {
	if g.unknown != "" {
		return false
	}
	for t := range o.stocks.all {
		st := s.stocks[t]
		for k := range o.ways.all {
			if w := &st.wares[k]; w.sold && s.fits(g, st, w) && w.offered(o.zones) {
				return true
			}
		}
	}
	return false
}

// offered reports whether there is an offering in any of the zones.
func (w *ware) offered(zones bitset) bool {
	for z := range zones.all {
		if !math.IsInf(w.prices[z], 1) {
			return true
		}
	}
	return false
}

// whyNot returns why no machine of the option can host a unit of the group.
func (s *shelf) whyNot(o *option, g *group) miss {
	if g.unknown != "" {
		return s.nowhere(g.unknown)
	}
	for t := range o.stocks.all {
		for k := range o.ways.all {
			if st := s.stocks[t]; s.fits(g, st, &st.wares[k]) {
				return miss{stage: missOffering, text: fmt.Sprintf("instance types that are large enough, e.g. %s, are not on offer as [%s] in [%s]; allow other zones, capacity types or instance types in provisioner %s",
					st.instanceType.Name, s.waysText(o.ways), names(s.zones, o.zones), s.provisioner.Name)}
			}
		}
	}
	return s.tooLarge(o, g)
}

// tooAlike returns which value there are too few of among the instance types that host a unit of the group.
func (s *shelf) tooAlike(o *option, g *group) miss {
	zones := 0
	a := s.newAssortment(o.labels, len(s.zones))
	for t := range o.stocks.all {
		there := newBitset(len(s.zones))
		for way := range o.ways.all {
			w := &s.stocks[t].wares[way]
			if !w.sold || !s.fits(g, s.stocks[t], w) {
				continue
			}
			for z := range o.zones.all {
				if !math.IsInf(w.prices[z], 1) {
					there.add(z)
				}
			}
		}
		if !there.empty() {
			a.add(t)
		}
		zones = max(zones, there.count())
	}
	for i, w := range s.wants {
		if w.key == corev1.LabelTopologyZone {
			a.have[i] = zones
		}
	}
	i, lacks := a.lacking()
	if !lacks {
		return miss{stage: missMinValues, text: fmt.Sprintf("no %d instance types that host the pod have all that minValues of provisioner %s ask for in one zone, as one capacity type and within limits; lower minValues",
			mostInstanceTypes, s.provisioner.Name)}
	}
	return miss{stage: missMinValues, text: fmt.Sprintf("instance types that host the pod have %d values of %s, minValues of provisioner %s asks for %d; lower it, or allow more",
		a.have[i], s.wants[i].key, s.provisioner.Name, s.wants[i].least)}
}

// waysText names the capacity types of the ways.
func (s *shelf) waysText(ways bitset) string {
	var out []string
	for k := range ways.all {
		if name := s.ways[k].capacityType; !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return strings.Join(out, " ")
}

func names(all []string, set bitset) string {
	var out []string
	for i := range set.all {
		out = append(out, all[i])
	}
	return strings.Join(out, " ")
}

// tooLarge names the instance type that comes nearest to holding a pod of the group, and the resource that it lacks most.
func (s *shelf) tooLarge(o *option, g *group) miss {
	nearest, lacking, least, usable := -1, 0, math.Inf(1), vector(nil)
	for t := range o.stocks.all {
		for c := range o.ways.all {
			left := s.stocks[t].wares[c].usable
			if worst, lack := lack(g.requests, left); lack < least {
				nearest, lacking, least, usable = t, worst, lack, left
			}
		}
	}
	if nearest < 0 {
		return miss{stage: missOffering, tell: func(*group) string { return s.nothingOnOffer() }}
	}
	if least <= 1 {
		return miss{stage: missSize, text: fmt.Sprintf("a DaemonSet of provisioner %s holds a host port of the pod, keeps it away, or leaves no room on any instance type; change the DaemonSet or the pod", s.provisioner.Name)}
	}
	out := miss{stage: missSize}
	if usable[lacking] <= 0 && s.stocks[nearest].allocatable[lacking] <= 0 {
		out.stage = missAbsent
	}
	f, requests := g.filter, g.requests.clone()
	out.tell = func(g *group) string { return s.shortage(g, f, requests, nearest, lacking, usable) }
	return out
}

// shortage says how much of a resource the nearest instance type lacks, beside DaemonSets, and what to change. Of disk all have the
// same, so that comes first if it is short everywhere.
func (s *shelf) shortage(g *group, f *filter, requests vector, nearest, lacking int, usable vector) string {
	if disk, ok := s.dimensions.index[corev1.ResourceEphemeralStorage]; ok && !slices.ContainsFunc(s.catalogue.allocatables, func(a vector) bool { return a[disk] >= requests[disk] }) {
		lacking = disk
	}
	name, st := s.dimensions.names[lacking], s.stocks[nearest]
	with := requests.clone() // and with the DaemonSets that run on the nearest
	for i, n := range with {
		if taken := st.allocatable[i] - usable[i]; n < absurd && taken > 0 {
			with[i] = n + taken
		}
	}
	has := "no type that is allowed has any"
	if usable[lacking] > 0 {
		has = fmt.Sprintf("largest allowed type %s has %s", st.instanceType.Name, amount(name, usable[lacking]))
	}
	return fmt.Sprintf("%s %s asked, %s; %s", g.asks(name, requests[lacking]), name, has, s.advise(f, with, nearest, lacking))
}

// nowhere says that no instance type and no node has a resource.
func (s *shelf) nowhere(name corev1.ResourceName) miss {
	return miss{stage: missAbsent, tell: func(*group) string {
		var known []string
		for _, n := range s.dimensions.names {
			known = append(known, string(n))
		}
		text := fmt.Sprintf("%s is asked for, no instance type of provisioner %s has any", name, s.provisioner.Name)
		if guess := meant(string(name), known); guess != "" {
			return text + guess
		}
		return text + "; remove the request, or correct its name"
	}}
}

// lack returns the resource of which the largest part is missing, and how many times what is there is asked for.
func lack(requests, usable vector) (int, float64) {
	worst, most := 0, 0.0
	for i, n := range requests {
		if n <= 0 {
			continue
		}
		times := math.MaxFloat64 // of a resource that is not there, infinitely much is missing
		if usable[i] > 0 {
			times = float64(n) / float64(usable[i])
		}
		if times > most {
			worst, most = i, times
		}
	}
	return worst, most
}
