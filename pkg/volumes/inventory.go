// Package volumes answers what the volumes of a pod ask of its node, as the scheduler will: where they can be reached from, and
// how many of them a node can attach.
package volumes

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"
)

// Inventory is what a cluster has of storage.
type Inventory struct {
	// Claims maps namespace and name -> claim.
	Claims map[types.NamespacedName]*corev1.PersistentVolumeClaim
	// Volumes maps name -> volume.
	Volumes map[string]*corev1.PersistentVolume
	// Classes maps name -> storage class.
	Classes map[string]*storagev1.StorageClass
	// Drivers maps the name of a node -> the CSI drivers that run there.
	Drivers map[string]*storagev1.CSINode
	// Attachments maps name -> a volume that is attached to a node, or on its way to or from there.
	Attachments map[string]*storagev1.VolumeAttachment
}
