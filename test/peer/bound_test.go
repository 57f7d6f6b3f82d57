package main

import (
	"math"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/region"
)

func TestTheLowerBoundOfTwoShapesIsTheKnownOne(t *testing.T) {
	w, err := twoShapes()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := lowerBound(w); err != nil || math.Abs(got-122.24) > 0.01 { // $122.24/h was found by two other programs
		t.Errorf("lower bound $%.4f/h, %v, want $122.24/h", got, err)
	}
}

func TestTheLowerBoundCountsWhatCanBeBoughtForPods(t *testing.T) {
	small := builders.InstanceType("small", builders.Capacity("4", "16Gi", 10), builders.OnDemand(1, "a"))
	cheap := builders.InstanceType("cheap", builders.Capacity("4", "16Gi", 10), builders.OnDemand(0.25, "a"), builders.SoldOut("a"))
	device := builders.InstanceType("device", builders.Capacity("4", "16Gi", 10), builders.Has(region.NVIDIA, "2"), builders.OnDemand(3, "a"))
	for name, tc := range map[string]struct {
		pods, daemons []*corev1.Pod
		want          float64
	}{
		"nothing asked for":                       {want: 0},
		"cpu is short":                            {pods: replicas(6, "p", size(2000, 1)), want: 3},
		"memory is short":                         {pods: replicas(6, "p", size(1, 8*1024)), want: 3},
		"slots for pods are short":                {pods: replicas(25, "p", size(1, 1)), want: 2.5},
		"DaemonSets take their part of each node": {pods: replicas(6, "p", size(2000, 1)), daemons: replicas(1, "d", size(1000, 1)), want: 4},
		"devices are dearer than cpu":             {pods: replicas(2, "p", size(1, 1), builders.Request(region.NVIDIA, "1")), want: 3},
	} {
		t.Run(name, func(t *testing.T) {
			w := workload{pods: tc.pods, daemons: tc.daemons, provisioners: []solver.Provisioner{{
				Name: "default", InstanceTypes: cloudprovider.InstanceTypes{small, cheap, device},
			}}}
			if got, err := lowerBound(w); err != nil || math.Abs(got-tc.want) > 1e-9 {
				t.Errorf("got $%v/h, %v, want $%v/h", got, err, tc.want)
			}
		})
	}
	w := fromOne(replicas(1, "p", size(1, 1), builders.Request("example.com/quantum", "1")), cloudprovider.InstanceTypes{small})
	if got, err := lowerBound(w); err == nil {
		t.Errorf("$%v/h for what nothing has, want an error", got)
	}
}

// A cover with one or two resources can be found by looking at all pairs of wares: an optimum mixes as many as there are resources.
func TestTheCheapestCoverIsThatOfTheBestPair(t *testing.T) {
	r := dice(7)
	for range 300 {
		demand := []float64{1 + 1000*r.Float64(), 1e6 * (1 + 1000*r.Float64())}
		var wares []ware
		for range 2 + r.IntN(12) {
			wares = append(wares, ware{room: []float64{1 + 99*r.Float64(), 1e6 * 99 * r.Float64()}, price: 0.01 + 5*r.Float64()})
		}
		want := math.Inf(1)
		for _, a := range wares {
			for _, b := range wares {
				want = min(want, pairCost(demand, a, b))
			}
		}
		got, err := cheapestCover(demand, wares)
		if err != nil || math.Abs(got-want) > 1e-7*want {
			t.Fatalf("got $%v, %v, want $%v for %v of %v", got, err, want, demand, wares)
		}
	}
}

// pairCost returns the least cost of covering both demands by a alone or by a and b together; infinite if that does not do.
func pairCost(demand []float64, a, b ware) float64 {
	alone := a.price * max(demand[0]/a.room[0], demand[1]/a.room[1])
	determinant := a.room[0]*b.room[1] - a.room[1]*b.room[0]
	x := (demand[0]*b.room[1] - demand[1]*b.room[0]) / determinant
	y := (demand[1]*a.room[0] - demand[0]*a.room[1]) / determinant
	if x < 0 || y < 0 || math.IsNaN(x) || math.IsNaN(y) {
		return alone
	}
	return min(alone, x*a.price+y*b.price)
}
