package solver

import (
	"maps"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// want is how many values of a label the instance types that a machine lists have to have between them.
type want struct {
	key   string
	least int
	// labels of instance types; nil if it is no key of theirs.
	labels *column
}

// wantsOf returns what the provisioner wants of every machine, in order of key.
func (s *shelf) wantsOf(minValues map[string]int) []want {
	var out []want
	for _, key := range slices.Sorted(maps.Keys(minValues)) {
		labels, _ := s.catalogue.column(key)
		out = append(out, want{key: key, least: minValues[key], labels: labels})
	}
	return out
}

// assortment counts the values that instance types have between them.
type assortment struct {
	wants []want
	seen  []bitset // by want: kinds of the label
	have  []int    // by want
}

// newAssortment returns that of no instance type. A machine has one capacity type, and one value of each of the provisioner's own
// labels that is settled; in how many zones it may be is settled before its instance types are.
func (s *shelf) newAssortment(labels map[string]string, zones int) *assortment {
	a := &assortment{wants: s.wants, seen: make([]bitset, len(s.wants)), have: make([]int, len(s.wants))}
	for i, w := range s.wants {
		_, settled := labels[w.key]
		switch {
		case w.labels != nil:
			a.seen[i] = newBitset(len(w.labels.kinds))
		case w.key == corev1.LabelTopologyZone:
			a.have[i] = zones
		case w.key == v1alpha5.CapacityTypeLabel || settled:
			a.have[i] = 1
		}
	}
	return a
}

// helps reports whether the instance type has a value that is still wanted.
func (a *assortment) helps(t int) bool {
	for i := range a.wants {
		if a.have[i] < a.wants[i].least && a.brings(i, t) {
			return true
		}
	}
	return false
}

// brings reports whether the instance type has a value for a want that none had before.
func (a *assortment) brings(i, t int) bool {
	labels := a.wants[i].labels
	return labels != nil && labels.sure.has(t) && !a.seen[i].has(int(labels.of[t]))
}

// add counts the instance type in.
func (a *assortment) add(t int) {
	for i := range a.wants {
		if a.brings(i, t) {
			a.seen[i].add(int(a.wants[i].labels.of[t]))
			a.have[i]++
		}
	}
}

// lacking returns the place of the first want that is not met.
func (a *assortment) lacking() (int, bool) {
	for i := range a.wants {
		if a.have[i] < a.wants[i].least {
			return i, true
		}
	}
	return 0, false
}

// kit is instance types that between them have all values that are wanted, in one way and zone.
type kit struct {
	anchor  int // takes as much of the limits as any of them
	members bitset
	zones   bitset // where the anchor is on offer, as many as are wanted
	room    vector // what all of them have
	// residents are the pods of DaemonSets on any of them.
	residents company
	price     float64
}

// newKit returns the kit of the anchor alone.
func (s *shelf) newKit(anchor int, at spot, zones bitset) *kit {
	w := &s.stocks[anchor].wares[at.way]
	b := &kit{
		anchor: anchor, members: newBitset(len(s.stocks)), zones: zones,
		room: w.usable.clone(), residents: w.residents.clone(), price: w.prices[at.zone],
	}
	b.members.add(anchor)
	return b
}

// join adds an instance type that costs so much.
func (b *kit) join(t int, w *ware, price float64) {
	b.members.add(t)
	b.room.lower(w.usable)
	b.residents.narrow(&w.residents)
	b.price = min(b.price, price)
}

// kit puts the cheapest instance types together that pass and, with the anchor, have the values that are wanted between them.
// Those that take more of the limits than the anchor are left out. Nil if there is no such set.
func (s *shelf) kit(o *option, at spot, anchor int, passes func(t int) bool) *kit {
	first := &s.stocks[anchor].wares[at.way]
	zones, ok := s.placesOf(o, at, first)
	if !ok {
		return nil
	}
	a := s.newAssortment(o.labels, zones.count())
	b := s.newKit(anchor, at, zones)
	a.add(anchor)
	size := 1
	for _, t := range s.catalogue.byPrice(s.ways[at.way].kind, s.places[at.zone]) {
		if _, lacks := a.lacking(); !lacks {
			break
		}
		t := int(t)
		w := &s.stocks[t].wares[at.way]
		if t == anchor || !w.sold || !o.stocks.has(t) || !a.helps(t) || !passes(t) ||
			!s.stocks[t].capacity.below(s.stocks[anchor].capacity) {
			continue
		}
		a.add(t)
		b.join(t, w, w.prices[at.zone])
		size++
	}
	if _, lacks := a.lacking(); lacks || size > mostInstanceTypes {
		return nil
	}
	return b
}

// alikeFor reports whether pods that the DaemonSets of one ware let in are let in by those of the other.
func alikeFor(a, b *ware) bool {
	return a.load == b.load || slices.Equal(a.residents.seats, b.residents.seats)
}

// placesOf returns the zones that a machine has to be left open, the ware's own among them; false if it is not on offer in enough.
func (s *shelf) placesOf(o *option, at spot, w *ware) (bitset, bool) {
	least := 1
	for i := range s.wants {
		if s.wants[i].key == corev1.LabelTopologyZone {
			least = max(least, s.wants[i].least)
		}
	}
	out := newBitset(len(s.zones))
	out.add(at.zone)
	n := 1
	for z := range o.zones.all {
		if n < least && z != at.zone && !math.IsInf(w.prices[z], 1) {
			out.add(z)
			n++
		}
	}
	return out, n >= least
}

// kitFor returns a kit of the option for a unit of the group, the cheapest that is found; nil if there is none.
func (s *shelf) kitFor(o *option, g *group) (*kit, spot) {
	var best *kit
	var where spot
	for way := range o.ways.all {
		for z := range o.zones.all {
			at := spot{way, z}
			if b := s.kitAt(o, at, g); b != nil && (best == nil || b.price < best.price) {
				best, where = b, at
			}
		}
	}
	return best, where
}

// kitAt tries one anchor of each way to fall within limits, the cheapest that is on offer in enough zones first.
func (s *shelf) kitAt(o *option, at spot, g *group) *kit {
	fits := func(t int) bool { return s.fits(g, s.stocks[t], &s.stocks[t].wares[at.way]) }
	tried := map[string]bool{} // by charge
	for _, t := range s.catalogue.byPrice(s.ways[at.way].kind, s.places[at.zone]) {
		t := int(t)
		w := &s.stocks[t].wares[at.way]
		if !w.sold || !o.stocks.has(t) || math.IsInf(w.prices[at.zone], 1) || !fits(t) {
			continue
		}
		charge := string(s.stocks[t].capacity.appendTo(nil))
		if _, enough := s.placesOf(o, at, w); !enough || tried[charge] {
			continue
		}
		tried[charge] = true
		if b := s.kit(o, at, t, fits); b != nil {
			return b
		}
	}
	return nil
}
