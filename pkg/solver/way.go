package solver

import (
	"math"
	"slices"
)

// way is how a stock can be bought: a capacity type, in zones where the same DaemonSets run.
type way struct {
	capacityType string
	kind         int // the capacity type's place in the catalogue's list
	zones        bitset
}

// waysFor returns the ways to buy a machine with these labels of the provisioner's own, and adds those that nobody needed before.
func (s *shelf) waysFor(labels map[string]string) bitset {
	key := s.lets(labels)
	found, ok := s.waysOf[key]
	if !ok {
		from := len(s.ways)
		s.findWays([]byte(key))
		for i := from; i < len(s.ways); i++ {
			found = append(found, i)
		}
		s.waysOf[key] = found
	}
	out := newBitset(len(s.ways))
	for _, i := range found {
		out.add(i)
	}
	return out
}

// alike returns all ways of the capacity types of some.
func (s *shelf) alike(ways bitset) bitset {
	out := newBitset(len(s.ways))
	for w := range s.ways {
		if ways.contains(func(k int) bool { return s.ways[k].capacityType == s.ways[w].capacityType }) {
			out.add(w)
		}
	}
	return out
}

// lets returns for each run whether machines with the labels let it be.
func (s *shelf) lets(labels map[string]string) string {
	out := make([]byte, len(s.runs))
	for i := range s.runs {
		if meets(s.runs[i].own, labels) {
			out[i] = 1
		}
	}
	return string(out)
}

// findWays adds a way for each capacity type, and for each set of zones that differ in which of the runs that are let be there are.
func (s *shelf) findWays(lets []byte) {
	from := len(s.ways)
	var runs []string // by way, from from on
	for _, k := range s.capacityTypes {
		capacityType, first := s.catalogue.capacityTypes[k], len(runs)
		for z, zone := range s.zones {
			there := slices.Clone(lets)
			for i := range s.runs {
				if !s.runs[i].zone.Has(zone) || !s.runs[i].capacityType.Has(capacityType) {
					there[i] = 0
				}
			}
			i := slices.Index(runs[first:], string(there)) + first
			if i < first {
				i = len(runs)
				runs = append(runs, string(there))
				s.ways = append(s.ways, way{capacityType: capacityType, kind: k, zones: newBitset(len(s.zones))})
			}
			s.ways[from+i].zones.add(z)
		}
	}
	s.widen()
	for i := range runs {
		s.stockUp(from+i, runs[i])
	}
}

// widen makes room for the wares of new ways.
func (s *shelf) widen() {
	n := len(s.ways)
	wares := make([]ware, n*len(s.stocks))
	for t, st := range s.stocks {
		own := wares[t*n : (t+1)*n : (t+1)*n]
		copy(own, st.wares)
		st.wares = own
	}
}

// stockUp fills in the wares of a way.
func (s *shelf) stockUp(way int, there string) {
	loads := s.loadsOf(there)
	room := slab{size: len(s.stocks) * len(s.dimensions.names)}
	zones, whole := s.ways[way].zones, s.ways[way].zones.key() == fullBitset(len(s.zones)).key()
	for t, st := range s.stocks {
		w, l := &st.wares[way], loads.on(t)
		w.load, w.usable = l, st.allocatable
		if l != loads.none {
			w.usable = room.take(st.allocatable)
			w.usable.sub(l.overhead, 1)
		}
		if w.prices = s.pricesOf(t, s.ways[way].kind); !whole {
			w.prices = slices.Clone(w.prices)
			for z := range w.prices {
				if !zones.has(z) {
					w.prices[z] = math.Inf(1)
				}
			}
		}
		w.sold = s.allowed.has(t) && l.overhead.within(st.allocatable) &&
			slices.ContainsFunc(w.prices, func(p float64) bool { return !math.IsInf(p, 1) })
	}
}

// slab keeps vectors next to each other.
type slab struct {
	size int
	free vector
}

// take returns a copy of the vector.
func (s *slab) take(v vector) vector {
	if len(s.free) < len(v) {
		s.free = make(vector, max(s.size, len(v)))
	}
	out := s.free[:len(v):len(v)]
	s.free = s.free[len(v):]
	copy(out, v)
	return out
}
