package consolidation

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

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

// found is which pods a node had, and since when.
type found struct {
	pods  uint64
	since time.Time
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
		is := found{pods: lastingPods(entry.Pods), since: now}
		if first {
			is.since = lastCame(entry, now)
		}
		switch was, known := s.nodes[entry.Node.UID]; {
		case known && was.pods == is.pods:
			is.since = was.since
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
	return s.nodes[node.UID].since.Add(s.lasting)
}

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

// lastingPods returns a number that stands for the pods that a node is settled by.
func lastingPods(onNode map[types.UID]*corev1.Pod) uint64 {
	sum := uint64(0)
	for uid, pod := range onNode {
		if lasts(pod) {
			sum += version(string(uid), "")
		}
	}
	return sum
}

func lasts(pod *corev1.Pod) bool {
	owner := metav1.GetControllerOfNoCopy(pod)
	return pods.IsReschedulable(pod) && (owner == nil || owner.Kind != "Job")
}
