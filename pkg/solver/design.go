package solver

import (
	"cmp"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// designer turns purchases of a shelf into machines.
type designer struct {
	shelf *shelf
	// share is what each machine may cost more of the limits than its offer.
	share vector
	// dearer is how many times its first price a machine may cost.
	dearer float64
	tempo  *tempo // nil where time does not matter
}

// sketch is what a purchase leaves open.
type sketch struct {
	purchase
	offer  *offer
	load   vector // of the pods
	stocks bitset
	zones  bitset
}

// candidate is an instance type that can be listed.
type candidate struct {
	t, zone int
	price   float64
	// needed says that it has a value that is wanted.
	needed bool
}

// rankQuestion is what a ranking of stocks depends on: a way, and the key of the zones.
type rankQuestion struct {
	way   int
	zones string
}

// ranking is the stocks with an offering in some zones, the cheapest first and by name among equals.
type ranking []candidate

// rank returns the stocks that can be bought so; it is shared and must not be changed.
func (s *shelf) rank(way int, zones bitset) ranking {
	q := rankQuestion{way, zones.key()}
	out, ok := s.rankings[q]
	if !ok {
		for t, st := range s.stocks {
			w := &st.wares[way]
			if !w.sold {
				continue
			}
			best := candidate{t: t, price: math.Inf(1)}
			for z := range zones.all {
				if w.prices[z] < best.price {
					best.zone, best.price = z, w.prices[z]
				}
			}
			if !math.IsInf(best.price, 1) {
				out = append(out, best)
			}
		}
		slices.SortFunc(out, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.price, b.price), cmp.Compare(a.t, b.t)) })
		s.rankings[q] = out
	}
	return out
}

// sketch returns what is open: the instance types and zones that every pod accepts.
func (d *designer) sketch(b purchase) *sketch {
	s := d.shelf
	k := &sketch{
		purchase: b, offer: &b.lot.offers[b.bin.offer], load: make(vector, len(s.dimensions.names)),
		stocks: slices.Clone(s.allowed), zones: fullBitset(len(s.zones)),
	}
	for _, p := range b.bin.picks {
		it := b.lot.items[p.item]
		k.load.add(it.group.requests, int64(p.count))
		stocks, zones := d.open(k.offer, it.class.options)
		k.stocks.and(stocks)
		k.zones.and(zones)
	}
	return k
}

// open returns the instance types and zones that somebody with the options accepts beside those of the offer. Whoever is there
// has an option that suits it; should none, nothing but what was bought is sure to do.
func (d *designer) open(o *offer, options []option) (stocks, zones bitset) {
	if i := slices.IndexFunc(options, func(q option) bool { return o.suits(&q) }); i >= 0 {
		return options[i].stocks, options[i].zones
	}
	stocks, zones = newBitset(len(d.shelf.stocks)), newBitset(len(d.shelf.zones))
	stocks.add(o.stock)
	zones.add(o.zone)
	return stocks, zones
}

// design returns the machine without its pods.
func (d *designer) design(b purchase) Machine {
	s, k := d.shelf, d.sketch(b)
	listed, varied := d.list(k)
	first := listed[0]
	k.load.add(s.stocks[first.t].wares[k.offer.capacityType].overhead, 1)
	m := Machine{
		Provisioner:      s.provisioner.Name,
		MinValuesRelaxed: !varied,
		Requirements:     d.requirements(k, listed),
		InstanceTypes:    make([]string, 0, len(listed)),
		Requests:         s.dimensions.list(k.load),
		Zone:             s.zones[first.zone],
		CapacityType:     s.ways[k.offer.capacityType].capacityType,
		PricePerHour:     first.price,
	}
	for _, c := range listed {
		m.InstanceTypes = append(m.InstanceTypes, s.stocks[c.t].instanceType.Name)
	}
	return m
}

// bought returns the instance type that was bought alone, in the cheapest of the zones that it can be in.
func (d *designer) bought(k *sketch) candidate {
	c := candidate{t: k.offer.stock, zone: k.offer.zone, price: k.offer.price}
	for z, price := range d.shelf.stocks[c.t].wares[k.offer.capacityType].prices {
		if k.zones.has(z) && price < c.price {
			c.zone, c.price = z, price
		}
	}
	return c
}

// list returns the instance types that hold the purchase without overshooting the limits, cheapest first. What costs more than the
// same pods do as another capacity type is too dear: spot is no bargain above the on-demand price. What the provisioner wants of
// the instance types comes before prices; it is false if that is not met. Once the time is over, machines become what was bought, if nothing is wanted.
func (d *designer) list(k *sketch) ([]candidate, bool) {
	if len(d.shelf.wants) == 0 && d.tempo != nil && d.tempo.Err() != nil {
		return []candidate{d.bought(k)}, true
	}
	charge := d.shelf.stocks[k.offer.stock].capacity.clone()
	charge.add(d.share, 1)
	l := listing{
		wanted: d.shelf.newAssortment(k.lot.labels, d.zonesOf(k)), most: math.Inf(1),
		awaited: k.offer.kit != nil && k.offer.kit.zones.count() > 1,
	}
	for _, c := range d.shelf.rank(k.offer.capacityType, k.zones) {
		if l.done(c.price) {
			break
		}
		own := c.t == k.offer.stock
		if !d.holds(k, c.t, k.offer.capacityType) || !own && !d.shelf.stocks[c.t].capacity.within(charge) {
			continue
		}
		if len(l.out) == 0 {
			l.most = min(c.price*d.dearer, max(d.otherwise(k), c.price))
		}
		l.add(c, own)
	}
	_, lacks := l.wanted.lacking()
	return l.shortened(), !lacks && l.needed <= mostInstanceTypes
}

// listing is a list of instance types in the making, in order of price.
type listing struct {
	out    []candidate
	needed int
	wanted *assortment
	// most that one may cost that is not needed.
	most float64
	// awaited says that the instance type of the offer has to be there: it is the one on offer in as many zones as are wanted.
	awaited bool
}

// done reports whether nothing that costs as much can be listed any more.
func (l *listing) done(price float64) bool {
	_, lacks := l.wanted.lacking()
	return (price > l.most || len(l.out)-l.needed >= mostInstanceTypes) && !lacks && !l.awaited
}

// add lists an instance type unless it is too dear.
func (l *listing) add(c candidate, own bool) {
	_, lacks := l.wanted.lacking()
	if c.needed = lacks && l.wanted.helps(c.t) || l.awaited && own; c.needed {
		l.needed++
	}
	if l.awaited = l.awaited && !own; c.needed || c.price <= l.most {
		l.wanted.add(c.t)
		l.out = append(l.out, c)
	}
}

// shortened drops the dearest of those that are not needed until the list is no longer than one may be.
func (l *listing) shortened() []candidate {
	spare := max(mostInstanceTypes-l.needed, 0)
	out := l.out[:0]
	for _, c := range l.out {
		if !c.needed {
			spare--
		}
		if (c.needed || spare >= 0) && len(out) < mostInstanceTypes {
			out = append(out, c)
		}
	}
	return out
}

// zonesOf returns in how many zones the offer of a purchase can be had.
func (d *designer) zonesOf(k *sketch) int {
	n := 0
	for z := range k.zones.all {
		if !math.IsInf(d.shelf.stocks[k.offer.stock].wares[k.offer.capacityType].prices[z], 1) {
			n++
		}
	}
	return n
}

// holds reports whether an instance type that is bought in a way holds the purchase.
func (d *designer) holds(k *sketch, t, way int) bool {
	w := &d.shelf.stocks[t].wares[way]
	return k.stocks.has(t) && k.load.within(w.usable) && (w.load == k.offer.ware.load || k.lot.welcome(k.bin.picks, w))
}

// welcome reports whether the DaemonSets of a ware go with the pods. The pods go with each other: bins are made so.
func (l *lot) welcome(picks []pick, w *ware) bool {
	if len(w.residents.seats) == 0 {
		return true
	}
	c := w.residents.clone()
	for _, p := range picks {
		g := l.items[p.item].group
		if c.room(g.guest, p.count) < p.count {
			return false
		}
		c.join(g.guest, p.count)
	}
	return true
}

// otherwise returns the least that the purchase costs as another capacity type that all its pods accept; infinite if there is none.
func (d *designer) otherwise(k *sketch) float64 {
	ways, least := d.shelf.ways, math.Inf(1)
	for way := range ways {
		refused := func(p pick) bool {
			return !slices.ContainsFunc(k.lot.items[p.item].class.options, func(q option) bool {
				return q.allows(k.offer.stock, k.offer.zone, way)
			})
		}
		if ways[way].capacityType == ways[k.offer.capacityType].capacityType || slices.ContainsFunc(k.bin.picks, refused) {
			continue
		}
		for _, c := range d.shelf.rank(way, k.zones) {
			if c.price >= least {
				break
			}
			if d.holds(k, c.t, way) {
				least = c.price
			}
		}
	}
	return least
}

// requirements returns the machine's requirements: what the provisioner asks for, narrowed down to what the listed instance
// types, the zones they are offered in and the settled labels leave open. A label of the provisioner's own that nobody gave a
// value is left out, for the node will not have it.
func (d *designer) requirements(k *sketch, listed []candidate) scheduling.Requirements {
	s := d.shelf
	in := func(key string, values ...string) scheduling.Requirement {
		return scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, values...)
	}
	out := scheduling.NewRequirements(in(v1alpha5.CapacityTypeLabel, s.ways[k.offer.capacityType].capacityType))
	var offered []string
	for z := range k.zones.all {
		if slices.ContainsFunc(listed, func(c candidate) bool { return !math.IsInf(s.stocks[c.t].wares[k.offer.capacityType].prices[z], 1) }) {
			offered = append(offered, s.zones[z])
		}
	}
	out.Add(in(corev1.LabelTopologyZone, offered...))
	for key, value := range k.lot.labels {
		out.Add(in(key, value))
	}
	note := func(key string) {
		labels, known := s.catalogue.column(key)
		if !known || key == corev1.LabelInstanceTypeStable {
			return
		}
		if values := s.valuesOf(key, labels, listed); len(values) > 0 {
			out.Add(in(key, values...))
		}
	}
	for key := range s.template {
		note(key)
	}
	note(corev1.LabelOSStable)
	note(corev1.LabelArchStable)
	return out
}

// valuesOf returns the values that the label may have over the listed instance types; none if it may be absent or anything.
func (s *shelf) valuesOf(key string, labels *column, listed []candidate) []string {
	var out []string
	seen := newBitset(len(labels.kinds))
	for _, c := range listed {
		kind := int(labels.of[c.t])
		if seen.has(kind) {
			continue
		}
		seen.add(kind)
		q := labels.kinds[kind].Intersect(s.template.Get(key))
		if !q.Finite() || q.AllowsAbsent() {
			return nil
		}
		out = slices.AppendSeq(out, q.All())
	}
	return out
}
