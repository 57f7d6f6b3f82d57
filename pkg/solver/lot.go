package solver

import (
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

// lots returns the groups that the shelf can host, sorted by the labels they settle on; the others learn why not.
func (s *shelf) lots(groups []*group) []*lot {
	byLabels := map[string]*lot{}
	var keys []string
	for _, g := range groups {
		if g.left == 0 || g.miss.stage == missRefused {
			continue
		}
		options, m := s.viable(g)
		if len(options) == 0 {
			g.miss = g.miss.nearer(m)
			continue
		}
		key := options[0].lot
		l, ok := byLabels[key]
		if !ok {
			l = &lot{shelf: s, labels: options[0].labels, byOptions: map[string]*class{}}
			byLabels[key], keys = l, append(keys, key)
		}
		l.add(g, slices.DeleteFunc(options, func(o option) bool { return o.lot != key }))
	}
	slices.Sort(keys)
	out := make([]*lot, 0, len(keys))
	for _, key := range keys {
		l := byLabels[key]
		l.fillOffers()
		out = append(out, l)
	}
	return out
}

func (l *lot) add(g *group, options []option) {
	c := l.class(options)
	var nobody company
	l.items = append(l.items, &item{group: g, class: c, alone: nobody.room(g.marks, g.rules, math.MaxInt32)})
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
