package problem

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// daemonPods returns the pod that each DaemonSet would run on a new node.
//
// A pod that it has made already tells best what the next will be: admission has added what the template does not say, such as
// the defaults of a LimitRange, and tolerations that every pod of a DaemonSet gets. The newest pod counts, if it was made from
// the template of now. Only its affinity to nodes is not what the next will have: its controller has tied it to its own node.
func daemonPods(snapshot state.Snapshot) []*corev1.Pod {
	newest := map[types.UID]*corev1.Pod{} // UID of the DaemonSet -> pod
	for _, daemonSet := range snapshot.DaemonSets {
		newest[daemonSet.UID] = nil
	}
	look := func(pod *corev1.Pod) {
		owner := metav1.GetControllerOfNoCopy(pod)
		if owner == nil || pods.IsTerminating(pod) {
			return
		}
		if other, known := newest[owner.UID]; known && (other == nil || isNewer(pod, other)) {
			newest[owner.UID] = pod
		}
	}
	for _, entry := range snapshot.Entries {
		for _, pod := range entry.Pods {
			look(pod)
		}
	}
	for _, pod := range snapshot.Pending {
		look(pod)
	}
	out := make([]*corev1.Pod, 0, len(snapshot.DaemonSets))
	for _, daemonSet := range snapshot.DaemonSets {
		out = append(out, daemonPod(daemonSet, newest[daemonSet.UID]))
	}
	return out
}

// isNewer orders pods by age, and by UID where that is the same: a decision must not hang on the order of a map.
func isNewer(a, b *corev1.Pod) bool {
	if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.UID > b.UID
	}
	return b.CreationTimestamp.Before(&a.CreationTimestamp)
}

// daemonPod returns the pod that a DaemonSet would run on a new node; live is one that it runs already, or nil.
func daemonPod(daemonSet *appsv1.DaemonSet, live *corev1.Pod) *corev1.Pod {
	template := daemonSet.Spec.Template
	pod := &corev1.Pod{ObjectMeta: template.ObjectMeta, Spec: template.Spec}
	if live != nil && live.Labels[appsv1.DeprecatedTemplateGeneration] == daemonSet.Annotations[appsv1.DeprecatedTemplateGeneration] {
		pod.Labels, pod.Spec = live.Labels, live.Spec
		pod.Spec.NodeName, pod.Spec.Affinity = "", withNodeAffinity(live.Spec.Affinity, template.Spec.Affinity)
	}
	pod.Name, pod.Namespace, pod.UID = daemonSet.Name, daemonSet.Namespace, daemonSet.UID
	return pod
}

// withNodeAffinity returns an affinity with the other's affinity to nodes in place of its own.
func withNodeAffinity(affinity, other *corev1.Affinity) *corev1.Affinity {
	out := corev1.Affinity{}
	if affinity != nil {
		out = *affinity
	}
	out.NodeAffinity = nil
	if other != nil {
		out.NodeAffinity = other.NodeAffinity
	}
	return &out
}

// runsOn reports whether a DaemonSet's pod may come to run on the node, whatever becomes of labels that are not settled.
func runsOn(daemonPod *corev1.Pod, node *solver.Node) bool {
	if scheduling.Taints(node.Taints).Tolerated(daemonPod) != "" {
		return false
	}
	return slices.ContainsFunc(scheduling.DaemonRequirements(daemonPod), func(r scheduling.Requirements) bool {
		return !slices.ContainsFunc(r.Keys(), func(key string) bool { return excludes(r[key], node) })
	})
}

// excludes reports whether the node is sure not to meet the requirement.
func excludes(r scheduling.Requirement, node *solver.Node) bool {
	if value, settled := node.Labels[r.Key()]; settled {
		return !r.Has(value)
	}
	if possible, open := node.Possible[r.Key()]; open {
		return !r.Compatible(possible)
	}
	return !r.AllowsAbsent()
}
