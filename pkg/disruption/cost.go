package disruption

import (
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// Defaults of Settings.
const (
	DefaultEvictionCost         = 0.1
	DefaultHorizon              = 4 * time.Hour
	DefaultLineageRest          = time.Hour
	DefaultLeastSpotAlternative = 15
)

const (
	// overlap is for how long a machine and its replacement are paid for side by side: until the one is initialized and the other
	// is drained and terminated.
	overlap = 4 * time.Minute
	// quickStart is how long an ordinary pod takes to start; one that takes longer costs more to move in proportion.
	quickStart = 30 * time.Second
	// longestHorizon is for how long a saving is taken to last at most.
	longestHorizon = 7 * day
	// mostStart bounds that: a pod that was pulled or probed for an hour once need not be so again.
	mostStart = 10 * time.Minute
)

// Settings say what a decision has to be worth. The zero value is the default of each.
type Settings struct {
	// EvictionCost is what moving an ordinary pod is taken to cost, US dollars: one of priority 0 that is ready within 30 s.
	EvictionCost float64
	// Horizon is for how long a saving is taken to last at least. A move has to save more in the time that it is taken to last than it
	// costs; where nothing comes or goes that time becomes longer.
	Horizon time.Duration
	// Eager makes moves for any saving, whatever they cost.
	Eager bool
	// LineageRest is for how long the pods of a controller are left alone that were moved.
	LineageRest time.Duration
	// Moves are those that may lie within LineageRest.
	Moves Moves
	// LeastSpotAlternatives is how many instance types a spot machine must have to choose from that takes the place of another.
	LeastSpotAlternatives int
	// NodeFee is what a node costs on top of its price, US dollars per hour, as in plans.
	NodeFee float64
	// DeletionCosts has it decided what deleting pods is to cost.
	DeletionCosts bool
	// Effort bounds the work of a decision, in looks at nodes and pods; by default two hundred thousand.
	Effort int
}

func (s Settings) withDefaults() Settings {
	or := func(value *time.Duration, otherwise time.Duration) {
		if *value == 0 {
			*value = otherwise
		}
	}
	or(&s.Horizon, DefaultHorizon)
	or(&s.LineageRest, DefaultLineageRest)
	if s.EvictionCost == 0 {
		s.EvictionCost = DefaultEvictionCost
	}
	if s.LeastSpotAlternatives == 0 {
		s.LeastSpotAlternatives = DefaultLeastSpotAlternative
	}
	if s.Effort == 0 {
		s.Effort = 200_000
	}
	return s
}

// SettlesIn is how long a node is left alone after a pod has come to it, or left it, before it may go to save money: lasting, and half of that
// where there is no more than one pod that does not end by itself. The more there is to lose, the surer it has to be that nothing more changes.
func SettlesIn(lasting time.Duration, pods int) time.Duration {
	if pods <= 1 {
		return lasting / 2
	}
	return lasting
}

// costOf returns what moving the pods of a machine is taken to cost, US dollars.
func (s *Settings) costOf(c *Candidate, moving []*corev1.Pod, now time.Time) float64 {
	cost := 0.0
	for _, pod := range moving {
		cost += s.EvictionCost * weight(pod) * slowness(pod)
		if pods.IsOwnedByJob(pod) {
			cost += c.PricePerHour / float64(len(moving)) * now.Sub(started(pod)).Hours() // it begins anew
		}
	}
	return cost
}

// weight is how much dearer the eviction of a pod is than that of others, by its controller's own word and by its priority. The
// divisors are Karpenter's: all of the range of either is worth a few pods.
func weight(pod *corev1.Pod) float64 {
	out := 1.0
	if cost, err := strconv.ParseFloat(pod.Annotations[corev1.PodDeletionCost], 64); err == nil && OwnCost(pod) == "" {
		out += cost / (1 << 27)
	}
	out += float64(pods.Priority(pod)) / (1 << 25)
	return min(max(out, 0.1), 10)
}

// slowness is how many times longer than an ordinary pod one took to be ready.
func slowness(pod *corev1.Pod) float64 {
	ready := pods.ReadySince(pod)
	if ready == nil {
		return 1
	}
	took := min(ready.Sub(started(pod)), mostStart)
	return max(1, took.Seconds()/quickStart.Seconds())
}

// started is when a pod was given to its node.
func started(pod *corev1.Pod) time.Time {
	if pod.Status.StartTime != nil {
		return pod.Status.StartTime.Time
	}
	return pod.CreationTimestamp.Time
}
