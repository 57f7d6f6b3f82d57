package admission

import (
	"cmp"

	"github.com/samber/lo"
	"k8s.io/apimachinery/pkg/util/validation/field"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

// volumeKind is what EC2 takes of one type of volume; 0 where it is not known, or does not take the setting.
type volumeKind struct {
	minGiB, maxGiB int64
	needsIOPS      bool
	minIOPS        int64
	// minThroughput in MiB per second.
	minThroughput int64
}

// largest is beyond what the API lets pass.
const largest = 1 << 20

// volumeKinds maps a type -> what EC2 takes. Upper bounds on performance are left out: they grow, and depend on the region.
func volumeKinds() map[string]volumeKind {
	return map[string]volumeKind{
		awsv1alpha1.VolumeTypeStandard: {minGiB: 1, maxGiB: 1024},
		awsv1alpha1.VolumeTypeGP2:      {minGiB: 1, maxGiB: 16 << 10},
		awsv1alpha1.VolumeTypeGP3:      {minGiB: 1, maxGiB: largest, minIOPS: 3000, minThroughput: 125},
		awsv1alpha1.VolumeTypeIO1:      {minGiB: 4, maxGiB: 16 << 10, needsIOPS: true, minIOPS: 100},
		awsv1alpha1.VolumeTypeIO2:      {minGiB: 4, maxGiB: largest, needsIOPS: true, minIOPS: 100},
		awsv1alpha1.VolumeTypeST1:      {minGiB: 125, maxGiB: 16 << 10},
		awsv1alpha1.VolumeTypeSC1:      {minGiB: 125, maxGiB: 16 << 10},
	}
}

func (r *remarks) blockDeviceMappings(path *field.Path, mappings []awsv1alpha1.BlockDeviceMapping) {
	seen := map[string]bool{}
	for i, m := range mappings {
		if m.DeviceName != nil {
			switch name := *m.DeviceName; {
			case name == "":
				r.add(path.Index(i).Child("deviceName"), "is empty, and EC2 attaches no volume without")
			case seen[name]:
				r.add(path.Index(i).Child("deviceName"), "%s is there twice, and EC2 attaches one volume to a device", name)
			default:
				seen[name] = true
			}
		}
		if m.EBS != nil {
			r.volume(path.Index(i).Child("ebs"), m.EBS)
		}
	}
}

// volume notes what EC2 refuses. Karpenter lets it pass, and so does kerf.
func (r *remarks) volume(path *field.Path, d *awsv1alpha1.BlockDevice) {
	// Without a type EC2 makes a gp2 volume.
	name := cmp.Or(lo.FromPtr(d.VolumeType), awsv1alpha1.VolumeTypeGP2)
	kind, known := volumeKinds()[name]
	if !known {
		return // an error says so
	}
	if size := d.VolumeSize; size != nil && size.Sign() > 0 && !awsv1alpha1.IsEndless(*size) {
		if giB := ceilGiB(size.Value()); giB < kind.minGiB || giB > kind.maxGiB {
			r.add(path.Child("volumeSize"), "EC2 makes volumes of type %s from %d to %d GiB, and this one would have %d", name, kind.minGiB, kind.maxGiB, giB)
		}
	}
	r.iops(path.Child("iops"), d.IOPS, name, kind)
	r.throughput(path.Child("throughput"), d, name, kind)
	if lo.FromPtr(d.KMSKeyID) != "" && !lo.FromPtr(d.Encrypted) {
		r.add(path.Child("kmsKeyID"), "EC2 takes a key only with encrypted: true")
	}
}

func (r *remarks) iops(path *field.Path, iops *int64, name string, kind volumeKind) {
	switch {
	case iops == nil && kind.needsIOPS:
		r.add(path, "not set, and EC2 makes no volume of type %s without", name)
	case iops != nil && kind.minIOPS == 0:
		r.add(path, "EC2 takes it for io1, io2 and gp3, and this volume is of type %s", name)
	case iops != nil && *iops < kind.minIOPS:
		r.add(path, "EC2 takes %d and more for a volume of type %s", kind.minIOPS, name)
	}
}

// iopsPerThroughput is how many I/O operations a gp3 volume needs for each MiB, both per second.
const iopsPerThroughput = 4

func (r *remarks) throughput(path *field.Path, d *awsv1alpha1.BlockDevice, name string, kind volumeKind) {
	if d.Throughput == nil {
		return
	}
	throughput := *d.Throughput
	switch most := lo.FromPtrOr(d.IOPS, kind.minIOPS) / iopsPerThroughput; {
	case kind.minThroughput == 0:
		r.add(path, "EC2 takes it for gp3, and this volume is of type %s", name)
	case throughput < kind.minThroughput:
		r.add(path, "EC2 takes %d MiB per second and more", kind.minThroughput)
	case throughput > most:
		r.add(path, "EC2 takes at most a fourth of iops, %d MiB per second", most)
	}
}

// ceilGiB rounds up, as kerf does when it asks for a volume.
func ceilGiB(bytes int64) int64 {
	const giB = 1 << 30
	return (bytes-1)/giB + 1
}
