package solver_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// limited sets limits in place of requests.
func limited(pod *corev1.Pod) {
	r := &pod.Spec.Containers[0].Resources
	r.Requests, r.Limits = nil, corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("3"), corev1.ResourceMemory: resource.MustParse("1Gi")}
}

// starting gives the pod an init container.
func starting(pod *corev1.Pod) {
	pod.Spec.InitContainers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("5")}}}}
}

// burdened gives the pod an overhead.
func burdened(pod *corev1.Pod) {
	pod.Spec.Overhead = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("2")}
}

// doubled gives the pod its container twice.
func doubled(pod *corev1.Pod) {
	pod.Spec.Containers = append(pod.Spec.Containers, pod.Spec.Containers[0])
}

// overruled gives the pod requests as a whole.
func overruled(pod *corev1.Pod) {
	pod.Spec.Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("6")}}
}

// claiming gives the pod a device.
func claiming(pod *corev1.Pod) {
	pod.Spec.ResourceClaims = []corev1.PodResourceClaim{{Name: "device"}}
}

// hosted gives the pod the network of its node, and a port there.
func hosted(pod *corev1.Pod) {
	pod.Spec.HostNetwork = true
	pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 8080}}
}

// grown says that the pod was given more than it asks for.
func grown(pod *corev1.Pod) {
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: pod.Spec.Containers[0].Name, Resources: &corev1.ResourceRequirements{
		Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("7")},
	}}}
}

// neighbours are three pods of which the one that is changed differs from the others.
func neighbours(changed int, change func(*corev1.Pod)) []*corev1.Pod {
	out := make([]*corev1.Pod, 3)
	for i := range out {
		out[i] = builders.Pod(builders.Name(fmt.Sprint("pod-", i)), builders.CPU("500m"), builders.Memory("1Gi"))
		if i == changed {
			change(out[i])
		}
	}
	return out
}

// besides returns a world where all that pods may differ in matters: machines in two zones, machines and a node behind a taint, and
// a node with somebody that pods of one label or of one namespace have to keep off.
func besides(list []*corev1.Pod) solver.Problem {
	var sizes cloudprovider.InstanceTypes
	for cores := 1; cores <= 16; cores *= 2 {
		sizes = append(sizes, builders.InstanceType(fmt.Sprint("cores-", cores), builders.Capacity(fmt.Sprint(cores), fmt.Sprintf("%dGi", 4*cores), 50),
			builders.OnDemand(float64(cores), "zone-a", "zone-b")))
	}
	guard := builders.Pod(builders.Name("guard"), builders.Namespace("away"), builders.AntiAffinity(corev1.LabelHostname, map[string]string{}),
		builders.HostPort(8080), func(pod *corev1.Pod) { pod.Spec.Containers[0].Ports[0].ContainerPort = 8080 })
	keeper := builders.Pod(builders.Name("keeper"), builders.AntiAffinity(corev1.LabelHostname, map[string]string{"kept": "off"}))
	return solver.Problem{
		Pods: list,
		Provisioners: []solver.Provisioner{
			{Name: "open", InstanceTypes: sizes},
			{Name: "closed", Weight: 1, InstanceTypes: sizes, Taints: []corev1.Taint{{Key: "closed", Effect: corev1.TaintEffectNoSchedule}}},
		},
		Nodes: []solver.Node{{
			Name: "behind", Initialized: true, Taints: []corev1.Taint{{Key: "closed", Effect: corev1.TaintEffectNoSchedule}},
			Available: builders.InstanceType("free", builders.Capacity("1500m", "6Gi", 10)).Capacity,
		}, {
			Name: "there", Initialized: true, Labels: map[string]string{corev1.LabelHostname: "there", corev1.LabelTopologyZone: "zone-b"},
			Available: builders.InstanceType("free", builders.Capacity("1500m", "6Gi", 10)).Capacity, Pods: []*corev1.Pod{guard, keeper},
		}},
		Volumes: map[types.UID]solver.Volumes{"stored": {Trouble: "the claim does not exist"}},
	}
}

// laboriously returns the problem with pods that mean the same and are held against each other in full.
func laboriously(p solver.Problem) solver.Problem {
	list := make([]*corev1.Pod, len(p.Pods))
	for i, pod := range p.Pods {
		list[i] = pod.DeepCopy()
		if pod.Spec.Affinity == nil {
			list[i].Spec.Affinity = &corev1.Affinity{}
		}
	}
	p.Pods = list
	return p
}

func TestAPodIsPlannedForAsItselfNextToOneNearlyLikeIt(t *testing.T) {
	changes := map[string]func(*corev1.Pod){
		"limits for requests": limited, "an init container": starting, "overhead": burdened, "another container": doubled,
		"requests of the pod": overruled, "a resource claim": claiming, "a port of its host": hosted, "a resize": grown,
		"more of a resource": builders.CPU("600m"), "another resource": builders.Request("example.com/thing", "1"),
		"a label": builders.Labels(map[string]string{"kept": "off"}), "another namespace": builders.Namespace("away"),
		"a node selector": builders.NodeSelector(map[string]string{corev1.LabelTopologyZone: "zone-a"}),
		"a toleration":    builders.Toleration(corev1.Toleration{Key: "closed", Operator: corev1.TolerationOpExists}),
		"a host port":     builders.HostPort(8080),
		"a volume":        func(pod *corev1.Pod) { pod.UID = "stored" },
	}
	nothing := text(solver.Solve(t.Context(), besides(neighbours(0, func(*corev1.Pod) {}))))
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			for changed := range 3 {
				p := besides(neighbours(changed, change))
				got, want := text(solver.Solve(t.Context(), p)), text(solver.Solve(t.Context(), laboriously(p)))
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("pod %d with %s is taken for its neighbours: %s", changed, name, diff)
				}
				if got == nothing {
					t.Errorf("pod %d with %s is planned for as without it, so that this shows nothing", changed, name)
				}
			}
		})
	}
}

func TestPodsThatAreAlikeArePlannedForAsIfEachWereLookedAtInFull(t *testing.T) {
	for seed := range uint64(problems / 5) {
		p := newWorld(seed).problem()
		if diff := cmp.Diff(text(solver.Solve(t.Context(), laboriously(p))), text(solver.Solve(t.Context(), p))); diff != "" {
			t.Fatalf("problem %d: %s", seed, diff)
		}
	}
}

func TestAGreatNumberOfPodsIsPlannedForAlikeInAnyOrder(t *testing.T) {
	p := oneTemplate(t, size{10200, 1, 0})
	want := text(solver.Solve(t.Context(), p))
	for seed := range uint64(3) {
		shuffle(rand.New(rand.NewPCG(seed, 5)), &p)
		if got := text(solver.Solve(t.Context(), p)); got != want {
			t.Fatalf("seed %d: the plan changes with the order of the pods", seed)
		}
	}
}
