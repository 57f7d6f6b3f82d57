package solver

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

const (
	// mostKinds bounds the kinds of pods that are told apart; the rest counts only in what all pods ask for.
	mostKinds = 64
	// mostCuts bounds the kinds that get rows of their own in the linear program.
	mostCuts = 6
)

// lowerBound returns what no plan for the pods on machines can cost less than, if each pod is bought for by a provisioner that
// its weight order allows and keeps the preferences that it keeps in this plan: the value of a linear program that buys what the
// pods ask for in fractions of machines. Which zones and other domains the pods were pinned to does not matter to it, nor with
// whom they share a machine, since another plan may choose others.
//
// Three things make it tighter than the sums of all requests alone. Pods that may only be on some offers must be bought for
// there, whatever is cheap elsewhere. Large pods must be bought for on machines that are large enough, in whole pods. And pods of
// which a machine takes only so many, by anti-affinity, a host port or a spread over hosts that could have an empty one, need as
// many machines, of those that are large enough for one of them. If the time is over first, a coarser bound has to do.
func (s *solution) lowerBound(at *tempo) float64 {
	order, counts := s.onMachines()
	for i, o := range order {
		if at.stops(i) {
			return s.coarseBound(order, counts)
		}
		for _, shelf := range s.shelves {
			shelf.choose(o.group.filter, nil) // so that all ways to buy are known
		}
	}
	m := newMarket(s.shelves)
	c := account{market: m, kinds: map[string]*kind{}, known: map[kindKey]*kind{}, claims: map[mark][]claim{}}
	c.gauges, c.plain = s.gauges(order, counts)
	for i, o := range order {
		if at.stops(i) {
			return s.coarseBound(order, counts)
		}
		c.count(o, counts[o])
	}
	c.sort()
	if len(c.list) == 0 {
		return 0
	}
	if l := newRelaxation(&c, max(s.problem.Settings.NodeFee, 0)); at.Err() == nil {
		return l.bound(at)
	}
	return s.coarseBound(order, counts)
}

// onMachine is a group of single pods with the place of the shelf that has sold the machines for it.
type onMachine struct {
	group *group
	shelf int
	// inCompany says that they share their machines with others whom they require, or who require them, or whose labels they took.
	inCompany bool
}

// onMachines returns who is on machines, in order, and how many pods of each.
func (s *solution) onMachines() ([]onMachine, map[onMachine]int) {
	var order []onMachine
	counts := map[onMachine]int{}
	var note func(o onMachine, n int)
	note = func(o onMachine, n int) {
		for _, m := range o.group.members {
			note(onMachine{m.group, o.shelf, true}, n*m.n)
		}
		if len(o.group.members) > 0 {
			return
		}
		if counts[o] == 0 {
			order = append(order, o)
		}
		counts[o] += n
	}
	for k, shelf := range s.shelves {
		for _, sold := range shelf.sold {
			for _, p := range sold.bin.picks {
				g := sold.lot.items[p.item].group
				note(onMachine{g, k, g.pins.settle(shelf)}, p.count)
			}
		}
	}
	return order, counts
}

// market numbers all offers of the shelves: each shelf, way to buy and zone has a block of words in a bitset, with a bit for
// each stock.
type market struct {
	shelves []*shelf
	start   []int // the first word of each shelf
	stride  []int // the words of a block of each shelf
	words   int
}

func newMarket(shelves []*shelf) *market {
	m := &market{shelves: shelves}
	for _, s := range shelves {
		stride := len(newBitset(len(s.stocks)))
		m.start, m.stride = append(m.start, m.words), append(m.stride, stride)
		m.words += stride * len(s.ways) * len(s.zones)
	}
	return m
}

// block returns the words of one shelf, way and zone.
func (m *market) block(b bitset, shelf, way, zone int) bitset {
	from := m.start[shelf] + m.stride[shelf]*(way*len(m.shelves[shelf].zones)+zone)
	return b[from : from+m.stride[shelf]]
}

// of returns the words of a shelf.
func (m *market) of(b bitset, shelf int) bitset {
	if shelf+1 == len(m.start) {
		return b[m.start[shelf]:]
	}
	return b[m.start[shelf]:m.start[shelf+1]]
}

// admit adds the offers of a shelf that meet one of the options, or would with other labels of the provisioner's own.
func (m *market) admit(b bitset, shelf int, options []option) {
	for i := range options {
		for c := range m.shelves[shelf].alike(options[i].ways).all {
			for z := range options[i].zones.all {
				m.block(b, shelf, c, z).or(options[i].stocks)
			}
		}
	}
}

// kind is the pods on machines that may be on the same offers.
type kind struct {
	key    string
	offers bitset    // of the market
	total  []float64 // by gauge
}

// kindKey is what a kind depends on, as cheap to compare as can be.
type kindKey struct {
	filter  *filter
	shelves string
	vague   bool
}

// account adds up what the pods on machines ask for.
type account struct {
	market *market
	// gauges, of which the first are the plain ones.
	gauges []gauge
	plain  int
	// smallest is the least that any pod asks for of each resource.
	smallest vector
	kinds    map[string]*kind  // what the pods may be on -> kind
	known    map[kindKey]*kind // cache of kinds
	list     []*kind           // in order of key
	claims   map[mark][]claim
}

// count adds so many pods of a group.
func (c *account) count(o onMachine, pods int) {
	k := c.kind(o)
	if c.smallest == nil {
		c.smallest = o.group.requests.clone()
	}
	c.smallest.lower(o.group.requests)
	for i := range c.gauges {
		k.total[i] += float64(c.gauges[i].asked(o.group.requests)) * float64(pods)
	}
	c.claim(o.group, k, pods)
}

// sort puts the kinds in order.
func (c *account) sort() {
	for _, key := range slices.Sorted(maps.Keys(c.kinds)) {
		c.list = append(c.list, c.kinds[key])
	}
}

// vague reports whether pods may be on offers of the shelf of which their filter alone does not tell: those that were not looked at,
// and those that get a label that the provisioner leaves open from company which names its value.
func (o onMachine) vague(s *shelf) bool {
	opens := func(q scheduling.Requirements) bool { return slices.ContainsFunc(q.Keys(), s.leavesOpen) }
	return o.group.filter.cut || o.inCompany && slices.ContainsFunc(o.group.filter.alternatives, opens)
}

// kind returns the kind of a group.
func (c *account) kind(o onMachine) *kind {
	free := *o.group
	free.pins = nil
	open := newBitset(len(c.market.shelves))
	open.add(o.shelf)
	limited, vague := len(c.market.shelves[o.shelf].budget.names) > 0, o.vague(c.market.shelves[o.shelf])
	for i, s := range c.market.shelves {
		if i == o.shelf || i > o.shelf && !limited {
			continue
		}
		// Heavier ones may have taken the pods where topology was assigned in another way, or limits were spent on others; if it
		// was limits that moved them here, lighter ones may have, too.
		there := o.vague(s)
		if options, _ := s.viable(&free); there || len(options) > 0 {
			open.add(i)
		}
		vague = vague || there
	}
	key := kindKey{free.filter, open.key(), vague}
	k, ok := c.known[key]
	if !ok {
		k = c.kindOf(key.filter, open, vague)
		c.known[key] = k
	}
	return k
}

// kindOf returns the kind of pods that may be on some shelves, on any of their offers if they are vague.
func (c *account) kindOf(f *filter, shelves bitset, vague bool) *kind {
	var key strings.Builder
	k := &kind{offers: make(bitset, c.market.words), total: make([]float64, len(c.gauges))}
	for i := range shelves.all {
		s := c.market.shelves[i]
		options := s.choose(f, nil).options
		if vague {
			options = []option{option{stocks: s.allowed, zones: fullBitset(len(s.zones)), ways: fullBitset(len(s.ways))}.identified()}
		}
		key.WriteString(strconv.Itoa(i))
		for o := range options {
			writeString(&key, options[o].key)
		}
		c.market.admit(k.offers, i, options)
	}
	k.key = key.String()
	if same, ok := c.kinds[k.key]; ok {
		return same
	}
	c.kinds[k.key] = k
	return k
}

// cuts returns the kinds that get rows of their own, those with the largest part in what is asked for first, each with what
// the pods ask for that may be nowhere but on its offers.
func (c *account) cuts(everywhere bitset, total []float64) []*kind {
	part := func(k *kind) float64 {
		most := 0.0
		for r, q := range k.total {
			if total[r] > 0 {
				most = max(most, q/total[r])
			}
		}
		return most
	}
	list := slices.Clone(c.list)
	slices.SortStableFunc(list, func(a, b *kind) int { return cmp.Compare(part(b), part(a)) })
	list = list[:min(len(list), mostKinds)]
	var out []*kind
	for _, k := range list {
		if len(out) == mostCuts || everywhere.within(k.offers) {
			continue
		}
		cut := &kind{key: k.key, offers: k.offers, total: make([]float64, c.plain)}
		for _, other := range list {
			if !other.offers.within(k.offers) {
				continue
			}
			for r, q := range other.total[:c.plain] {
				cut.total[r] += q
			}
		}
		out = append(out, cut)
	}
	return out
}
