package provisioning

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

const (
	// firstWait is how long the next machine waits after two that came to nothing in a row; it doubles with each further failure, up to longestWait.
	firstWait   = 5 * time.Minute
	longestWait = time.Hour
	// Other pods than those that had no use of their machines wait no longer than this for a try of their own: fewer, where the
	// machines did become nodes.
	longestDoubt       = 5 * time.Minute
	longestDoubtToJoin = 30 * time.Minute
	// batchSpread is how far apart the machines of one decision may be made: together they count as one try of a workload.
	batchSpread = 10 * time.Second
	// provenAfter is how long after a recovery a row is over for good.
	provenAfter = 15 * time.Minute
	// keptRows is how many rows a Provisioner keeps, those that failed last.
	keptRows = 100
)

// everybody is the workload that stands for all pods of a provisioner.
const everybody = ""

// rows are the fruitless launches of a provisioner, everybody's first.
type rows []v1alpha5.FruitlessLaunch

func (r rows) of(workload string) *v1alpha5.FruitlessLaunch {
	for i := range r {
		if r[i].Workload == workload {
			return &r[i]
		}
	}
	return nil
}

// waiting reports whether the next machine for a workload has to wait.
func (r rows) waiting(workload string, now time.Time) bool {
	row := r.of(workload)
	return row != nil && row.Holds() && now.Before(row.RetryTime.Time)
}

// continued returns the rows as they go on after what came of the provisioner's machines. Machines that were made from something
// else than basis say nothing about those that are made now, and neither do rows of them.
//
// A machine counts once: it has to be younger than the last one that counted. So it does not matter how often it is looked at.
func (r rows) continued(basis string, fates []fate, now time.Time) rows {
	var out rows
	for _, row := range r {
		over := row.RecoveryTime != nil && now.Sub(row.RecoveryTime.Time) > provenAfter
		if row.Basis == basis && !over && now.Before(row.ForgottenAt()) {
			out = append(out, *row.DeepCopy())
		}
	}
	own := slices.DeleteFunc(slices.Clone(fates), func(f fate) bool { return f.basis != basis })
	slices.SortStableFunc(own, func(a, b fate) int {
		return a.machine.CreationTimestamp.Compare(b.machine.CreationTimestamp.Time)
	})
	for i := range own {
		out.recover(&own[i], now)
	}
	before := slices.Clone(out)
	for i := range own {
		out = out.fail(&own[i], before, own, now)
	}
	slices.SortStableFunc(out, func(a, b v1alpha5.FruitlessLaunch) int {
		return cmp.Or(b.FailureTime.Compare(a.FailureTime.Time), cmp.Compare(a.Workload, b.Workload))
	})
	out = out[:min(len(out), keptRows)]
	slices.SortStableFunc(out, func(a, b v1alpha5.FruitlessLaunch) int { return cmp.Compare(a.Workload, b.Workload) })
	return out
}

// recover ends rows that a machine shows to be over: those of pods that run on it and, where machines did not join, those of
// others as soon as one does.
func (r rows) recover(f *fate, now time.Time) {
	for i := range r {
		row := &r[i]
		if row.RecoveryTime != nil || f.machine.CreationTimestamp.Before(&row.MachineCreated) || f.machine.Name == row.Machine {
			continue
		}
		neverJoined := row.Reason == v1alpha5.ReasonNeverJoined
		well := slices.Contains(f.served, row.Workload)
		if row.Workload == everybody {
			well = f.open && (f.used || f.joined && neverJoined)
		} else if neverJoined && f.joined && !slices.Contains(f.workloads, row.Workload) {
			well = true
		}
		if well && f.open {
			row.RecoveryTime = &metav1.Time{Time: now}
		}
	}
}

// fail continues the rows of the workloads that a machine was of no use to. It counts for everybody if nobody had any use of it,
// and no machine that is as young was of use.
func (r rows) fail(f *fate, before rows, all []fate, now time.Time) rows {
	if f.reason == "" {
		return r
	}
	for _, workload := range f.failed {
		r = r.count(workload, f, before.of(workload), batchSpread, now)
	}
	excused := f.used && f.open || slices.ContainsFunc(all, func(other fate) bool {
		return other.open && other.used && !other.machine.CreationTimestamp.Before(&f.machine.CreationTimestamp)
	})
	if !excused {
		r = r.count(everybody, f, before.of(everybody), 0, now)
	}
	return r
}

// count adds a machine to a row that was as before until this look, or begins one. Machines of a workload that turn out to be of
// no use at one look are one failure; for everybody each of them is one.
func (r rows) count(workload string, f *fate, before *v1alpha5.FruitlessLaunch, spread time.Duration, now time.Time) rows {
	created := f.machine.CreationTimestamp
	if before != nil && created.Sub(before.MachineCreated.Time) <= spread {
		return r
	}
	row := r.of(workload)
	if row == nil {
		r = append(r, v1alpha5.FruitlessLaunch{Workload: workload, Basis: f.basis})
		row = &r[len(r)-1]
	}
	if workload == everybody || row.Machine == "" || before != nil && row.FailureTime.Equal(&before.FailureTime) {
		row.Failures++
	}
	row.Reason, row.Machine, row.MachineCreated = f.reason, f.machine.Name, created
	row.FailureTime, row.RecoveryTime = metav1.NewTime(now), nil
	row.RetryTime = metav1.NewTime(now.Add(row.Waits(firstWait, longest(workload, f.reason))))
	return r
}

// longest returns how long the next machine waits at most.
func longest(workload, reason string) time.Duration {
	switch {
	case workload != everybody:
		return longestWait
	case reason == v1alpha5.ReasonNeverJoined:
		return longestDoubtToJoin
	default:
		return longestDoubt
	}
}
