package invariant

import (
	"cmp"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// oneInstance holds while each live instance of kerf's can be given to a machine of its own: one that has recorded it, or one that
// has asked for it. What AWS made without being asked is nobody's.
func oneInstance(h *history.History) []Violation {
	f := find(OneInstance)
	recorded := map[string]types.UID{} // id of an instance -> the machine that recorded it last
	ids := map[types.UID]string{}      // machine -> the instance that it recorded last
	h.Walk(nil, func(v *history.View, e *history.Event) {
		if e.Write != nil {
			if machine, ok := e.Write.Object().(*v1alpha5.Machine); ok && e.Write.After != nil {
				id := history.InstanceID(machine.Status.ProviderID)
				if id == "" || ids[machine.UID] == id {
					return
				}
				if before := v.Instances[ids[machine.UID]]; before != nil && before.Live() {
					f.add(e.At, id, "machine %s took over %s while its %s lives", machine.Name, id, before.ID)
				}
				if other, ok := recorded[id]; ok && other != machine.UID {
					f.add(e.At, id, "instance %s is machine %s's, and was another one's", id, machine.Name)
				}
				recorded[id], ids[machine.UID] = machine.UID, id
			}
		}
		if e.Call == nil || len(e.Call.Made) == 0 {
			return
		}
		if extra := unmatched(h, v, recorded); len(extra) > 0 {
			f.add(e.At, extra[0], "live instances %v have no machine left that asked for them: it was launched twice", extra)
		}
	})
	return f.out
}

// unmatched returns the live instances for which no machine that asked for them is left, once each machine has been given one.
func unmatched(h *history.History, v *history.View, recorded map[string]types.UID) []string {
	owner := map[types.UID]string{} // machine -> the instance that it was given
	var free []*history.Life
	for _, life := range v.Instances {
		if !life.Live() || life.ClusterUID != h.Terms.ClusterUID || life.Surplus {
			continue
		}
		if uid, ok := recorded[life.ID]; ok {
			owner[uid] = life.ID
			continue
		}
		free = append(free, life)
	}
	slices.SortFunc(free, func(a, b *history.Life) int { return cmp.Compare(a.ID, b.ID) })
	byID := map[string]*history.Life{}
	for _, life := range free {
		byID[life.ID] = life
	}
	var out []string
	for _, life := range free {
		if !give(v, byID, owner, life, map[types.UID]bool{}) {
			out = append(out, life.ID)
		}
	}
	return out
}

// give finds a machine for an instance; machines whose instance is not recorded may be given another one for it.
func give(v *history.View, free map[string]*history.Life, owner map[types.UID]string, life *history.Life, tried map[types.UID]bool) bool {
	uids := make([]types.UID, 0, len(v.Asked[life.Request()]))
	for uid := range v.Asked[life.Request()] {
		uids = append(uids, uid)
	}
	slices.Sort(uids)
	for _, uid := range uids {
		if tried[uid] {
			continue
		}
		tried[uid] = true
		held, taken := owner[uid]
		if !taken || free[held] != nil && give(v, free, owner, free[held], tried) {
			owner[uid] = life.ID
			return true
		}
	}
	return false
}

// intentFirst holds if each request for instances repeats the token, and the size, of an intent that a machine with its finalizer had
// on record.
func intentFirst(h *history.History) []Violation {
	f := find(IntentFirst)
	h.Walk(func(v *history.View, e *history.Event) {
		if e.Call == nil || e.Call.By != history.ByKerf || e.Call.Action != "CreateFleet" {
			return
		}
		for _, machine := range v.Machines {
			launch := machine.Status.Launch
			if launch != nil && sameToken(launch.Token, e.Call.Token) && int(launch.Size) == e.Call.Size &&
				slices.Contains(machine.Finalizers, v1alpha5.TerminationFinalizer) {
				return
			}
		}
		f.add(e.At, e.Call.Token, "CreateFleet with token %.16s for %d, which no machine has on record", e.Call.Token, e.Call.Size)
	}, nil)
	return f.out
}

// sameToken reports whether a request is one that the intent allows: its own, or the second one where a launch template was gone.
func sameToken(intended, sent string) bool {
	first, second := strings.CutSuffix(sent, "-2")
	return intended == sent || second && strings.HasPrefix(intended, first)
}
