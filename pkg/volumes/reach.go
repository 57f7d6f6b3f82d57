package volumes

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

const (
	// classAnnotation named the storage class before there was a field; it still wins over that.
	classAnnotation = corev1.BetaStorageClassAnnotation
	// selectedNodeAnnotation names the node that the scheduler has chosen for a claim; its volume is being made there.
	selectedNodeAnnotation = "volume.kubernetes.io/selected-node"
	// noProvisioner is the provisioner of classes whose volumes people make.
	noProvisioner = "kubernetes.io/no-provisioner"
)

// reach returns from where the volume of a claim can be reached: alternatives of which a node has to meet one, none if it can
// be reached from everywhere.
func (r *Resolver) reach(claim *corev1.PersistentVolumeClaim) (alternatives []scheduling.Requirements, trouble string) {
	if claim.Spec.VolumeName != "" {
		return r.ofBound(claim)
	}
	name := className(claim)
	class := r.inventory.Classes[name]
	switch {
	case name == "":
		return nil, fmt.Sprintf("claim %q has neither a volume nor a storage class: give it one of them", claim.Name)
	case class == nil:
		return nil, fmt.Sprintf("storage class %q of claim %q does not exist: create it", name, claim.Name)
	case class.VolumeBindingMode == nil || *class.VolumeBindingMode != storagev1.VolumeBindingWaitForFirstConsumer:
		return nil, fmt.Sprintf("claim %q has no volume yet, and storage class %q binds volumes before it places pods: look at the events of the claim", claim.Name, name)
	}
	if node := claim.Annotations[selectedNodeAnnotation]; node != "" {
		return r.onSelected(claim, node)
	}
	return r.ofUnbound(claim, class)
}

// ofBound returns from where the volume that a claim is bound to, or asks for by name, can be reached.
func (r *Resolver) ofBound(claim *corev1.PersistentVolumeClaim) ([]scheduling.Requirements, string) {
	volume := r.inventory.Volumes[claim.Spec.VolumeName]
	if volume == nil {
		return nil, fmt.Sprintf("volume %q of claim %q does not exist", claim.Spec.VolumeName, claim.Name)
	}
	if owner := volume.Spec.ClaimRef; owner != nil && !isBoundTo(volume, claim) {
		return nil, fmt.Sprintf("volume %q of claim %q belongs to claim %s/%s", volume.Name, claim.Name, owner.Namespace, owner.Name)
	}
	alternatives, everywhere := reachOf(volume)
	if everywhere {
		return nil, ""
	}
	if len(alternatives) == 0 {
		return nil, fmt.Sprintf("volume %q of claim %q has a node affinity that no node can match", volume.Name, claim.Name)
	}
	if hosts, gone := r.hostless(alternatives); gone {
		return nil, fmt.Sprintf("volume %q of claim %q can be reached from host %s alone, which is gone: if its data may be lost, delete the claim", volume.Name, claim.Name, listed(hosts))
	}
	return alternatives, ""
}

// onSelected pins a claim to the node that its volume is being made for. It is let go of that if it fails there.
func (r *Resolver) onSelected(claim *corev1.PersistentVolumeClaim, node string) ([]scheduling.Requirements, string) {
	host, there := r.hosts[node]
	if !there {
		return nil, fmt.Sprintf("the volume of claim %q was to be made for node %q, which is gone: if this stays, remove annotation %s from the claim", claim.Name, node, selectedNodeAnnotation)
	}
	return []scheduling.Requirements{scheduling.FromLabels(map[string]string{corev1.LabelHostname: host})}, ""
}

// ofUnbound returns from where a claim can get a volume: where one is there that fits, or where one can be made.
func (r *Resolver) ofUnbound(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) ([]scheduling.Requirements, string) {
	var out []scheduling.Requirements
	candidates := r.candidates(claim)
	for _, volume := range candidates {
		alternatives, everywhere := reachOf(volume)
		if everywhere {
			return nil, ""
		}
		out = append(out, alternatives...)
	}
	if class.Provisioner != noProvisioner && class.Provisioner != "" {
		if len(class.AllowedTopologies) == 0 {
			return nil, ""
		}
		out = append(out, allowed(class)...)
	}
	out = distinct(out)
	if hosts, gone := r.hostless(out); gone {
		return nil, fmt.Sprintf("the volumes that claim %q may get are on host %s alone, which is gone: create one that new nodes can reach", claim.Name, listed(hosts))
	}
	if len(out) == 0 && len(candidates) == 0 && (class.Provisioner == noProvisioner || class.Provisioner == "") {
		return nil, fmt.Sprintf("no volume of storage class %q is free that fits claim %q, and the class has no provisioner to make one: create it", class.Name, claim.Name)
	}
	if len(out) == 0 {
		return nil, fmt.Sprintf("the topologies of storage class %q and of its volumes leave no node for claim %q", class.Name, claim.Name)
	}
	return out, ""
}

// reachOf returns the alternatives of a volume's node affinity. The zones and regions that in-tree volumes are labelled with
// count like it.
func reachOf(volume *corev1.PersistentVolume) (alternatives []scheduling.Requirements, everywhere bool) {
	labelled := fromZoneLabels(volume.Labels)
	if volume.Spec.NodeAffinity == nil || volume.Spec.NodeAffinity.Required == nil {
		return []scheduling.Requirements{labelled}, len(labelled) == 0
	}
	for _, term := range volume.Spec.NodeAffinity.Required.NodeSelectorTerms {
		if len(term.MatchFields) > 0 || len(term.MatchExpressions) == 0 {
			continue // only labels of a node are held against it: such a term matches none
		}
		if alternative := labelled.Union(scheduling.FromNodeSelector(term.MatchExpressions)); isPossible(alternative) {
			alternatives = append(alternatives, alternative)
		}
	}
	return distinct(alternatives), false
}

// allowed returns where a class may make volumes.
func allowed(class *storagev1.StorageClass) []scheduling.Requirements {
	var out []scheduling.Requirements
	for _, term := range class.AllowedTopologies {
		alternative := scheduling.Requirements{}
		for _, label := range term.MatchLabelExpressions {
			alternative.Add(scheduling.NewRequirement(label.Key, corev1.NodeSelectorOpIn, label.Values...))
		}
		if len(alternative) > 0 && isPossible(alternative) { // a term without labels matches no node
			out = append(out, alternative)
		}
	}
	return out
}

func isPossible(alternative scheduling.Requirements) bool {
	for _, requirement := range alternative {
		if requirement.Empty() {
			return false
		}
	}
	return true
}

// distinct drops alternatives that are there already, and makes one of those that are about the same label alone: whoever
// combines the alternatives of several volumes has fewer to combine.
func distinct(alternatives []scheduling.Requirements) []scheduling.Requirements {
	if len(alternatives) < 2 {
		return alternatives
	}
	var out []scheduling.Requirements
	at := map[string]int{} // label -> the index in out of the alternative about it alone
	for _, alternative := range alternatives {
		label, values := only(alternative)
		i, again := at[label]
		switch {
		case label == "":
			if !slices.ContainsFunc(out, alternative.Equal) {
				out = append(out, alternative)
			}
		case !again:
			at[label] = len(out)
			out = append(out, alternative)
		default:
			_, others := only(out[i])
			out[i] = scheduling.NewRequirements(scheduling.NewRequirement(label, corev1.NodeSelectorOpIn, append(others, values...)...))
		}
	}
	return out
}

// only returns the label that an alternative is about, and the values that it may have, if there are no others.
func only(alternative scheduling.Requirements) (label string, values []string) {
	if len(alternative) != 1 {
		return "", nil
	}
	for _, requirement := range alternative {
		if requirement.Finite() && !requirement.AllowsAbsent() {
			return requirement.Key(), requirement.Values()
		}
	}
	return "", nil
}
