package solver

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// newHostname stands for the hostname of a machine that is yet to come; no label can have this value.
const newHostname = "(new)"

// option is how a machine of a shelf can meet a pod's requirements: any of the instance types, in any of the zones, bought in any
// of the ways, with the labels. Requirements on one key never depend on another, so all combinations do.
type option struct {
	stocks bitset
	zones  bitset
	ways   bitset
	// labels are the provisioner's own keys for which a value is settled.
	labels map[string]string
	// lot identifies the labels: only pods whose labels agree share a machine.
	lot string
	// own is what the pod asks of these keys; indifferent says that it is nothing.
	own         scheduling.Requirements
	indifferent bool
	// relaxed says that what the provisioner wants of the instance types cannot be met and need not be.
	relaxed bool
	key     string
}

// choice is the options of a filter, or why there are none.
type choice struct {
	options []option
	// plain are the options with ordinary instance types only, in the same order.
	plain []option
	// tops are what the largest instance types of each option have, from the first pod on that none can host.
	tops []tops
	miss miss
}

// question is what a choice depends on: a filter, and the text of the pins.
type question struct {
	filter *filter
	pins   string
}

// allows reports whether a machine of this kind meets the option; a way that is newer than the option is another's.
func (o *option) allows(stock, zone, way int) bool {
	return way/64 < len(o.ways) && o.ways.has(way) && o.stocks.has(stock) && o.zones.has(zone)
}

// choose returns what the shelf has for the filter where nodes have the pinned labels. It is shared and must not be changed.
func (s *shelf) choose(f *filter, p *pins) *choice {
	key := question{f, p.text()}
	c, ok := s.choices[key]
	if !ok {
		fresh := s.chooseAfresh(f, p)
		for i := range fresh.options {
			fresh.plain = append(fresh.plain, s.withoutSpecial(&fresh.options[i]))
		}
		fresh.tops = make([]tops, len(fresh.options))
		c = &fresh
		s.choices[key] = c
	}
	return c
}

// withoutSpecial returns the option with ordinary instance types only.
func (s *shelf) withoutSpecial(o *option) option {
	plain := *o
	plain.stocks = slices.Clone(o.stocks)
	plain.stocks.and(s.catalogue.ordinary)
	return plain.identified()
}

// identified returns the option with the key that tells it apart.
func (o option) identified() option {
	o.key = o.stocks.key() + o.zones.key() + o.ways.key() + "|" + o.lot
	if o.relaxed {
		o.key += "|relaxed"
	}
	return o
}

// agrees reports whether the labels of a lot are what the option settles on, or would do as well.
func (o *option) agrees(l *lot) bool {
	return o.lot == l.key || meets(o.own, l.labels)
}

// under returns the options for machines of a lot, as far as they agree with it and host the group. Which DaemonSets run may hang on the labels.
func (s *shelf) under(l *lot, options []option, g *group) []option {
	var out []option
	for _, o := range options {
		if o.lot != l.key {
			if !o.agrees(l) {
				continue
			}
			o.labels, o.lot = l.labels, l.key
			if len(s.waysOf) > 1 {
				ways := s.waysFor(l.labels)
				ways.and(s.alike(o.ways))
				o.ways = ways
			}
			o = o.identified()
			if len(s.waysOf) > 1 && !s.hosts(&o, g) {
				continue
			}
		}
		if !slices.ContainsFunc(out, func(p option) bool { return p.key == o.key }) {
			out = append(out, o)
		}
	}
	return out
}

func (s *shelf) chooseAfresh(f *filter, p *pins) choice {
	name := s.provisioner.Name
	if reason := f.untolerated(s.provisioner.Taints); reason != "" {
		taint := strings.TrimSuffix(reason, " is not tolerated")
		return choice{miss: miss{stage: missTaint, text: fmt.Sprintf("%s of provisioner %s is not tolerated; add a toleration to the pod or allow it in another provisioner", taint, name)}}
	}
	return s.chooseTolerated(f, p)
}

// chooseTolerated returns what the shelf has for pods that tolerate its taints.
func (s *shelf) chooseTolerated(f *filter, p *pins) choice {
	name := s.provisioner.Name
	for _, key := range s.template.Keys() {
		if s.template[key].Empty() {
			return choice{miss: miss{stage: missRequirement, text: fmt.Sprintf("labels and requirements of provisioner %s contradict each other on %s; change one of them", name, key)}}
		}
	}
	if len(f.alternatives) == 0 {
		return choice{miss: miss{stage: missRequirement, text: "its required node affinity has no term that a new node can match"}}
	}
	var c choice
	seen := map[string]bool{}
	for _, alternative := range f.alternatives {
		if p != nil {
			alternative = alternative.Union(p.requirements())
		}
		options, m := s.meet(alternative)
		c.miss = c.miss.nearer(m)
		for _, o := range options {
			if !seen[o.key] {
				seen[o.key] = true
				c.options = append(c.options, o)
			}
		}
	}
	return c
}

// meet returns how the shelf meets the requirements, or why it does not.
func (s *shelf) meet(requirements scheduling.Requirements) ([]option, miss) {
	o := option{stocks: slices.Clone(s.allowed), zones: newBitset(len(s.zones))}
	own := scheduling.Requirements{} // the pod's part in the provisioner's own keys
	for _, key := range requirements.Keys() {
		if m := s.narrow(&o, own, requirements[key]); m.stage != missNothing {
			return nil, m
		}
	}
	zone, capacityType := requirements.Get(corev1.LabelTopologyZone), requirements.Get(v1alpha5.CapacityTypeLabel)
	for _, m := range []miss{s.offers(s.zones, zone), s.offers(s.capacityTypeNames(), capacityType)} {
		if m.stage != missNothing {
			return nil, m
		}
	}
	labels, m := s.settle(own)
	if m.stage != missNothing {
		return nil, m
	}
	for z, name := range s.zones {
		if zone.Has(name) {
			o.zones.add(z)
		}
	}
	o.own, o.indifferent = own, len(own) == 0
	var out []option
	for _, labels := range s.settlements(labels, own) {
		out = append(out, s.settled(o, labels, capacityType))
	}
	return out, miss{}
}

// settled returns the option with labels, in the ways in which machines that have them can be bought.
func (s *shelf) settled(o option, labels map[string]string, capacityType scheduling.Requirement) option {
	o.ways = s.waysFor(labels)
	for w := range o.ways.all {
		if !capacityType.Has(s.ways[w].capacityType) {
			o.ways.drop(w)
		}
	}
	o.labels = labels
	var lot strings.Builder
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		writeString(&lot, key)
		writeString(&lot, labels[key])
	}
	o.lot = lot.String()
	return o.identified()
}

func (s *shelf) capacityTypeNames() []string {
	var out []string
	for _, k := range s.capacityTypes {
		out = append(out, s.catalogue.capacityTypes[k])
	}
	return out
}

// narrow applies one requirement that is not about offerings.
func (s *shelf) narrow(o *option, own scheduling.Requirements, q scheduling.Requirement) miss {
	name, key := s.provisioner.Name, q.Key()
	template, defined := s.template[key]
	labels, known := s.catalogue.column(key)
	switch {
	case isOfferingKey(key):
	case key == corev1.LabelHostname || key == scheduling.NodeName:
		if q.Finite() || !q.Has(newHostname) {
			return miss{stage: missRequirement, text: fmt.Sprintf("%s is asked for, a new node has a name of its own; remove it from the pod", q)}
		}
	case defined && !template.Compatible(q):
		return miss{stage: missRequirement, key: key, text: fmt.Sprintf("%s is asked for where there is %s; change it in provisioner %s or in the pod", q, template, name)}
	case known:
		o.stocks.and(labels.accepting(q, s.template.Get(key)))
		if o.stocks.empty() {
			return s.unmatched(q)
		}
	case defined:
		own.Add(q)
	case !q.AllowsAbsent():
		return miss{stage: missRequirement, key: key, tell: func(*group) string { return s.undefined(q) }}
	}
	return miss{}
}

// unmatched says that no allowed instance type has a label, and what to change.
func (s *shelf) unmatched(q scheduling.Requirement) miss {
	return miss{stage: missType, key: q.Key(), tell: func(*group) string {
		text := fmt.Sprintf("%s is asked for, no instance type that provisioner %s allows has it", q, s.provisioner.Name)
		f := &filter{alternatives: []scheduling.Requirements{scheduling.NewRequirements(q)}}
		for _, r := range s.remedies(f, make(vector, len(s.dimensions.names))) {
			if !slices.ContainsFunc(r.obstacles, func(o obstacle) bool { return o.byPod }) {
				return text + fmt.Sprintf("; allow %s there, e.g. %s", obstaclesText(r.obstacles), s.stocks[r.stock].instanceType.Name)
			}
		}
		if q.Finite() && q.Len() > 0 {
			if guess := meant(q.Values()[0], s.catalogue.values(q.Key())); guess != "" {
				return text + guess
			}
		}
		return text + "; no other has it, so change it in the pod"
	}}
}

// obstaclesText names the labels.
func obstaclesText(obstacles []obstacle) string {
	var out []string
	for _, o := range obstacles {
		out = append(out, "another "+o.key)
	}
	return strings.Join(out, " and ")
}

// offers returns why none of the values of offerings meets the requirement.
func (s *shelf) offers(values []string, q scheduling.Requirement) miss {
	switch {
	case slices.ContainsFunc(values, q.Has):
		return miss{}
	case len(values) == 0:
		return miss{stage: missOffering, tell: func(*group) string { return s.nothingOnOffer() }}
	default:
		return miss{stage: missRequirement, key: q.Key(), text: fmt.Sprintf("%s is asked for, provisioner %s has offerings in [%s] only; change it there or in the pod", q, s.provisioner.Name, strings.Join(values, " "))}
	}
}
