package solver

import (
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// sold says whether pods on a machine that is sold count, whichever of its outcomes comes true.
func (r *reach) sold(o *outcomes) presence {
	if r == nil {
		return surely
	}
	out, known := r.machines[o]
	if !known {
		out = r.judge(o)
		r.machines[o] = out
	}
	return out
}

func (r *reach) judge(o *outcomes) presence {
	if r.sample != nil && scheduling.Taints(o.shelf.provisioner.Taints).Tolerated(r.sample) != "" {
		return never
	}
	alternatives := []scheduling.Requirements{{}}
	if r.affinity {
		alternatives = r.alternatives
	}
	keys := scheduling.Requirements{}
	for _, key := range r.keys {
		keys.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpExists))
	}
	out := newBitset(len(o.shelf.stocks))
	some := false
	for _, q := range alternatives {
		met, may := o.meet(q.Union(keys))
		some = some || may
		out.or(met)
	}
	switch {
	case !some:
		return never
	case o.stocks.within(out):
		return surely
	default:
		return maybe
	}
}

// outcomes are what a machine that is sold can turn out to be: more may join it, which only rules some of them out.
type outcomes struct {
	shelf         *shelf
	labels        map[string]string
	capacityType  string
	stocks, zones bitset
	known         map[string][]string // label -> values, as far as anybody has asked
}

// outcomesOf returns what a machine can turn out to be; it is shared and must not be changed.
func (s *shelf) outcomesOf(p *purchase) *outcomes {
	key := string(p.key(s.share.appendTo(nil)))
	out, known := p.lot.outcomes[key]
	if !known {
		if p.lot.outcomes == nil {
			p.lot.outcomes = map[string]*outcomes{}
		}
		out = s.outcomes(p)
		p.lot.outcomes[key] = out
	}
	return out
}

func (s *shelf) outcomes(p *purchase) *outcomes {
	d := s.designer()
	k := d.sketch(*p)
	way := k.offer.capacityType
	out := &outcomes{
		shelf: s, labels: p.lot.labels, capacityType: s.ways[way].capacityType,
		stocks: newBitset(len(s.stocks)), zones: newBitset(len(s.zones)), known: map[string][]string{},
	}
	listed, _ := d.list(k)
	for _, c := range listed {
		for z := range k.zones.all {
			if !math.IsInf(s.stocks[c.t].wares[way].prices[z], 1) {
				out.stocks.add(c.t)
				out.zones.add(z)
			}
		}
	}
	return out
}

// meet returns the instance types as which the machine meets the requirements for sure, and whether it may meet them at all.
func (o *outcomes) meet(q scheduling.Requirements) (bitset, bool) {
	met, may := slices.Clone(o.stocks), slices.Clone(o.stocks)
	for key, x := range q {
		if labels, known := o.shelf.catalogue.column(key); known {
			met.and(labels.accepting(x, o.shelf.template.Get(key)))
			may.and(labels.touching(x, o.shelf.template.Get(key)))
			continue
		}
		switch o.label(key, x) {
		case never:
			return newBitset(len(o.shelf.stocks)), false
		case maybe:
			met = newBitset(len(o.shelf.stocks))
		}
	}
	return met, !may.empty()
}

// unnamed stands for the value of a label that is given by nobody who plans; no label can have this value.
const unnamed = "(unnamed)"

// label says whether a label that no instance type decides meets a requirement.
func (o *outcomes) label(key string, x scheduling.Requirement) presence {
	is := func(ok bool) presence {
		if ok {
			return surely
		}
		return never
	}
	value, settled := o.labels[key]
	_, own := o.shelf.template[key]
	switch {
	case key == corev1.LabelHostname:
		return is(x.Has(newHostname))
	case key == v1alpha5.CapacityTypeLabel:
		return is(x.Has(o.capacityType))
	case key == corev1.LabelTopologyZone:
		in := 0
		for z := range o.zones.all {
			in += oneIf(x.Has(o.shelf.zones[z]))
		}
		if in > 0 && in < o.zones.count() {
			return maybe
		}
		return is(in > 0)
	case settled:
		return is(x.Has(value))
	case !own:
		return is(x.AllowsAbsent())
	case x.AllowsAbsent() && x.Has(unnamed): // nobody says what it should be: it is left out, or somebody else chooses
		return surely
	case x.AllowsAbsent() || x.Has(unnamed):
		return maybe
	default:
		return never
	}
}

// values returns what a label may be, in order; none if it may be anything. They are shared and must not be changed.
func (o *outcomes) values(key string) []string {
	out, known := o.known[key]
	if !known {
		out = o.list(key)
		o.known[key] = out
	}
	return out
}

func (o *outcomes) list(key string) []string {
	s := o.shelf
	var out []string
	switch labels, known := s.catalogue.column(key); {
	case key == corev1.LabelTopologyZone:
		for z := range o.zones.all {
			out = append(out, s.zones[z])
		}
	case key == v1alpha5.CapacityTypeLabel:
		out = append(out, o.capacityType)
	case known:
		for t := range o.stocks.all {
			q := labels.label(t).Intersect(s.template.Get(key))
			if !q.Finite() {
				return nil
			}
			out = slices.AppendSeq(out, q.All())
		}
		slices.Sort(out)
		out = slices.Compact(out)
	default:
		if value, settled := o.labels[key]; settled {
			out = append(out, value)
		}
	}
	return out
}
