package solver_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestNoPlanCostsLessThanItsLowerBound(t *testing.T) {
	for seed := range uint64(problems) {
		p := newWorld(seed).problem()
		p.Settings.NodeFee = float64(seed%3) / 10
		plan := solver.Solve(t.Context(), p)
		if plan.LowerBoundPerHour > plan.CostPerHour {
			t.Errorf("problem %d: the plan costs $%v/h, its lower bound is $%v/h", seed, plan.CostPerHour, plan.LowerBoundPerHour)
		}
		if (plan.LowerBoundPerHour > 0) != (len(plan.Machines) > 0) {
			t.Errorf("problem %d: a lower bound of $%v/h for %d machines", seed, plan.LowerBoundPerHour, len(plan.Machines))
		}
	}
}

// Where pods ask for nothing but resources and types are on offer everywhere, the bound is no less than the value of the linear
// program of their sums, which has its optimum where as many constraints hold with equality as there are resources.
func TestTheLowerBoundOfPodsThatAskForResourcesIsNoLessThanTheLinearProgram(t *testing.T) {
	for seed := range uint64(problems) {
		w := newWorld(seed)
		var types cloudprovider.InstanceTypes
		for i := range 1 + w.IntN(12) {
			cores := 1 << w.IntN(5)
			types = append(types, builders.InstanceType(fmt.Sprintf("type-%02d", i),
				builders.Capacity(fmt.Sprint(cores), fmt.Sprintf("%dGi", cores*(1+w.IntN(9))), 2+w.IntN(10*cores)),
				builders.OnDemand(float64(cores)*(0.02+w.Float64()*0.04), "zone-a", "zone-b")))
		}
		types = append(types, builders.InstanceType("large", builders.Capacity("32", "64Gi", 200), builders.OnDemand(2, "zone-a")))
		list := shapes(1+w.IntN(40), 1+w.IntN(8))
		plan := solver.Solve(t.Context(), solver.Problem{Pods: list, Provisioners: plain(func(p *solver.Provisioner) { p.InstanceTypes = types })})
		if least := vertexOptimum(list, types); plan.LowerBoundPerHour < least*(1-1e-6) || plan.LowerBoundPerHour > plan.CostPerHour {
			t.Errorf("problem %d: lower bound $%v/h, want $%v/h to $%v/h", seed, plan.LowerBoundPerHour, least, plan.CostPerHour)
		}
	}
}

// vertexOptimum returns the most that the pods can be worth at prices of cpu, memory and pods at which no type is worth more
// than it costs. It tries all prices at which three of the types, or fewer and a price of nothing, are worth just that.
func vertexOptimum(list []*corev1.Pod, types cloudprovider.InstanceTypes) float64 {
	amounts := func(l corev1.ResourceList) [3]float64 {
		return [3]float64{l.Cpu().AsApproximateFloat64(), l.Memory().AsApproximateFloat64() / (1 << 30), l.Pods().AsApproximateFloat64()}
	}
	var demand [3]float64
	for _, pod := range list {
		for r, q := range amounts(pods.Requests(pod)) {
			demand[r] += q
		}
	}
	rows, prices := [][3]float64{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, []float64{0, 0, 0}
	for _, it := range types {
		rows, prices = append(rows, amounts(it.Allocatable())), append(prices, it.Offerings[0].Price)
	}
	best := 0.0
	for i := range rows {
		for j := range i {
			for k := range j {
				worth, ok := cramer([3][3]float64{rows[i], rows[j], rows[k]}, [3]float64{prices[i], prices[j], prices[k]})
				if ok && feasible(worth, rows, prices) {
					best = max(best, dot(worth, demand))
				}
			}
		}
	}
	return best
}

func feasible(worth [3]float64, rows [][3]float64, prices []float64) bool {
	for i, row := range rows {
		if value := dot(worth, row); i < 3 && value < -1e-12 || i >= 3 && value > prices[i]+1e-9 {
			return false
		}
	}
	return true
}

func dot(a, b [3]float64) float64 { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }

// cramer solves three linear equations.
func cramer(a [3][3]float64, b [3]float64) ([3]float64, bool) {
	det := func(m [3][3]float64) float64 {
		return m[0][0]*(m[1][1]*m[2][2]-m[1][2]*m[2][1]) - m[0][1]*(m[1][0]*m[2][2]-m[1][2]*m[2][0]) + m[0][2]*(m[1][0]*m[2][1]-m[1][1]*m[2][0])
	}
	whole := det(a)
	var x [3]float64
	for c := range x {
		m := a
		for r := range m {
			m[r][c] = b[r]
		}
		x[c] = det(m) / whole
	}
	return x, math.Abs(whole) > 1e-12
}

func TestTheLowerBoundKnowsWherePodsMayBe(t *testing.T) {
	small := builders.InstanceType("small", builders.Capacity("4", "16Gi", 20), builders.OnDemand(0.2, "zone-a"), builders.Spot(0.05, "zone-a", "zone-b"))
	web := map[string]string{"app": "web"}
	ten := func(modifiers ...builders.PodModifier) (out []*corev1.Pod) {
		for i := range 10 {
			out = append(out, builders.Pod(append(modifiers, builders.Name(fmt.Sprint("pod-", i)), builders.CPU("400m"))...))
		}
		return out
	}
	onDemand := builders.NodeSelector(map[string]string{v1alpha5.CapacityTypeLabel: v1alpha5.CapacityTypeOnDemand})
	one := cloudprovider.InstanceTypes{small}
	for name, tc := range map[string]struct {
		problem solver.Problem
		want    float64
	}{
		"anywhere":             {solver.Problem{Pods: ten(), Provisioners: plain(offering(one))}, 0.05},
		"on demand only":       {solver.Problem{Pods: ten(onDemand), Provisioners: plain(offering(one))}, 0.2},
		"in the zone of spot":  {solver.Problem{Pods: ten(builders.NodeSelector(map[string]string{corev1.LabelTopologyZone: "zone-b"})), Provisioners: plain(offering(one))}, 0.05},
		"half on demand":       {solver.Problem{Pods: renamed(slices.Concat(ten(), ten(onDemand))), Provisioners: plain(offering(one))}, 0.25},
		"each on its own node": {solver.Problem{Pods: ten(builders.Labels(web), builders.AntiAffinity(corev1.LabelHostname, web)), Provisioners: plain(offering(one))}, 0.5},
		"two to a node":        {solver.Problem{Pods: ten(builders.Labels(web), builders.Spread(corev1.LabelHostname, 2, web)), Provisioners: plain(offering(one))}, 0.25},
		"with a host port":     {solver.Problem{Pods: ten(builders.HostPort(80)), Provisioners: plain(offering(one))}, 0.5},
		"of the heaviest provisioner": {solver.Problem{Pods: ten(), Provisioners: slices.Concat(plain(offering(one)), plain(offering(one), func(p *solver.Provisioner) {
			p.Name, p.Weight = "heavy", 1
			p.Requirements = scheduling.FromLabels(map[string]string{v1alpha5.CapacityTypeLabel: v1alpha5.CapacityTypeOnDemand})
		}))}, 0.2},
	} {
		t.Run(name, func(t *testing.T) {
			plan := solver.Solve(t.Context(), tc.problem)
			if len(plan.Unplaced) > 0 {
				t.Fatal(plan.Unplaced[0].Reason)
			}
			if math.Abs(plan.LowerBoundPerHour-tc.want) > 1e-6 {
				t.Errorf("lower bound $%v/h, want $%v/h", plan.LowerBoundPerHour, tc.want)
			}
		})
	}
}

// A pod that nobody else may follow but those who count less strictly does share its machine with one of these.
func TestTheLowerBoundAllowsForCompanyThatCountsLessStrictly(t *testing.T) {
	web := map[string]string{"app": "web"}
	var p solver.Problem
	for i := range 4 {
		for skew := range int32(2) {
			p.Pods = append(p.Pods, builders.Pod(builders.Name(fmt.Sprintf("skew-%d-%d", skew+1, i)), builders.Labels(web), builders.CPU("100m"),
				builders.Spread(corev1.LabelHostname, skew+1, web)))
		}
	}
	p.Provisioners = plain(offering(cloudprovider.InstanceTypes{builders.InstanceType("small", builders.Capacity("2", "8Gi", 20), builders.OnDemand(0.1, "zone-a"))}))
	plan := solver.Solve(t.Context(), p)
	if len(plan.Machines) != 4 || math.Abs(plan.LowerBoundPerHour-0.4) > 1e-6 {
		t.Errorf("%d machines, lower bound $%v/h, want 4 and $0.4/h", len(plan.Machines), plan.LowerBoundPerHour)
	}
}

// Each of these pods needs a machine of its own, but only some need a large one.
func TestTheLowerBoundBuysMachinesOfTheirSizeForPodsThatKeepApart(t *testing.T) {
	web := map[string]string{"app": "web"}
	types := cloudprovider.InstanceTypes{
		builders.InstanceType("small", builders.Capacity("1", "4Gi", 20), builders.OnDemand(0.1, "zone-a")),
		builders.InstanceType("large", builders.Capacity("8", "32Gi", 20), builders.OnDemand(0.7, "zone-a")),
	}
	var p solver.Problem
	for i := range 10 {
		cpu := []string{"100m", "2"}[i%2]
		p.Pods = append(p.Pods, builders.Pod(builders.Name(fmt.Sprint("pod-", i)), builders.Labels(web), builders.CPU(cpu), builders.AntiAffinity(corev1.LabelHostname, web)))
	}
	p.Provisioners = plain(offering(types))
	plan := solver.Solve(t.Context(), p)
	if math.Abs(plan.LowerBoundPerHour-plan.CostPerHour) > 1e-6 || math.Abs(plan.CostPerHour-4) > 1e-9 {
		t.Errorf("lower bound $%v/h, cost $%v/h, want $4/h", plan.LowerBoundPerHour, plan.CostPerHour)
	}
}

// A type that is cheap for one resource is of no use to pods that it has too little of another for, and of what it has only as much as
// whole pods take.
func TestTheLowerBoundWastesWhatIsOfNoUse(t *testing.T) {
	lopsided := builders.InstanceType("lopsided", builders.Capacity("16", "1Gi", 100), builders.OnDemand(0.01, "zone-a"))
	uneven := builders.InstanceType("uneven", builders.Capacity("5", "64Gi", 100), builders.OnDemand(1, "zone-a"))
	ten := func(memory string) (out []*corev1.Pod) {
		for i := range 10 {
			out = append(out, builders.Pod(builders.Name(fmt.Sprint("pod-", memory, i)), builders.CPU("3"), builders.Memory(memory)))
		}
		return out
	}
	for name, tc := range map[string]struct {
		pods []*corev1.Pod
		want float64
	}{
		"all of them":  {ten("2Gi"), 10},
		"some of them": {slices.Concat(ten("2Gi"), ten("100Mi")), 10.02},
	} {
		t.Run(name, func(t *testing.T) {
			plan := solver.Solve(t.Context(), solver.Problem{Pods: tc.pods, Provisioners: plain(offering(cloudprovider.InstanceTypes{lopsided, uneven}))})
			if math.Abs(plan.CostPerHour-tc.want) > 1e-9 || plan.LowerBoundPerHour < tc.want-0.01 || plan.LowerBoundPerHour > tc.want {
				t.Errorf("lower bound $%v/h, cost $%v/h, want $%v/h", plan.LowerBoundPerHour, plan.CostPerHour, tc.want)
			}
		})
	}
}

// The plan may have a leader for each follower, but one leader would do for both: the other need not be where followers have to be.
func TestTheLowerBoundLetsPodsChooseTheirCompany(t *testing.T) {
	web := map[string]string{"app": "web"}
	var p solver.Problem
	for i := range 2 {
		p.Pods = append(p.Pods,
			builders.Pod(builders.Name(fmt.Sprint("leader-", i)), builders.Labels(web), builders.CPU("2")),
			builders.Pod(builders.Name(fmt.Sprint("follower-", i)), builders.CPU("100m"), builders.Affinity(corev1.LabelHostname, web),
				builders.NodeSelector(map[string]string{v1alpha5.CapacityTypeLabel: v1alpha5.CapacityTypeOnDemand})))
	}
	p.Provisioners = plain(offering(cloudprovider.InstanceTypes{
		builders.InstanceType("small", builders.Capacity("3", "12Gi", 20), builders.OnDemand(1, "zone-a"), builders.Spot(0.1, "zone-a")),
	}))
	plan := solver.Solve(t.Context(), p)
	if len(plan.Unplaced) > 0 || plan.LowerBoundPerHour > 1.1 {
		t.Errorf("lower bound $%v/h, %d pods unplaced; two machines do at $1.1/h", plan.LowerBoundPerHour, len(plan.Unplaced))
	}
}

// The follower alone could be nowhere: only its company gives the machine the label that it asks for.
func TestTheLowerBoundLetsCompanyNameLabels(t *testing.T) {
	web := map[string]string{"app": "web"}
	p := solver.Problem{
		Pods: []*corev1.Pod{
			builders.Pod(builders.Name("leader"), builders.Labels(web), builders.CPU("1"), builders.NodeSelector(map[string]string{teamLabel: "red"})),
			builders.Pod(builders.Name("follower"), builders.CPU("1"), builders.Affinity(corev1.LabelHostname, web),
				builders.NodeAffinity(corev1.NodeSelectorRequirement{Key: teamLabel, Operator: corev1.NodeSelectorOpExists})),
		},
		Provisioners: plain(offering(catalogue(20)), func(q *solver.Provisioner) {
			q.Requirements = scheduling.NewRequirements(scheduling.NewRequirement(teamLabel, corev1.NodeSelectorOpExists))
		}),
	}
	plan := solver.Solve(t.Context(), p)
	if len(plan.Unplaced) > 0 || plan.LowerBoundPerHour > plan.CostPerHour || plan.LowerBoundPerHour <= 0 {
		t.Errorf("lower bound $%v/h, cost $%v/h, unplaced: %v", plan.LowerBoundPerHour, plan.CostPerHour, plan.Unplaced)
	}
}

func TestTheLowerBoundOfWhatIsFreeIsNothing(t *testing.T) {
	free := builders.InstanceType("free", builders.Capacity("2", "4Gi", 20), builders.OnDemand(0, "zone-a"))
	plan := solver.Solve(t.Context(), solver.Problem{Pods: shapes(20, 1), Provisioners: plain(offering(append(catalogue(20), free)))})
	if plan.LowerBoundPerHour != 0 || len(plan.Machines) == 0 {
		t.Errorf("lower bound $%v/h of %d machines", plan.LowerBoundPerHour, len(plan.Machines))
	}
}

func offering(types cloudprovider.InstanceTypes) func(*solver.Provisioner) {
	return func(p *solver.Provisioner) { p.InstanceTypes = types }
}

func renamed(list []*corev1.Pod) []*corev1.Pod {
	for i, pod := range list {
		builders.Name(fmt.Sprint("renamed-", i))(pod)
	}
	return list
}
