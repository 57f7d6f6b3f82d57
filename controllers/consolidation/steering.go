package consolidation

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// mostSteered is how many Nodes a pass writes to: those of a large cluster that kerf is new to are written one portion after the other.
const mostSteered = 50

// steer has new pods go to the Nodes last that are best left to empty by themselves, and to all others as before. It reports whether
// nothing is left to write.
func (p *pass) steer(ctx context.Context, snapshot state.Snapshot, waning []disruption.Target) (bool, error) {
	wanted := map[string]bool{}
	for _, target := range waning {
		wanted[target.Machine] = p.steering
	}
	var last, asBefore []string
	defer func() {
		if len(last)+len(asBefore) > 0 {
			ctrl.LoggerFrom(ctx).Info("changed which nodes new pods go to last", "last", last, "asBefore", asBefore)
		}
	}()
	for i := range snapshot.Entries {
		entry := &snapshot.Entries[i]
		if entry.Machine == nil || entry.Node == nil || entry.Deleting() || machines.IsConsolidationCandidate(entry.Node) == wanted[entry.Machine.Name] {
			continue
		}
		if len(last)+len(asBefore) == mostSteered {
			return false, nil
		}
		node := entry.Node.DeepCopy()
		machines.SetConsolidationCandidate(node, wanted[entry.Machine.Name])
		if _, err := machines.WriteNode(ctx, p.client, entry.Node, node); apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			return false, nil // somebody else has written to it: the next pass sees what
		} else if err != nil {
			return false, fmt.Errorf("steering new pods: %w", err)
		}
		if wanted[entry.Machine.Name] {
			last = append(last, node.Name)
		} else {
			asBefore = append(asBefore, node.Name)
		}
	}
	return true, nil
}
