package offerings

import (
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

// Refusals remembers which offerings were refused for what a node template asks of them, such as an image that a type does not
// boot. That says nothing about the same offering for another template. It is safe for concurrent use.
type Refusals struct {
	clock   clock.PassiveClock
	longest time.Duration

	mu        sync.Mutex
	templates map[string]*refused // name of the template -> what was refused to it
}

// refused is the memory of one template, with the last answer that was made of it.
type refused struct {
	*Memory
	whole, open cloudprovider.InstanceTypes
	generation  uint64
}

// NewRefusals returns an empty memory. No rest becomes longer than longest, or LongestRest if that is not positive.
func NewRefusals(clock clock.PassiveClock, longest time.Duration) *Refusals {
	return &Refusals{clock: clock, longest: longest, templates: map[string]*refused{}}
}

// Mark notes that the offering was refused to the template.
func (r *Refusals) Mark(template string, o Offering) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.templates[template]
	if !ok {
		known = &refused{Memory: NewMemory(r.clock, r.longest)}
		r.templates[template] = known
	}
	known.MarkUnavailable(o)
}

// Clear notes that the template got instances of the offering.
func (r *Refusals) Clear(template string, o Offering) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.templates[template]; ok {
		known.MarkAvailable(o)
	}
}

// Open returns the instance types as the template may have them. The same list gets the same answer until something changes; it is
// shared and must not be changed.
func (r *Refusals) Open(template string, whole cloudprovider.InstanceTypes) cloudprovider.InstanceTypes {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.templates[template]
	if !ok {
		return whole
	}
	standings := known.Remembered()
	if len(standings) == 0 {
		delete(r.templates, template)
		return whole
	}
	if generation := known.Generation(); known.generation != generation || !same(known.whole, whole) {
		known.whole, known.open, known.generation = whole, narrowed(whole, standings), generation
	}
	return known.open
}

// same reports whether two lists are one.
func same(a, b cloudprovider.InstanceTypes) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// narrowed returns the list with offerings that stand no better than is remembered of them.
func narrowed(whole cloudprovider.InstanceTypes, standings map[Offering]Standing) cloudprovider.InstanceTypes {
	concerned := map[string]bool{}
	for o := range standings {
		concerned[o.InstanceType] = true
	}
	out := make(cloudprovider.InstanceTypes, 0, len(whole))
	for _, t := range whole {
		if !concerned[t.Name] {
			out = append(out, t)
			continue
		}
		copied := *t
		copied.Offerings = make(cloudprovider.Offerings, 0, len(t.Offerings))
		for _, o := range t.Offerings {
			if standing, ok := standings[Offering{t.Name, o.Zone, o.CapacityType}]; ok {
				o.Available = o.Available && standing.Available
				o.Trial = lesser(o.Trial, standing.Trial)
			}
			copied.Offerings = append(copied.Offerings, o)
		}
		out = append(out, &copied)
	}
	return out
}

// lesser returns the stricter of two trials, of which 0 is no bound.
func lesser(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
