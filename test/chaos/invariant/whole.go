package invariant

import (
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// bucket is what EC2 publishes of an action: so many calls at once, and so many a second from then on.
type bucket struct{ size, refill float64 }

// buckets are of the actions that kerf uses most.
func buckets() map[string]bucket {
	return map[string]bucket{
		"CreateFleet": {50, 5}, "TerminateInstances": {100, 5}, "DescribeInstances": {100, 20}, "CreateLaunchTemplate": {50, 5},
		"DeleteLaunchTemplate": {50, 5}, "DescribeLaunchTemplates": {100, 20},
	}
}

// boundedCalls holds if kerf keeps within what EC2 allows: a process at a time, as each begins with a full bucket.
func boundedCalls(h *history.History) []Violation {
	f := find(BoundedCalls)
	type state struct {
		tokens float64
		at     time.Time
	}
	left := map[string]*state{}
	process := 0
	for i := range h.Events {
		e := &h.Events[i]
		if e.Call == nil || e.Call.By != history.ByKerf {
			continue
		}
		b, known := buckets()[e.Call.Action]
		if !known {
			continue
		}
		if e.Process != process {
			process, left = e.Process, map[string]*state{}
		}
		s, ok := left[e.Call.Action]
		if !ok {
			s = &state{tokens: b.size, at: e.At}
			left[e.Call.Action] = s
		}
		s.tokens = min(b.size, s.tokens+e.At.Sub(s.at).Seconds()*b.refill) - 1
		s.at = e.At
		if s.tokens < -1 { // an answer arrives a moment later than its call was made
			f.add(e.At, e.Call.Action, "%s is called more often than EC2 allows", e.Call.Action)
		}
	}
	return f.out
}

// stableWithin is how long kerf may take to come to rest once nothing goes wrong any more: what was asked for may take the whole
// visibility window to be settled, capacity that was short is tried again within half an hour, and what never joins is given up.
const stableWithin = 40 * time.Minute

// restFor is for how long kerf writes nothing when it rests.
const restFor = time.Minute

// eventuallyStable holds if kerf comes to rest after the last fault, with all pods on nodes that could be.
func eventuallyStable(h *history.History) []Violation {
	f := find(EventuallyStable)
	var last, calm time.Time
	h.Walk(nil, func(v *history.View, e *history.Event) {
		switch {
		case e.Write != nil && e.Write.By == history.ByKerf:
			last = e.At
		case e.Mark != nil && e.Mark.Name == history.MarkCalm:
			calm = e.At
		case e.Mark != nil && e.Mark.Name == history.MarkEnd:
			if e.At.Sub(last) < restFor && e.At.Sub(calm) > stableWithin {
				f.add(e.At, "writes", "kerf still writes, %s after the last fault", e.At.Sub(calm))
			}
			leftOver(f, v, calm)
		}
	})
	if h.End().IsZero() {
		f.add(calm, "end", "the world never came to its end")
	}
	return f.out
}

// leftOver finds pods without a node, and nodes of kerf's without an instance, at the end.
func leftOver(f *finding, v *history.View, calm time.Time) {
	for _, pod := range v.Pods {
		if pod.Spec.NodeName == "" && !limited(v) {
			f.add(v.Now, pod.Name, "pod %s has no node, %s after the last fault", pod.Name, v.Now.Sub(calm))
		}
	}
	for _, node := range v.Nodes {
		// One that never registered is its cloud controller's to remove.
		life := v.Instances[history.InstanceID(node.Spec.ProviderID)]
		if life != nil && !life.Live() && slices.Contains(node.Finalizers, v1alpha5.TerminationFinalizer) {
			f.add(v.Now, node.Name, "node %s is left of an instance that is gone", node.Name)
		}
		if owner := v.OwnerOf(history.InstanceID(node.Spec.ProviderID)); escaped(owner, node) {
			f.add(v.Now, node.Name, "node %s has lost its label or its finalizer, and its machine %s has not put them back", node.Name, owner.Name)
		}
	}
}

// escaped reports whether a node has joined and does not belong to its machine any more: it would not be found, or go without its instance.
func escaped(owner *v1alpha5.Machine, node *corev1.Node) bool {
	return owner != nil && owner.DeletionTimestamp.IsZero() && owner.Status.NodeName == node.Name && node.DeletionTimestamp.IsZero() &&
		(node.Labels[v1alpha5.ProvisionerNameLabel] == "" || !slices.Contains(node.Finalizers, v1alpha5.TerminationFinalizer))
}

// limited reports whether the provisioner may have no more machines.
func limited(v *history.View) bool {
	for _, provisioner := range v.Provisioners {
		limit, there := limitOf(provisioner)
		if !there {
			continue
		}
		used := provisioner.Status.Resources[corev1.ResourceCPU]
		used.Add(resource.MustParse("2"))
		if used.Cmp(limit) > 0 {
			return true
		}
	}
	return false
}

// blastRadius holds if kerf touches no instance of another cluster.
func blastRadius(h *history.History) []Violation {
	f := find(BlastRadius)
	h.Walk(func(v *history.View, e *history.Event) {
		if e.Call == nil || e.Call.By != history.ByKerf || e.Call.Action != "TerminateInstances" && e.Call.Action != "CreateTags" {
			return
		}
		for _, id := range e.Call.IDs {
			if life := v.Instances[id]; life != nil && life.ClusterUID != h.Terms.ClusterUID {
				f.add(e.At, id, "%s of instance %s, which is another cluster's", e.Call.Action, id)
			}
		}
	}, nil)
	return f.out
}
