package solver

import (
	"cmp"
	"encoding/binary"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

const (
	// mostInstanceTypes is how many instance types a machine lists: as many as one CreateFleet request takes well.
	mostInstanceTypes = 60
	// mostDearer is the default of Settings.MostDearer. Types of one size lie within a third of each other between generations and
	// makers, and the next size costs twice as much: one and a half keeps the siblings and leaves out the larger sizes.
	mostDearer = 1.5
)

// mostDearer returns how many times its first price a machine may cost.
func (s *Settings) mostDearer() float64 {
	if s.MostDearer == 0 {
		return mostDearer
	}
	return max(s.MostDearer, 1)
}

// purchase is a bin of a lot.
type purchase struct {
	lot  *lot
	bin  bin
	pods []*corev1.Pod
}

// divide shares out what the limits leave among the machines that are sold by now. What is given back later stays undivided, so that
// machines turn out as they did when pods were last looked at one by one.
func (s *shelf) divide() { s.share, s.sharers = s.budget.share(len(s.sold)), len(s.sold) }

func (s *shelf) designer() designer { return designer{shelf: s, share: s.share, dearer: s.dearer} }

// emit adds what the shelf has sold to the plan. Purchases of the same picks come out the same but for their pods.
func (s *solution) emit(shelf *shelf) {
	bought := shelf.sold
	if shelf.share == nil || len(bought) > shelf.sharers {
		shelf.divide()
	}
	d := shelf.designer()
	d.tempo = s.effort.tempo
	designs := map[*lot]map[string]*Machine{}
	var key []byte
	s.plan.Machines = slices.Grow(s.plan.Machines, len(bought))
	for _, b := range bought {
		known, ok := designs[b.lot]
		if !ok {
			known = map[string]*Machine{}
			designs[b.lot] = known
		}
		key = b.key(key[:0])
		design, ok := known[string(key)]
		if !ok {
			m := d.design(b)
			design, known[string(key)] = &m, &m
		}
		m := *design
		m.Pods = b.pods
		s.plan.Machines = append(s.plan.Machines, m)
		s.plan.CostPerHour += m.PricePerHour + s.problem.Settings.NodeFee
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

// key appends what tells purchases of a lot apart that need a design of their own.
func (b purchase) key(to []byte) []byte {
	to = binary.AppendUvarint(to, uint64(b.bin.offer)) //nolint:gosec // places and counts are not negative
	for _, p := range b.bin.picks {
		to = binary.AppendUvarint(to, uint64(p.item))  //nolint:gosec // likewise
		to = binary.AppendUvarint(to, uint64(p.count)) //nolint:gosec // likewise
	}
	return to
}

// take returns the pods of one machine.
func (b purchase) take() []*corev1.Pod {
	items := b.lot.items
	if len(b.bin.picks) == 1 {
		return items[b.bin.picks[0].item].group.take(b.bin.picks[0].count)
	}
	n := 0
	for _, p := range b.bin.picks {
		n += p.count * items[p.item].group.size
	}
	out := make([]*corev1.Pod, 0, n)
	for _, p := range b.bin.picks {
		out = append(out, items[p.item].group.take(p.count)...)
	}
	return out
}
