package solver

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

// absurd is the quantity, in thousandths, that all greater ones count as. Sums of a few stay far from overflow, and no
// machine has as much.
const absurd = math.MaxInt64 / 16

// vector holds one quantity per resource of a dimensions, in thousandths of the resource's unit.
type vector []int64

// dimensions are the resources that a Problem is about, in order. Resources that nothing has are not among them: who asks
// for one cannot be placed, and pays for it alone.
type dimensions struct {
	names []corev1.ResourceName
	index map[corev1.ResourceName]int
}

func dimensionsOf(p *Problem) dimensions {
	there := map[corev1.ResourceName]bool{corev1.ResourcePods: true}
	note := func(list corev1.ResourceList) {
		for name, q := range list {
			if q.Sign() > 0 {
				there[name] = true
			}
		}
	}
	for i := range p.Nodes {
		note(p.Nodes[i].Available)
	}
	for i := range p.Provisioners {
		if i > 0 && slices.Equal(p.Provisioners[i].InstanceTypes, p.Provisioners[i-1].InstanceTypes) {
			continue
		}
		for _, t := range p.Provisioners[i].InstanceTypes {
			note(t.Capacity)
		}
	}
	d := dimensions{names: slices.Sorted(maps.Keys(there)), index: map[corev1.ResourceName]int{}}
	for i, name := range d.names {
		d.index[name] = i
	}
	return d
}

// vector returns the list without resources that are not among the dimensions.
func (d dimensions) vector(list corev1.ResourceList) vector {
	v := make(vector, len(d.names))
	for name, q := range list {
		if i, ok := d.index[name]; ok {
			v[i] = milli(q)
		}
	}
	return v
}

// allocatable fills in what an instance type has for pods; never negative. It is the sum of InstanceType.Allocatable without its
// maps; thousandths are rounded against the pods.
func (d dimensions) allocatable(t *cloudprovider.InstanceType, into vector) {
	for name, q := range t.Capacity {
		i, ok := d.index[name]
		if !ok {
			continue
		}
		into[i] = milli(q)
		for _, part := range []corev1.ResourceList{t.Overhead.KubeReserved, t.Overhead.SystemReserved, t.Overhead.EvictionThreshold} {
			if kept, there := part[name]; there {
				into[i] -= milli(kept)
			}
		}
		into[i] = max(into[i], 0)
	}
}

// unknown returns the first resource, by name, of which the list asks for some and nothing has any.
func (d dimensions) unknown(list corev1.ResourceList) corev1.ResourceName {
	out := corev1.ResourceName("")
	for name, q := range list {
		if _, ok := d.index[name]; !ok && q.Sign() > 0 && (out == "" || name < out) {
			out = name
		}
	}
	return out
}

// list returns v as the API has it, without zeroes.
func (d dimensions) list(v vector) corev1.ResourceList {
	out := corev1.ResourceList{}
	for i, n := range v {
		switch name := d.names[i]; {
		case n == 0:
		case name == corev1.ResourceCPU:
			out[name] = *resource.NewMilliQuantity(n, resource.DecimalSI)
		case isBytes(name):
			out[name] = *resource.NewQuantity(units(n), resource.BinarySI)
		default:
			out[name] = *resource.NewQuantity(units(n), resource.DecimalSI)
		}
	}
	return out
}

func isBytes(name corev1.ResourceName) bool {
	return name == corev1.ResourceMemory || name == corev1.ResourceEphemeralStorage ||
		len(name) > len(corev1.ResourceHugePagesPrefix) && name[:len(corev1.ResourceHugePagesPrefix)] == corev1.ResourceHugePagesPrefix
}

// units rounds thousandths up to whole units.
func units(n int64) int64 {
	if n > 0 {
		return (n + 999) / 1000
	}
	return n / 1000
}

// milli returns a quantity in thousandths, rounded up and held within plus and minus absurd.
func milli(q resource.Quantity) int64 {
	// Beyond 2^60 units the exact number no longer matters, and MilliValue would overflow long before an exotic quantity's end.
	if f := q.AsApproximateFloat64() * 1000; f >= absurd || f <= -absurd {
		return int64(math.Copysign(absurd, f))
	}
	return q.MilliValue()
}

func (v vector) clone() vector { return append(vector(nil), v...) }

// appendTo appends what tells vectors of one length apart.
func (v vector) appendTo(b []byte) []byte {
	for _, n := range v {
		b = binary.LittleEndian.AppendUint64(b, uint64(n)) //nolint:gosec // any bits do, as long as they differ
	}
	return b
}

func (v vector) add(o vector, n int64) {
	for i := range v {
		v[i] += o[i] * n
	}
}

func (v vector) sub(o vector, n int64) {
	for i := range v {
		v[i] -= o[i] * n
	}
}

// lower takes the lesser of each resource.
func (v vector) lower(o vector) {
	for i := range v {
		v[i] = min(v[i], o[i])
	}
}

// raise takes the greater of each resource.
func (v vector) raise(o vector) {
	for i := range v {
		v[i] = max(v[i], o[i])
	}
}

// within reports whether all of v is there in o.
func (v vector) within(o vector) bool {
	for i := range v {
		if v[i] > 0 && v[i] > o[i] {
			return false
		}
	}
	return true
}

// below reports whether v is nowhere greater than o.
func (v vector) below(o vector) bool {
	for i := range v {
		if v[i] > o[i] {
			return false
		}
	}
	return true
}

// times returns how many v fit into o, at most most.
func (v vector) times(o vector, most int) int {
	for i, n := range v {
		if n <= 0 {
			continue
		}
		if o[i] < n {
			return 0
		}
		most = int(min(int64(most), o[i]/n))
	}
	return max(most, 0)
}

// compare orders vectors by cpu, memory and then the rest, the largest first.
func (d dimensions) compare(a, b vector) int {
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
		if i, ok := d.index[name]; ok && a[i] != b[i] {
			return largerFirst(a[i], b[i])
		}
	}
	for i := range a {
		if a[i] != b[i] {
			return largerFirst(a[i], b[i])
		}
	}
	return 0
}

func largerFirst(a, b int64) int {
	if a > b {
		return -1
	}
	return 1
}

// pods returns the place of the resource that counts pods.
func (d dimensions) pods() int { return d.index[corev1.ResourcePods] }
