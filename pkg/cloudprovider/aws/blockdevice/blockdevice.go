// Package blockdevice is the volumes that instances come with.
package blockdevice

import (
	"math"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

const gib = 1 << 30

// Volumes that the images are made for, GiB.
const (
	// defaultGiB holds the pods' files, and the system too unless the family keeps that apart.
	defaultGiB = 20
	// bottlerocketSystemGiB holds Bottlerocket's system, which nothing writes to.
	bottlerocketSystemGiB = 4
	// windowsGiB holds the system, which takes the larger part, and the pods' files.
	windowsGiB = 50
)

// Devices of those volumes.
const (
	amazonRoot       = "/dev/xvda"
	bottlerocketData = "/dev/xvdb"
	ubuntuRoot       = "/dev/sda1"
	windowsRoot      = "/dev/sda1"
)

// Of returns the volumes of an AMI family's instances: those that a template states, in place of all that the family has by
// itself. None leaves them to the image.
func Of(family string, stated []awsv1alpha1.BlockDeviceMapping) []awsv1alpha1.BlockDeviceMapping {
	switch {
	case len(stated) > 0:
		return stated
	case family == awsv1alpha1.AMIFamilyCustom:
		return nil
	case family == awsv1alpha1.AMIFamilyBottlerocket:
		return []awsv1alpha1.BlockDeviceMapping{volume(amazonRoot, bottlerocketSystemGiB), volume(bottlerocketData, podGiB(family))}
	default:
		return []awsv1alpha1.BlockDeviceMapping{volume(podDevice(family), podGiB(family))}
	}
}

// volume is encrypted and ends with its instance.
func volume(device string, sizeGiB int64) awsv1alpha1.BlockDeviceMapping {
	return awsv1alpha1.BlockDeviceMapping{DeviceName: &device, EBS: &awsv1alpha1.BlockDevice{
		VolumeSize: resource.NewQuantity(sizeGiB*gib, resource.BinarySI), VolumeType: new("gp3"),
		Encrypted: new(true), DeleteOnTermination: new(true),
	}}
}

// podDevice returns the device of the volume that images of the family keep the pods' files on.
func podDevice(family string) string {
	switch {
	case family == awsv1alpha1.AMIFamilyBottlerocket:
		return bottlerocketData
	case family == awsv1alpha1.AMIFamilyUbuntu:
		return ubuntuRoot
	case awsv1alpha1.IsWindows(family):
		return windowsRoot
	default:
		return amazonRoot
	}
}

// podGiB returns the size of that volume where none is stated.
func podGiB(family string) int64 {
	if awsv1alpha1.IsWindows(family) {
		return windowsGiB
	}
	return defaultGiB
}

// PodBytes returns the size of the volume that pods keep their files on. Of the family Custom that is taken to be the last
// one stated. A volume that is not stated, or without a size, counts as large as that of the images.
func PodBytes(family string, stated []awsv1alpha1.BlockDeviceMapping) int64 {
	for _, m := range slices.Backward(stated) {
		if family != awsv1alpha1.AMIFamilyCustom && (m.DeviceName == nil || *m.DeviceName != podDevice(family)) {
			continue
		}
		if m.EBS != nil && m.EBS.VolumeSize != nil {
			return int64(GiB(*m.EBS.VolumeSize)) * gib
		}
		break
	}
	return podGiB(family) * gib
}

// GiB returns a size in whole GiB, rounded up.
func GiB(size resource.Quantity) int32 {
	bytes := size.Value()
	whole := bytes / gib
	if bytes%gib > 0 {
		whole++
	}
	return int32(max(min(whole, math.MaxInt32), 0))
}
