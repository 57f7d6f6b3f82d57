package world

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// volumesOf returns what the claims of a pod ask of its node, and whether it has any.
func (w *World) volumesOf(pod *corev1.Pod) (solver.Volumes, bool) {
	out := solver.Volumes{Attachments: map[string]int{}}
	any := false
	for i := range pod.Spec.Volumes {
		source := pod.Spec.Volumes[i].PersistentVolumeClaim
		if source == nil {
			continue
		}
		any = true
		claim := w.claim(pod.Namespace, source.ClaimName)
		if claim == nil {
			out.Trouble = fmt.Sprintf("claim %s does not exist", source.ClaimName)
			continue
		}
		driver, _ := w.attachment(claim)
		out.Attachments[driver]++
		if alternatives := w.topology(claim); alternatives != nil {
			out.Topologies = append(out.Topologies, alternatives)
		}
	}
	return out, any
}

func (w *World) claim(namespace, name string) *corev1.PersistentVolumeClaim {
	i := slices.IndexFunc(w.Claims, func(c *corev1.PersistentVolumeClaim) bool { return c.Namespace == namespace && c.Name == name })
	if i < 0 {
		return nil
	}
	return w.Claims[i]
}

func (w *World) volume(name string) *corev1.PersistentVolume {
	return w.Volumes[slices.IndexFunc(w.Volumes, func(v *corev1.PersistentVolume) bool { return v.Name == name })]
}

func (w *World) class(name string) *storagev1.StorageClass {
	return w.Classes[slices.IndexFunc(w.Classes, func(c *storagev1.StorageClass) bool { return c.Name == name })]
}

// attachment returns the CSI driver that attaches the volume of a claim, and what it calls the volume.
func (w *World) attachment(claim *corev1.PersistentVolumeClaim) (driver, handle string) {
	if claim.Spec.VolumeName == "" {
		return w.class(*claim.Spec.StorageClassName).Provisioner, claim.Namespace + "/" + claim.Name
	}
	csi := w.volume(claim.Spec.VolumeName).Spec.CSI
	return csi.Driver, csi.VolumeHandle
}

// topology returns the alternatives that the volume of a claim leaves a node, nil where any will do.
func (w *World) topology(claim *corev1.PersistentVolumeClaim) []scheduling.Requirements {
	var out []scheduling.Requirements
	if claim.Spec.VolumeName == "" {
		for _, term := range w.class(*claim.Spec.StorageClassName).AllowedTopologies {
			r := scheduling.Requirements{}
			for _, e := range term.MatchLabelExpressions {
				r.Add(scheduling.NewRequirement(e.Key, corev1.NodeSelectorOpIn, e.Values...))
			}
			out = append(out, r)
		}
		return out
	}
	volume := w.volume(claim.Spec.VolumeName)
	if volume.Spec.NodeAffinity != nil {
		for _, term := range volume.Spec.NodeAffinity.Required.NodeSelectorTerms {
			out = append(out, scheduling.FromNodeSelector(term.MatchExpressions))
		}
	}
	for _, key := range []string{corev1.LabelTopologyZone, corev1.LabelFailureDomainBetaZone} {
		if zones, ok := volume.Labels[key]; ok {
			out = append(out, scheduling.NewRequirements(
				scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, strings.Split(zones, zoneSeparator)...)))
		}
	}
	return out
}

// zoneSeparator stands between the zones in the label of a volume that is in several.
const zoneSeparator = "__"

// attachable returns how many more volumes the drivers of a node can attach.
func (w *World) attachable(n Node) map[string]int {
	if len(n.Attachable) == 0 {
		return nil
	}
	out := map[string]int{}
	for driver, count := range n.Attachable {
		out[driver] = int(count)
	}
	attached := map[string]bool{}
	for _, pod := range n.Pods {
		for _, v := range pod.Spec.Volumes {
			if v.PersistentVolumeClaim == nil {
				continue
			}
			driver, handle := w.attachment(w.claim(pod.Namespace, v.PersistentVolumeClaim.ClaimName))
			if _, limited := out[driver]; limited && !attached[driver+handle] {
				attached[driver+handle] = true
				out[driver]--
			}
		}
	}
	return out
}
