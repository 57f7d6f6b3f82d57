package main

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// mix returns what Karpenter measures its scheduler with: a fifth each of pods that ask for nothing but room, that spread over zones,
// that spread over hosts, that keep to the zone of their like, and that never share a host; all of random labels and sizes.
func mix(n int) workload {
	r := dice(42)
	kinds := []func() builders.PodModifier{
		func() builders.PodModifier { return labelled(r, "my-label") },
		func() builders.PodModifier { return spread(r, corev1.LabelTopologyZone) },
		func() builders.PodModifier { return spread(r, corev1.LabelHostname) },
		func() builders.PodModifier {
			labels := letter(r, "my-affinity")
			return both(builders.Labels(labels), builders.Affinity(corev1.LabelTopologyZone, labels))
		},
		func() builders.PodModifier {
			labels := map[string]string{"app": "nginx"}
			return both(builders.Labels(labels), builders.AntiAffinity(corev1.LabelHostname, labels))
		},
	}
	var out []*corev1.Pod
	for i := range n {
		kind := 0 // what is left after the division is plain
		if share := n / len(kinds); i < share*len(kinds) {
			kind = i / share
		}
		out = append(out, replicas(1, fmt.Sprintf("mix-%05d", i), kinds[kind](), mixSize(r))...)
	}
	return fromOne(out, madeUpTypes(400))
}

func mixSize(r *rand.Rand) builders.PodModifier {
	return size(pick(r, 100, 250, 500, 1000, 1500), pick(r, 100, 256, 512, 1024, 2048, 4096))
}

// spread counts pods of one label and has another: each pod is its own application to the scheduler.
func spread(r *rand.Rand, key string) builders.PodModifier {
	return both(labelled(r, "my-label"), builders.Spread(key, 1, letter(r, "my-label")))
}

func labelled(r *rand.Rand, key string) builders.PodModifier { return builders.Labels(letter(r, key)) }

func letter(r *rand.Rand, key string) map[string]string {
	return map[string]string{key: pick(r, "a", "b", "c", "d", "e", "f", "g")}
}

func both(a, b builders.PodModifier) builders.PodModifier {
	return func(p *corev1.Pod) {
		a(p)
		b(p)
	}
}

// madeUpTypes returns types of 1, 2, 3... cores with 2 GiB and 10 pods for each, which cost $0.1 a core and $0.1 per 10^9 bytes,
// as spot or on demand, in three zones of which one has no spot.
func madeUpTypes(n int) cloudprovider.InstanceTypes {
	var out cloudprovider.InstanceTypes
	for cores := 1; cores <= n; cores++ {
		memory := resource.MustParse(fmt.Sprintf("%dGi", 2*cores))
		price := 0.1*float64(cores) + 0.1*memory.AsApproximateFloat64()/1e9
		out = append(out, builders.InstanceType(fmt.Sprintf("made-up-%03d", cores),
			builders.Capacity(fmt.Sprint(cores), memory.String(), 10*cores), builders.Reserved("100m", "10Mi"),
			builders.Spot(price, "zone-1", "zone-2"), builders.OnDemand(price, "zone-1", "zone-2", "zone-3"),
			builders.TypeLabel(corev1.LabelTopologyZone, "zone-1", "zone-2", "zone-3"),
			builders.TypeLabel(v1alpha5.CapacityTypeLabel, v1alpha5.CapacityTypeSpot, v1alpha5.CapacityTypeOnDemand),
		))
	}
	return out
}
