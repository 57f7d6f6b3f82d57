package v1alpha1

import (
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// maxBlockDeviceMappings is what the schema allows.
const maxBlockDeviceMappings = 50

func validateBlockDeviceMappings(path *field.Path, mappings []BlockDeviceMapping) field.ErrorList {
	var errs field.ErrorList
	if len(mappings) > maxBlockDeviceMappings {
		errs = append(errs, field.TooMany(path, len(mappings), maxBlockDeviceMappings))
	}
	for i, m := range mappings {
		at := path.Index(i)
		if m.DeviceName == nil {
			errs = append(errs, field.Required(at.Child("deviceName"), "what the instance sees the volume as, e.g. /dev/xvda"))
		}
		errs = append(errs, m.EBS.validate(at.Child("ebs"))...)
	}
	return errs
}

func (d *BlockDevice) validate(path *field.Path) field.ErrorList {
	if d == nil {
		return field.ErrorList{field.Required(path, "the volume, e.g. {volumeSize: 20Gi, volumeType: gp3}")}
	}
	errs := d.validateSize(path.Child("volumeSize"))
	return append(errs, oneOf(path.Child("volumeType"), d.VolumeType, volumeTypes())...)
}

func (d *BlockDevice) validateSize(path *field.Path) field.ErrorList {
	smallest, largest := resource.NewScaledQuantity(1, resource.Giga), resource.NewScaledQuantity(64, resource.Tera)
	switch {
	case d.VolumeSize == nil && d.SnapshotID == nil:
		return field.ErrorList{field.Required(path, "set it, e.g. to 20Gi, or set snapshotID: a volume is as large as its snapshot")}
	case d.VolumeSize == nil:
		return nil
	case IsEndless(*d.VolumeSize) || d.VolumeSize.Cmp(*smallest) < 0 || d.VolumeSize.Cmp(*largest) > 0:
		return field.ErrorList{field.Invalid(path, d.VolumeSize.String(), volumeSizeDetail)}
	default:
		return nil
	}
}

// Values of volumeType.
const (
	VolumeTypeStandard = "standard"
	VolumeTypeIO1      = "io1"
	VolumeTypeIO2      = "io2"
	VolumeTypeGP2      = "gp2"
	VolumeTypeSC1      = "sc1"
	VolumeTypeST1      = "st1"
	VolumeTypeGP3      = "gp3"
)

func volumeTypes() []string {
	return []string{
		VolumeTypeStandard, VolumeTypeIO1, VolumeTypeIO2, VolumeTypeGP2, VolumeTypeSC1, VolumeTypeST1, VolumeTypeGP3,
	}
}
