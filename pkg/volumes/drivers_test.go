package volumes_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/pkg/volumes"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// inline mounts an EBS volume without a claim, as old pods do.
func inline(id string) builders.PodModifier {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: id, VolumeSource: corev1.VolumeSource{
			AWSElasticBlockStore: &corev1.AWSElasticBlockStoreVolumeSource{VolumeID: id},
		}})
	}
}

func TestWhichDriversAttachVolumes(t *testing.T) {
	nfs := func(v *corev1.PersistentVolume) {
		v.Spec.PersistentVolumeSource = corev1.PersistentVolumeSource{NFS: &corev1.NFSVolumeSource{Server: "s"}}
	}
	storage := inventory(
		builders.StorageClass("gp3"), builders.StorageClass("gp2", builders.MadeBy("kubernetes.io/aws-ebs")),
		builders.StorageClass("efs", builders.MadeBy("efs.csi.aws.com")), builders.StorageClass("static", builders.MadeBy("kubernetes.io/no-provisioner")),
		builders.VolumeClaim("new"), builders.VolumeClaim("new-in-tree", builders.OfClass("gp2")), builders.VolumeClaim("new-efs", builders.OfClass("efs")),
		builders.VolumeClaim("new-static", builders.OfClass("static")), builders.PersistentVolume("free", func(v *corev1.PersistentVolume) { v.Spec.StorageClassName = "static" }),
		builders.VolumeClaim("bound", builders.BoundTo("v")), builders.PersistentVolume("v", builders.ClaimedBy("bound")),
		builders.VolumeClaim("bound-in-tree", builders.BoundTo("t")), builders.PersistentVolume("t", builders.ClaimedBy("bound-in-tree"), inTree("aws://a/vol-t")),
		builders.VolumeClaim("bound-nfs", builders.BoundTo("n")), builders.PersistentVolume("n", builders.ClaimedBy("bound-nfs"), nfs),
	)
	tests := map[string]struct {
		volumes []builders.PodModifier
		want    map[string]int
	}{
		"none":            {nil, nil},
		"one to make":     {[]builders.PodModifier{builders.Claim("new")}, map[string]int{"ebs.csi.aws.com": 1}},
		"bound, and new":  {[]builders.PodModifier{builders.Claim("bound"), builders.Claim("new")}, map[string]int{"ebs.csi.aws.com": 2}},
		"the same twice":  {[]builders.PodModifier{builders.Claim("bound"), builders.Claim("bound")}, map[string]int{"ebs.csi.aws.com": 1}},
		"several drivers": {[]builders.PodModifier{builders.Claim("new"), builders.Claim("new-efs")}, map[string]int{"ebs.csi.aws.com": 1, "efs.csi.aws.com": 1}},
		"from before there were drivers": {
			[]builders.PodModifier{builders.Claim("new-in-tree"), builders.Claim("bound-in-tree"), inline("vol-i"), inline("aws://b/vol-t")}, map[string]int{"ebs.csi.aws.com": 3},
		},
		"that nothing attaches": {[]builders.PodModifier{builders.Claim("bound-nfs"), builders.Claim("new-static")}, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := volumes.NewResolver(storage, nil).Demand(builders.Pod(tc.volumes...))
			if got.Trouble != "" {
				t.Errorf("trouble: %s", got.Trouble)
			}
			if diff := cmp.Diff(tc.want, got.Attachments); diff != "" {
				t.Errorf("attachments (-want +got):\n%s", diff)
			}
		})
	}
}

func TestHowManyMoreVolumesANodeCanAttach(t *testing.T) {
	attachment := func(name, node, volume string) *storagev1.VolumeAttachment {
		return &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: storagev1.VolumeAttachmentSpec{
			Attacher: builders.EBSDriver, NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &volume},
		}}
	}
	objects := []any{
		builders.CSINode("n", builders.EBSDriver, 3), builders.StorageClass("gp3"), builders.VolumeClaim("new"),
		builders.VolumeClaim("a", builders.BoundTo("va")), builders.PersistentVolume("va"),
		builders.VolumeClaim("b", builders.BoundTo("vb")), builders.PersistentVolume("vb"), builders.PersistentVolume("vc"), builders.PersistentVolume("vd"),
	}
	pod := func(claims ...string) *corev1.Pod {
		var modifiers []builders.PodModifier
		for _, claim := range claims {
			modifiers = append(modifiers, builders.Claim(claim))
		}
		return builders.Pod(modifiers...)
	}
	tests := map[string]struct {
		node  string
		pods  []*corev1.Pod
		extra []any
		want  map[string]int
	}{
		"an empty node":                    {"n", nil, nil, map[string]int{"ebs.csi.aws.com": 3}},
		"a node whose drivers are unknown": {"other", []*corev1.Pod{pod("a")}, nil, nil},
		"a node with volumes":              {"n", []*corev1.Pod{pod("a"), pod("b", "new")}, nil, map[string]int{"ebs.csi.aws.com": 0}},
		"a volume that pods share":         {"n", []*corev1.Pod{pod("a"), pod("a"), pod("a", "b")}, nil, map[string]int{"ebs.csi.aws.com": 1}},
		"claims that are gone":             {"n", []*corev1.Pod{pod("gone")}, nil, map[string]int{"ebs.csi.aws.com": 3}},
		"a volume that is still being detached": {
			"n", []*corev1.Pod{pod("a")}, []any{attachment("1", "n", "va"), attachment("2", "n", "vc"), attachment("3", "other", "vd"), attachment("4", "n", "gone")},
			map[string]int{"ebs.csi.aws.com": 1},
		},
		"more than it can": {
			"n", []*corev1.Pod{pod("a", "b", "new")}, []any{attachment("1", "n", "vc")}, map[string]int{"ebs.csi.aws.com": 0},
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := volumes.NewResolver(inventory(append(tc.extra, objects...)...), nil).Attachable(tc.node, tc.pods)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("attachable (-want +got):\n%s", diff)
			}
		})
	}
}
