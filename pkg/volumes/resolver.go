package volumes

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// Demand is what the volumes of a pod ask of its node.
type Demand struct {
	// Topologies has one list of alternatives per volume that cannot be reached from everywhere: a node has to meet one of each.
	Topologies [][]scheduling.Requirements
	// Claims names the claim of each topology, in the same order.
	Claims []string
	// Attachments maps a CSI driver -> how many volumes it has to attach for the pod.
	Attachments map[string]int
	// Trouble says why no node can help until somebody acts; "" when there is none.
	Trouble string
}

// Empty reports whether any node will do.
func (d Demand) Empty() bool {
	return len(d.Topologies) == 0 && len(d.Attachments) == 0 && d.Trouble == ""
}

// Resolver answers for the pods of one decision. It is made for one moment, and is not safe for use by several goroutines.
type Resolver struct {
	inventory Inventory
	// hosts maps the name of a node -> its hostname label.
	hosts map[string]string
	// available maps class -> volumes that claims may still get, in order of name; nil before it is asked for.
	available map[string][]*corev1.PersistentVolume
	// attached maps node -> its attachments; nil before it is asked for.
	attached map[string][]*storagev1.VolumeAttachment
	// exclusive maps a claim that one pod at a time may use -> the pod that does, or nil.
	exclusive map[types.NamespacedName]*corev1.Pod
	drivers   drivers
}

// NewResolver returns a resolver; hosts maps the name of each node that stays -> its hostname label.
func NewResolver(inventory Inventory, hosts map[string]string) *Resolver {
	r := &Resolver{inventory: inventory, hosts: hosts, drivers: newDrivers(), exclusive: map[types.NamespacedName]*corev1.Pod{}}
	for key, claim := range inventory.Claims {
		if slices.Contains(claim.Spec.AccessModes, corev1.ReadWriteOncePod) {
			r.exclusive[key] = nil
		}
	}
	return r
}

// Occupy notes that a pod has its claims, on a node or before any other, so that no other gets those that only one may have.
func (r *Resolver) Occupy(pod *corev1.Pod) {
	if len(r.exclusive) == 0 {
		return
	}
	for i := range pod.Spec.Volumes {
		if key, ok := claimKey(pod, &pod.Spec.Volumes[i]); ok {
			if _, known := r.exclusive[key]; known {
				r.exclusive[key] = pod
			}
		}
	}
}

// Demand returns what the volumes of a pod that has to find a place ask of it.
func (r *Resolver) Demand(pod *corev1.Pod) Demand {
	var out Demand
	attached := map[string]string{} // volume -> driver
	for i := range pod.Spec.Volumes {
		volume := &pod.Spec.Volumes[i]
		claim, trouble := r.claimOf(pod, volume)
		if trouble != "" {
			return Demand{Trouble: trouble}
		}
		if id, driver := r.attachment(volume, claim); driver != "" {
			attached[id] = driver
		}
		if claim == nil {
			continue
		}
		alternatives, trouble := r.reach(claim)
		if trouble != "" {
			return Demand{Trouble: trouble}
		}
		out.require(claim.Name, alternatives)
	}
	for _, driver := range attached {
		if out.Attachments == nil {
			out.Attachments = map[string]int{}
		}
		out.Attachments[driver]++
	}
	return out
}

// require adds the alternatives of one volume, unless another volume of the pod has the same.
func (d *Demand) require(claim string, alternatives []scheduling.Requirements) {
	same := func(other []scheduling.Requirements) bool {
		return slices.EqualFunc(alternatives, other, scheduling.Requirements.Equal)
	}
	if len(alternatives) > 0 && !slices.ContainsFunc(d.Topologies, same) {
		d.Topologies, d.Claims = append(d.Topologies, alternatives), append(d.Claims, claim)
	}
}

// claimOf returns the claim of a volume; nil for a volume without one.
func (r *Resolver) claimOf(pod *corev1.Pod, volume *corev1.Volume) (claim *corev1.PersistentVolumeClaim, trouble string) {
	key, ok := claimKey(pod, volume)
	if !ok {
		return nil, ""
	}
	claim = r.inventory.Claims[key]
	switch {
	case claim == nil && volume.Ephemeral != nil:
		return templated(pod, volume, key), "" // the claim comes a moment after the pod
	case claim == nil:
		return nil, fmt.Sprintf("claim %q of volume %q does not exist: create it", key.Name, volume.Name)
	case claim.DeletionTimestamp != nil:
		return nil, fmt.Sprintf("claim %q is being deleted: no new pod may use it", key.Name)
	case claim.Status.Phase == corev1.ClaimLost:
		return nil, fmt.Sprintf("claim %q has lost its volume %q: create the claim anew", key.Name, claim.Spec.VolumeName)
	case volume.Ephemeral != nil && !metav1.IsControlledBy(claim, pod):
		return nil, fmt.Sprintf("claim %q was not made for this pod, but has the name that its ephemeral volume %q needs: delete or rename one of the two", key.Name, volume.Name)
	}
	if holder := r.exclusive[key]; holder != nil && holder.UID != pod.UID {
		has := "has"
		if holder.Spec.NodeName == "" {
			has = "is to have"
		}
		return nil, fmt.Sprintf("claim %q may be used by one pod at a time, and pod %q %s it", key.Name, holder.Name, has)
	}
	return claim, ""
}

// claimKey returns the namespace and name of a volume's claim. That of an ephemeral volume is named after pod and volume.
func claimKey(pod *corev1.Pod, volume *corev1.Volume) (types.NamespacedName, bool) {
	key := types.NamespacedName{Namespace: pod.Namespace}
	switch {
	case volume.PersistentVolumeClaim != nil:
		key.Name = volume.PersistentVolumeClaim.ClaimName
	case volume.Ephemeral != nil:
		key.Name = pod.Name + "-" + volume.Name
	}
	return key, key.Name != ""
}

// templated returns the claim that will be made for an ephemeral volume.
func templated(pod *corev1.Pod, volume *corev1.Volume, key types.NamespacedName) *corev1.PersistentVolumeClaim {
	template := volume.Ephemeral.VolumeClaimTemplate
	if template == nil {
		return nil
	}
	claim := &corev1.PersistentVolumeClaim{ObjectMeta: *template.ObjectMeta.DeepCopy(), Spec: template.Spec}
	claim.Name, claim.Namespace = key.Name, pod.Namespace
	return claim
}

// hostless returns whether no alternative can be met by a machine that is yet to come: each names hosts, and none of them is
// there. It also returns the hosts.
func (r *Resolver) hostless(alternatives []scheduling.Requirements) (hosts []string, gone bool) {
	for _, alternative := range alternatives {
		host, named := alternative[corev1.LabelHostname]
		if !named || !host.Finite() {
			return nil, false
		}
		hosts = append(hosts, host.Values()...)
	}
	for _, there := range r.hosts {
		if slices.Contains(hosts, there) {
			return nil, false
		}
	}
	slices.Sort(hosts)
	return slices.Compact(hosts), len(alternatives) > 0
}

// listed writes names for a person, at most three of them.
func listed(names []string) string {
	if len(names) > 3 {
		return fmt.Sprintf("%s and %d others", strings.Join(names[:3], ", "), len(names)-3)
	}
	return strings.Join(names, ", ")
}
