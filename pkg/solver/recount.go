package solver

import (
	"math"
	"slices"
)

// recount gives back to the limits what kits have taken more than their machines can cost, where somebody is left whom that may
// help. In one zone it can take a large instance type to have all values that are wanted; in all those where the machine may be in
// the end, smaller ones often have them. As all that could be bought is bought, the machines stay what they can be now. It reports
// whether limits have more left.
func (s *solution) recount() bool {
	freed := false
	for _, shelf := range s.shelves {
		if len(shelf.wants) == 0 || len(s.stoppedBy(shelf, s.lost)) == 0 {
			continue
		}
		if shelf.share == nil {
			shelf.share = make(vector, len(shelf.budget.names)) // nobody has asked yet what machines may cost more
		}
		freed = shelf.recount(s.problem.Settings.NodeFee) || freed
	}
	s.changes += oneIf(freed)
	return freed
}

// recount charges machines for the largest instance type that they list, and reports whether that leaves more of the limits.
func (s *shelf) recount(fee float64) bool {
	type kind struct {
		lot *lot
		key string
	}
	smaller := map[kind]int{} // -> offer
	before := s.budget.left.clone()
	for i := range s.sold {
		p := &s.sold[i]
		k := kind{p.lot, string(p.key(nil))}
		offer, known := smaller[k]
		if !known {
			offer = p.bin.offer
			if b, at := s.narrowed(p); b != nil {
				offer = len(p.lot.offers)
				p.lot.offers = append(p.lot.offers, p.lot.kitted(b, at, fee))
			}
			smaller[k] = offer
		}
		s.refund(p)
		p.bin.offer = offer
		s.budget.spend(s.stocks[p.lot.offers[offer].stock].capacity, 1)
	}
	return !slices.Equal(before, s.budget.left)
}

// narrowed returns the kit that a machine lists by now if it takes less of the limits than the one that was bought; nil otherwise.
func (s *shelf) narrowed(p *purchase) (*kit, spot) {
	old := &p.lot.offers[p.bin.offer]
	can := s.outcomesOf(p)
	if old.kit == nil || can.stocks.has(old.stock) {
		return nil, spot{}
	}
	for anchor := range can.stocks.all {
		if b, at := s.among(p.lot, old, can, anchor); b != nil {
			return b, at
		}
	}
	return nil, spot{}
}

// among returns the kit of an anchor with the cheapest others of a machine's outcomes that have all values that are wanted, in all
// its zones; nil if one of them takes more of the limits, or the anchor does not take less than the old offer.
func (s *shelf) among(l *lot, old *offer, can *outcomes, anchor int) (*kit, spot) {
	most, way := s.stocks[anchor].capacity, old.capacityType
	if !most.below(s.stocks[old.stock].capacity) || slices.Equal(most, s.stocks[old.stock].capacity) {
		return nil, spot{}
	}
	for t := range can.stocks.all {
		if !s.stocks[t].capacity.below(most) {
			return nil, spot{}
		}
	}
	at, zones := spot{way: way, zone: -1}, 0
	prices := s.stocks[anchor].wares[way].prices
	for z := range can.zones.all {
		if math.IsInf(prices[z], 1) {
			continue
		}
		if zones++; at.zone < 0 || prices[z] < prices[at.zone] {
			at.zone = z
		}
	}
	a, b := s.newAssortment(l.labels, zones), s.newKit(anchor, at, can.zones)
	a.add(anchor)
	for _, c := range s.rank(way, can.zones) {
		if can.stocks.has(c.t) && a.helps(c.t) {
			a.add(c.t)
			b.join(c.t, &s.stocks[c.t].wares[way], c.price)
		}
	}
	if _, lacks := a.lacking(); lacks {
		return nil, spot{}
	}
	return b, at
}
