package volumes

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	csitranslation "k8s.io/csi-translation-lib"
)

// drivers tells the CSI driver that a volume is served by, that of volumes from before there were such drivers included.
type drivers struct{ translator csitranslation.CSITranslator }

func newDrivers() drivers { return drivers{translator: csitranslation.New()} }

// attachment returns how to tell the volume from others of a node, and the CSI driver that attaches it; "" if none does.
func (r *Resolver) attachment(volume *corev1.Volume, claim *corev1.PersistentVolumeClaim) (id, driver string) {
	if claim == nil {
		return r.drivers.ofInline(volume)
	}
	if persistent := r.inventory.Volumes[claim.Spec.VolumeName]; persistent != nil {
		return r.drivers.ofVolume(persistent)
	}
	class := r.inventory.Classes[className(claim)]
	if class == nil {
		return "", ""
	}
	if driver = r.drivers.ofProvisioner(class.Provisioner); driver == "" {
		return "", ""
	}
	return driver + "/claim/" + claim.Namespace + "/" + claim.Name, driver
}

func (d drivers) ofVolume(volume *corev1.PersistentVolume) (id, driver string) {
	if csi := volume.Spec.CSI; csi != nil {
		return csi.Driver + "/" + csi.VolumeHandle, csi.Driver
	}
	plugin, err := d.translator.GetInTreePluginNameFromSpec(volume, nil)
	if err != nil { // a volume of another kind, which nothing attaches
		return "", ""
	}
	handle := "volume/" + volume.Name
	if ebs := volume.Spec.AWSElasticBlockStore; ebs != nil {
		handle = ebsHandle(ebs.VolumeID)
	}
	return d.migrated(plugin, handle)
}

// ofInline answers for a volume that the pod itself names.
func (d drivers) ofInline(volume *corev1.Volume) (id, driver string) {
	if ebs := volume.AWSElasticBlockStore; ebs != nil { // no other in-tree volume can be attached at AWS
		plugin, err := d.translator.GetInTreePluginNameFromSpec(nil, volume)
		if err == nil {
			return d.migrated(plugin, ebsHandle(ebs.VolumeID))
		}
	}
	return "", ""
}

func (d drivers) migrated(plugin, handle string) (id, driver string) {
	driver, err := d.translator.GetCSINameFromInTreeName(plugin)
	if err != nil {
		return "", ""
	}
	return driver + "/" + handle, driver
}

// ofProvisioner returns the driver of volumes that a provisioner makes.
func (d drivers) ofProvisioner(provisioner string) string {
	if provisioner == noProvisioner {
		return ""
	}
	if driver, err := d.translator.GetCSINameFromInTreeName(provisioner); err == nil {
		return driver
	}
	return provisioner
}

// ebsHandle returns what is left of aws://ZONE/VOLUME or VOLUME.
func ebsHandle(id string) string { return id[strings.LastIndex(id, "/")+1:] }

// Attachable returns how many more volumes each CSI driver can attach to a node that has these pods, or is to get them. A
// volume that several pods share counts once, one that is still being detached as well. Drivers without a limit are not there.
func (r *Resolver) Attachable(node string, pods []*corev1.Pod) map[string]int {
	out := map[string]int{}
	if there := r.inventory.Drivers[node]; there != nil {
		for _, driver := range there.Spec.Drivers {
			if driver.Allocatable != nil && driver.Allocatable.Count != nil {
				out[driver.Name] = int(*driver.Allocatable.Count)
			}
		}
	}
	if len(out) == 0 {
		return nil
	}
	for _, driver := range r.attachedTo(node, pods) {
		if left, limited := out[driver]; limited {
			out[driver] = max(left-1, 0)
		}
	}
	return out
}

// attachedTo maps each volume of a node -> its driver.
func (r *Resolver) attachedTo(node string, pods []*corev1.Pod) map[string]string {
	out := map[string]string{}
	for _, pod := range pods {
		for i := range pod.Spec.Volumes {
			volume := &pod.Spec.Volumes[i]
			var claim *corev1.PersistentVolumeClaim
			if key, ok := claimKey(pod, volume); ok {
				if claim = r.inventory.Claims[key]; claim == nil {
					continue
				}
			}
			if id, driver := r.attachment(volume, claim); driver != "" {
				out[id] = driver
			}
		}
	}
	for _, attachment := range r.attachmentsOf(node) {
		name := attachment.Spec.Source.PersistentVolumeName
		if name == nil || r.inventory.Volumes[*name] == nil {
			continue
		}
		if id, driver := r.drivers.ofVolume(r.inventory.Volumes[*name]); driver != "" {
			out[id] = driver
		}
	}
	return out
}

func (r *Resolver) attachmentsOf(node string) []*storagev1.VolumeAttachment {
	if r.attached == nil {
		r.attached = map[string][]*storagev1.VolumeAttachment{}
		for _, attachment := range r.inventory.Attachments {
			r.attached[attachment.Spec.NodeName] = append(r.attached[attachment.Spec.NodeName], attachment)
		}
	}
	return r.attached[node]
}
