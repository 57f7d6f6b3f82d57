package world

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/test/builders"
)

// CSI drivers: nodes attach few volumes of the one and any number of the other.
const (
	ebsDriver = "ebs.csi.example.com"
	efsDriver = "efs.csi.example.com"

	// bindCompleted is what the binding controller leaves on a claim that it is done with.
	bindCompleted = "pv.kubernetes.io/bind-completed"
)

// drawClasses makes storage classes: one whose volumes can be anywhere, and one with a choice of zones.
func (d drawing) drawClasses() {
	var topologies []corev1.TopologySelectorTerm
	for range d.between(1, 2) {
		topologies = append(topologies, corev1.TopologySelectorTerm{MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{
			{Key: one(d.dice, corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone), Values: some(d.dice, d.zones...)},
		}})
	}
	for _, name := range []string{"anywhere", "zonal"} {
		d.world.Classes = append(d.world.Classes, &storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: ebsDriver,
			VolumeBindingMode: new(storagev1.VolumeBindingWaitForFirstConsumer),
		})
	}
	d.world.class("zonal").AllowedTopologies = topologies
}

// mount gives the pod claims of its own, or one that it shares with its workload.
func (d drawing) mount(pod *corev1.Pod, kind string) {
	switch kind {
	case "":
		return
	case "shared":
		builders.Claim("shared-" + pod.Labels["app"])(pod)
		if d.world.claim(pod.Namespace, "shared-"+pod.Labels["app"]) == nil {
			d.bind(d.addClaim(pod.Namespace, "shared-"+pod.Labels["app"], "anywhere"), efsDriver)
		}
	case "missing":
		builders.Claim("missing")(pod)
	default:
		for i := range d.between(1, 2) {
			name := fmt.Sprintf("data%d-%s", i, pod.Name)
			builders.Claim(name)(pod)
			claim := d.addClaim(pod.Namespace, name, one(d.dice, "anywhere", "zonal"))
			if kind == "bound" || pod.Spec.NodeName != "" {
				d.bind(claim, ebsDriver)
			}
		}
	}
}

func (d drawing) addClaim(namespace, name, class string) *corev1.PersistentVolumeClaim {
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID("claim/" + namespace + "/" + name), Annotations: map[string]string{}},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: new(class), AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
		Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending},
	}
	d.world.Claims = append(d.world.Claims, claim)
	return claim
}

// bind makes a volume for a claim, in some zones: by its node affinity in one or two terms, or by the label of an older age.
func (d drawing) bind(claim *corev1.PersistentVolumeClaim, driver string) {
	name := "pv-" + claim.Namespace + "-" + claim.Name
	volume := &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: driver, VolumeHandle: name}},
			ClaimRef:               &corev1.ObjectReference{Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID},
			StorageClassName:       *claim.Spec.StorageClassName,
			Capacity:               corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
		},
		Status: corev1.PersistentVolumeStatus{Phase: corev1.VolumeBound},
	}
	switch d.IntN(4) {
	case 0:
		volume.Labels = map[string]string{one(d.dice, corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone): one(d.dice, d.zones[0], d.zones[0]+zoneSeparator+d.zones[1])}
	case 1: // anywhere
	default:
		volume.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{}}
		for range d.between(1, 2) {
			volume.Spec.NodeAffinity.Required.NodeSelectorTerms = append(volume.Spec.NodeAffinity.Required.NodeSelectorTerms, corev1.NodeSelectorTerm{
				MatchExpressions: []corev1.NodeSelectorRequirement{{
					Key: one(d.dice, corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone), Operator: corev1.NodeSelectorOpIn, Values: []string{one(d.dice, d.zones...)},
				}},
			})
		}
	}
	d.world.Volumes = append(d.world.Volumes, volume)
	claim.Spec.VolumeName = name
	claim.Annotations[bindCompleted] = "yes"
	claim.Status.Phase = corev1.ClaimBound
}
