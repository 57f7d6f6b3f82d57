package state

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/volumes"
)

// storage is what volumes are decided on.
type storage struct {
	// claims maps namespace and name -> claim.
	claims table[types.NamespacedName, *corev1.PersistentVolumeClaim]
	// volumes maps name -> volume.
	volumes table[string, *corev1.PersistentVolume]
	// classes maps name -> storage class.
	classes table[string, *storagev1.StorageClass]
	// drivers maps the name of a node -> its CSI drivers.
	drivers table[string, *storagev1.CSINode]
	// attachments maps name -> attachment.
	attachments table[string, *storagev1.VolumeAttachment]
}

func (s *storage) share() volumes.Inventory {
	return volumes.Inventory{
		Claims: s.claims.share(), Volumes: s.volumes.share(), Classes: s.classes.share(),
		Drivers: s.drivers.share(), Attachments: s.attachments.share(),
	}
}

// UpdateClaim applies what a watch says of a PersistentVolumeClaim.
func (c *Cluster) UpdateClaim(claim *corev1.PersistentVolumeClaim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.storage.claims.set(types.NamespacedName{Namespace: claim.Namespace, Name: claim.Name}, claim)
}

// DeleteClaim applies that a PersistentVolumeClaim is gone.
func (c *Cluster) DeleteClaim(namespace, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.storage.claims.remove(types.NamespacedName{Namespace: namespace, Name: name})
}

// UpdateVolume applies what a watch says of a PersistentVolume.
func (c *Cluster) UpdateVolume(volume *corev1.PersistentVolume) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.storage.volumes.set(volume.Name, volume)
}

// DeleteVolume applies that a PersistentVolume is gone.
func (c *Cluster) DeleteVolume(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.storage.volumes.remove(name)
}

// UpdateStorageClass applies what a watch says of a StorageClass.
func (c *Cluster) UpdateStorageClass(class *storagev1.StorageClass) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.storage.classes.set(class.Name, class)
}

// DeleteStorageClass applies that a StorageClass is gone.
func (c *Cluster) DeleteStorageClass(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.storage.classes.remove(name)
}

// UpdateCSINode applies what a watch says of the CSI drivers of a node.
func (c *Cluster) UpdateCSINode(drivers *storagev1.CSINode) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.storage.drivers.set(drivers.Name, drivers)
}

// DeleteCSINode applies that a node has no CSI drivers any more.
func (c *Cluster) DeleteCSINode(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.storage.drivers.remove(name)
}

// UpdateVolumeAttachment applies what a watch says of a VolumeAttachment.
func (c *Cluster) UpdateVolumeAttachment(attachment *storagev1.VolumeAttachment) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.storage.attachments.set(attachment.Name, attachment)
}

// DeleteVolumeAttachment applies that a VolumeAttachment is gone.
func (c *Cluster) DeleteVolumeAttachment(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.storage.attachments.remove(name)
}

// UpdateNamespace applies what a watch says of a Namespace.
func (c *Cluster) UpdateNamespace(namespace *corev1.Namespace) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.namespaces.set(namespace.Name, namespace.Labels)
}

// DeleteNamespace applies that a Namespace is gone.
func (c *Cluster) DeleteNamespace(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.namespaces.remove(name)
}
