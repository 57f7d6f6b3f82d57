package solver

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
)

// group is a set of pods that nothing in the Problem tells apart.
type group struct {
	// pods in order, size of them to a unit. A unit stays on one node; but for pods that require each other's company it is one pod.
	pods []*corev1.Pod
	size int
	// left units, the last ones, are not placed yet.
	left int
	// requests of one unit; groups of the same requests have the same shape.
	requests vector
	shape    int
	// unknown is a resource that the pods ask for and nothing has.
	unknown corev1.ResourceName
	filter  *filter
	guest   guest
	// manners are what a pod brings to a node in fact, where guest is what to reckon with before it is known who else comes: all
	// marks that matter within nodes, and no rule of a spread.
	manners guest
	// ties to other pods, nil for none; wishes are the preferences among them that are held to.
	ties   *ties
	wishes wishes
	// carried are the marks of a unit, stakes the counters that it adds to, axes those on which its place has to be settled.
	carried []carry
	stakes  []stake
	axes    []int
	// wants are marks of pods that have to be on the same node, some of each.
	wants []mark
	// members make up a unit of several pods; nil for a unit of one. bundleMost bounds how many pods of a group may be in one
	// unit, once larger ones have found no machine; 0 for no bound.
	members    []companion
	bundleMost int
	// evictions is how often the pods have been taken off a place again.
	evictions int
	// lostAt is of how many changes the solution knew when it gave the group up.
	lostAt int
	// attachments are the volumes that a unit has to attach.
	attachments []attachment
	// pins are the labels that topology wants the pods' nodes to have, nil for any; place says where that is.
	pins  *pins
	place *place
	// tried are places that turned out to have no room, by their pins.
	tried map[*pins]bool
	// seated says that the pods found their places one by one, with all others there: a node may have more of them than maxSkew of a
	// spread over nodes where all nodes have some.
	seated bool
	// planned maps the name of a node -> how many of the pods were meant for it before; parts of a divided group share it.
	planned map[string]int
	// miss is the nearest that the pods have come to a machine.
	miss miss
	// rank orders groups that are otherwise equal.
	rank int
}

// take returns the pods of the next n units and counts them as placed.
func (g *group) take(n int) []*corev1.Pod {
	start := len(g.pods) - g.left*g.size
	g.left -= n
	end := start + n*g.size
	return g.pods[start:end:end]
}

// placed returns how many units are placed.
func (g *group) placed() int { return len(g.pods)/g.size - g.left }

// part returns the group of some of the units.
func (g *group) part(from, to int) *group {
	out := *g
	out.pods, out.left = g.pods[from*g.size:to*g.size:to*g.size], to-from
	return &out
}

// carries returns how many pods of a unit have the mark.
func (g *group) carries(m mark) int {
	for _, c := range g.carried {
		if c.mark == m {
			return c.n
		}
	}
	return 0
}

// plan counts the nodes that the pods were meant for.
func (g *group) plan(planned map[types.UID]string) {
	if len(planned) == 0 {
		return
	}
	for _, pod := range g.pods {
		if name, ok := planned[pod.UID]; ok {
			if g.planned == nil {
				g.planned = map[string]int{}
			}
			g.planned[name]++
		}
	}
}

// sortGroups puts the largest requests first.
func sortGroups(groups []*group, d dimensions) {
	slices.SortStableFunc(groups, func(a, b *group) int {
		if a.shape != b.shape {
			if c := d.compare(a.requests, b.requests); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.rank, b.rank)
	})
}

// comparePods orders pods by uid, as snapshots have them, then by name.
func comparePods(a, b *corev1.Pod) int {
	if c := strings.Compare(string(a.UID), string(b.UID)); c != 0 {
		return c
	}
	return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}
