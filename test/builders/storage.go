package builders

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// EBSDriver is the name of the CSI driver that volumes and classes here are served by.
const EBSDriver = "ebs.csi.aws.com"

// VolumeClaim returns a claim of the class gp3 in the namespace default, for 1 GiB that one node at a time can write to. It has
// no volume yet.
func VolumeClaim(name string, modifiers ...func(*corev1.PersistentVolumeClaim)) *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault, UID: types.UID("claim/" + name)},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: new("gp3"), AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
		Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending},
	}
	for _, modify := range modifiers {
		modify(claim)
	}
	return claim
}

// OfClass asks for a storage class.
func OfClass(name string) func(*corev1.PersistentVolumeClaim) {
	return func(c *corev1.PersistentVolumeClaim) { c.Spec.StorageClassName = &name }
}

// BoundTo binds a claim to a volume.
func BoundTo(volume string) func(*corev1.PersistentVolumeClaim) {
	return func(c *corev1.PersistentVolumeClaim) {
		c.Spec.VolumeName, c.Status.Phase = volume, corev1.ClaimBound
		c.Annotations = merge(c.Annotations, map[string]string{"pv.kubernetes.io/bind-completed": "yes"})
	}
}

// PersistentVolume returns a volume of the class gp3 of 1 GiB that nobody has claimed and every node can reach.
func PersistentVolume(name string, modifiers ...func(*corev1.PersistentVolume)) *corev1.PersistentVolume {
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName: "gp3", AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: EBSDriver, VolumeHandle: "vol-" + name},
			},
		},
		Status: corev1.PersistentVolumeStatus{Phase: corev1.VolumeAvailable},
	}
	for _, modify := range modifiers {
		modify(volume)
	}
	return volume
}

// ReachedFrom adds an alternative to the node affinity of a volume: a label with one of the values.
func ReachedFrom(label string, values ...string) func(*corev1.PersistentVolume) {
	return ReachedFromAll(corev1.NodeSelectorRequirement{Key: label, Operator: corev1.NodeSelectorOpIn, Values: values})
}

// ReachedFromAll adds an alternative to the node affinity of a volume: all expressions of it have to match.
func ReachedFromAll(expressions ...corev1.NodeSelectorRequirement) func(*corev1.PersistentVolume) {
	return func(v *corev1.PersistentVolume) {
		if v.Spec.NodeAffinity == nil {
			v.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{}}
		}
		terms := &v.Spec.NodeAffinity.Required.NodeSelectorTerms
		*terms = append(*terms, corev1.NodeSelectorTerm{MatchExpressions: expressions})
	}
}

// ClaimedBy binds a volume to a claim of the namespace default.
func ClaimedBy(claim string) func(*corev1.PersistentVolume) {
	return func(v *corev1.PersistentVolume) {
		v.Spec.ClaimRef = &corev1.ObjectReference{Namespace: metav1.NamespaceDefault, Name: claim, UID: types.UID("claim/" + claim)}
		v.Status.Phase = corev1.VolumeBound
	}
}

// StorageClass returns a class whose volumes are made once a pod is placed, in any zone.
func StorageClass(name string, modifiers ...func(*storagev1.StorageClass)) *storagev1.StorageClass {
	class := &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: EBSDriver,
		VolumeBindingMode: new(storagev1.VolumeBindingWaitForFirstConsumer),
	}
	for _, modify := range modifiers {
		modify(class)
	}
	return class
}

// MadeBy sets the provisioner of a class.
func MadeBy(provisioner string) func(*storagev1.StorageClass) {
	return func(c *storagev1.StorageClass) { c.Provisioner = provisioner }
}

// MadeIn adds an alternative to the topologies of a class: a label with one of the values.
func MadeIn(label string, values ...string) func(*storagev1.StorageClass) {
	return func(c *storagev1.StorageClass) {
		c.AllowedTopologies = append(c.AllowedTopologies, corev1.TopologySelectorTerm{
			MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{{Key: label, Values: values}},
		})
	}
}

// CSINode returns the drivers of a node: one that can attach a number of volumes, and one without a limit.
func CSINode(node, driver string, limit int32) *storagev1.CSINode {
	return &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: node}, Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{
		{Name: driver, NodeID: node, Allocatable: &storagev1.VolumeNodeResources{Count: &limit}}, {Name: "efs.csi.aws.com", NodeID: node},
	}}}
}
