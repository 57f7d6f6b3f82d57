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
	// key identifies the labels.
	key   string
	items []*item
	// classes are the items that may be on the same offers.
	classes []*class
	// byOptions maps the keys of a class's options -> the class.
	byOptions map[string]*class
	offers    []offer
	// axes are what sizes and rooms are measured in.
	axes   axes
	shapes []shape
	// kinds are offers that differ in nothing but who may go there, such as those of one instance type in several zones.
	kinds [][]int
	// outcomes are what machines that were sold can turn out to be, by what tells purchases apart.
	outcomes map[string]*outcomes
	// marks is above all marks that an item or a DaemonSet of the lot knows.
	marks int
}

// item is a group in a lot.
type item struct {
	group *group
	class *class
	// shape is the place of the item's shape in the lot.
	shape int
	// alone is how many of the group one machine may have as far as rules go.
	alone int
	// own is how many pods of a unit carry the mark of each of its rules.
	own []int
}

// class is a set of options with the offers that meet them.
type class struct {
	options []option
	place   int    // in the lot's classes
	fits    bitset // offers
	choice  int    // how many offers those are
}

// offer is an instance type of one capacity type in the cheapest of several zones that no item of the lot tells apart.
type offer struct {
	stock, capacityType, zone int
	// price is what the instance costs, cost what the machine counts for, US dollars per hour.
	price, cost float64
	ware        *ware
	// room is what it holds on the axes of the lot.
	room vector
	// kit is who shares its list; nil if nobody does. plain says that nobody has to.
	kit   *kit
	plain bool
}

// lots returns the groups that the shelf can host, sorted by the labels they settle on; the others learn why not. Groups that
// ask for no labels come last and join the first lot there is, so that they fill up what others leave. Fee is what a machine
// costs on top of its price, ask says which options a group has. If it gets late meanwhile, the groups that are left wait: those that were looked at need machines.
func (s *shelf) lots(at *tempo, groups []*group, fee float64, ask func(*group) ([]option, miss)) []*lot {
	byLabels := map[string]*lot{}
	var indifferent []waiting
	early, stopped := !at.late(), false
	for _, g := range groups {
		if g.left == 0 || g.miss.stage == missRefused {
			continue
		}
		if stopped = stopped || early && at.late() || at.Err() != nil; stopped {
			g.miss = g.miss.nearer(miss{stage: missTime, text: outOfTime})
			continue
		}
		options, m := ask(g)
		switch {
		case len(options) == 0:
			g.miss = g.miss.nearer(m)
		case options[0].indifferent:
			indifferent = append(indifferent, waiting{g, options})
		default:
			s.lot(byLabels, options[0]).add(g, options, options[0].lot)
		}
	}
	if !s.join(byLabels, indifferent, at) {
		return nil
	}
	out := make([]*lot, 0, len(byLabels))
	for _, key := range slices.Sorted(maps.Keys(byLabels)) {
		if at.Err() != nil {
			return nil
		}
		byLabels[key].stock(fee)
		out = append(out, byLabels[key])
	}
	return out
}

// join puts groups that ask for no labels into the first lot that they may be in, or one of their own; false if the time is over first.
func (s *shelf) join(byLabels map[string]*lot, indifferent []waiting, at *tempo) bool {
	keys := slices.Sorted(maps.Keys(byLabels))
	for i, w := range indifferent {
		if at.stops(i) {
			return false
		}
		options := w.options
		for _, key := range keys {
			if there := s.under(byLabels[key], w.options, w.group); len(there) > 0 {
				options = there
				break
			}
		}
		s.lot(byLabels, options[0]).add(w.group, options, options[0].lot)
	}
	return true
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
		l = &lot{shelf: s, labels: o.labels, key: o.lot, byOptions: map[string]*class{}}
		byLabels[o.lot] = l
	}
	return l
}

// add takes the group in, with those of its options that settle on the same labels.
func (l *lot) add(g *group, options []option, labels string) {
	c := l.class(options, labels)
	var nobody company
	it := &item{group: g, class: c, alone: nobody.room(g.guest, math.MaxInt32)}
	for _, r := range g.guest.rules {
		it.own = append(it.own, g.guest.carries(r.mark))
		l.marks = max(l.marks, int(r.mark)+1)
	}
	for _, m := range g.guest.marks {
		l.marks = max(l.marks, int(m.mark)+1)
	}
	l.items = append(l.items, it)
}

// class returns the class of the options that settle on the labels.
func (l *lot) class(options []option, labels string) *class {
	var key strings.Builder
	for i := range options {
		if options[i].lot == labels {
			writeString(&key, options[i].key)
		}
	}
	c, ok := l.byOptions[key.String()]
	if !ok {
		own := slices.DeleteFunc(slices.Clone(options), func(o option) bool { return o.lot != labels })
		c = &class{options: own, place: len(l.classes)}
		l.byOptions[key.String()], l.classes = c, append(l.classes, c)
	}
	return c
}

// stock settles everything that depends on all items: what there is to buy, and what it is measured in.
func (l *lot) stock(fee float64) {
	offers := l.assorted(l.candidates(fee), fee)
	l.measure(offers)
	l.display(offers)
}
