package volumes

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// zoneSeparator is between the zones of one label of a volume that several zones can reach.
const zoneSeparator = "__"

// candidates returns the volumes that an unbound claim may be bound to, in order of name. A volume that is meant for the
// claim is the only one.
func (r *Resolver) candidates(claim *corev1.PersistentVolumeClaim) []*corev1.PersistentVolume {
	if r.available == nil {
		r.indexAvailable()
	}
	selector := labels.Everything()
	if claim.Spec.Selector != nil {
		var err error
		if selector, err = metav1.LabelSelectorAsSelector(claim.Spec.Selector); err != nil {
			return nil // the API server lets no such selector in
		}
	}
	var out []*corev1.PersistentVolume
	for _, volume := range r.available[className(claim)] {
		if !holds(volume, claim) {
			continue
		}
		if isBoundTo(volume, claim) {
			return []*corev1.PersistentVolume{volume}
		}
		if volume.Spec.ClaimRef == nil && volume.Status.Phase == corev1.VolumeAvailable && selector.Matches(labels.Set(volume.Labels)) &&
			hasModes(volume, claim) {
			out = append(out, volume)
		}
	}
	return out
}

func (r *Resolver) indexAvailable() {
	r.available = map[string][]*corev1.PersistentVolume{}
	for _, volume := range r.inventory.Volumes {
		if volume.DeletionTimestamp == nil && volume.Status.Phase != corev1.VolumeBound && volume.Status.Phase != corev1.VolumeReleased {
			class := volumeClass(volume)
			r.available[class] = append(r.available[class], volume)
		}
	}
	for _, list := range r.available {
		slices.SortFunc(list, func(a, b *corev1.PersistentVolume) int { return cmp.Compare(a.Name, b.Name) })
	}
}

// holds reports whether a volume is large enough for a claim and of its kind.
func holds(volume *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) bool {
	size := volume.Spec.Capacity[corev1.ResourceStorage]
	return size.Cmp(claim.Spec.Resources.Requests[corev1.ResourceStorage]) >= 0 &&
		ptr.Deref(volume.Spec.VolumeMode, corev1.PersistentVolumeFilesystem) == ptr.Deref(claim.Spec.VolumeMode, corev1.PersistentVolumeFilesystem) &&
		ptr.Deref(volume.Spec.VolumeAttributesClassName, "") == ptr.Deref(claim.Spec.VolumeAttributesClassName, "")
}

func hasModes(volume *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) bool {
	return !slices.ContainsFunc(claim.Spec.AccessModes, func(mode corev1.PersistentVolumeAccessMode) bool {
		return !slices.Contains(volume.Spec.AccessModes, mode)
	})
}

// isBoundTo reports whether a volume is bound to the claim, or kept for it.
func isBoundTo(volume *corev1.PersistentVolume, claim *corev1.PersistentVolumeClaim) bool {
	owner := volume.Spec.ClaimRef
	return owner != nil && owner.Name == claim.Name && owner.Namespace == claim.Namespace && (owner.UID == "" || owner.UID == claim.UID)
}

func className(claim *corev1.PersistentVolumeClaim) string {
	if name, ok := claim.Annotations[classAnnotation]; ok {
		return name
	}
	return ptr.Deref(claim.Spec.StorageClassName, "")
}

func volumeClass(volume *corev1.PersistentVolume) string {
	if name, ok := volume.Annotations[classAnnotation]; ok {
		return name
	}
	return volume.Spec.StorageClassName
}

// fromZoneLabels returns where a volume is by its labels, as in-tree volumes have them.
func fromZoneLabels(volumeLabels map[string]string) scheduling.Requirements {
	out := scheduling.Requirements{}
	for _, key := range []string{
		corev1.LabelTopologyZone, corev1.LabelTopologyRegion, corev1.LabelFailureDomainBetaZone, corev1.LabelFailureDomainBetaRegion,
	} {
		if value, ok := volumeLabels[key]; ok {
			zones := strings.Split(value, zoneSeparator)
			for i := range zones {
				zones[i] = strings.TrimSpace(zones[i])
			}
			out.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, zones...))
		}
	}
	return out
}
