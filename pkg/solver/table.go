package solver

import (
	"cmp"
	"math"
	"slices"
)

// table holds the cheapest ways in which one shelf can buy for every state, by dynamic programming: the machine that hosts the
// first of the units, and the cheapest way for the rest.
type table struct {
	few   *few
	shelf *shelf
	lots  []*lot
	// items of each lot by group; nil for groups that cannot be in it.
	items   [][]*item
	indexes [][]int // of the items in their lot
	dishes  []dish  // of all lots, the cheapest first
	// limited says that drafts keep to the shelf's limits. As long as they need not, there is one per state.
	limited bool
	// holders lists for each state the dishes that hold it on one machine, without those that are dearer than another and charge
	// no limit less.
	holders [][]int
	// drafts of each state, likewise; none if the shelf cannot buy for it.
	drafts [][]draft
}

// dish is an offer of one of the lots.
type dish struct {
	lot, offer int
	cost       float64
	charge     vector
}

// draft is a way to buy for a state: one machine for the units in part, and another draft of what remains.
type draft struct {
	bill
	charge vector
	dish   int
	part   int
	next   int
}

// bill is what machines cost, US dollars per hour, and how many they are.
type bill struct {
	cost     float64
	machines int
}

// sameCost is the difference, US dollars per hour, up to which costs count as equal.
const sameCost = 1e-10

// compare orders bills by cost and, where that is equal, by the number of machines.
func (b bill) compare(o bill) int {
	if math.Abs(b.cost-o.cost) > sameCost {
		return cmp.Compare(b.cost, o.cost)
	}
	return cmp.Compare(b.machines, o.machines)
}

func (b bill) plus(o bill) bill { return bill{b.cost + o.cost, b.machines + o.machines} }

// newTable returns false if that takes too many looks.
func newTable(f *few, s *shelf) (*table, bool) {
	t := &table{few: f, shelf: s, lots: s.allLots(f.groups, f.fee)}
	for i, l := range t.lots {
		items, indexes := make([]*item, len(f.groups)), make([]int, len(f.groups))
		for k, it := range l.items {
			g := slices.Index(f.groups, it.group)
			items[g], indexes[g] = it, k
		}
		t.items, t.indexes = append(t.items, items), append(t.indexes, indexes)
		for k := range l.offers {
			charge := s.stocks[l.offers[k].stock].capacity
			if _, over := s.budget.exhausted(charge); !over {
				t.dishes = append(t.dishes, dish{lot: i, offer: k, cost: l.offers[k].cost, charge: charge})
			}
		}
	}
	slices.SortFunc(t.dishes, func(a, b dish) int {
		return cmp.Or(cmp.Compare(a.cost, b.cost), slices.Compare(a.charge, b.charge), cmp.Compare(a.lot, b.lot), cmp.Compare(a.offer, b.offer))
	})
	return t, f.look(len(t.dishes)) && t.fill()
}

// fill fills in holders and drafts.
func (t *table) fill() bool {
	t.holders, t.drafts = make([][]int, len(t.few.counts)), make([][]draft, len(t.few.counts))
	t.drafts[0] = []draft{{charge: make(vector, len(t.shelf.budget.names))}}
	for state := 1; state < len(t.few.counts); state++ {
		if !t.hold(state) || !t.draft(state) {
			return false
		}
	}
	return true
}

// hold fills in the holders of a state. What does not hold some of its units does not hold all of them.
func (t *table) hold(state int) bool {
	from := 0
	for less := range t.few.lesser(state) {
		switch {
		case less == 0:
		case len(t.holders[less]) == 0:
			return true
		default:
			from = max(from, t.holders[less][0])
		}
	}
	for i := from; i < len(t.dishes); i++ {
		if !t.few.look(1) {
			return false
		}
		lighter := func(k int) bool { return t.dishes[k].charge.within(t.dishes[i].charge) }
		if slices.ContainsFunc(t.holders[state], lighter) || !t.holds(i, state) {
			continue
		}
		t.holders[state] = append(t.holders[state], i)
		if !t.limited {
			break
		}
	}
	return true
}

// holds reports whether a machine of the dish can host all units of the state.
func (t *table) holds(i, state int) bool {
	d := &t.dishes[i]
	l := t.lots[d.lot]
	o := &l.offers[d.offer]
	for axis, r := range l.axes.resources {
		if load := t.few.loads[state][r]; load > 0 && load > o.room[axis] {
			return false
		}
	}
	for g, n := range t.few.counts[state] {
		if n > 0 && (t.items[d.lot][g] == nil || !t.items[d.lot][g].class.fits.has(d.offer)) {
			return false
		}
	}
	return t.few.amicable(state, &o.ware.residents)
}

// picks returns the units of a state as picks of a lot.
func (t *table) picks(lot, state int) []pick {
	var out []pick
	for g, n := range t.few.counts[state] {
		if n > 0 {
			out = append(out, pick{t.indexes[lot][g], n})
		}
	}
	return out
}

// draft fills in the drafts of a state; those of all its parts are known.
func (t *table) draft(state int) bool {
	first := slices.IndexFunc(t.few.counts[state], func(n int) bool { return n > 0 })
	for part := range t.few.parts(state) {
		rest := state - part
		if t.few.counts[part][first] == 0 || len(t.holders[part]) == 0 || len(t.drafts[rest]) == 0 {
			continue
		}
		if !t.few.look(len(t.holders[part]) * len(t.drafts[rest])) {
			return false
		}
		for _, i := range t.holders[part] {
			for next := range t.drafts[rest] {
				t.keep(state, draft{dish: i, part: part, next: next})
			}
		}
	}
	return true
}

// keep adds a draft of the state unless another is as cheap and charges no limit more, or it overshoots one.
func (t *table) keep(state int, d draft) {
	rest := &t.drafts[state-d.part][d.next]
	d.bill = rest.plus(bill{t.dishes[d.dish].cost, 1})
	old := t.drafts[state]
	if !t.limited {
		if len(old) == 0 || d.compare(old[0].bill) < 0 {
			t.drafts[state] = append(old[:0], d)
		}
		return
	}
	d.charge = rest.charge.clone()
	d.charge.add(t.dishes[d.dish].charge, 1)
	beaten := func(o draft) bool { return o.compare(d.bill) <= 0 && o.charge.within(d.charge) }
	if !d.charge.within(t.shelf.budget.left) || slices.ContainsFunc(old, beaten) {
		return
	}
	old = slices.DeleteFunc(old, func(o draft) bool { return d.compare(o.bill) <= 0 && d.charge.within(o.charge) })
	t.drafts[state] = append(old, d)
}

// best returns the most of what is left that the shelf can buy for, at the least cost; false if finding out takes too many looks.
func (t *table) best(left int) (order, bool) {
	if !t.limited {
		hosted := t.few.only(left, t.hosts)
		if drafts := t.drafts[hosted]; len(drafts) > 0 && t.charge(order{hosted, 0}).within(t.shelf.budget.left) {
			return order{hosted, 0}, true
		}
		if t.limited = true; !t.fill() {
			return order{}, false
		}
	}
	var out order
	most, least := 0, bill{}
	for part := range t.few.parts(left) {
		for i := range t.drafts[part] {
			pods, d := t.few.pods(part), &t.drafts[part][i]
			if pods > most || pods == most && d.compare(least) < 0 {
				out, most, least = order{part, i}, pods, d.bill
			}
		}
	}
	return out, true
}

// hosts reports whether the shelf can host the group, limits aside.
func (t *table) hosts(group int) bool {
	return slices.ContainsFunc(t.items, func(items []*item) bool { return items[group] != nil })
}

// machine is a dish with the units it hosts.
type machine struct{ dish, part int }

// machines returns what an order buys.
func (t *table) machines(o order) []machine {
	var out []machine
	for o.state > 0 {
		d := &t.drafts[o.state][o.draft]
		out = append(out, machine{d.dish, d.part})
		o = order{o.state - d.part, d.next}
	}
	return out
}

// charge returns what an order takes of the limits.
func (t *table) charge(o order) vector {
	v := make(vector, len(t.shelf.budget.names))
	for _, m := range t.machines(o) {
		v.add(t.dishes[m.dish].charge, 1)
	}
	return v
}

// sell makes the purchases of an order.
func (t *table) sell(o order) {
	bins := make([][]bin, len(t.lots))
	for _, m := range t.machines(o) {
		d := &t.dishes[m.dish]
		t.shelf.budget.spend(d.charge, 1)
		bins[d.lot] = append(bins[d.lot], bin{offer: d.offer, picks: t.picks(d.lot, m.part)})
	}
	for i, l := range t.lots {
		l.sort(bins[i])
		for _, b := range bins[i] {
			sold := purchase{lot: l, bin: b}
			sold.pods = sold.take()
			t.shelf.sold = append(t.shelf.sold, sold)
		}
	}
}
