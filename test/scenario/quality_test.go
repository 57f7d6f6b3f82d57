package scenario_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestPlansCostLittleMoreThanTheLowerBound(t *testing.T) {
	types := generalPurpose(t)
	for name, tc := range map[string]struct {
		pods []*corev1.Pod
		most float64 // times the lower bound; a few large pods cannot come close to it, since machines come whole
	}{
		"1,000 pods of two shapes": {
			pods: slices.Concat(replicas(500, "small", "900m", "3100Mi"), replicas(500, "large", "3500m", "28Gi")), most: 1.015,
		},
		"3,000 pods, all different":                  {pods: randomPods(3000), most: 1.01},
		"200 pods, all different":                    {pods: randomPods(200), most: 1.02},
		"40 pods, all different":                     {pods: randomPods(40), most: 1.06},
		"500 pods of 20 workloads, heavy-tailed":     {pods: workloads(20, 25), most: 1.025},
		"5,000 pods of 20 workloads, heavy-tailed":   {pods: workloads(20, 250), most: 1.015},
		"5,000 pods of 100 workloads, heavy-tailed":  {pods: workloads(100, 50), most: 1.01},
		"1,000 pods, all different and heavy-tailed": {pods: workloads(1000, 1), most: 1.05},
		"300 pods short of cpu":                      {pods: replicas(300, "busy", "1500m", "256Mi"), most: 1.02},
		"20 small pods":                              {pods: replicas(20, "web", "1", "256Mi"), most: 1.20},
		"100 pods of half a machine or more":         {pods: replicas(100, "big", "15", "50Gi"), most: 1.09},
	} {
		t.Run(name, func(t *testing.T) {
			plan := solver.Solve(t.Context(), solver.Problem{
				Pods: tc.pods, Provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: types}},
			})
			bound, naive := lowerBound(tc.pods, types), firstFit(tc.pods, types)
			t.Logf("lower bound $%.2f/h, plan $%.2f/h on %d machines (%.3f), first fit $%.2f/h (%.3f)",
				bound, plan.CostPerHour, len(plan.Machines), plan.CostPerHour/bound, naive, naive/bound)
			if len(plan.Unplaced) > 0 {
				t.Errorf("%d pods are unplaced, one because %s", len(plan.Unplaced), plan.Unplaced[0].Reason)
			}
			if plan.CostPerHour < bound-1e-6 || plan.CostPerHour > bound*tc.most || plan.CostPerHour > naive {
				t.Errorf("the plan costs %.3f times the lower bound, want 1 to %.3f and no more than first fit", plan.CostPerHour/bound, tc.most)
			}
		})
	}
}

// The oracle is checked, too: the figures were measured independently of this code.
func TestTheLowerBoundIsTheKnownOne(t *testing.T) {
	types := generalPurpose(t)
	list := slices.Concat(replicas(500, "small", "900m", "3100Mi"), replicas(500, "large", "3500m", "28Gi"))
	if got := lowerBound(list, types); math.Abs(got-122.2) > 0.1 {
		t.Errorf("lower bound $%.2f/h, want $122.2/h", got)
	}
}

func TestMachinesListFallbacksOfTheSameKind(t *testing.T) {
	plan := solver.Solve(t.Context(), solver.Problem{
		Pods:         replicas(30, "web", "1500m", "3Gi"),
		Provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: generalPurpose(t)}},
	})
	for i, m := range plan.Machines {
		if n := len(m.InstanceTypes); n < 3 || n > 60 {
			t.Errorf("machine %d lists %d instance types: %v", i, n, m.InstanceTypes)
		}
		if zones := m.Requirements.Get(corev1.LabelTopologyZone).Values(); len(zones) < 3 {
			t.Errorf("machine %d may only be in %v", i, zones)
		}
	}
}

func replicas(n int, name, cpu, memory string) []*corev1.Pod {
	out := make([]*corev1.Pod, n)
	for i := range out {
		out[i] = builders.Pod(builders.Name(fmt.Sprintf("%s-%04d", name, i)), builders.CPU(cpu), builders.Memory(memory))
	}
	return out
}

// workloads returns the pods of workloads with so many replicas each, as traces have them: most ask for little and a few for very
// much, in all proportions of cpu to memory.
func workloads(n, each int) []*corev1.Pod {
	random := rand.New(rand.NewPCG(9, 2))
	var out []*corev1.Pod
	for i := range n {
		cpu := min(60000, max(10, 400*math.Exp(1.2*random.NormFloat64()))) // thousandths
		memory := min(200000, max(32, cpu*(0.5+7.5*random.Float64())))     // MiB
		out = append(out, replicas(each, fmt.Sprintf("workload-%04d", i), fmt.Sprintf("%dm", int(cpu)), fmt.Sprintf("%dMi", int(memory)))...)
	}
	return out
}

// randomPods returns pods of 100m to 1500m cpu and 100 to 4096 Mi memory.
func randomPods(n int) []*corev1.Pod {
	random := rand.New(rand.NewPCG(1, 2))
	var out []*corev1.Pod
	for i := range n {
		out = append(out, replicas(1, fmt.Sprintf("random-%04d", i),
			fmt.Sprintf("%dm", 100+random.IntN(1401)), fmt.Sprintf("%dMi", 100+random.IntN(3997)))...)
	}
	return out
}

// amounts are cpu in cores, memory in GiB and the number of pods.
type amounts [3]float64

func amountsOf(list corev1.ResourceList) amounts {
	return amounts{
		list.Cpu().AsApproximateFloat64(), list.Memory().AsApproximateFloat64() / (1 << 30), list.Pods().AsApproximateFloat64(),
	}
}

// lowerBound returns the least that any plan can cost: the value of the linear program that buys the sums of cpu, memory and
// pods in fractions of machines. It climbs the concave dual by nested interval search, for it shares nothing with the solver.
func lowerBound(list []*corev1.Pod, types cloudprovider.InstanceTypes) float64 {
	var demand amounts
	for _, pod := range list {
		for i, n := range amountsOf(pods.Requests(pod)) {
			demand[i] += n
		}
	}
	var prices []float64
	var bundles []amounts
	for _, it := range types {
		o, _ := it.Offerings.Cheapest()
		prices, bundles = append(prices, o.Price), append(bundles, amountsOf(it.Allocatable()))
	}
	return climb(func(cpu float64) float64 {
		return climb(func(memory float64) float64 {
			slot := math.Inf(1) // what a pod is worth when cpu and memory are worth as much
			for i, b := range bundles {
				slot = min(slot, (prices[i]-cpu*b[0]-memory*b[1])/b[2])
			}
			if slot < 0 {
				return slot * 1e6 // infeasible, and less so towards zero
			}
			return cpu*demand[0] + memory*demand[1] + slot*demand[2]
		})
	})
}

// climb returns the maximum of a concave function between 0 and 0.2, more than a core or a GiB costs per hour.
func climb(f func(float64) float64) float64 {
	low, high := 0.0, 0.2
	for range 60 {
		a, b := low+(high-low)/3, high-(high-low)/3
		if f(a) < f(b) {
			low = a
		} else {
			high = b
		}
	}
	return f(low)
}

// firstFit returns what it costs to put pods, the largest first, on the first of the machines so far that still has room under
// some instance type, and to buy the cheapest type for each machine in the end.
func firstFit(list []*corev1.Pod, types cloudprovider.InstanceTypes) float64 {
	var bundles []amounts
	for _, it := range types {
		bundles = append(bundles, amountsOf(it.Allocatable()))
	}
	fits := func(load amounts) bool {
		return slices.ContainsFunc(bundles, func(b amounts) bool { return load[0] <= b[0] && load[1] <= b[1] && load[2] <= b[2] })
	}
	var requests, machines []amounts
	for _, pod := range list {
		requests = append(requests, amountsOf(pods.Requests(pod)))
	}
	slices.SortFunc(requests, func(a, b amounts) int { return -slices.Compare(a[:], b[:]) })
	for _, r := range requests {
		i := slices.IndexFunc(machines, func(m amounts) bool { return fits(amounts{m[0] + r[0], m[1] + r[1], m[2] + r[2]}) })
		if i < 0 {
			i, machines = len(machines), append(machines, amounts{})
		}
		machines[i] = amounts{machines[i][0] + r[0], machines[i][1] + r[1], machines[i][2] + r[2]}
	}
	total := 0.0
	for _, m := range machines {
		cheapest := math.Inf(1)
		for i, b := range bundles {
			if o, _ := types[i].Offerings.Cheapest(); m[0] <= b[0] && m[1] <= b[1] && m[2] <= b[2] {
				cheapest = min(cheapest, o.Price)
			}
		}
		total += cheapest
	}
	return total
}
