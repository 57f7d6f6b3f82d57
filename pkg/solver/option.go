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

// option is one way in which a machine of a shelf can meet a pod's requirements: any of the instance types, in any of the
// zones, as any of the capacity types, with the labels. Requirements on one key never depend on another, so all combinations do.
type option struct {
	stocks        bitset
	zones         bitset
	capacityTypes bitset
	// labels are the provisioner's own keys for which a value is settled.
	labels map[string]string
	// lot identifies the labels: only pods whose labels agree share a machine.
	lot string
	// indifferent says that the pod asks for none of these keys, so that any labels will do.
	indifferent bool
	key         string
}

// choice is the options of a filter, or why there are none.
type choice struct {
	options []option
	miss    miss
}

// allows reports whether a machine of this kind meets the option.
func (o *option) allows(stock, zone, capacityType int) bool {
	return o.stocks.has(stock) && o.zones.has(zone) && o.capacityTypes.has(capacityType)
}

// choose returns what the shelf has for the filter where nodes have the pinned labels.
func (s *shelf) choose(f *filter, p *pins) choice {
	key := p.text() + "|" + f.key
	c, ok := s.options[key]
	if !ok {
		c = s.chooseAfresh(f, p)
		s.options[key] = c
	}
	return c
}

func (s *shelf) chooseAfresh(f *filter, p *pins) choice {
	name := s.provisioner.Name
	if reason := f.untolerated(s.provisioner.Taints); reason != "" {
		taint := strings.TrimSuffix(reason, " is not tolerated")
		return choice{miss: miss{missTaint, fmt.Sprintf("%s of provisioner %s is not tolerated; add a toleration to the pod or allow it in another provisioner", taint, name)}}
	}
	if len(f.alternatives) == 0 {
		return choice{miss: miss{missRequirement, "its required node affinity has no term that a new node can match"}}
	}
	var c choice
	seen := map[string]bool{}
	for _, alternative := range f.alternatives {
		if p != nil {
			alternative = alternative.Union(p.requirements())
		}
		o, m := s.option(alternative)
		switch {
		case m.stage != missNothing:
			c.miss = c.miss.nearer(m)
		case !seen[o.key]:
			seen[o.key] = true
			c.options = append(c.options, o)
		}
	}
	return c
}

// option returns how the shelf meets the requirements, or why it does not.
func (s *shelf) option(requirements scheduling.Requirements) (option, miss) {
	o := option{
		stocks: fullBitset(len(s.stocks)), zones: newBitset(len(s.zones)), capacityTypes: newBitset(len(s.capacityTypes)),
	}
	own := scheduling.Requirements{} // the pod's part in the provisioner's own keys
	for _, key := range requirements.Keys() {
		if m := s.narrow(&o, own, requirements[key]); m.stage != missNothing {
			return option{}, m
		}
	}
	if m := s.narrowOffering(o.zones, s.zones, requirements.Get(corev1.LabelTopologyZone)); m.stage != missNothing {
		return option{}, m
	}
	if m := s.narrowOffering(o.capacityTypes, s.capacityTypes, requirements.Get(v1alpha5.CapacityTypeLabel)); m.stage != missNothing {
		return option{}, m
	}
	labels, m := s.settle(own)
	if m.stage != missNothing {
		return option{}, m
	}
	o.labels, o.indifferent = labels, len(own) == 0
	var lot strings.Builder
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		writeString(&lot, key)
		writeString(&lot, labels[key])
	}
	o.lot = lot.String()
	o.key = o.stocks.key() + o.zones.key() + o.capacityTypes.key() + o.lot
	return o, miss{}
}

// narrow applies one requirement that is not about offerings.
func (s *shelf) narrow(o *option, own scheduling.Requirements, q scheduling.Requirement) miss {
	name, key := s.provisioner.Name, q.Key()
	template, defined := s.template[key]
	column, known := s.columns[key]
	switch {
	case isOfferingKey(key):
	case key == corev1.LabelHostname:
		if q.Finite() || !q.Has(newHostname) {
			return miss{missRequirement, fmt.Sprintf("%s is asked for, a new node has a name of its own", q)}
		}
	case defined && !template.Compatible(q):
		return miss{missRequirement, fmt.Sprintf("%s is asked for where there is %s; change it in provisioner %s or in the pod", q, template, name)}
	case known:
		o.stocks.and(column.accepting(q, len(s.stocks)))
		if o.stocks.empty() {
			return miss{missType, fmt.Sprintf("%s is asked for, no instance type that provisioner %s allows has it", q, name)}
		}
	case defined:
		own.Add(q)
	case !q.AllowsAbsent():
		return miss{missRequirement, fmt.Sprintf("%s is asked for, provisioner %s does not define the label; add it to its labels or requirements", q, name)}
	}
	return miss{}
}

// narrowOffering adds to set those values that the requirement allows.
func (s *shelf) narrowOffering(set bitset, values []string, q scheduling.Requirement) miss {
	for i, v := range values {
		if q.Has(v) {
			set.add(i)
		}
	}
	if !set.empty() {
		return miss{}
	}
	if len(values) == 0 {
		return miss{missOffering, fmt.Sprintf("provisioner %s has no instance type on offer", s.provisioner.Name)}
	}
	return miss{missRequirement, fmt.Sprintf("%s is asked for, provisioner %s has offerings in [%s] only", q, s.provisioner.Name, strings.Join(values, " "))}
}

// settle gives each of the provisioner's own keys a value, the first in order where several are possible. A key of which
// nobody says what it should be stays without, as long as the pod does not need it.
func (s *shelf) settle(own scheduling.Requirements) (map[string]string, miss) {
	labels := map[string]string{}
	for _, key := range s.template.Keys() {
		template := s.template[key]
		if _, known := s.columns[key]; known || isOfferingKey(key) || key == corev1.LabelHostname {
			continue
		}
		asked, there := own[key]
		both := template
		if there {
			both = template.Intersect(asked)
		}
		switch values := both.Values(); {
		case both.Finite() && len(values) > 0:
			labels[key] = values[0]
		case !both.Finite() && there && !asked.AllowsAbsent():
			return nil, miss{missRequirement, fmt.Sprintf("%s is asked for, but neither the pod nor provisioner %s says which value; name one", asked, s.provisioner.Name)}
		}
	}
	return labels, miss{}
}
