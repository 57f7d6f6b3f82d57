package solver

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// daemon is the pod of a DaemonSet.
type daemon struct {
	pod          *corev1.Pod
	requests     vector
	unknown      bool // asks for a resource that nothing has
	alternatives []scheduling.Requirements
	guest        guest
}

func daemonsOf(sets []*corev1.Pod, d dimensions, b *rulebook) []*daemon {
	sets = slices.Clone(sets)
	slices.SortFunc(sets, comparePods)
	out := make([]*daemon, 0, len(sets))
	for _, pod := range sets {
		requests := pods.Requests(pod)
		out = append(out, &daemon{
			pod: pod, requests: d.vector(requests), unknown: d.unknown(requests) != "",
			alternatives: scheduling.DaemonRequirements(pod), guest: b.resident(pod, b.learnResident(pod), b.bearing(pod)),
		})
	}
	return out
}

// reserve takes from every ware what the DaemonSets that will run on it need. One that is too large for every instance type it
// is meant for takes nothing; one that fits some keeps pods off those it does not fit, since it belongs there, too.
func (s *shelf) reserve(daemons []*daemon) {
	running := make([][]bitset, len(daemons)) // by capacity type
	for i, d := range daemons {
		running[i] = s.running(d)
	}
	for t, st := range s.stocks {
		for c := range st.wares {
			w := &st.wares[c]
			w.overhead = make(vector, len(s.dimensions.names))
			for i, d := range daemons {
				if running[i] != nil && running[i][c].has(t) {
					w.overhead.add(d.requests, 1)
					w.residents.join(d.guest, 1)
				}
			}
			w.usable = st.allocatable.clone()
			w.usable.sub(w.overhead, 1)
			w.sold = w.sold && w.overhead.within(st.allocatable)
		}
	}
}

// running returns, by capacity type, the stocks on which the DaemonSet will run; nil when it runs nowhere.
func (s *shelf) running(d *daemon) []bitset {
	if d.unknown || scheduling.Taints(s.provisioner.Taints).Tolerated(d.pod) != "" {
		return nil
	}
	out := make([]bitset, len(s.capacityTypes))
	for c := range out {
		out[c] = newBitset(len(s.stocks))
		for _, alternative := range d.alternatives {
			out[c].or(s.touched(alternative, s.capacityTypes[c]))
		}
	}
	for _, stocks := range out {
		for t := range stocks.all {
			if d.requests.within(s.stocks[t].allocatable) {
				return out
			}
		}
	}
	return nil
}

// touched returns the stocks of a capacity type that may meet the requirements. Where machines may differ, in zone for one,
// those that meet them count.
func (s *shelf) touched(requirements scheduling.Requirements, capacityType string) bitset {
	out := fullBitset(len(s.stocks))
	for key, q := range requirements {
		column, known := s.columns[key]
		own, defined := s.template[key]
		ok := true
		switch {
		case key == v1alpha5.CapacityTypeLabel:
			ok = q.Has(capacityType)
		case key == corev1.LabelTopologyZone:
			ok = slices.ContainsFunc(s.zones, q.Has)
		case key == corev1.LabelHostname:
			ok = !q.Finite()
		case known:
			out.and(column.touching(q, len(s.stocks)))
		case defined:
			ok = own.Compatible(q)
		default:
			ok = q.AllowsAbsent()
		}
		if !ok {
			return newBitset(len(s.stocks))
		}
	}
	return out
}
