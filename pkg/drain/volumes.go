package drain

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// Claims returns the names of the claims that a pod mounts.
func Claims(pod *corev1.Pod) []types.NamespacedName {
	var out []types.NamespacedName
	for i := range pod.Spec.Volumes {
		volume := &pod.Spec.Volumes[i]
		switch {
		case volume.PersistentVolumeClaim != nil:
			out = append(out, types.NamespacedName{Namespace: pod.Namespace, Name: volume.PersistentVolumeClaim.ClaimName})
		case volume.Ephemeral != nil: // the claim that was made for it alone
			out = append(out, types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name + "-" + volume.Name})
		}
	}
	return out
}

// Staying returns the pods that keep their volumes to the end of the node: a drain leaves them, or has given them up. Those
// that have ended keep none.
func Staying(onNode []*corev1.Pod) []*corev1.Pod {
	return slices.DeleteFunc(slices.Clone(onNode), pods.IsTerminal)
}

// Attached returns the volumes, in order, that have to come off a drained node before its instance goes: a volume that is
// written to is not torn from its file system, and the pod that comes next finds it free. kept maps the name of a volume that a
// pod which stays has mounted -> true; those never come off. What is attached without a volume of its own, by plugins long
// gone, cannot be told from that, and is not waited for.
func Attached(attachments []storagev1.VolumeAttachment, kept map[string]bool) []string {
	var out []string
	for i := range attachments {
		if name := attachments[i].Spec.Source.PersistentVolumeName; name != nil && !kept[*name] {
			out = append(out, *name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
