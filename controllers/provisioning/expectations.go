package provisioning

import (
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// expectations remember where the last plan meant pods to go, so that the next one does not pack machines on their way in
// another mix. They only save money: after a restart pods are packed anew.
type expectations struct {
	mu sync.Mutex
	// placed maps the UID of a pod -> the name of the Node or Machine that it was planned for.
	placed map[types.UID]string
}

// expect notes that the pods of a placement or machine are planned for the named node or machine.
func (e *expectations) expect(name string, pods ...types.UID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.placed == nil {
		e.placed = map[types.UID]string{}
	}
	for _, uid := range pods {
		e.placed[uid] = name
	}
}

// planned returns where pending pods were planned to go, by the names that the nodes have now, and forgets all other pods.
func (e *expectations) planned(snapshot state.Snapshot, problem *solver.Problem) map[types.UID]string {
	e.mu.Lock()
	defer e.mu.Unlock()
	names := map[string]string{} // name of the Node or of the Machine -> name of the entry
	for _, entry := range snapshot.Entries {
		names[entry.Name()] = entry.Name()
		if entry.Machine != nil {
			names[entry.Machine.Name] = entry.Name()
		}
	}
	kept, out := map[types.UID]string{}, map[types.UID]string{}
	for _, pod := range problem.Pods {
		if name, ok := names[e.placed[pod.UID]]; ok {
			kept[pod.UID], out[pod.UID] = e.placed[pod.UID], name
		}
	}
	// Pods that are to move ask for a place only once their node begins to go.
	for _, entry := range snapshot.Entries {
		if entry.Machine == nil || entry.Machine.Status.Disruption == nil || len(e.placed) == 0 {
			continue
		}
		for uid := range entry.Pods {
			if name, placed := e.placed[uid]; placed && names[name] != "" {
				kept[uid] = name
			}
		}
	}
	e.placed = kept
	return out
}
