// Package judge holds plans against the filters of the real kube-scheduler: what a plan places has to pass them, and what it
// leaves must pass them on no node that could be bought.
package judge

import (
	"context"
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/conformance/scheduler"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

// Kind says what is wrong with a plan.
type Kind string

// Kinds of disagreement.
const (
	// Crash is a problem for which there is no plan because kerf crashed.
	Crash Kind = "crash"
	// Bookkeeping is a pod that the plan has not exactly once, or something it names that does not exist.
	Bookkeeping Kind = "bookkeeping"
	// Machine is a machine that its provisioner does not allow, or that nobody sells.
	Machine Kind = "machine"
	// Limits is a provisioner whose machines may come to more than its limits leave.
	Limits Kind = "limits"
	// Placed is a pod that the scheduler refuses where the plan puts it.
	Placed Kind = "placed"
	// Unplaced is a pod that the plan leaves though the scheduler would take it.
	Unplaced Kind = "unplaced"
)

// Disagreement is what is wrong with a plan.
type Disagreement struct {
	Kind Kind
	// Cause groups disagreements of a kind: the filter that refuses a placed pod, or what would take one that is left.
	Cause string
	// Pod that it is about, if it is about one.
	Pod *corev1.Pod
	// Text says what is wrong.
	Text string
}

func (d Disagreement) String() string {
	if d.Pod == nil {
		return fmt.Sprintf("%s: %s", d.Kind, d.Text)
	}
	return fmt.Sprintf("%s: pod %s/%s %s", d.Kind, d.Pod.Namespace, d.Pod.Name, d.Text)
}

const (
	// ways is how many of the ways in which planned machines may turn out are looked at: all as the first instance type that they
	// list, all as the last, and some at random.
	ways = 4
	// doubtful is how many more are looked at before a plan is blamed for a pod that it leaves: kerf has to reckon with all.
	doubtful = 64
)

// anything is a value that labels get in some of the ways where their provisioner asks for any value and no pod for one. Kerf
// leaves them out then, but nothing may hang on that.
const anything = "anything"

// judge looks at one plan.
type judge struct {
	world     *world.World
	problem   *solver.Problem
	plan      *solver.Plan
	scheduler *scheduler.Scheduler
	random    *rand.Rand
	// unnamed is the value that labels have of which nobody says what they should be; "" leaves them out.
	unnamed string
	// cluster is how the planned machines and those on their way have turned out.
	cluster []member
	// evicted are those who gave way when the planned pods were bound last.
	evicted []seat
	found   []Disagreement
}

// Judge returns what is wrong with the plan for the problem of the world.
func Judge(ctx context.Context, w *world.World, problem *solver.Problem, plan *solver.Plan) ([]Disagreement, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s, err := scheduler.New(ctx, scheduler.Objects{
		Namespaces: w.NamespaceObjects(), Claims: w.Claims, Volumes: w.Volumes, Classes: w.Classes, CSINodes: w.CSINodes(),
	})
	if err != nil {
		return nil, err
	}
	j := &judge{world: w, problem: problem, plan: plan, scheduler: s, random: rand.New(rand.NewPCG(w.Seed, 0x6a75646765))}
	for _, inspect := range []func(){j.keepBooks, j.inspectMachines, j.checkLimits} {
		if inspect(); len(j.found) > 0 {
			return j.found, nil // the rest would only follow from it
		}
	}
	refused, err := j.watch(ctx, newLeftovers(plan))
	if err != nil || len(refused) > 0 {
		return refused, err
	}
	return j.found, nil
}

// watch lets machines turn out in several ways. It returns what is refused in one of them, and notes what is left though
// somebody takes it in all.
func (j *judge) watch(ctx context.Context, left []*leftover) ([]Disagreement, error) {
	for way := 0; way < ways || len(left) > 0 && way < doubtful; way++ {
		j.register(way)
		refused, err := j.bindAll(ctx)
		if err == nil && len(refused) == 0 && way == 0 {
			refused, err = j.turnOut(ctx)
		}
		if err != nil || len(refused) > 0 {
			return refused, err
		}
		if left, err = j.offerAll(ctx, left); err != nil {
			return nil, err
		}
	}
	for _, l := range left {
		if err := j.welcome(ctx, l); err != nil {
			return nil, err
		}
		if len(l.hosts) == 0 {
			continue
		}
		j.found = append(j.found, Disagreement{Unplaced, l.cause(), l.pods[0],
			fmt.Sprintf("is left, one of %d like it (%s), but fits on %s", len(l.pods), l.reason, l.host())})
	}
	return nil, nil
}

func (j *judge) object(kind Kind, pod *corev1.Pod, format string, arguments ...any) {
	j.found = append(j.found, Disagreement{Kind: kind, Pod: pod, Text: fmt.Sprintf(format, arguments...)})
}
