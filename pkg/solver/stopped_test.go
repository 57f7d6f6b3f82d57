package solver_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// ring has workloads of which each has to be with the next, all around.
func ring(tb testing.TB, key string, n int) solver.Problem {
	p := fullCatalogue(tb, size{0, 1353, 0})
	for i := range n {
		next := map[string]string{"app": fmt.Sprintf("app%d", (i+1)%n)}
		p.Pods = append(p.Pods, like(fmt.Sprintf("app%d", i), 3, builders.CPU(fmt.Sprintf("%dm", 100+i)), builders.Affinity(key, next))...)
	}
	return p
}

// crowd has workloads that all have to be where one of any of them is.
func crowd(tb testing.TB, key string, n int) solver.Problem {
	p := fullCatalogue(tb, size{0, 1353, 0})
	for i := range n {
		for _, pod := range like(fmt.Sprintf("app%d", i), 5, builders.CPU(fmt.Sprintf("%dm", 100+i%50)), builders.Affinity(key, map[string]string{"all": "one"})) {
			pod.Labels["all"] = "one"
			p.Pods = append(p.Pods, pod)
		}
	}
	return p
}

// scarce has pods that want company or spread, on so few machines that many of them find neither.
func scarce(testing.TB) solver.Problem {
	web, db := map[string]string{"app": "web"}, map[string]string{"app": "db"}
	p := solver.Problem{Provisioners: plain(func(q *solver.Provisioner) {
		q.Remaining = corev1.ResourceList{v1alpha5.ResourceNodes: resource.MustParse("3")}
	})}
	p.Pods = append(p.Pods, like("db", 7, builders.Spread(corev1.LabelTopologyZone, 1, db))...)
	p.Pods = append(p.Pods, like("web", 9, builders.Affinity(corev1.LabelTopologyZone, db), builders.Spread(corev1.LabelHostname, 2, web))...)
	return p
}

// meant has pods that were meant for nodes before.
func meant(tb testing.TB) solver.Problem {
	p := busyCluster(tb, size{60, 60, 20})
	p.Planned = map[types.UID]string{}
	for i, pod := range p.Pods {
		p.Planned[pod.UID] = p.Nodes[i%len(p.Nodes)].Name
	}
	return p
}

// cuttable are worlds that go different ways through a plan.
func cuttable(tb testing.TB) map[string]solver.Problem {
	bytes := make(draws, 64)
	w := newWorld(5)
	for i := range bytes {
		bytes[i] = byte(w.IntN(256))
	}
	wide := karpenterMix(tb, size{30, 40, 0})
	wide.Pods = append(wide.Pods, builders.Pod(builders.Name("wide"), poisons()["spreads over seven keys of instance types"]))
	return map[string]solver.Problem{
		"drawn": newWorld(11).problem(), "drawn again": newWorld(23).problem(), "drawn with ties": bytes.problem(),
		"few pods": newWorld(3).few(), "a mix": karpenterMix(tb, size{120, 40, 0}), "nodes with room": busyCluster(tb, size{90, 60, 25}),
		"meant for nodes": meant(tb), "scarce machines": scarce(tb), "many shapes": {Pods: shapes(300, 12), Provisioners: plain()},
		"a ring over zones": ring(tb, corev1.LabelTopologyZone, 20), "a crowd on a node": crowd(tb, corev1.LabelHostname, 4), "very wide": wide,
	}
}

// flaws returns what is wrong with a plan, in the words of the oracle.
func flaws(p solver.Problem, plan solver.Plan) []string {
	var out []string
	seen, placed := map[*corev1.Pod]int{}, map[string][]*corev1.Pod{}
	for i, m := range plan.Machines {
		out = append(out, flawsOf(p, fmt.Sprint("machine ", i), m)...)
		for _, pod := range m.Pods {
			seen[pod]++
		}
	}
	for _, placement := range plan.Placements {
		seen[placement.Pod]++
		placed[placement.Node] = append(placed[placement.Node], placement.Pod)
	}
	for _, u := range plan.Unplaced {
		if seen[u.Pod]++; u.Reason == "" || len(u.Reason) > 300 {
			out = append(out, fmt.Sprintf("%s is unplaced because %q", u.Pod.Name, u.Reason))
		}
	}
	for _, pod := range p.Pods {
		if seen[pod] != 1 {
			out = append(out, fmt.Sprintf("%s is %d times in the plan", pod.Name, seen[pod]))
		}
	}
	for _, n := range p.Nodes {
		if why := broken(n.Labels, n.Taints, n.Available, placed[n.Name], nil); why != "" && n.Possible == nil {
			out = append(out, n.Name+": "+why)
		}
		if why := quarrel(append(placed[n.Name], n.Pods...)); why != "" && quarrel(n.Pods) == "" {
			out = append(out, n.Name+": "+why)
		}
	}
	if plan.LowerBoundPerHour > plan.CostPerHour+1e-9 {
		out = append(out, fmt.Sprintf("it costs $%v/h, less than its bound of $%v/h", plan.CostPerHour, plan.LowerBoundPerHour))
	}
	return out
}

// flawsOf returns what is wrong with a machine, whatever it becomes.
func flawsOf(p solver.Problem, name string, m solver.Machine) []string {
	var out []string
	provisioner := provisionerNamed(p, m.Provisioner)
	if len(m.Pods) == 0 || len(m.InstanceTypes) == 0 {
		out = append(out, fmt.Sprintf("%s has %d pods and %d instance types", name, len(m.Pods), len(m.InstanceTypes)))
	}
	for _, as := range m.InstanceTypes {
		it := typeNamed(provisioner.InstanceTypes, as)
		all := outcomes(m.Requirements, it)
		if len(all) == 0 {
			out = append(out, fmt.Sprintf("%s lists %s, which is not on offer for %s", name, as, m.Requirements))
		}
		for _, on := range all {
			if why := broken(on, provisioner.Taints, it.Allocatable(), m.Pods, p.DaemonSets); why != "" {
				out = append(out, fmt.Sprintf("%s as %s: %s", name, as, why))
			}
			if why := provisioner.Requirements.Conflict(scheduling.FromLabels(on)); why != "" {
				out = append(out, fmt.Sprintf("%s as %s breaks its provisioner: %s", name, as, why))
			}
		}
	}
	return out
}

// served returns the pods that a plan has a place for.
func served(plan solver.Plan) map[*corev1.Pod]bool {
	out := map[*corev1.Pod]bool{}
	for _, m := range plan.Machines {
		for _, pod := range m.Pods {
			out[pod] = true
		}
	}
	for _, placement := range plan.Placements {
		out[placement.Pod] = true
	}
	return out
}

func TestAPlanThatIsCutShortAnywhereIsOneThatTheSchedulerAgreesWith(t *testing.T) {
	const points = 16
	for name, p := range cuttable(t) {
		t.Run(name, func(t *testing.T) {
			plenty := &fuse{Context: t.Context(), left: 1 << 40}
			whole := solver.Solve(plenty, p)
			if whole.CutShort {
				t.Fatal("a plan with plenty of time says that it is cut short")
			}
			looks := map[int]bool{0: true, 1: true, plenty.looks - 1: true}
			for k := range points {
				looks[plenty.looks*k/points] = true
			}
			for _, left := range slices.Sorted(maps.Keys(looks)) {
				plan := solver.Solve(&fuse{Context: t.Context(), left: left}, p)
				why := flaws(p, plan)
				for _, last := range []bool{false, true} {
					why = append(why, bind(p, plan, last)...)
				}
				for _, u := range plan.Unplaced {
					if served(whole)[u.Pod] && len(p.Provisioners[0].Remaining) == 0 && !strings.Contains(u.Reason, "more time") {
						why = append(why, fmt.Sprintf("%s is unplaced for want of time, but because %s", u.Pod.Name, u.Reason))
					}
				}
				if len(why) > 0 || !plan.CutShort {
					t.Errorf("after %d of %d looks: cut short %v:\n%s", left, plenty.looks, plan.CutShort, strings.Join(why, "\n"))
				}
			}
		})
	}
}

// BenchmarkReturnAfterCancellation cancels plans at several times and says how much later they come, at the worst and at the median.
func BenchmarkReturnAfterCancellation(b *testing.B) {
	for name, p := range map[string]solver.Problem{
		"mix of 50,000": fullCatalogue(b, size{50000, 1353, 0}), "50,000 shapes": allDifferent(b, size{50000, 1353, 0}),
		"50,000 pods and 4,000 nodes": busyCluster(b, size{50000, 400, 4000}), "ring of 2,000": ring(b, corev1.LabelTopologyZone, 2000),
		"crowd of 2,000": crowd(b, corev1.LabelTopologyZone, 2000),
	} {
		b.Run(name, func(b *testing.B) {
			began := time.Now()
			solver.Solve(b.Context(), p)
			whole := time.Since(began)
			var late []time.Duration
			for b.Loop() {
				for k := range 10 {
					late = append(late, lateness(b, p, whole*time.Duration(k)/10))
				}
			}
			slices.Sort(late)
			b.ReportMetric(float64(whole.Microseconds())/1000, "ms-whole")
			b.ReportMetric(float64(late[len(late)-1].Microseconds())/1000, "ms-latest")
			b.ReportMetric(float64(late[len(late)/2].Microseconds())/1000, "ms-median")
		})
	}
}

// lateness is how long after its cancellation a plan comes.
func lateness(b *testing.B, p solver.Problem, after time.Duration) time.Duration {
	ctx, cancel := context.WithTimeout(b.Context(), time.Hour)
	defer cancel()
	ended := time.Now().Add(after)
	stop := time.AfterFunc(after, cancel)
	defer stop.Stop()
	solver.Solve(ctx, p)
	return max(time.Since(ended), 0)
}
