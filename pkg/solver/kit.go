package solver

import (
	"math"
	"slices"
	"strings"
)

// suits reports whether whoever takes the option may be on the machines of an offer, all instance types of its kit included.
func (o *offer) suits(p *option) bool {
	if !p.allows(o.stock, o.zone, o.capacityType) {
		return false
	}
	if o.kit == nil {
		return o.plain || p.relaxed
	}
	return o.kit.members.within(p.stocks) && o.kit.zones.within(p.zones)
}

// floors are the parts of an offer's room that the others in its kit have to have. The fuller machines can be the better, but
// among large instance types there may be few of a size.
func floors() []float64 { return []float64{1, 0.95, 0.9, 0.8, 0.65, 0.5, 0.3} }

// assorted returns the offers as they are if the provisioner wants nothing of the instance types of a machine. Otherwise they
// are kits: of each offer with the cheapest others that hold about as much, and for each group that has no room there of any
// that hold it. Who fills them need not know that a machine may become the least of several.
func (l *lot) assorted(offers []offer, fee float64) []offer {
	if len(l.shelf.wants) == 0 {
		for i := range offers {
			offers[i].plain = true
		}
		return offers
	}
	v := vitrine{lot: l, fee: fee, known: map[string]bool{}}
	asked := l.asked()
	for _, c := range l.classes {
		for i := range c.options {
			for o := range offers {
				if p := &c.options[i]; !p.relaxed && p.allows(offers[o].stock, offers[o].zone, offers[o].capacityType) {
					v.surround(&offers[o], p, asked)
				}
			}
		}
	}
	for _, it := range l.items {
		for i := range it.class.options {
			if p := &it.class.options[i]; !p.relaxed && !v.houses(it) {
				v.show(l.shelf.kitFor(p, it.group))
			}
		}
	}
	return append(v.out, offers...) // for those who need not have a kit
}

// surround shows the kits of an offer: that of instance types whose DaemonSets let in the same pods and, if there can be others, that
// of any.
func (v *vitrine) surround(o *offer, p *option, asked []bool) {
	s, at := v.lot.shelf, spot{o.capacityType, o.zone}
	v.show(v.lot.around(o, p, asked, func(t int) bool { return alikeFor(&s.stocks[t].wares[o.capacityType], o.ware) }), at)
	if slices.ContainsFunc(s.runs, func(r run) bool { return !r.guest.plain() }) {
		v.show(v.lot.around(o, p, asked, func(int) bool { return true }), at)
	}
}

// vitrine shows each kit once.
type vitrine struct {
	lot   *lot
	fee   float64
	known map[string]bool
	out   []offer
}

// show adds the offer of a kit, if there is one.
func (v *vitrine) show(b *kit, at spot) {
	if b == nil {
		return
	}
	if key := b.key(at); !v.known[key] {
		v.known[key] = true
		v.out = append(v.out, v.lot.kitted(b, at, v.fee))
	}
}

// houses reports whether a unit of the item has room in some kit.
func (v *vitrine) houses(it *item) bool {
	return slices.ContainsFunc(v.out, func(o offer) bool {
		return it.group.requests.within(o.ware.usable) && o.ware.residents.room(it.group.guest, 1) > 0 && slices.ContainsFunc(it.class.options, func(p option) bool { return o.suits(&p) })
	})
}

// asked returns which resources anybody in the lot asks for.
func (l *lot) asked() []bool {
	out := make([]bool, len(l.shelf.dimensions.names))
	for _, it := range l.items {
		for r, n := range it.group.requests {
			out[r] = out[r] || n > 0
		}
	}
	return out
}

// around returns the kit of an offer and others that pass which leaves it as much room as possible; nil if there is none.
func (l *lot) around(o *offer, p *option, asked []bool, passes func(t int) bool) *kit {
	for _, part := range floors() {
		floor := make(vector, len(asked))
		for r, there := range o.ware.usable {
			if asked[r] {
				floor[r] = int64(math.Floor(float64(there) * part))
			}
		}
		holds := func(t int) bool { return floor.within(l.shelf.stocks[t].wares[o.capacityType].usable) && passes(t) }
		if b := l.shelf.kit(p, spot{o.capacityType, o.zone}, o.stock, holds); b != nil {
			return b
		}
	}
	return nil
}

// kitted returns the offer of a kit.
func (l *lot) kitted(b *kit, at spot, fee float64) offer {
	anchor := &l.shelf.stocks[b.anchor].wares[at.way]
	return offer{
		stock: b.anchor, capacityType: at.way, zone: at.zone, price: b.price, cost: b.price + fee, kit: b,
		ware: &ware{prices: anchor.prices, usable: b.room, load: &load{overhead: anchor.overhead, residents: b.residents}, sold: true},
	}
}

// key identifies the kit at a spot.
func (b *kit) key(at spot) string {
	var s strings.Builder
	for _, n := range []int{b.anchor, at.way, at.zone} {
		writeInt(&s, int64(n))
	}
	return s.String() + b.members.key() + b.zones.key()
}
