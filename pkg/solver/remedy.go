package solver

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/spelling"
)

// mostSuggested is how many values a remedy names.
const mostSuggested = 3

// obstacle is a label on account of which an instance type is not bought for a pod.
type obstacle struct {
	key string
	// byPod says that the pod rules the label out, not the provisioner.
	byPod bool
}

// remedy is what has to be allowed to buy an instance type.
type remedy struct {
	stock     int
	price     float64
	obstacles []obstacle
}

// remedies returns how each instance type that holds the requests, and is not allowed, could be bought; the one that takes the
// fewest changes first, then the cheapest.
func (s *shelf) remedies(f *filter, requests vector) []remedy {
	var out []remedy
	for t, allocatable := range s.catalogue.allocatables {
		if !requests.within(allocatable) {
			continue
		}
		price := s.catalogue.least(t)
		if math.IsInf(price, 1) {
			continue // nobody sells it
		}
		if obstacles := append(s.ruledOut(t), s.ruledOutBy(f, t)...); len(obstacles) > 0 {
			out = append(out, remedy{t, price, obstacles})
		}
	}
	slices.SortStableFunc(out, func(a, b remedy) int {
		return cmp.Or(cmp.Compare(len(a.obstacles), len(b.obstacles)), cmp.Compare(a.price, b.price))
	})
	return out
}

// least returns the lowest price of an instance type, infinite if it is sold out.
func (c *catalogue) least(t int) float64 {
	out := math.Inf(1)
	for k := range c.capacityTypes {
		out = min(out, slices.Min(c.pricesOf(t, k)))
	}
	return out
}

// ruledOut returns which of the provisioner's requirements the instance type does not meet.
func (s *shelf) ruledOut(t int) []obstacle {
	var out []obstacle
	for _, key := range s.template.Keys() {
		if labels, known := s.catalogue.column(key); known && !s.template[key].Compatible(labels.label(t)) {
			out = append(out, obstacle{key: key})
		}
	}
	return append(out, s.unsold(t)...)
}

// unsold returns which of zone and capacity type keeps the provisioner from all offerings of the instance type.
func (s *shelf) unsold(t int) []obstacle {
	zone, capacityType := s.template.Get(corev1.LabelTopologyZone), s.template.Get(v1alpha5.CapacityTypeLabel)
	inZone, ofType := false, false // some offering is in an allowed zone, or of an allowed capacity type
	for k, name := range s.catalogue.capacityTypes {
		for z, price := range s.catalogue.pricesOf(t, k) {
			if math.IsInf(price, 1) {
				continue
			}
			there, sold := zone.Has(s.catalogue.zones[z]), capacityType.Has(name)
			if there && sold {
				return nil
			}
			inZone, ofType = inZone || there, ofType || sold
		}
	}
	var out []obstacle
	if !inZone || ofType {
		out = append(out, obstacle{key: corev1.LabelTopologyZone})
	}
	if !ofType {
		out = append(out, obstacle{key: v1alpha5.CapacityTypeLabel})
	}
	return out
}

// ruledOutBy returns which requirements of the pod the instance type does not meet, of the alternative of which it meets most.
func (s *shelf) ruledOutBy(f *filter, t int) []obstacle {
	var least []obstacle
	for i, alternative := range f.alternatives {
		var out []obstacle
		for _, key := range alternative.Keys() {
			if labels, known := s.catalogue.column(key); known && !alternative[key].Compatible(labels.label(t)) {
				out = append(out, obstacle{key: key, byPod: true})
			}
		}
		if i == 0 || len(out) < len(least) {
			least = out
		}
	}
	return least
}

// advise says what to change so that the requests find an instance type; of those that are allowed the nearest lacks the resource.
func (s *shelf) advise(f *filter, requests vector, nearest, lacking int) string {
	list := s.remedies(f, requests)
	if len(list) == 0 {
		return s.hopeless(requests, nearest, lacking)
	}
	best := list[0]
	var changes []string
	example := s.stocks[best.stock].instanceType.Name
	for _, o := range best.obstacles {
		change := "allow " + o.key
		if values := s.suggestions(list, o, best.obstacles); len(values) > 0 {
			change += " " + strings.Join(values, " or ")
		}
		if o.byPod {
			change += " in the pod"
		}
		changes = append(changes, change)
	}
	if o := best.obstacles[0]; len(best.obstacles) == 1 && o.key == awsv1alpha1.LabelInstanceSize && !o.byPod {
		changes[0] = fmt.Sprintf("allow a larger instance-size, %s", strings.TrimPrefix(changes[0], "allow "+o.key+" "))
	}
	out := strings.Join(changes, " and ")
	if !strings.HasSuffix(out, " "+example) {
		out += ", e.g. " + example + ","
	}
	if slices.ContainsFunc(best.obstacles, func(o obstacle) bool { return !o.byPod }) {
		out += " in provisioner " + s.provisioner.Name
	}
	return strings.TrimSuffix(out, ",")
}

// suggestions returns the values of an obstacle's label that instance types with the same obstacles have, those of the cheapest first.
func (s *shelf) suggestions(list []remedy, o obstacle, obstacles []obstacle) []string {
	most := mostSuggested
	if len(obstacles) > 1 || o.key == corev1.LabelInstanceTypeStable {
		most = 1 // values of several labels go together as one instance type has them
	}
	var out []string
	for _, r := range list {
		if !slices.Equal(r.obstacles, obstacles) {
			continue
		}
		for _, value := range s.labelOf(r.stock, o.key) {
			if !slices.Contains(out, value) {
				out = append(out, value)
			}
		}
		if len(out) >= most {
			return out[:most]
		}
	}
	return out
}

// labelOf returns the values that a label may have on an instance type.
func (s *shelf) labelOf(t int, key string) []string {
	if labels, known := s.catalogue.column(key); known {
		return labels.label(t).Values()
	}
	var out []string
	for k, name := range s.catalogue.capacityTypes {
		for z, price := range s.catalogue.pricesOf(t, k) {
			switch {
			case math.IsInf(price, 1):
			case key == v1alpha5.CapacityTypeLabel:
				out = include(out, name)
			case key == corev1.LabelTopologyZone:
				out = include(out, s.catalogue.zones[z])
			}
		}
	}
	return out
}

// hopeless says that whatever is allowed, no instance type has so much.
func (s *shelf) hopeless(requests vector, nearest, lacking int) string {
	name := s.dimensions.names[lacking]
	if name == corev1.ResourceEphemeralStorage {
		return "raise volumeSize in blockDeviceMappings of the AWSNodeTemplate of provisioner " + s.provisioner.Name
	}
	most := 0
	for t, a := range s.catalogue.allocatables {
		if a[lacking] > s.catalogue.allocatables[most][lacking] {
			most = t
		}
	}
	has := s.catalogue.allocatables[most][lacking]
	if requests[lacking] <= has {
		return "no instance type has all that it asks for at once, so ask for less or split the pod"
	}
	if has <= s.catalogue.allocatables[nearest][lacking] {
		return "no instance type is that large, so ask for less or split the pod"
	}
	return fmt.Sprintf("no instance type is that large (%s has most, %s), so ask for less or split the pod",
		s.stocks[most].instanceType.Name, amount(name, has))
}

// nothingOnOffer says which requirement of the provisioner leaves no instance type.
func (s *shelf) nothingOnOffer() string {
	name := s.provisioner.Name
	if len(s.catalogue.types) == 0 {
		return fmt.Sprintf("provisioner %s is offered no instance type; look at the status of its AWSNodeTemplate", name)
	}
	count := map[string]int{} // label -> how many types it alone rules out
	for t := range s.catalogue.types {
		if obstacles := s.ruledOut(t); len(obstacles) == 1 {
			count[obstacles[0].key]++
		}
	}
	worst := ""
	for _, key := range s.template.Keys() {
		if count[key] > count[worst] {
			worst = key
		}
	}
	if worst == "" {
		return fmt.Sprintf("provisioner %s has no instance type on offer: its requirements rule all out together, or all are sold out; allow more in them", name)
	}
	q, values := s.template[worst], s.catalogue.values(worst)
	return fmt.Sprintf("%s of provisioner %s leaves no instance type on offer; allow another value, e.g. %s", q, name, likeliest(values, q))
}

// likeliest returns the value that is written most like the one that is required, of those that do not pass the requirement.
func likeliest(values []string, q scheduling.Requirement) string {
	like := strings.Join(q.Values()[:min(1, q.Len())], "")
	best := "one that an instance type has"
	least := math.MaxInt
	for _, v := range values {
		if n := spelling.Edits(like, v); !q.Has(v) && n < least {
			best, least = v, n
		}
	}
	return best
}

// values returns the values that a label has on any instance type, in order.
func (c *catalogue) values(key string) []string {
	switch key {
	case corev1.LabelTopologyZone:
		return c.zones
	case v1alpha5.CapacityTypeLabel:
		return c.capacityTypes
	}
	var out []string
	if labels, known := c.column(key); known {
		for _, kind := range labels.kinds {
			out = append(out, kind.Values()...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// labels returns the keys that nodes of the provisioner may have.
func (s *shelf) labels() []string {
	out := append(s.template.Keys(), corev1.LabelTopologyZone, v1alpha5.CapacityTypeLabel)
	for _, t := range s.catalogue.types {
		for key := range t.Requirements {
			out = include(out, key)
		}
	}
	return out
}

// undefined says what to do about a label that neither the provisioner nor its instance types have.
func (s *shelf) undefined(q scheduling.Requirement) string {
	text := fmt.Sprintf("%s is asked for, provisioner %s does not define the label", q, s.provisioner.Name)
	domain, _, _ := strings.Cut(q.Key(), "/")
	switch guess := meant(q.Key(), s.labels()); {
	case guess != "":
		return text + guess
	case domain == "karpenter.sh" || domain == "karpenter.k8s.aws":
		return text + ", nor may it; remove it from the pod or correct it"
	default:
		return text + "; add it to its labels or requirements"
	}
}
