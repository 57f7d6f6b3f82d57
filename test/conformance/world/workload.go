package world

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// workload draws pods that are the same but for their names and claims.
func (d drawing) workload(name string, replicas int) []*corev1.Pod {
	template := builders.Pod(builders.Name(name), builders.Namespace(one(d.dice, "default", "default", "other", "third")),
		builders.Labels(map[string]string{"app": name, "role": one(d.dice, "web", "db", "cache"), "rev": one(d.dice, "1", "2")}))
	d.ask(template)
	d.choose(template)
	d.spread(template)
	d.befriend(template)
	claims := ""
	if d.chance(15) {
		claims = one(d.dice, "bound", "bound", "unbound", "unbound", "shared")
	} else if d.chance(1) {
		claims = "missing"
	}
	var out []*corev1.Pod
	for i := range replicas {
		pod := template.DeepCopy()
		pod.Name, pod.UID = fmt.Sprintf("%s-%d", name, i), ""
		pod.UID = builders.Pod(builders.Name(pod.Name), builders.Namespace(pod.Namespace)).UID
		d.mount(pod, claims)
		out = append(out, pod)
	}
	return out
}

// ask draws what the containers ask for, and the ports they take.
func (d drawing) ask(pod *corev1.Pod) {
	builders.CPU(fmt.Sprintf("%dm", one(d.dice, d.between(20, 300), d.between(100, 1500), d.between(500, 5000))))(pod)
	builders.Memory(fmt.Sprintf("%dMi", one(d.dice, d.between(16, 400), d.between(200, 2500), d.between(500, 12000))))(pod)
	if d.chance(6) {
		builders.Request(gpuResource, one(d.dice, "1", "2"))(pod)
	}
	if d.chance(8) {
		builders.HostPort(one[int32](d.dice, 8080, 9090))(pod)
		if d.chance(40) {
			port := &pod.Spec.Containers[0].Ports[0]
			port.HostIP, port.Protocol = one(d.dice, "", "10.0.0.1", "0.0.0.0"), one(d.dice, corev1.ProtocolTCP, corev1.ProtocolUDP)
		}
	}
	if d.chance(12) {
		d.initContainers(pod)
	}
	if d.chance(6) {
		pod.Spec.Overhead = corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse("150m"), corev1.ResourceMemory: resource.MustParse("120Mi"),
		}
	}
}

// initContainers draws containers that run before the others, and some that go on beside them.
func (d drawing) initContainers(pod *corev1.Pod) {
	for i := range d.between(1, 3) {
		c := corev1.Container{Name: fmt.Sprintf("init-%d", i), Image: "example.com/init", Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{
				corev1.ResourceCPU:    resource.MustParse(fmt.Sprintf("%dm", d.between(50, 2000))),
				corev1.ResourceMemory: resource.MustParse(fmt.Sprintf("%dMi", d.between(16, 3000))),
			},
		}}
		if d.chance(50) {
			c.RestartPolicy = new(corev1.ContainerRestartPolicyAlways)
		}
		pod.Spec.InitContainers = append(pod.Spec.InitContainers, c)
	}
}

// resize makes a running pod one whose resize in place is under way: the kubelet still gives it, or has promised it, more.
func (d drawing) resize(pod *corev1.Pod) {
	asked := pod.Spec.Containers[0].Resources.Requests
	more := asked.DeepCopy()
	cpu := more[corev1.ResourceCPU]
	cpu.Add(resource.MustParse("300m"))
	more[corev1.ResourceCPU] = cpu
	status := corev1.ContainerStatus{Name: pod.Spec.Containers[0].Name, Resources: &corev1.ResourceRequirements{Requests: asked}, AllocatedResources: asked}
	switch d.IntN(3) {
	case 0:
		status.Resources = &corev1.ResourceRequirements{Requests: more}
	case 1:
		status.AllocatedResources = more
	default: // asked for more than there can be
		pod.Spec.Containers[0].Resources.Requests = more
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{
			Type: corev1.PodResizePending, Status: corev1.ConditionTrue, Reason: corev1.PodReasonInfeasible,
		})
	}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{status}
}

// someTime is when a pod was deleted that is not gone yet.
func someTime() metav1.Time { return metav1.NewTime(time.Unix(1_700_000_000, 0)) }

// choose draws which nodes the pod wants: selector, affinity in one or several terms, tolerations.
func (d drawing) choose(pod *corev1.Pod) {
	if d.chance(35) {
		t := corev1.Toleration{Key: "dedicated", Value: one(d.dice, "red", "blue"), Effect: one(d.dice, "", "", corev1.TaintEffectNoSchedule)}
		builders.Toleration(one(d.dice, t, t, corev1.Toleration{Key: "dedicated", Operator: corev1.TolerationOpExists}, corev1.Toleration{Operator: corev1.TolerationOpExists}))(pod)
	}
	if d.chance(25) {
		d.selector()(pod)
	}
	if d.chance(30) {
		for range d.between(1, 3) {
			builders.NodeAffinity(d.expressions()...)(pod)
		}
	}
	if d.chance(12) {
		if pod.Spec.Affinity == nil {
			pod.Spec.Affinity = &corev1.Affinity{}
		}
		if pod.Spec.Affinity.NodeAffinity == nil {
			pod.Spec.Affinity.NodeAffinity = &corev1.NodeAffinity{}
		}
		a := pod.Spec.Affinity.NodeAffinity
		for range d.between(1, 2) {
			a.PreferredDuringSchedulingIgnoredDuringExecution = append(a.PreferredDuringSchedulingIgnoredDuringExecution, corev1.PreferredSchedulingTerm{
				Weight:     int32(d.between(1, 100)), //nolint:gosec // at most 100
				Preference: corev1.NodeSelectorTerm{MatchExpressions: d.expressions()},
			})
		}
	}
}

func (d drawing) selector() builders.PodModifier {
	choices := [][2]string{
		{corev1.LabelTopologyZone, one(d.dice, d.zones...)}, {corev1.LabelFailureDomainBetaZone, one(d.dice, d.zones...)},
		{betaArch, one(d.dice, "amd64", "arm64")}, {corev1.LabelArchStable, one(d.dice, "amd64", "arm64")}, {betaOS, "linux"},
		{categoryLabel, one(d.dice, "c", "m", "r")}, {teamLabel, one(d.dice, "red", "blue", "none")}, {rackLabel, one(d.dice, "r1", "r2")},
		{v1alpha5.CapacityTypeLabel, one(d.dice, "spot", "on-demand")}, {v1alpha5.ProvisionerNameLabel, one(d.dice, d.world.Provisioners...).Name},
		{corev1.LabelInstanceTypeStable, one(d.dice, d.world.Types...).Name}, {corev1.LabelTopologyRegion, region},
	}
	c := one(d.dice, choices...)
	return builders.NodeSelector(map[string]string{c[0]: c[1]})
}

func (d drawing) expressions() []corev1.NodeSelectorRequirement {
	var out []corev1.NodeSelectorRequirement
	for range d.between(1, 2) {
		out = append(out, d.expression())
	}
	return out
}

func (d drawing) expression() corev1.NodeSelectorRequirement {
	key := one(d.dice, corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone, categoryLabel, teamLabel, rackLabel, gpuLabel, cpuLabel,
		v1alpha5.CapacityTypeLabel, corev1.LabelHostname, corev1.LabelArchStable)
	values := map[string][]string{
		corev1.LabelTopologyZone: d.zones, corev1.LabelFailureDomainBetaZone: d.zones, categoryLabel: {"c", "m", "r"},
		teamLabel: {"red", "blue", "none"}, rackLabel: {"r1", "r2", "r3"}, gpuLabel: {"t4", "v100"}, cpuLabel: {"2", "4", "8"},
		v1alpha5.CapacityTypeLabel: {"spot", "on-demand"}, corev1.LabelHostname: {"node-0", "node-1"}, corev1.LabelArchStable: {"amd64", "arm64"},
	}[key]
	e := corev1.NodeSelectorRequirement{Key: key}
	switch n := d.IntN(100); {
	case n < 45:
		e.Operator, e.Values = corev1.NodeSelectorOpIn, some(d.dice, values...)
	case n < 65:
		e.Operator, e.Values = corev1.NodeSelectorOpNotIn, some(d.dice, values...)
	case n < 75:
		e.Operator = corev1.NodeSelectorOpExists
	case n < 85:
		e.Operator = corev1.NodeSelectorOpDoesNotExist
	case n < 93:
		e.Key, e.Operator, e.Values = cpuLabel, corev1.NodeSelectorOpGt, []string{one(d.dice, "1", "4", "8")}
	default:
		e.Key, e.Operator, e.Values = cpuLabel, corev1.NodeSelectorOpLt, []string{one(d.dice, "4", "8", "16")}
	}
	return e
}
