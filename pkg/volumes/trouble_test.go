package volumes_test

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/volumes"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestWhyNoNodeCanHelp(t *testing.T) {
	gp3 := builders.StorageClass("gp3")
	static := builders.StorageClass("static", builders.MadeBy("kubernetes.io/no-provisioner"))
	tests := map[string]struct {
		storage volumes.Inventory
		want    string
	}{
		"no claim":              {inventory(gp3), `claim "data" of volume "data" does not exist`},
		"a claim on its way":    {inventory(gp3, builders.VolumeClaim("data", func(c *corev1.PersistentVolumeClaim) { c.DeletionTimestamp = new(metav1.Now()) })), `claim "data" is being deleted`},
		"a volume that is lost": {inventory(builders.VolumeClaim("data", builders.BoundTo("v"), func(c *corev1.PersistentVolumeClaim) { c.Status.Phase = corev1.ClaimLost })), `claim "data" has lost its volume "v"`},
		"no volume":             {inventory(builders.VolumeClaim("data", builders.BoundTo("v"))), `volume "v" of claim "data" does not exist`},
		"a volume of another": {
			inventory(builders.VolumeClaim("data", builders.BoundTo("v")), builders.PersistentVolume("v", builders.ClaimedBy("other"))), `belongs to claim default/other`,
		},
		"neither volume nor class": {inventory(builders.VolumeClaim("data", builders.OfClass(""))), "neither a volume nor a storage class"},
		"no class":                 {inventory(builders.VolumeClaim("data")), `storage class "gp3" of claim "data" does not exist`},
		"a class that binds at once": {
			inventory(builders.VolumeClaim("data"), builders.StorageClass("gp3", immediate)), `"gp3" binds volumes before it places pods`,
		},
		"a class that does not say when it binds": {
			inventory(builders.VolumeClaim("data"), builders.StorageClass("gp3", func(c *storagev1.StorageClass) { c.VolumeBindingMode = nil })), `"gp3" binds volumes before it places pods`,
		},
		"nothing makes volumes, and none is free": {
			inventory(builders.VolumeClaim("data", builders.OfClass("static")), static, builders.PersistentVolume("v")), `no volume of storage class "static" is free that fits claim "data"`,
		},
		"free volumes on hosts that are gone": {
			inventory(builders.VolumeClaim("data", builders.OfClass("static")), static,
				builders.PersistentVolume("v", builders.ReachedFrom(corev1.LabelHostname, "gone"), func(v *corev1.PersistentVolume) { v.Spec.StorageClassName = "static" })),
			"on host gone alone",
		},
		"a volume on hosts that are gone": {
			inventory(builders.VolumeClaim("data", builders.BoundTo("v")),
				builders.PersistentVolume("v", builders.ClaimedBy("data"), builders.ReachedFrom(corev1.LabelHostname, "d", "c", "b", "a"))),
			"from host a, b, c and 1 others alone, which is gone",
		},
		"a volume that no node can reach": {
			inventory(builders.VolumeClaim("data", builders.BoundTo("v")), builders.PersistentVolume("v", builders.ClaimedBy("data"), builders.ReachedFromAll())),
			"a node affinity that no node can match",
		},
		"a class that makes volumes nowhere": {
			inventory(builders.VolumeClaim("data"), builders.StorageClass("gp3", builders.MadeIn(zone))), `storage class "gp3" and of its volumes leave no node`,
		},
		"made for a node that is gone": {
			inventory(gp3, builders.VolumeClaim("data", func(c *corev1.PersistentVolumeClaim) {
				c.Annotations = map[string]string{"volume.kubernetes.io/selected-node": "gone"}
			})),
			`node "gone", which is gone`,
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := volumes.NewResolver(tc.storage, map[string]string{"node-h": "h"}).Demand(builders.Pod(builders.Claim("data")))
			if !strings.Contains(got.Trouble, tc.want) || len(got.Trouble) > 250 {
				t.Errorf("trouble is %q, want %q in it and no novel", got.Trouble, tc.want)
			}
			if len(got.Topologies)+len(got.Attachments) > 0 {
				t.Errorf("a pod that no node can help asks for %v and %v", written(got), got.Attachments)
			}
		})
	}
}

func TestAClaimForOnePodAtATimeHasNoSecond(t *testing.T) {
	exclusive := func(c *corev1.PersistentVolumeClaim) {
		c.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}
	}
	r := volumes.NewResolver(inventory(builders.StorageClass("gp3"), builders.VolumeClaim("one", exclusive), builders.VolumeClaim("many")), nil)
	holder := builders.Pod(builders.Name("holder"), builders.Claim("one"), builders.Claim("many"), builders.OnNode("n"))
	r.Occupy(holder)
	if got := r.Demand(builders.Pod(builders.Claim("one"))).Trouble; !strings.Contains(got, `pod "holder" has it`) {
		t.Errorf("trouble of a second pod is %q", got)
	}
	waiting := builders.Pod(builders.Name("waiting"), builders.Claim("one"))
	r.Occupy(waiting)
	if got := r.Demand(builders.Pod(builders.Claim("one"))).Trouble; !strings.Contains(got, `pod "waiting" is to have it`) {
		t.Errorf("trouble of a pod that comes after one that waits is %q", got)
	}
	r.Occupy(holder)
	for _, pod := range []*corev1.Pod{holder, builders.Pod(builders.Claim("many"))} {
		if got := r.Demand(pod).Trouble; got != "" {
			t.Errorf("trouble of %s is %q, want none", pod.Name, got)
		}
	}
}

func TestAnEphemeralVolumeHasTheClaimThatIsNamedAfterItsPod(t *testing.T) {
	pod := builders.Pod(builders.Name("web"), func(p *corev1.Pod) {
		p.UID = "web-uid"
		p.Spec.Volumes = []corev1.Volume{{Name: "scratch", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{
			VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{Spec: builders.VolumeClaim("any").Spec},
		}}}}
	})
	owned := func(pod types.UID) *corev1.PersistentVolumeClaim {
		return builders.VolumeClaim("web-scratch", builders.OfClass("east"), func(c *corev1.PersistentVolumeClaim) {
			c.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: "web", UID: pod, Controller: new(true)}}
		})
	}
	classes := []any{builders.StorageClass("gp3", builders.MadeIn(zone, "a")), builders.StorageClass("east", builders.MadeIn(zone, "e"))}
	tests := map[string]struct {
		claim       []any
		want        string
		wantTrouble string
	}{
		"before there is one, by its template": {nil, zone + " In [a]", ""},
		"once it is there":                     {[]any{owned("web-uid")}, zone + " In [e]", ""},
		"made for another pod":                 {[]any{owned("another")}, "", "was not made for this pod"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := volumes.NewResolver(inventory(append(tc.claim, classes...)...), nil).Demand(pod)
			if strings.Join(written(got), "; ") != tc.want || !strings.Contains(got.Trouble, tc.wantTrouble) || tc.wantTrouble == "" && got.Trouble != "" {
				t.Errorf("got %v and %q, want %q and %q", written(got), got.Trouble, tc.want, tc.wantTrouble)
			}
			if tc.wantTrouble == "" && got.Attachments[builders.EBSDriver] != 1 {
				t.Errorf("it attaches %v", got.Attachments)
			}
		})
	}
}
