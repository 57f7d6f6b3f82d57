package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/optimize/convex/lp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
)

// ware is what one instance type leaves for pods under one provisioner, and the least that it costs.
type ware struct {
	room  []float64 // one figure per resource
	price float64   // US dollars per hour, positive
}

// lowerBound returns what no plan for all pods of the workload can cost less than: the value of the linear program that buys the sums
// of what they request in fractions of machines. What pods want beside room can only make plans dearer.
func lowerBound(w workload) (float64, error) {
	total := corev1.ResourceList{}
	for _, pod := range w.pods {
		total = resources.Sum(total, pods.Requests(pod))
	}
	var names []corev1.ResourceName
	var demand []float64
	for _, name := range slices.Sorted(maps.Keys(total)) {
		if q := total[name]; !q.IsZero() {
			names, demand = append(names, name), append(demand, q.AsApproximateFloat64())
		}
	}
	if len(names) == 0 {
		return 0, nil
	}
	return cheapestCover(demand, wares(w, names))
}

// wares lists what can be bought: of the offerings of a type, the cheapest, and dearer ones that leave more, since fewer DaemonSets
// run there.
func wares(w workload, names []corev1.ResourceName) []ware {
	var out []ware
	r := newReferee(w)
	for i := range w.provisioners {
		p := &w.provisioners[i]
		for _, it := range p.InstanceTypes {
			var ofType []ware
			for _, s := range r.asAny(p, it) {
				next := ware{price: s.offering.Price, room: r.room(s, names)}
				if !slices.ContainsFunc(ofType, func(o ware) bool { return o.price <= next.price && slices.Equal(o.room, next.room) }) {
					ofType = append(ofType, next)
				}
			}
			out = append(out, ofType...)
		}
	}
	return out
}

// room returns what a node leaves for pods beside its DaemonSets, one figure per resource.
func (r *referee) room(s *site, names []corev1.ResourceName) []float64 {
	free := s.node.Status.Allocatable
	for _, d := range crew(r.daemons, s.node) {
		free = resources.Sub(free, d.requests)
	}
	free = resources.Positive(free)
	var out []float64
	for _, name := range names {
		q := free[name]
		out = append(out, q.AsApproximateFloat64())
	}
	return out
}

// cheapestCover returns the least cost of fractions of wares that together have room for the demand, all of which is positive.
//
// The variables are dollars spent on each ware, and each row is a part of its demand, so that all figures are of the same size.
func cheapestCover(demand []float64, wares []ware) (float64, error) {
	if len(wares) == 0 {
		return 0, errors.New("nothing can be bought")
	}
	rows, columns := len(demand), len(wares)+len(demand)
	constraints := mat.NewDense(rows, columns, nil)
	costs, ones := make([]float64, columns), make([]float64, rows)
	scale := 0.0 // dollars for the resource that costs most alone
	for i := range demand {
		best := 0.0
		for _, w := range wares {
			best = max(best, w.room[i]/demand[i]/w.price)
		}
		if best == 0 {
			return 0, fmt.Errorf("nothing has any of resource %d", i)
		}
		scale = max(scale, 1/best)
	}
	for i := range demand {
		ones[i] = 1
		for j, w := range wares {
			constraints.Set(i, j, w.room[i]/demand[i]/w.price*scale)
			costs[j] = 1
		}
		constraints.Set(i, len(wares)+i, -1) // what is bought beyond the demand
	}
	value, _, err := lp.Simplex(costs, constraints, ones, 1e-10, nil)
	if err != nil {
		return 0, fmt.Errorf("solving the linear program: %w", err)
	}
	return value * scale, nil
}
