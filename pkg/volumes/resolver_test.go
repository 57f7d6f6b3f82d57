package volumes_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/volumes"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

const (
	zone    = corev1.LabelTopologyZone
	ebsZone = "topology.ebs.csi.aws.com/zone"
)

type volumeOf = func(*corev1.PersistentVolume)

// inventory sorts objects by their kinds.
func inventory(objects ...any) volumes.Inventory {
	out := volumes.Inventory{
		Claims: map[types.NamespacedName]*corev1.PersistentVolumeClaim{}, Volumes: map[string]*corev1.PersistentVolume{},
		Classes: map[string]*storagev1.StorageClass{}, Drivers: map[string]*storagev1.CSINode{},
		Attachments: map[string]*storagev1.VolumeAttachment{},
	}
	for _, object := range objects {
		switch o := object.(type) {
		case *corev1.PersistentVolumeClaim:
			out.Claims[types.NamespacedName{Namespace: o.Namespace, Name: o.Name}] = o
		case *corev1.PersistentVolume:
			out.Volumes[o.Name] = o
		case *storagev1.StorageClass:
			out.Classes[o.Name] = o
		case *storagev1.CSINode:
			out.Drivers[o.Name] = o
		case *storagev1.VolumeAttachment:
			out.Attachments[o.Name] = o
		}
	}
	return out
}

// written writes a demand's topologies as volumes with their alternatives.
func written(d volumes.Demand) []string {
	var out []string
	for _, alternatives := range d.Topologies {
		var parts []string
		for _, alternative := range alternatives {
			parts = append(parts, alternative.String())
		}
		out = append(out, strings.Join(parts, " | "))
	}
	return out
}

func immediate(c *storagev1.StorageClass) {
	c.VolumeBindingMode = new(storagev1.VolumeBindingImmediate)
}

func inTree(id string) volumeOf {
	return func(v *corev1.PersistentVolume) {
		v.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{AWSElasticBlockStore: &corev1.AWSElasticBlockStoreVolumeSource{VolumeID: id}}
	}
}

func labelled(labels map[string]string) volumeOf {
	return func(v *corev1.PersistentVolume) { v.Labels = labels }
}

func in(key string, values ...string) corev1.NodeSelectorRequirement {
	return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}
}

func TestFromWhereVolumesCanBeReached(t *testing.T) {
	bound := func(modifiers ...volumeOf) volumes.Inventory {
		return inventory(builders.VolumeClaim("data", builders.BoundTo("v")), builders.PersistentVolume("v", append(modifiers, builders.ClaimedBy("data"))...))
	}
	unbound := func(class *storagev1.StorageClass, static ...any) volumes.Inventory {
		return inventory(append(static, builders.VolumeClaim("data", builders.OfClass(class.Name)), class)...)
	}
	static := builders.StorageClass("static", builders.MadeBy("kubernetes.io/no-provisioner"))
	free := func(name string, modifiers ...volumeOf) *corev1.PersistentVolume {
		return builders.PersistentVolume(name, append([]volumeOf{func(v *corev1.PersistentVolume) { v.Spec.StorageClassName = "static" }}, modifiers...)...)
	}
	tests := map[string]struct {
		storage volumes.Inventory
		want    []string
	}{
		"bound, everywhere":   {bound(), nil},
		"bound, in one zone":  {bound(builders.ReachedFrom(zone, "a")), []string{zone + " In [a]"}},
		"bound, by beta name": {bound(builders.ReachedFrom(corev1.LabelFailureDomainBetaZone, "a")), []string{zone + " In [a]"}},
		"bound, by the name that the EBS driver gives zones": {bound(builders.ReachedFrom(ebsZone, "a")), []string{zone + " In [a]"}},
		"bound, all terms": {
			bound(builders.ReachedFrom(zone, "a"), builders.ReachedFrom(zone, "b"), builders.ReachedFrom(zone, "a")),
			[]string{zone + " In [a b]"},
		},
		"bound, terms that match nothing aside": {
			bound(builders.ReachedFrom(zone, "a"), builders.ReachedFromAll(), builders.ReachedFromAll(in(zone, "b"), in(zone, "c")), func(v *corev1.PersistentVolume) {
				terms := &v.Spec.NodeAffinity.Required.NodeSelectorTerms
				*terms = append(*terms, corev1.NodeSelectorTerm{MatchFields: []corev1.NodeSelectorRequirement{in("metadata.name", "n")}})
			}),
			[]string{zone + " In [a]"},
		},
		"bound, terms about several labels": {
			bound(builders.ReachedFromAll(in(zone, "a"), in("rack", "1")), builders.ReachedFromAll(in(zone, "a"), in("rack", "2")),
				builders.ReachedFromAll(in(zone, "a"), in("rack", "1")), builders.ReachedFrom(zone, "c")),
			[]string{"rack In [1], " + zone + " In [a] | rack In [2], " + zone + " In [a] | " + zone + " In [c]"},
		},
		"bound, a term that a label may be absent by": {
			bound(builders.ReachedFrom("rack", "1"), builders.ReachedFromAll(corev1.NodeSelectorRequirement{Key: "rack", Operator: corev1.NodeSelectorOpDoesNotExist})),
			[]string{"rack In [1] | rack DoesNotExist"},
		},
		"bound, on a host that is there": {bound(builders.ReachedFrom(corev1.LabelHostname, "h")), []string{corev1.LabelHostname + " In [h]"}},
		"bound, on a host that is gone or in a zone": {
			bound(builders.ReachedFrom(corev1.LabelHostname, "gone"), builders.ReachedFrom(zone, "a")),
			[]string{corev1.LabelHostname + " In [gone] | " + zone + " In [a]"},
		},
		"bound, in-tree, by its labels": {
			bound(inTree("vol-1"), labelled(map[string]string{corev1.LabelFailureDomainBetaZone: "a", corev1.LabelFailureDomainBetaRegion: "r"})),
			[]string{corev1.LabelTopologyRegion + " In [r], " + zone + " In [a]"},
		},
		"bound, in-tree, with several zones in a label": {
			bound(labelled(map[string]string{zone: "a__b"}), builders.ReachedFrom(zone, "b", "c")), []string{zone + " In [b]"},
		},
		"asked for by name, not bound yet": {
			inventory(builders.VolumeClaim("data", func(c *corev1.PersistentVolumeClaim) { c.Spec.VolumeName = "v" }), builders.PersistentVolume("v", builders.ReachedFrom(zone, "a"))),
			[]string{zone + " In [a]"},
		},
		"not made yet, anywhere": {unbound(builders.StorageClass("gp3")), nil},
		"not made yet, some zones": {
			unbound(builders.StorageClass("gp3", builders.MadeIn(ebsZone, "a", "b"), builders.MadeIn(corev1.LabelFailureDomainBetaZone, "c"))),
			[]string{zone + " In [a b c]"},
		},
		"not made yet, by the annotation that classes had": {
			inventory(builders.StorageClass("gp3"), builders.StorageClass("old", builders.MadeIn(zone, "a")), builders.VolumeClaim("data", func(c *corev1.PersistentVolumeClaim) {
				c.Annotations = map[string]string{"volume.beta.kubernetes.io/storage-class": "old"}
			})),
			[]string{zone + " In [a]"},
		},
		"being made for a node": {
			inventory(builders.StorageClass("gp3"), builders.VolumeClaim("data", func(c *corev1.PersistentVolumeClaim) {
				c.Annotations = map[string]string{"volume.kubernetes.io/selected-node": "node-h"}
			})),
			[]string{corev1.LabelHostname + " In [h]"},
		},
		"free volumes": {
			unbound(static, free("v2", builders.ReachedFrom(zone, "b")), free("v1", builders.ReachedFrom(zone, "a")), free("v3", builders.ReachedFrom(zone, "a"))),
			[]string{zone + " In [a b]"},
		},
		"free volumes, one of them everywhere": {unbound(static, free("v1", builders.ReachedFrom(zone, "a")), free("v2")), nil},
		"a free volume, or one that is made": {
			unbound(builders.StorageClass("gp3", builders.MadeIn(zone, "b")), builders.PersistentVolume("v", builders.ReachedFrom(zone, "a"))),
			[]string{zone + " In [a b]"},
		},
		"a volume that is kept for the claim, and no other": {
			unbound(static, free("v1", builders.ReachedFrom(zone, "a")), free("v2", builders.ReachedFrom(zone, "b"), func(v *corev1.PersistentVolume) {
				v.Spec.ClaimRef = &corev1.ObjectReference{Namespace: "default", Name: "data"}
			})),
			[]string{zone + " In [b]"},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := volumes.NewResolver(tc.storage, map[string]string{"node-h": "h"}).Demand(builders.Pod(builders.Claim("data")))
			if got.Trouble != "" {
				t.Errorf("trouble: %s", got.Trouble)
			}
			if diff := cmp.Diff(tc.want, written(got)); diff != "" {
				t.Errorf("topologies (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhichFreeVolumesFitAClaim(t *testing.T) {
	block := func(v *corev1.PersistentVolume) { v.Spec.VolumeMode = new(corev1.PersistentVolumeBlock) }
	tests := map[string]struct {
		claim  func(*corev1.PersistentVolumeClaim)
		volume volumeOf
		want   bool
	}{
		"plain": {nil, nil, true},
		"too small": {func(c *corev1.PersistentVolumeClaim) {
			c.Spec.Resources.Requests[corev1.ResourceStorage] = resource.MustParse("1025Mi")
		}, nil, false},
		"another mode":   {nil, block, false},
		"another class":  {nil, func(v *corev1.PersistentVolume) { v.Spec.StorageClassName = "other" }, false},
		"in use":         {nil, builders.ClaimedBy("other"), false},
		"not looked at":  {nil, func(v *corev1.PersistentVolume) { v.Status.Phase = corev1.VolumePending }, false},
		"on its way out": {nil, func(v *corev1.PersistentVolume) { v.DeletionTimestamp = new(metav1.Now()) }, false},
		"cannot be shared": {
			func(c *corev1.PersistentVolumeClaim) {
				c.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteMany}
			}, nil, false,
		},
		"not selected": {
			func(c *corev1.PersistentVolumeClaim) {
				c.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"disk": "fast"}}
			}, nil, false,
		},
		"selected": {
			func(c *corev1.PersistentVolumeClaim) {
				c.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{"disk": "fast"}}
			},
			labelled(map[string]string{"disk": "fast"}), true,
		},
		"other attributes": {nil, func(v *corev1.PersistentVolume) { v.Spec.VolumeAttributesClassName = new("fast") }, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			claim, volume := builders.VolumeClaim("data"), builders.PersistentVolume("v", builders.ReachedFrom(zone, "a"))
			if tc.claim != nil {
				tc.claim(claim)
			}
			if tc.volume != nil {
				tc.volume(volume)
			}
			class := builders.StorageClass("gp3", builders.MadeBy("kubernetes.io/no-provisioner"))
			got := volumes.NewResolver(inventory(claim, volume, class), nil).Demand(builders.Pod(builders.Claim("data")))
			if (got.Trouble == "") != tc.want || tc.want && len(got.Topologies) != 1 {
				t.Errorf("got %v and %q, want it to fit: %t", written(got), got.Trouble, tc.want)
			}
		})
	}
}

// Lists of more than a handful of values are cut short where people read them, never where they are told apart.
func TestLongListsOfPlacesAreToldApart(t *testing.T) {
	one, other := []string{"1", "2", "3", "4", "5", "6", "7"}, []string{"1", "2", "3", "4", "5", "8", "9"}
	storage := inventory(
		builders.VolumeClaim("data", builders.BoundTo("v")), builders.VolumeClaim("logs", builders.BoundTo("w")), builders.VolumeClaim("copy", builders.BoundTo("x")),
		builders.PersistentVolume("v", builders.ClaimedBy("data"), builders.ReachedFrom("rack", one...)),
		builders.PersistentVolume("w", builders.ClaimedBy("logs"), builders.ReachedFrom("rack", other...)),
		builders.PersistentVolume("x", builders.ClaimedBy("copy"), builders.ReachedFromAll(in(zone, "a"), in("rack", one...)),
			builders.ReachedFromAll(in(zone, "a"), in("rack", other...))),
	)
	got := volumes.NewResolver(storage, nil).Demand(builders.Pod(builders.Claim("data"), builders.Claim("logs"), builders.Claim("copy")))
	if got.Trouble != "" || len(got.Topologies) != 3 {
		t.Fatalf("trouble %q, %d volumes, want none and 3", got.Trouble, len(got.Topologies))
	}
	if n := len(got.Topologies[2]); n != 2 {
		t.Errorf("the volume that two terms reach has %d alternatives", n)
	}
}
