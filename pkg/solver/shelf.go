package solver

import (
	"cmp"
	"maps"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// shelf is what one provisioner may buy, indexed so that a pod's requirement selects instance types by set operations.
//
// A label key that any instance type names is a key of instance types: a type that does not name it lacks the label. Zone and
// capacity type belong to offerings. All other keys are the provisioner's own.
type shelf struct {
	provisioner *Provisioner
	dimensions  dimensions
	// template holds the requirements of every machine, the provisioner's name among them.
	template scheduling.Requirements
	// allocatables of all instance types, those that the template does not allow among them.
	allocatables []vector
	// stocks are the instance types that the template allows, in order of name.
	stocks []*stock
	// ordinary are the stocks whose instance type is not special.
	ordinary bitset
	// columns maps a key of instance types -> which of stocks have which value.
	columns map[string]*column
	// zones and capacityTypes of available offerings, in order.
	zones, capacityTypes []string
	budget               *budget
	// options of filters that were asked about before, by the filter's key and zone.
	options map[string]choice
	// sold is what was bought so far.
	sold []purchase
}

// stock is one instance type.
type stock struct {
	instanceType *cloudprovider.InstanceType
	allocatable  vector
	// capacity counts against limits, in the order of the budget's names.
	capacity vector
	// wares are indexed by capacity type.
	wares []ware
}

// ware is an instance type of one capacity type.
type ware struct {
	// prices are indexed by zone; infinite where there is no offering.
	prices []float64
	// usable is what DaemonSets leave of allocatable.
	usable vector
	// overhead is what DaemonSets take.
	overhead vector
	// residents are the DaemonSets' pods.
	residents company
	// sold is false when no zone has an offering.
	sold bool
}

// column says which stocks may have which value of one label.
type column struct {
	values map[string]bitset // value -> stocks
	absent bitset            // stocks without the label
	open   bitset            // stocks whose label may be anything
}

// newShelf indexes what a provisioner may buy. known caches allocatable vectors, since provisioners share instance types.
func newShelf(p *Provisioner, d dimensions, known map[*cloudprovider.InstanceType]vector) *shelf {
	s := &shelf{
		provisioner: p,
		dimensions:  d,
		template:    p.Requirements.Union(scheduling.FromLabels(map[string]string{v1alpha5.ProvisionerNameLabel: p.Name})),
		columns:     map[string]*column{},
		budget:      newBudget(p.Remaining),
		options:     map[string]choice{},
	}
	keys := instanceTypeKeys(p.InstanceTypes)
	types := slices.Clone(p.InstanceTypes)
	slices.SortFunc(types, compareTypes)
	for _, t := range types {
		allocatable, ok := known[t]
		if !ok {
			allocatable = d.vector(t.Allocatable())
			known[t] = allocatable
		}
		s.allocatables = append(s.allocatables, allocatable)
		if s.allows(t, keys) {
			s.stocks = append(s.stocks, &stock{instanceType: t, allocatable: allocatable, capacity: s.budget.charge(t.Capacity)})
		}
	}
	s.ordinary = newBitset(len(s.stocks))
	for i, st := range s.stocks {
		if !st.instanceType.Special {
			s.ordinary.add(i)
		}
	}
	s.fillColumns(keys)
	s.price()
	return s
}

// compareTypes orders by name and, as names are meant to be unique, by price only to be sure of the order.
func compareTypes(a, b *cloudprovider.InstanceType) int {
	x, _ := a.Offerings.Cheapest()
	y, _ := b.Offerings.Cheapest()
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(x.Price, y.Price))
}

// instanceTypeKeys returns the keys that any of the types names, in order.
func instanceTypeKeys(types cloudprovider.InstanceTypes) []string {
	keys := map[string]struct{}{}
	for _, t := range types {
		for key := range t.Requirements {
			if !isOfferingKey(key) {
				keys[key] = struct{}{}
			}
		}
	}
	return slices.Sorted(maps.Keys(keys))
}

func isOfferingKey(key string) bool {
	return key == corev1.LabelTopologyZone || key == v1alpha5.CapacityTypeLabel
}

// labelOf returns what the label of an instance type may be; one that the type does not name is absent.
func labelOf(t *cloudprovider.InstanceType, key string) scheduling.Requirement {
	if q, ok := t.Requirements[key]; ok {
		return q
	}
	return scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist)
}

// allows reports whether the template lets the provisioner buy the type.
func (s *shelf) allows(t *cloudprovider.InstanceType, keys []string) bool {
	for _, key := range keys {
		if q, ok := s.template[key]; ok && !q.Compatible(labelOf(t, key)) {
			return false
		}
	}
	return true
}

func (s *shelf) fillColumns(keys []string) {
	n := len(s.stocks)
	for _, key := range keys {
		c := &column{values: map[string]bitset{}, absent: newBitset(n), open: newBitset(n)}
		for i, st := range s.stocks {
			q := labelOf(st.instanceType, key).Intersect(s.template.Get(key))
			if !q.Finite() {
				c.open.add(i)
				continue
			}
			if q.AllowsAbsent() {
				c.absent.add(i)
			}
			for _, v := range q.Values() {
				if c.values[v] == nil {
					c.values[v] = newBitset(n)
				}
				c.values[v].add(i)
			}
		}
		s.columns[key] = c
	}
}

// price fills in the offerings that are available and allowed.
func (s *shelf) price() {
	zone, capacityType := s.template.Get(corev1.LabelTopologyZone), s.template.Get(v1alpha5.CapacityTypeLabel)
	offered := func(t *cloudprovider.InstanceType) cloudprovider.Offerings {
		own := scheduling.NewRequirements(zone.Intersect(t.Requirements.Get(corev1.LabelTopologyZone)),
			capacityType.Intersect(t.Requirements.Get(v1alpha5.CapacityTypeLabel)))
		return t.Offerings.Compatible(own)
	}
	zones, capacityTypes := map[string]int{}, map[string]int{}
	offerings := make([]cloudprovider.Offerings, len(s.stocks))
	for i, st := range s.stocks {
		offerings[i] = offered(st.instanceType)
		for _, o := range offerings[i] {
			zones[o.Zone], capacityTypes[o.CapacityType] = 0, 0
		}
	}
	s.zones, s.capacityTypes = number(zones), number(capacityTypes)
	for i, st := range s.stocks {
		st.wares = make([]ware, len(s.capacityTypes))
		for c := range st.wares {
			st.wares[c].prices = slices.Repeat([]float64{math.Inf(1)}, len(s.zones))
		}
		for _, o := range offerings[i] {
			if w := &st.wares[capacityTypes[o.CapacityType]]; o.Price >= 0 {
				z := zones[o.Zone]
				w.prices[z], w.sold = min(w.prices[z], o.Price), true
			}
		}
	}
}

// number gives each key its place in their order, and returns the order.
func number(m map[string]int) []string {
	keys := slices.Sorted(maps.Keys(m))
	for i, key := range keys {
		m[key] = i
	}
	return keys
}

// accepting returns the stocks of which every possible label passes the requirement.
func (c *column) accepting(q scheduling.Requirement, n int) bitset {
	out := fullBitset(n)
	for v, stocks := range c.values {
		if !q.Has(v) {
			out.remove(stocks)
		}
	}
	if !q.AllowsAbsent() {
		out.remove(c.absent)
	}
	if !q.Covers(scheduling.Requirements{}.Get(q.Key())) {
		out.remove(c.open)
	}
	return out
}

// touching returns the stocks of which some possible label passes the requirement.
func (c *column) touching(q scheduling.Requirement, n int) bitset {
	out := newBitset(n)
	out.or(c.open)
	for v, stocks := range c.values {
		if q.Has(v) {
			out.or(stocks)
		}
	}
	if q.AllowsAbsent() {
		out.or(c.absent)
	}
	return out
}
