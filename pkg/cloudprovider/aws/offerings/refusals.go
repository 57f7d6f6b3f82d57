package offerings

import (
	"maps"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

// answersKept bounds the lists in memory for a template: there is one for each kubelet configuration in use with it.
const answersKept = 8

// Refusals remembers which offerings were refused for what a node template asks of them, such as an image that a type does not
// boot. That says nothing about the same offering for another template, nor once the template asks for something else. It is safe
// for concurrent use.
type Refusals struct {
	clock   clock.PassiveClock
	longest time.Duration

	mu    sync.Mutex
	asked map[string]*refused // what a template asks for -> what was refused to it
}

// refused is the memory of what one template asks for, with the last answers that were made of it.
type refused struct {
	*Memory
	generation uint64
	answers    map[*cloudprovider.InstanceType]cloudprovider.InstanceTypes // first of the whole list -> what is open of it
}

// NewRefusals returns an empty memory. No rest becomes longer than longest, or LongestRest if that is not positive.
func NewRefusals(clock clock.PassiveClock, longest time.Duration) *Refusals {
	return &Refusals{clock: clock, longest: longest, asked: map[string]*refused{}}
}

// Mark notes that the offering was refused for what is asked. A reason that passes by itself has it rest for no longer the next time.
func (r *Refusals) Mark(asked string, o Offering, passing bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.asked, func(_ string, known *refused) bool { return len(known.Remembered()) == 0 })
	known, ok := r.asked[asked]
	if !ok {
		known = &refused{Memory: NewMemory(r.clock, r.longest)}
		r.asked[asked] = known
	}
	if passing {
		known.MarkStarved(o)
		return
	}
	known.MarkUnavailable(o)
}

// Clear notes that there were instances of the offering for what is asked.
func (r *Refusals) Clear(asked string, o Offering) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if known, ok := r.asked[asked]; ok {
		known.MarkAvailable(o)
	}
}

// Open returns the instance types that may be bought for what is asked. The same list gets the same answer until something changes; it
// is shared and must not be changed.
func (r *Refusals) Open(asked string, whole cloudprovider.InstanceTypes) cloudprovider.InstanceTypes {
	r.mu.Lock()
	defer r.mu.Unlock()
	known, ok := r.asked[asked]
	if !ok || len(whole) == 0 {
		return whole
	}
	// It is read before the standings: a change in between makes an answer stale for one look, never for good.
	if generation := known.Generation(); known.answers == nil || known.generation != generation || len(known.answers) >= answersKept {
		known.generation, known.answers = generation, map[*cloudprovider.InstanceType]cloudprovider.InstanceTypes{}
	}
	open, ok := known.answers[whole[0]]
	if !ok || len(open) != len(whole) {
		open = narrowed(whole, known.Remembered())
		known.answers[whole[0]] = open
	}
	return open
}

// narrowed returns the list with offerings that stand no better than is remembered of them.
func narrowed(whole cloudprovider.InstanceTypes, standings map[Offering]Standing) cloudprovider.InstanceTypes {
	if len(standings) == 0 {
		return whole
	}
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
