package consolidation

import (
	"slices"
	"sync"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// proof is how long after a move it shows whether it has saved anything.
const proof = 5 * time.Minute

// ledger remembers which pods were moved to save money, and which moves turned out to be in vain.
type ledger struct {
	mu       sync.Mutex
	memory   disruption.Moves
	recent   []moved
	noticed  map[types.UID]bool // machines that were looked at
	complete bool
}

// moved are the controllers whose pods a command has moved.
type moved struct {
	at        time.Time
	owners    []types.UID
	workloads []string
}

func newLedger(since time.Time) *ledger {
	return &ledger{memory: disruption.Moves{Since: since}, noticed: map[types.UID]bool{}}
}

// add notes that pods are moved.
func (l *ledger) add(list []*corev1.Pod, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.memory.Add(list, now)
	var move moved
	for _, pod := range list {
		if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
			move.owners, move.workloads = append(move.owners, owner.UID), append(move.workloads, machines.WorkloadOf(pod))
		}
	}
	move.at, move.owners = now, lo.Uniq(move.owners)
	l.recent = append(l.recent, move)
}

// moves returns what is remembered.
func (l *ledger) moves(now time.Time) disruption.Moves {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.memory.Forget(now)
	return l.memory.Clone()
}

// notice finds out which moves were in vain: a machine was made for pods like those that were moved a short while ago.
func (l *ledger) notice(snapshot state.Snapshot, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	noticed := map[types.UID]bool{}
	for i := range snapshot.Entries {
		machine := snapshot.Entries[i].Machine
		if machine == nil {
			continue
		}
		noticed[machine.UID] = true
		if l.complete && !l.noticed[machine.UID] && machine.Annotations[v1alpha5.ReplacesAnnotation] == "" {
			l.disappoint(machine, now)
		}
	}
	l.noticed, l.complete = noticed, true
	l.recent = slices.DeleteFunc(l.recent, func(m moved) bool { return now.Sub(m.at) > proof })
}

func (l *ledger) disappoint(machine *v1alpha5.Machine, now time.Time) {
	_, workloads := machines.MadeFrom(machine)
	l.recent = slices.DeleteFunc(l.recent, func(m moved) bool {
		after := machine.CreationTimestamp.Sub(m.at.Truncate(time.Second)) // a look may come late, as while all machines are held
		if after < 0 || after > proof || len(lo.Intersect(workloads, m.workloads)) == 0 {
			return false
		}
		l.memory.Disappoint(m.owners, now)
		return true
	})
}
