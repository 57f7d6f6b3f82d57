package solver_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// fuse is a context that ends after so many looks at whether it has ended.
type fuse struct {
	context.Context //nolint:containedctx // it is a context itself

	left, looks int
}

func (f *fuse) Err() error {
	if f.looks++; f.looks > f.left {
		return context.DeadlineExceeded
	}
	return nil
}

// hurry is a context whose deadline has come, but that never ends.
type hurry struct {
	context.Context //nolint:containedctx // it is a context itself

	since time.Time
}

func (h hurry) Deadline() (time.Time, bool) { return h.since, true }

func TestAPlanSaysThatItIsCutShortWhereverItsTimeEnds(t *testing.T) {
	p := solver.Problem{Pods: shapes(600, 12), Provisioners: plain()}
	plenty := &fuse{Context: t.Context(), left: 1 << 40}
	whole := solver.Solve(plenty, p)
	if whole.CutShort || len(whole.Unplaced) > 0 {
		t.Fatalf("with plenty of time: cut short %v, unplaced %v", whole.CutShort, whole.Unplaced)
	}
	const points = 15
	dearer, served := 0, 0
	for k := range points {
		plan := solver.Solve(&fuse{Context: t.Context(), left: plenty.looks * k / points}, p)
		pods := len(plan.Unplaced)
		for _, m := range plan.Machines {
			pods += len(m.Pods)
		}
		if pods != len(p.Pods) {
			t.Errorf("%d/%d of the looks: %d pods in the plan, %d asked for", k, points, pods, len(p.Pods))
		}
		if !plan.CutShort {
			t.Errorf("%d/%d of the looks: the plan does not say that it is cut short", k, points)
		}
		if len(plan.Unplaced) == 0 {
			served++
			if plan.CostPerHour > whole.CostPerHour+1e-9 {
				dearer++
			}
		}
	}
	if served == 0 || dearer == 0 {
		t.Errorf("%d plans that were cut short serve all pods, %d are dearer than need be; want some of both", served, dearer)
	}
}

func TestAPlanThatHadTheTimeItNeededIsNotCutShort(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	for seed := range uint64(problems / 10) {
		p := newWorld(seed).problem()
		plan := solver.Solve(ctx, p)
		if want := text(solver.Solve(t.Context(), p)); plan.CutShort || text(plan) != want {
			t.Errorf("problem %d: cut short %v, plan\n%s\nwithout a deadline\n%s", seed, plan.CutShort, text(plan), want)
		}
	}
}

func TestInHasteEveryPodStillGetsAMachine(t *testing.T) {
	p := solver.Problem{Pods: shapes(600, 12), Provisioners: plain()}
	cheap := solver.Solve(t.Context(), p)
	hasty := solver.Solve(hurry{Context: t.Context(), since: time.Now()}, p)
	if !hasty.CutShort || len(hasty.Unplaced) > 0 || hasty.CostPerHour <= cheap.CostPerHour {
		t.Errorf("cut short %v, %d unplaced, $%v/h; $%v/h at leisure", hasty.CutShort, len(hasty.Unplaced), hasty.CostPerHour, cheap.CostPerHour)
	}
}

// Twice what planning in haste takes is the least that leaves time for all of it.
func TestMachinesAreBoughtHoweverShortTheTimeIsForAProblem(t *testing.T) {
	p := allDifferent(t, size{pods: 2000, types: 400})
	start := time.Now()
	all := solver.Solve(hurry{Context: t.Context(), since: start}, p)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Since(start))
	defer cancel()
	if plan := solver.Solve(ctx, p); len(plan.Machines) == 0 || len(all.Unplaced) > 0 {
		t.Errorf("%d machines for %d pods; in haste %d pods are unplaced", len(plan.Machines), len(p.Pods), len(all.Unplaced))
	}
}

func TestAProvisionerThatCanBuyForNobodyChangesNothing(t *testing.T) {
	for _, n := range []int{40, 600} {
		p := solver.Problem{Pods: shapes(n, n/10), Provisioners: plain()}
		want := text(solver.Solve(t.Context(), p))
		p.Provisioners = append(p.Provisioners, solver.Provisioner{
			Name: "tainted", Weight: 50, Requirements: scheduling.Requirements{}, InstanceTypes: p.Provisioners[0].InstanceTypes,
			Taints: []corev1.Taint{{Key: "dedicated", Effect: corev1.TaintEffectNoSchedule}},
		})
		if got := text(solver.Solve(t.Context(), p)); got != want {
			t.Errorf("%d pods: plan\n%s\nwithout it\n%s", n, got, want)
		}
	}
}

// A heavy provisioner that hosts one pod only must not decide how well the others are packed.
func TestEffortIsThatOfTheWholeProblem(t *testing.T) {
	p := solver.Problem{Pods: shapes(5000, 60), Provisioners: plain()}
	alone := solver.Solve(t.Context(), p)
	toleration := corev1.Toleration{Key: "dedicated", Operator: corev1.TolerationOpExists}
	p.Pods = append(p.Pods, builders.Pod(builders.Name("one"), builders.CPU("100m"), builders.Toleration(toleration)))
	p.Provisioners = append(p.Provisioners, plain(func(q *solver.Provisioner) {
		q.Name, q.Weight = "heavy", 50
		q.Taints = []corev1.Taint{{Key: toleration.Key, Effect: corev1.TaintEffectNoSchedule}}
	})...)
	beside := solver.Solve(t.Context(), p)
	cost := map[string]float64{}
	for _, m := range beside.Machines {
		cost[m.Provisioner] += m.PricePerHour
	}
	if got, want := fmt.Sprintf("%.3f", cost["default"]), fmt.Sprintf("%.3f", alone.CostPerHour); got != want {
		t.Errorf("$%s/h beside a heavier provisioner, $%s/h alone", got, want)
	}
}
