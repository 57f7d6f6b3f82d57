package main

import (
	"fmt"
	"math/rand/v2"
	"os"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/region"
)

// workload is a question that both sides are asked.
type workload struct {
	pods         []*corev1.Pod
	daemons      []*corev1.Pod // one per DaemonSet
	provisioners []solver.Provisioner
}

// recipe is how a workload comes about; made when its turn comes, for some are large.
type recipe struct {
	name, about string
	// missing says why it cannot be made; "" if it can.
	missing string
	make    func() (workload, error)
}

// recipes returns what both sides are compared on.
func recipes(trace string) []recipe {
	noTrace := ""
	if trace == "" {
		noTrace = "no trace was named; see --trace"
	} else if _, err := os.Stat(trace); err != nil {
		noTrace = err.Error()
	}
	list := []recipe{
		{name: "two-shapes", about: "500 pods of 900m and 3100Mi, 500 of 3500m and 28Gi", make: twoShapes},
		{name: "random", about: "3,000 pods of one of 30 sizes, 100m to 1500m and 100 to 4096 Mi", make: random},
		{name: "random-all-different", about: "3,000 pods, hardly two of them of one size, in the same range", make: allDifferent},
		{name: "trace-cpu", about: "the pods of the trace that ask for no GPU", missing: noTrace, make: func() (workload, error) {
			return ofTrace(trace, region.GeneralPurpose, func(p tracePod) bool { return p.gpus == 0 })
		}},
		{name: "trace-all", about: "all pods of the trace, on types with NVIDIA GPUs too", missing: noTrace, make: func() (workload, error) {
			return ofTrace(trace, region.WithNVIDIA, func(tracePod) bool { return true })
		}},
	}
	for _, n := range []int{500, 1000, 2000, 5000} {
		list = append(list, recipe{
			name:  fmt.Sprintf("mix-%d", n),
			about: fmt.Sprintf("%d pods as in Karpenter's own benchmark, on its 400 made-up types", n),
			make:  func() (workload, error) { return mix(n), nil },
		})
	}
	return append(list,
		recipe{name: "deployments-zone-spread", about: "40 deployments of all sizes, each spread over the zones", make: deployments},
		recipe{name: "arm-amd-spot", about: "pods for arm64, amd64 or either, some on demand only; spot and on demand", make: architectures},
		recipe{name: "preferences", about: "pods that would rather be in a zone, or spread over the zones", make: preferences},
		recipe{name: "daemonsets", about: "small pods on nodes that also run five DaemonSets, two of them not on every node", make: daemonSets},
		recipe{name: "two-provisioners", about: "a heavy provisioner with a taint that half of the pods tolerate, and a light one", make: twoProvisioners},
		recipe{name: "services", about: "replicas apart from each other over hosts, beside jobs of all sizes", make: services},
	)
}

// onDemand returns the workload in which one plain provisioner may buy what is kept of the region.
func onDemand(pods []*corev1.Pod, keep keeper) (workload, error) {
	types, err := region.InstanceTypes(keep, v1alpha5.CapacityTypeOnDemand)
	return fromOne(pods, types), err
}

// fromOne returns the workload in which one provisioner that asks for nothing may buy the types.
func fromOne(pods []*corev1.Pod, types cloudprovider.InstanceTypes) workload {
	return workload{pods: pods, provisioners: []solver.Provisioner{{Name: "default", InstanceTypes: types}}}
}

// types counts the instance types that may be bought.
func (w workload) types() int {
	names := map[string]bool{}
	for _, p := range w.provisioners {
		for _, it := range p.InstanceTypes {
			names[it.Name] = true
		}
	}
	return len(names)
}

// dice returns random numbers that are the same in every run.
func dice(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) }

// pick returns one of the values.
func pick[T any](r *rand.Rand, values ...T) T { return values[r.IntN(len(values))] }

// replicas returns pods that differ in their names only.
func replicas(n int, name string, modifiers ...builders.PodModifier) []*corev1.Pod {
	out := make([]*corev1.Pod, n)
	for i := range out {
		out[i] = builders.Pod(append([]builders.PodModifier{builders.Name(fmt.Sprintf("%s-%05d", name, i))}, modifiers...)...)
	}
	return out
}

// size asks for thousandths of a core and MiB.
func size(cpu, memory int) builders.PodModifier {
	return func(p *corev1.Pod) {
		builders.CPU(fmt.Sprintf("%dm", cpu))(p)
		builders.Memory(fmt.Sprintf("%dMi", memory))(p)
	}
}
