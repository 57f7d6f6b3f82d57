package consolidation

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// settling notes when pods have come to nodes or left them, by what each look finds other than the one before. Pods of jobs come and go
// all the time, and those of DaemonSets are everywhere: neither says anything of what is to come.
type settling struct {
	// lasting is how long nothing has to come or go.
	lasting time.Duration
	// nodes maps the UID of a Node -> what was found last.
	nodes map[types.UID]found
}

// found is which pods a node had, and since when.
type found struct {
	pods  uint64
	since time.Time
}

// look notes what is there. A node that is seen for the first time has changed just now: what left it before nobody knows.
func (s *settling) look(snapshot state.Snapshot, now time.Time) {
	seen := make(map[types.UID]found, len(s.nodes))
	for i := range snapshot.Entries {
		entry := &snapshot.Entries[i]
		if entry.Node == nil {
			continue
		}
		is := found{pods: lastingPods(entry.Pods), since: now}
		if was, known := s.nodes[entry.Node.UID]; known && was.pods == is.pods {
			is.since = was.since
		}
		seen[entry.Node.UID] = is
	}
	s.nodes = seen
}

// at returns when the node will be settled if nothing comes or goes.
func (s *settling) at(node *corev1.Node) time.Time { return s.nodes[node.UID].since.Add(s.lasting) }

// lastingPods returns a number that stands for the pods that a node is settled by.
func lastingPods(onNode map[types.UID]*corev1.Pod) uint64 {
	sum := uint64(0)
	for uid, pod := range onNode {
		owner := metav1.GetControllerOfNoCopy(pod)
		if pods.IsReschedulable(pod) && (owner == nil || owner.Kind != "Job") {
			sum += version(string(uid), "")
		}
	}
	return sum
}
