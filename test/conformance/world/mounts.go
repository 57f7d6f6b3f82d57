package world

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// Names that say of what kind something is.
const (
	immediateClass = "immediate"
	localPrefix    = "local-"
)

// mountLocal gives the pod a claim whose volume is on one node, which may be there or not.
func (d drawing) mountLocal(pod *corev1.Pod) {
	name := localPrefix + pod.Name
	builders.Claim(name)(pod)
	d.bind(d.addClaim(pod.Namespace, name, "anywhere"), efsDriver)
	volume := d.world.Volumes[len(d.world.Volumes)-1]
	volume.Labels = nil
	volume.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
		{MatchExpressions: []corev1.NodeSelectorRequirement{
			{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{d.nodeName()}},
		}},
	}}}
}

// mountEphemeral gives the pod a volume of its own whose claim has been made for it.
func (d drawing) mountEphemeral(pod *corev1.Pod) {
	class := one(d.dice, "anywhere", "zonal")
	claim := d.addClaim(pod.Namespace, pod.Name+"-scratch", class)
	claim.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID, Controller: new(true)}}
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: "scratch", VolumeSource: corev1.VolumeSource{
		Ephemeral: &corev1.EphemeralVolumeSource{VolumeClaimTemplate: &corev1.PersistentVolumeClaimTemplate{Spec: claim.Spec}},
	}})
}

// mountExclusive gives all pods of a workload the same claim, which one pod at a time may use.
func (d drawing) mountExclusive(pod *corev1.Pod) {
	name := "exclusive-" + pod.Labels["app"]
	builders.Claim(name)(pod)
	if d.world.claim(pod.Namespace, name) != nil {
		return
	}
	claim := d.addClaim(pod.Namespace, name, "anywhere")
	claim.Spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}
	d.bind(claim, ebsDriver)
}

// mountImmediate gives the pod a claim of a class that binds at once, but has not done so yet.
func (d drawing) mountImmediate(pod *corev1.Pod) {
	if d.world.class(immediateClass) == nil {
		d.world.Classes = append(d.world.Classes, &storagev1.StorageClass{
			ObjectMeta: metav1.ObjectMeta{Name: immediateClass}, Provisioner: ebsDriver, VolumeBindingMode: new(storagev1.VolumeBindingImmediate),
		})
	}
	name := "immediate-" + pod.Name
	builders.Claim(name)(pod)
	d.addClaim(pod.Namespace, name, immediateClass)
}

// askTogether gives the pod requests that its containers share, which are more than what they ask for one by one.
func (d drawing) askTogether(pod *corev1.Pod) {
	each := pods.Requests(pod)
	all := corev1.ResourceList{corev1.ResourceCPU: each[corev1.ResourceCPU], corev1.ResourceMemory: each[corev1.ResourceMemory]}
	resources.Add(all, corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("200m"), corev1.ResourceMemory: resource.MustParse("100Mi")})
	pod.Spec.Resources = &corev1.ResourceRequirements{Requests: all}
}
