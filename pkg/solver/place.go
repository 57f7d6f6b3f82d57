package solver

import (
	"maps"
	"math"
	"slices"
)

const (
	// mostPlaces bounds the combinations of domains that are looked at for a group. Zones times capacity types are a dozen.
	mostPlaces = 4096
	// mostDivisions bounds how often a shelf is asked into which domains of one axis more a place divides, for a group.
	mostDivisions = 6000
	// mostAxes bounds the topology keys that one pod may be tied over, mostKeys those of all pods.
	mostAxes = 8
	mostKeys = 64
	// mostNamed bounds the values of one label that a provisioner is asked for one by one.
	mostNamed = 64
)

// place is where units of a group can be: in one domain of each of its axes, or outside of all of an axis.
type place struct {
	domains []int // by axis; -1 for none
	pins    *pins
	// toll of machines there, infinite if there are only nodes.
	toll toll
	// room is how many units the nodes there had room for at first.
	room int
}

// at returns the domain on an axis.
func (p *place) at(axis int) int {
	if axis >= len(p.domains) {
		return -1
	}
	return p.domains[axis]
}

// placesKey says what the places of a group depend on.
type placesKey struct {
	filter *filter
	shape  int
	axes   digest
}

// atlas finds the places of groups.
type atlas struct {
	topology *topology
	shelves  []*shelf
	hosts    []*host
	known    map[placesKey][]*place
	// thinned are those of which there are too many to look at all.
	thinned map[placesKey]bool
	tempo   *tempo
	pins    map[digest]*pins
}

func newAtlas(t *topology, shelves []*shelf, hosts []*host, at *tempo) *atlas {
	return &atlas{
		topology: t, shelves: shelves, hosts: hosts, tempo: at,
		known: map[placesKey][]*place{}, thinned: map[placesKey]bool{}, pins: map[digest]*pins{},
	}
}

// places returns where units of the group can be as far as labels, taints and the size of machines go.
func (a *atlas) places(g *group) []*place {
	key := a.placesKey(g)
	out, ok := a.known[key]
	if !ok {
		out, a.thinned[key] = a.survey(g)
		a.known[key] = out
	}
	return out
}

func (a *atlas) placesKey(g *group) placesKey {
	key := placesKey{filter: g.filter, shape: g.shape}
	for _, axis := range g.axes {
		key.axes = key.axes.number(int64(axis))
		if g.needs(axis, a.topology) {
			key.axes = key.axes.number(-1)
		}
	}
	return key
}

// candid returns the miss of a group, with a word about places that were not looked at.
func (a *atlas) candid(g *group, m miss) miss {
	if m.stage != missNothing && a.thinned[a.placesKey(g)] {
		m.text = "of all combinations of domains, which are too many, only some were looked at; " + m.text
	}
	return m
}

// needs reports whether the group's nodes must have a domain on the axis.
func (g *group) needs(axis int, t *topology) bool {
	if g.ties == nil {
		return false
	}
	return slices.Contains(g.ties.labeled, axis) ||
		slices.ContainsFunc(g.ties.spreads, func(s spread) bool { return s.axis == axis }) ||
		slices.ContainsFunc(g.ties.with, func(w together) bool {
			return slices.ContainsFunc(w.counters, func(i int) bool { return t.counters[i].axis == axis })
		})
}

// survey lists what can be bought, then what nodes add to it, and reports whether that is but a part of it.
func (a *atlas) survey(g *group) ([]*place, bool) {
	nowhere := make([]int, len(a.topology.axes))
	for i := range nowhere {
		nowhere[i] = -1
	}
	list := []*place{{domains: nowhere}}
	if g.unknown != "" || len(a.shelves) == 0 {
		list = nil
	}
	whole, divisions := true, mostDivisions
	for _, axis := range g.axes {
		before := len(list)
		list = thin(list, max(divisions/max(len(a.shelves), 1), 1))
		whole = whole && len(list) == before
		divisions -= len(list) * len(a.shelves)
		var next []*place
		for _, p := range list {
			if a.tempo.Err() == nil {
				next = append(next, a.divide(g, p, axis)...)
			}
		}
		list = thin(next, mostPlaces)
		whole = whole && len(list) == len(next)
	}
	index := map[digest]*place{}
	for _, p := range list {
		index[p.digest(g.axes)] = p
	}
	for _, h := range a.hosts {
		list = a.lodge(g, h, list, index)
	}
	for _, p := range list {
		p.pins = a.pinsOf(p, g.axes)
	}
	return list, !whole
}

// thin returns at most so many of the places, evenly from all of the list, so that each domain of the first axes has some left.
func thin(list []*place, most int) []*place {
	if len(list) <= most {
		return list
	}
	out := make([]*place, 0, most)
	for i := range most {
		out = append(out, list[i*len(list)/most])
	}
	return out
}

// divide returns the parts of a place by domain of one more axis.
func (a *atlas) divide(g *group, p *place, axis int) []*place {
	probe, key := *g, a.topology.axes[axis].key
	before := slices.DeleteFunc(slices.Clone(g.axes), func(i int) bool { return i >= axis })
	probe.pins = a.pinsOf(p, before)
	tolls := map[string]toll{}
	for _, s := range a.shelves {
		for value, t := range a.values(s, &probe, axis) {
			if known, ok := tolls[value]; ok {
				t = t.lower(known)
			}
			tolls[value] = t
		}
	}
	var out []*place
	add := func(domain int, t toll) {
		q := &place{domains: slices.Clone(p.domains), toll: t}
		q.domains[axis] = domain
		out = append(out, q)
	}
	for _, value := range slices.Sorted(maps.Keys(tolls)) {
		add(a.topology.axes[axis].domain(value), tolls[value])
	}
	if always(key) || g.needs(axis, a.topology) {
		return out
	}
	add(-1, p.toll)
	probe.pins = a.pinsOf(out[len(out)-1], append(before, axis))
	if !slices.ContainsFunc(a.shelves, func(s *shelf) bool { options, _ := s.viable(&probe); return len(options) > 0 }) {
		out = out[:len(out)-1]
	}
	return out
}

// values returns the values of the axis on machines of the shelf, with the least price of each. A label of the provisioner's
// own that is open to several values has the one that it is asked for.
func (a *atlas) values(s *shelf, probe *group, axis int) map[string]toll {
	key := a.topology.axes[axis].key
	out := s.domains(probe, key)
	open, own := s.template[key]
	if !own || always(key) {
		return out
	}
	named := a.topology.axes[axis].values
	if open.Finite() {
		named = open.Values()
	}
	out = maps.Clone(out)
	for _, value := range named[:min(len(named), mostNamed)] {
		if _, there := out[value]; there || !open.Has(value) {
			continue
		}
		pinned := *probe
		labels := map[string]string{key: value}
		if probe.pins != nil {
			maps.Copy(labels, probe.pins.labels)
			pinned.pins = newPins(labels, probe.pins.absent...)
		} else {
			pinned.pins = newPins(labels)
		}
		if t, ok := s.domains(&pinned, key)[value]; ok {
			out[value] = t
		}
	}
	return out
}

// lodge adds the room on a node to its place.
func (a *atlas) lodge(g *group, h *host, list []*place, index map[digest]*place) []*place {
	n := 0
	if g.unknown == "" {
		n = g.requests.times(h.free, len(g.pods)/g.size)
	}
	if n == 0 || !h.admit(g.filter) {
		return list
	}
	p := &place{domains: make([]int, len(a.topology.axes)), toll: toll{math.Inf(1), math.Inf(1)}}
	for i := range p.domains {
		p.domains[i] = -1
	}
	for _, axis := range g.axes {
		switch domains := h.class.domains(a.topology, axis); {
		case len(domains) == 1:
			p.domains[axis] = domains[0]
		case len(domains) > 1 || h.class.possible.Has(a.topology.axes[axis].key) || g.needs(axis, a.topology):
			return list // where the node will be is open
		}
	}
	d := p.digest(g.axes)
	if there, ok := index[d]; ok {
		p = there
	} else {
		index[d], list = p, append(list, p)
	}
	p.room += n
	return list
}

// digest identifies the place on the axes.
func (p *place) digest(axes []int) digest {
	var d digest
	for _, axis := range axes {
		d = d.number(int64(axis)).number(int64(p.domains[axis]))
	}
	return d
}

// pinsOf returns the labels of the place on the axes; nil if there are none.
func (a *atlas) pinsOf(p *place, axes []int) *pins {
	if len(axes) == 0 {
		return nil
	}
	key := p.digest(axes)
	if out, ok := a.pins[key]; ok {
		return out
	}
	labels, absent := map[string]string{}, []string(nil)
	for _, axis := range axes {
		if x := a.topology.axes[axis]; p.domains[axis] >= 0 {
			labels[x.key] = x.values[p.domains[axis]]
		} else {
			absent = append(absent, x.key)
		}
	}
	out := newPins(labels, absent...)
	a.pins[key] = out
	return out
}
