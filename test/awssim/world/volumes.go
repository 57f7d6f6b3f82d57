package world

import (
	"cmp"
	"slices"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

// defaultVolumeType is what EC2 makes where nothing says otherwise; images come with the other.
const (
	defaultVolumeType = "gp2"
	imageVolumeType   = "gp3"
)

// AttachedVolume is a disk of an instance.
type AttachedVolume struct {
	ID                  string
	Device              string
	Type                string
	SizeGiB             int // 0 where only the snapshot knows
	Encrypted           bool
	DeleteOnTermination bool
	IOPS                int // 0 where EC2 decides
	Throughput          int // MiB per second; 0 where EC2 decides
	KMSKeyID            string
	SnapshotID          string
}

// volumeKind is what EC2 allows of a type of volume.
type volumeKind struct {
	name               string
	minGiB, maxGiB     int
	minIOPS, maxIOPS   int // 0: may not be given
	needsIOPS          bool
	minMiBps, maxMiBps int // 0: may not be given
}

func volumeKinds() []volumeKind {
	return []volumeKind{
		{name: "standard", minGiB: 1, maxGiB: 1024},
		{name: "gp2", minGiB: 1, maxGiB: 16384},
		{name: "gp3", minGiB: 1, maxGiB: 65536, minIOPS: 3000, maxIOPS: 80000, minMiBps: 125, maxMiBps: 2000},
		{name: "io1", minGiB: 4, maxGiB: 16384, minIOPS: 100, maxIOPS: 64000, needsIOPS: true},
		{name: "io2", minGiB: 4, maxGiB: 65536, minIOPS: 100, maxIOPS: 256000, needsIOPS: true},
		{name: "st1", minGiB: 125, maxGiB: 16384},
		{name: "sc1", minGiB: 125, maxGiB: 16384},
	}
}

// attach puts the template's disks over those of the image and adds others, or says what EC2 would refuse at launch. Ids are
// given when the instance starts.
func attach(mappings []BlockDeviceMapping, image Image) ([]AttachedVolume, error) {
	var volumes []AttachedVolume
	for _, v := range image.Volumes {
		volumes = append(volumes, AttachedVolume{Device: v.Device, DeleteOnTermination: true, Type: imageVolumeType, SizeGiB: v.SizeGiB})
	}
	seen := map[string]bool{}
	for _, m := range mappings {
		at := slices.IndexFunc(volumes, func(v AttachedVolume) bool { return v.Device == m.DeviceName })
		switch {
		case m.DeviceName == "":
			return nil, apierror.New("MissingParameter", "The request must contain the parameter blockDeviceMapping.deviceName")
		case seen[m.DeviceName]:
			return nil, apierror.New("InvalidBlockDeviceMapping", "The device '%s' is used in more than one block-device mapping", m.DeviceName)
		case m.NoDevice != nil && at >= 0:
			volumes = slices.Delete(volumes, at, at+1)
		case m.EBS == nil && m.VirtualName == "" && m.NoDevice == nil:
			return nil, apierror.New("MissingParameter", "The request must contain the parameter ebs, virtualName or noDevice for device '%s'", m.DeviceName)
		case m.EBS != nil:
			var below AttachedVolume
			if at >= 0 {
				below = volumes[at]
			}
			made, err := m.EBS.over(below)
			if err != nil {
				return nil, err
			}
			made.Device = m.DeviceName
			if at < 0 {
				at, volumes = len(volumes), append(volumes, AttachedVolume{})
			}
			volumes[at] = made
		}
		seen[m.DeviceName] = true
	}
	return volumes, nil
}

// over applies what a mapping says to the image's disk on the same device, the zero disk where there is none.
func (v Volume) over(below AttachedVolume) (AttachedVolume, error) {
	made := AttachedVolume{
		DeleteOnTermination: v.DeleteOnTermination == nil || *v.DeleteOnTermination, Encrypted: v.Encrypted != nil && *v.Encrypted,
		Type: cmp.Or(v.Type, below.Type, defaultVolumeType), SizeGiB: below.SizeGiB, KMSKeyID: v.KMSKeyID, SnapshotID: v.SnapshotID,
	}
	if v.SizeGiB != nil {
		made.SizeGiB = *v.SizeGiB
	}
	switch {
	case v.SizeGiB == nil && v.SnapshotID == "" && below.SizeGiB == 0:
		return made, apierror.New("MissingParameter", "The request must contain the parameter size or snapshotId")
	case v.SizeGiB != nil && *v.SizeGiB < below.SizeGiB:
		return made, apierror.New("InvalidBlockDeviceMapping", "Volume of size %dGB is smaller than snapshot of the image, expect size >= %dGB", *v.SizeGiB, below.SizeGiB)
	case v.KMSKeyID != "" && !made.Encrypted:
		return made, apierror.New("InvalidParameterDependency", "The parameter KmsKeyId requires the parameter Encrypted to be set.")
	}
	return made, v.check(&made)
}

// check holds the bounds of the volume's type, and sets what of IOPS and throughput is within them.
func (v Volume) check(made *AttachedVolume) error {
	i := slices.IndexFunc(volumeKinds(), func(k volumeKind) bool { return k.name == made.Type })
	if i < 0 {
		return apierror.InvalidValue("volumeType", made.Type, "It is no type of volume.")
	}
	kind := volumeKinds()[i]
	if v.SizeGiB != nil && (made.SizeGiB < kind.minGiB || made.SizeGiB > kind.maxGiB) {
		return apierror.InvalidValue("volumeSize", made.SizeGiB, "Volumes of type "+kind.name+" have other sizes.")
	}
	if kind.needsIOPS && v.IOPS == nil {
		return apierror.New("MissingParameter", "The parameter iops must be specified for %s volumes.", kind.name)
	}
	for _, p := range []struct {
		name       string
		asked, set *int
		low, high  int
	}{{"iops", v.IOPS, &made.IOPS, kind.minIOPS, kind.maxIOPS}, {"throughput", v.Throughput, &made.Throughput, kind.minMiBps, kind.maxMiBps}} {
		switch {
		case p.asked == nil:
			continue
		case p.high == 0:
			return apierror.Combination("The parameter %s is not supported for %s volumes.", p.name, kind.name)
		case *p.asked < p.low || *p.asked > p.high:
			return apierror.InvalidValue(p.name, *p.asked, "Volumes of type "+kind.name+" have other values.")
		}
		*p.set = *p.asked
	}
	return nil
}
