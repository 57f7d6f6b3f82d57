package solver

import (
	"maps"
	"math"
	"slices"
	"strings"
)

// lot is a set of groups that may share machines of one shelf: their labels agree.
type lot struct {
	shelf  *shelf
	labels map[string]string
	items  []*item
	// classes are the items that may be on the same offers.
	classes []*class
	// byOptions maps the keys of a class's options -> the class.
	byOptions map[string]*class
	offers    []offer
}

// item is a group in a lot.
type item struct {
	group *group
	class *class
	// alone is how many of the group one machine may have as far as rules go.
	alone int
}

// class is a set of options with the offers that meet them.
type class struct {
	options []option
	fits    bitset // offers
}

// offer is an instance type of one capacity type in the cheapest of several zones that no item of the lot tells apart.
type offer struct {
	stock, capacityType, zone int
	price                     float64
	ware                      *ware
}

// lots returns the groups that the shelf can host, sorted by the labels they settle on; the others learn why not. Groups that
// ask for no labels come last and join the first lot there is, so that they fill up what others leave.
func (s *shelf) lots(groups []*group) []*lot {
	byLabels := map[string]*lot{}
	var indifferent []waiting
	for _, g := range groups {
		if g.left == 0 || g.miss.stage == missRefused {
			continue
		}
		options, m := s.viable(g)
		switch {
		case len(options) == 0:
			g.miss = g.miss.nearer(m)
		case options[0].indifferent:
			indifferent = append(indifferent, waiting{g, options})
		default:
			s.lot(byLabels, options[0]).add(g, options, options[0].lot)
		}
	}
	keys := slices.Sorted(maps.Keys(byLabels))
	for _, w := range indifferent {
		into := w.options[0]
		if len(keys) > 0 {
			into.lot = keys[0]
		}
		s.lot(byLabels, into).add(w.group, w.options, w.options[0].lot)
	}
	keys = slices.Sorted(maps.Keys(byLabels))
	out := make([]*lot, 0, len(keys))
	for _, key := range keys {
		byLabels[key].fillOffers()
		out = append(out, byLabels[key])
	}
	return out
}

// waiting is a group with its options.
type waiting struct {
	group   *group
	options []option
}

// lot returns the lot of the option's labels.
func (s *shelf) lot(byLabels map[string]*lot, o option) *lot {
	l, ok := byLabels[o.lot]
	if !ok {
		l = &lot{shelf: s, labels: o.labels, byOptions: map[string]*class{}}
		byLabels[o.lot] = l
	}
	return l
}

// add takes the group in, with those of its options that settle on the same labels.
func (l *lot) add(g *group, options []option, labels string) {
	c := l.class(slices.DeleteFunc(slices.Clone(options), func(o option) bool { return o.lot != labels }))
	var nobody company
	l.items = append(l.items, &item{group: g, class: c, alone: nobody.room(g.guest, math.MaxInt32)})
}

func (l *lot) class(options []option) *class {
	var key strings.Builder
	for i := range options {
		writeString(&key, options[i].key)
	}
	c, ok := l.byOptions[key.String()]
	if !ok {
		c = &class{options: options}
		l.byOptions[key.String()], l.classes = c, append(l.classes, c)
	}
	return c
}

// fillOffers lists, per instance type and capacity type, the cheapest zone of each set of zones that the same options allow.
func (l *lot) fillOffers() {
	zones := l.zoneSets()
	for t, st := range l.shelf.stocks {
		for c := range st.wares {
			w := &st.wares[c]
			if !w.sold {
				continue
			}
			for _, set := range zones {
				if z := w.cheapest(set); z >= 0 {
					l.offers = append(l.offers, offer{stock: t, capacityType: c, zone: z, price: w.prices[z], ware: w})
				}
			}
		}
	}
	for _, c := range l.classes {
		c.fits = newBitset(len(l.offers))
		for i, o := range l.offers {
			if slices.ContainsFunc(c.options, func(p option) bool { return p.allows(o.stock, o.zone, o.capacityType) }) {
				c.fits.add(i)
			}
		}
	}
}

// zoneSets partitions the zones by which options allow them, in order of each set's first zone.
func (l *lot) zoneSets() [][]int {
	index := map[string]int{}
	var sets [][]int
	for z := range l.shelf.zones {
		var signature []byte
		for _, c := range l.classes {
			for i := range c.options {
				b := byte('0')
				if c.options[i].zones.has(z) {
					b = '1'
				}
				signature = append(signature, b)
			}
		}
		i, ok := index[string(signature)]
		if !ok {
			i = len(sets)
			index[string(signature)], sets = i, append(sets, nil)
		}
		sets[i] = append(sets[i], z)
	}
	return sets
}

// cheapest returns the cheapest of the zones that has an offering, -1 when none has.
func (w *ware) cheapest(zones []int) int {
	best := -1
	for _, z := range zones {
		if !math.IsInf(w.prices[z], 1) && (best < 0 || w.prices[z] < w.prices[best]) {
			best = z
		}
	}
	return best
}
