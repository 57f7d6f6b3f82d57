package consolidation

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// settling notes when pods have come to nodes or left them, by what each look finds other than the one before. Pods of jobs come and go
// all the time, and those of DaemonSets are everywhere: neither says anything of what is to come. Nor does it that pods leave a node that is
// best left to empty by itself.
type settling struct {
	// lasting is how long nothing has to come or go.
	lasting time.Duration
	// began is the first look.
	began time.Time
	// nodes maps the UID of a Node -> what was found last.
	nodes map[types.UID]found
}

// found is which pods a node had, since when it is settled by that, and since when they are the same.
type found struct {
	pods         uint64
	count        int
	since, quiet time.Time
}

// look notes what is there. Of nodes that are there at the first look it is known when the last pod came, and not when one left.
func (s *settling) look(snapshot state.Snapshot, now time.Time) {
	first := s.nodes == nil
	if first {
		s.began = now
	}
	seen := make(map[types.UID]found, len(s.nodes))
	for i := range snapshot.Entries {
		entry := &snapshot.Entries[i]
		if entry.Node == nil {
			continue
		}
		is := found{since: now, quiet: now}
		is.pods, is.count = lastingPods(entry.Pods)
		if first {
			is.since = lastCame(entry, now)
			is.quiet = is.since
		}
		switch was, known := s.nodes[entry.Node.UID]; {
		case known && was.pods == is.pods:
			is.since, is.quiet = was.since, was.quiet
		case known && machines.IsConsolidationCandidate(entry.Node): // that pods leave is what the taint is for
			is.since = was.since
			if came := lastCame(entry, now); came.After(is.since) {
				is.since = came
			}
		}
		seen[entry.Node.UID] = is
	}
	s.nodes = seen
}

// at returns since when the node is settled, or when it will be if nothing comes or goes.
func (s *settling) at(node *corev1.Node, now time.Time) time.Time {
	if known := s.began.Add(s.lasting); now.Before(known) { // until then a pod may have left before the first look
		return known
	}
	there := s.nodes[node.UID]
	return there.since.Add(disruption.SettlesIn(s.lasting, there.count))
}

// quietSince returns since when nothing has come to the node or left it.
func (s *settling) quietSince(node *corev1.Node) time.Time { return s.nodes[node.UID].quiet }

// lastCame returns when the last pod came that a node is settled by, or the node itself. A pod that its kubelet has not seen yet comes now.
func lastCame(entry *state.Entry, now time.Time) time.Time {
	at := entry.Node.CreationTimestamp.Time
	for _, pod := range entry.Pods {
		if !lasts(pod) {
			continue
		}
		came := now
		if pod.Status.StartTime != nil {
			came = pod.Status.StartTime.Time
		}
		if came.After(at) {
			at = came
		}
	}
	return at
}

// lastingPods returns a number that stands for the pods that a node is settled by, and how many there are.
func lastingPods(onNode map[types.UID]*corev1.Pod) (sum uint64, count int) {
	for uid, pod := range onNode {
		if lasts(pod) {
			sum += version(string(uid), "")
			count++
		}
	}
	return sum, count
}

func lasts(pod *corev1.Pod) bool {
	return pods.IsReschedulable(pod) && !pods.IsOwnedByJob(pod)
}
