package solver

import (
	"cmp"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

const (
	// mostInstanceTypes is how many instance types a machine lists: as many as one CreateFleet request takes well.
	mostInstanceTypes = 60
	// mostDearer is how many times the price of its cheapest instance type a machine may cost when others are sold out. Types of
	// one size lie within a third of each other between generations and makers, and the next size costs twice as much:
	// one and a half keeps the siblings and leaves out the larger sizes.
	mostDearer = 1.5
)

// purchase is a bin of a lot.
type purchase struct {
	lot  *lot
	bin  bin
	pods []*corev1.Pod
}

// candidate is an instance type that can be listed.
type candidate struct {
	stock *stock
	price float64
	zone  int
}

// emit adds what the shelf has sold to the plan. Purchases of the same picks come out the same but for their pods.
func (s *solution) emit(shelf *shelf) {
	bought := shelf.sold
	share := shelf.budget.share(len(bought))
	designs := map[string]Machine{}
	for _, b := range bought {
		key := b.key()
		m, ok := designs[key]
		if !ok {
			m = b.design(share)
			designs[key] = m
		}
		m.Pods = b.pods
		s.plan.Machines = append(s.plan.Machines, m)
		s.plan.CostPerHour += m.PricePerHour
	}
}

// sort puts dearer machines first and those of the same picks together.
func (l *lot) sort(bins []bin) {
	slices.SortStableFunc(bins, func(a, b bin) int {
		x, y := &l.offers[a.offer], &l.offers[b.offer]
		return cmp.Or(cmp.Compare(y.price, x.price), cmp.Compare(a.offer, b.offer), slices.CompareFunc(a.picks, b.picks, func(p, q pick) int {
			return cmp.Or(cmp.Compare(p.item, q.item), cmp.Compare(q.count, p.count))
		}))
	})
}

// key tells purchases apart that need a design of their own.
func (b purchase) key() string {
	var s strings.Builder
	writeString(&s, scheduling.FromLabels(b.lot.labels).String())
	writeInt(&s, int64(b.bin.offer))
	for _, p := range b.bin.picks {
		writeInt(&s, int64(p.item))
		writeInt(&s, int64(p.count))
	}
	return s.String()
}

// take returns the pods of one machine.
func (b purchase) take() []*corev1.Pod {
	var out []*corev1.Pod
	for _, p := range b.bin.picks {
		out = append(out, b.lot.items[p.item].group.take(p.count)...)
	}
	return out
}

// design returns the machine without its pods. Share is what it may cost more of the limits than its offer.
func (b purchase) design(share vector) Machine {
	l, s := b.lot, b.lot.shelf
	o := &l.offers[b.bin.offer]
	stocks, zones := fullBitset(len(s.stocks)), fullBitset(len(s.zones))
	load := make(vector, len(s.dimensions.names))
	for _, p := range b.bin.picks {
		it := l.items[p.item]
		load.add(it.group.requests, int64(p.count))
		i := slices.IndexFunc(it.class.options, func(q option) bool { return q.allows(o.stock, o.zone, o.capacityType) })
		stocks.and(it.class.options[i].stocks)
		zones.and(it.class.options[i].zones)
	}
	charge := s.stocks[o.stock].capacity.clone()
	charge.add(share, 1)
	var listed []candidate
	for t := range stocks.all {
		if c, ok := l.candidate(b.bin, t, o.capacityType, zones, load); ok && (t == o.stock || c.stock.capacity.within(charge)) {
			listed = append(listed, c)
		}
	}
	listed = trim(listed, l.otherwise(b.bin, stocks, zones, load))
	first := listed[0]
	load.add(first.stock.wares[o.capacityType].overhead, 1)
	m := Machine{
		Provisioner:  s.provisioner.Name,
		Requirements: l.requirements(listed, zones, o.capacityType),
		Requests:     s.dimensions.list(load),
		Zone:         s.zones[first.zone],
		CapacityType: s.capacityTypes[o.capacityType],
		PricePerHour: first.price,
	}
	for _, c := range listed {
		m.InstanceTypes = append(m.InstanceTypes, c.stock.instanceType.Name)
	}
	return m
}

// candidate returns the instance type in the cheapest of the zones, if it holds the bin.
func (l *lot) candidate(b bin, t, capacityType int, zones bitset, load vector) (candidate, bool) {
	st := l.shelf.stocks[t]
	w := &st.wares[capacityType]
	if !w.sold || !load.within(w.usable) || !l.welcome(b.picks, w) {
		return candidate{}, false
	}
	z := w.cheapest(slices.Collect(zones.all))
	if z < 0 {
		return candidate{}, false
	}
	return candidate{st, w.prices[z], z}, true
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

// otherwise returns the least that the bin costs as another capacity type that all its pods accept; infinite if there is none.
func (l *lot) otherwise(b bin, stocks, zones bitset, load vector) float64 {
	o, least := &l.offers[b.offer], math.Inf(1)
	for capacityType := range l.shelf.capacityTypes {
		accepted := func(p pick) bool {
			return slices.ContainsFunc(l.items[p.item].class.options, func(q option) bool { return q.allows(o.stock, o.zone, capacityType) })
		}
		if capacityType == o.capacityType || slices.ContainsFunc(b.picks, func(p pick) bool { return !accepted(p) }) {
			continue
		}
		for t := range stocks.all {
			if c, ok := l.candidate(b, t, capacityType, zones, load); ok {
				least = min(least, c.price)
			}
		}
	}
	return least
}

// trim orders by price, then name, and drops what is too dear or too many. What costs more than the same pods do as another
// capacity type is too dear: spot is no bargain above the on-demand price.
func trim(listed []candidate, otherwise float64) []candidate {
	slices.SortFunc(listed, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.price, b.price), cmp.Compare(a.stock.instanceType.Name, b.stock.instanceType.Name))
	})
	for i, c := range listed {
		if i == mostInstanceTypes || c.price > listed[0].price*mostDearer || (i > 0 && c.price > otherwise) {
			return listed[:i]
		}
	}
	return listed
}

// requirements returns the machine's requirements: what the provisioner asks for, narrowed down to what the listed instance
// types, the zones they are offered in and the settled labels leave open. A label of the provisioner's own that nobody gave a
// value is left out, for the node will not have it.
func (l *lot) requirements(listed []candidate, zones bitset, capacityType int) scheduling.Requirements {
	s := l.shelf
	out := scheduling.NewRequirements(
		scheduling.NewRequirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, s.capacityTypes[capacityType]))
	var offered []string
	for z := range zones.all {
		if slices.ContainsFunc(listed, func(c candidate) bool { return !math.IsInf(c.stock.wares[capacityType].prices[z], 1) }) {
			offered = append(offered, s.zones[z])
		}
	}
	out.Add(scheduling.NewRequirement(corev1.LabelTopologyZone, corev1.NodeSelectorOpIn, offered...))
	for key, value := range l.labels {
		out.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, value))
	}
	for key := range s.columns {
		named := s.template.Has(key) || key == corev1.LabelOSStable || key == corev1.LabelArchStable
		if values := s.valuesOf(key, listed); named && key != corev1.LabelInstanceTypeStable && len(values) > 0 {
			out.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, values...))
		}
	}
	return out
}

// valuesOf returns the values that the label may have over the listed instance types; none if it may be absent or anything.
func (s *shelf) valuesOf(key string, listed []candidate) []string {
	var out []string
	for _, c := range listed {
		q := labelOf(c.stock.instanceType, key).Intersect(s.template.Get(key))
		if !q.Finite() || q.AllowsAbsent() {
			return nil
		}
		out = append(out, q.Values()...)
	}
	return out
}
