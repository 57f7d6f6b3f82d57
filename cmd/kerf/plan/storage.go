package plan

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/manifests"
)

// isDefaultClass marks the class of claims that name none.
const isDefaultClass = "storageclass.kubernetes.io/is-default-class"

// addStorage adds what volumes are decided on. Claims and classes that the files do not have are taken to exist, with volumes
// that are made where their pod runs: somebody who plans a workload may not have them at hand.
func (w *world) addStorage(o manifests.Objects, made []*corev1.PersistentVolumeClaim) {
	claims := w.claims(o, made)
	fallback := w.addClasses(o.StorageClasses, slices.Collect(maps.Values(claims)))
	for _, claim := range claims {
		if claim.Spec.StorageClassName == nil && claim.Spec.VolumeName == "" {
			claim.Spec.StorageClassName = &fallback
		}
		w.cluster.UpdateClaim(claim)
	}
	for _, spec := range ephemeral(w.pending) {
		if spec.StorageClassName == nil {
			spec.StorageClassName = &fallback
		}
	}
	for _, volume := range o.PersistentVolumes {
		w.cluster.UpdateVolume(volume)
	}
	for _, drivers := range o.CSINodes {
		w.cluster.UpdateCSINode(drivers)
	}
	for _, attachment := range o.VolumeAttachments {
		w.cluster.UpdateVolumeAttachment(attachment)
	}
}

// claims returns the claims that there are, will be, and are taken to be.
func (w *world) claims(o manifests.Objects, made []*corev1.PersistentVolumeClaim) map[types.NamespacedName]*corev1.PersistentVolumeClaim {
	out := map[types.NamespacedName]*corev1.PersistentVolumeClaim{}
	for _, claim := range slices.Concat(made, o.PersistentVolumeClaims) { // what exists wins
		out[types.NamespacedName{Namespace: claim.Namespace, Name: claim.Name}] = claim
	}
	missing := map[string]bool{}
	for _, pod := range w.pending {
		for _, volume := range pod.Spec.Volumes {
			if volume.PersistentVolumeClaim == nil {
				continue
			}
			name := types.NamespacedName{Namespace: pod.Namespace, Name: volume.PersistentVolumeClaim.ClaimName}
			if out[name] == nil {
				out[name] = &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}
				missing[name.String()] = true
			}
		}
	}
	if len(missing) > 0 {
		w.note("claims that are not given are taken for ones whose volume is yet to be made: %s", several(missing))
	}
	return out
}

// ephemeral returns the claims that come and go with pods.
func ephemeral(list []*corev1.Pod) []*corev1.PersistentVolumeClaimSpec {
	var out []*corev1.PersistentVolumeClaimSpec
	for _, pod := range list {
		for _, volume := range pod.Spec.Volumes {
			if volume.Ephemeral != nil && volume.Ephemeral.VolumeClaimTemplate != nil {
				out = append(out, &volume.Ephemeral.VolumeClaimTemplate.Spec)
			}
		}
	}
	return out
}

// addClasses adds the storage classes and returns the name of the default one.
func (w *world) addClasses(given []*storagev1.StorageClass, claims []*corev1.PersistentVolumeClaim) string {
	known, fallback := map[string]bool{}, ""
	for _, class := range given {
		known[class.Name] = true
		if class.Annotations[isDefaultClass] == "true" && fallback == "" {
			fallback = class.Name
		}
		w.cluster.UpdateStorageClass(class)
	}
	missing := map[string]bool{}
	ask := func(spec *corev1.PersistentVolumeClaimSpec) {
		switch {
		case spec.VolumeName != "":
		case spec.StorageClassName == nil:
			missing[fallback] = true
		case *spec.StorageClassName != "":
			missing[*spec.StorageClassName] = true
		}
	}
	for _, claim := range claims {
		ask(&claim.Spec)
	}
	for _, spec := range ephemeral(w.pending) {
		ask(spec)
	}
	if missing[""] { // there is no default class
		delete(missing, "")
		fallback = defaultClass
		missing[defaultClass] = true
	}
	maps.DeleteFunc(missing, func(name string, _ bool) bool { return known[name] })
	for name := range missing {
		w.cluster.UpdateStorageClass(assumedClass(name))
	}
	if len(missing) > 0 {
		w.note("storage classes that are not given are taken for EBS volumes that are made where their pod runs: %s", several(missing))
	}
	return fallback
}

// defaultClass names the storage class that claims have where nothing names another.
const defaultClass = "default"

// assumedClass makes volumes in the zone of the first pod that uses them.
func assumedClass(name string) *storagev1.StorageClass {
	return &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: "ebs.csi.aws.com", VolumeBindingMode: new(storagev1.VolumeBindingWaitForFirstConsumer),
	}
}
