package problem

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func epoch() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// age says how many minutes after the epoch a pod was created.
func age(minutes int) builders.PodModifier {
	return func(p *corev1.Pod) {
		p.CreationTimestamp = metav1.NewTime(epoch().Add(time.Duration(minutes) * time.Minute))
	}
}

// generation says which template a pod of a DaemonSet was made from.
func generation(value string) builders.PodModifier {
	return builders.Labels(map[string]string{appsv1.DeprecatedTemplateGeneration: value})
}

// tied ties a pod to its node, as the controller of DaemonSets does.
func tied(p *corev1.Pod) {
	p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: &corev1.NodeSelector{
		NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{
			{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"n"}},
		}}},
	}}}
}

func TestADaemonSetsNextPodHasTheAffinityToNodesOfTheTemplate(t *testing.T) {
	arm := corev1.NodeSelectorRequirement{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpIn, Values: []string{"arm64"}}
	set := daemonSet("d", "100m", func(s *corev1.PodSpec) { s.Affinity = builders.Pod(builders.NodeAffinity(arm)).Spec.Affinity })
	apart := builders.AntiAffinity(corev1.LabelHostname, map[string]string{"app": "d"})
	snapshot := clusterOf([]*corev1.Node{builders.Node("n")}, named("old", "2", builders.OwnedBy("apps/v1", "DaemonSet", "d"), builders.OnNode("n"), tied, apart))
	snapshot.DaemonSets = []*appsv1.DaemonSet{set}
	pod := build(snapshot, nil).DaemonSets[0]
	if got := scheduling.DaemonRequirements(pod); len(got) != 1 || got[0].String() != "kubernetes.io/arch In [arm64]" {
		t.Errorf("the next pod asks for %v, want what the template does", got)
	}
	if pod.Spec.Affinity.PodAntiAffinity == nil || pod.Spec.Containers[0].Resources.Requests.Cpu().String() != "2" {
		t.Errorf("the next pod is %+v, want it like the newest otherwise", pod.Spec)
	}
}

func TestADaemonSetsNextPodIsLikeItsNewest(t *testing.T) {
	of := func(name string) builders.PodModifier { return builders.OwnedBy("apps/v1", "DaemonSet", name) }
	onItsWayOut := func(p *corev1.Pod) { p.DeletionTimestamp = new(metav1.NewTime(epoch())) }
	tests := map[string]struct {
		pods []*corev1.Pod
		want string // cpu
	}{
		"none runs yet": {nil, "100m"},
		"the newest": {
			[]*corev1.Pod{
				named("old", "1", of("d"), age(1), generation("2"), builders.OnNode("n")), named("new", "2", of("d"), age(3), generation("2"), builders.OnNode("m")),
				named("older", "3", of("d"), age(2), generation("2"), builders.OnNode("m")),
			}, "2",
		},
		"of the same age, always the same": {
			[]*corev1.Pod{named("a", "1", of("d"), age(1), generation("2"), builders.OnNode("n")), named("b", "2", of("d"), age(1), generation("2"), builders.OnNode("m"))}, "2",
		},
		"one that waits for its node": {[]*corev1.Pod{named("a", "1", of("d"), age(1), generation("2"))}, "1"},
		"one of another":              {[]*corev1.Pod{named("a", "1", of("e"), age(1), generation("2"), builders.OnNode("n"))}, "100m"},
		"one on its way out":          {[]*corev1.Pod{named("a", "1", of("d"), age(1), generation("2"), builders.OnNode("n"), onItsWayOut)}, "100m"},
		"made from a template of the past": {
			[]*corev1.Pod{named("a", "1", of("d"), age(1), generation("1"), builders.OnNode("n"))}, "100m",
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			set := daemonSet("d", "100m", nil)
			set.Annotations = map[string]string{appsv1.DeprecatedTemplateGeneration: "2"}
			snapshot := clusterOf([]*corev1.Node{builders.Node("n"), builders.Node("m")}, tc.pods...)
			snapshot.DaemonSets = []*appsv1.DaemonSet{set}
			pod := build(snapshot, nil).DaemonSets[0]
			if got := pod.Spec.Containers[0].Resources.Requests.Cpu().String(); got != tc.want {
				t.Errorf("it requests %s of cpu, want %s", got, tc.want)
			}
			if pod.Name != "d" || pod.UID != set.UID || pod.Spec.NodeName != "" {
				t.Errorf("it is %s with UID %s on node %q", pod.Name, pod.UID, pod.Spec.NodeName)
			}
		})
	}
}

func TestAPodThatIsTiedToItsNodeComesToOthersAsWell(t *testing.T) {
	set := daemonSet("d", "100m", nil)
	live := named("live", "1", builders.OwnedBy("apps/v1", "DaemonSet", "d"), builders.OnNode("n"), tied)
	machine := builders.Machine("m", "p", builders.LaunchedAs("i-1", "4", "16Gi", 58))
	got := build(state.Snapshot{
		Entries:    []state.Entry{{Machine: machine}, {Node: builders.Node("n"), Pods: running(live)}},
		DaemonSets: []*appsv1.DaemonSet{set},
	}, nil)
	if cpu := got.Nodes[0].Available.Cpu().String(); cpu != "3" {
		t.Errorf("%s of 4 CPUs are free on a machine that will get the pod as well", cpu)
	}
	if live.Spec.NodeName != "n" {
		t.Error("the live pod was changed")
	}
}
