package scheduler

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/klog/v2"
	fwk "k8s.io/kube-scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework"
)

// nodes is the cluster as the filters see it: unlike the scheduler's own snapshot it can be changed pod by pod.
type nodes struct {
	list   []fwk.NodeInfo
	byName map[string]*framework.NodeInfo
}

var (
	_ fwk.SharedLister        = (*nodes)(nil)
	_ fwk.NodeInfoLister      = (*nodes)(nil)
	_ fwk.StorageInfoLister   = (*nodes)(nil)
	_ fwk.PodGroupStateLister = noGroups{}
)

func newNodes() *nodes { return &nodes{byName: map[string]*framework.NodeInfo{}} }

func (n *nodes) add(node *corev1.Node) {
	info := framework.NewNodeInfo()
	info.SetNode(node)
	n.byName[node.Name] = info
	n.list = append(n.list, info)
}

func (n *nodes) remove(name string) {
	gone := n.byName[name]
	delete(n.byName, name)
	kept := n.list[:0]
	for _, info := range n.list {
		if info != fwk.NodeInfo(gone) {
			kept = append(kept, info)
		}
	}
	n.list = kept
}

func (n *nodes) clear() { n.list, n.byName = nil, map[string]*framework.NodeInfo{} }

func (n *nodes) bind(pod *corev1.Pod) {
	if info, ok := n.byName[pod.Spec.NodeName]; ok {
		info.AddPod(pod)
	}
}

// evict takes the pods from a node that which tells, and returns them.
func (n *nodes) evict(node string, which func(*corev1.Pod) bool) []*corev1.Pod {
	info, ok := n.byName[node]
	if !ok {
		return nil
	}
	var out []*corev1.Pod
	for _, p := range info.GetPods() {
		if which(p.GetPod()) {
			out = append(out, p.GetPod())
		}
	}
	for _, pod := range out {
		_ = info.RemovePod(klog.Background(), pod) // it fails for pods that are not there
	}
	return out
}

// NodeInfos returns the nodes.
func (n *nodes) NodeInfos() fwk.NodeInfoLister { return n }

// StorageInfos returns who uses which claim.
func (n *nodes) StorageInfos() fwk.StorageInfoLister { return n }

// PodGroupStates returns the groups of pods, of which there are none.
func (n *nodes) PodGroupStates() fwk.PodGroupStateLister { return noGroups{} }

// List returns all nodes.
func (n *nodes) List() ([]fwk.NodeInfo, error) { return n.list, nil }

// HavePodsWithAffinityList returns the nodes with pods that have affinity or anti-affinity.
func (n *nodes) HavePodsWithAffinityList() ([]fwk.NodeInfo, error) {
	return n.having(func(i fwk.NodeInfo) bool { return len(i.GetPodsWithAffinity()) > 0 }), nil
}

// HavePodsWithRequiredAntiAffinityList returns the nodes with pods that require anti-affinity.
func (n *nodes) HavePodsWithRequiredAntiAffinityList() ([]fwk.NodeInfo, error) {
	return n.having(func(i fwk.NodeInfo) bool { return len(i.GetPodsWithRequiredAntiAffinity()) > 0 }), nil
}

func (n *nodes) having(what func(fwk.NodeInfo) bool) []fwk.NodeInfo {
	var out []fwk.NodeInfo
	for _, info := range n.list {
		if what(info) {
			out = append(out, info)
		}
	}
	return out
}

// Get returns the node of that name.
func (n *nodes) Get(name string) (fwk.NodeInfo, error) {
	info, ok := n.byName[name]
	if !ok {
		return nil, fmt.Errorf("there is no node %q", name)
	}
	return info, nil
}

// IsPVCUsedByPods reports whether a pod on a node uses the claim, given as namespace/name.
func (n *nodes) IsPVCUsedByPods(key string) bool {
	for _, info := range n.list {
		if info.GetPVCRefCounts()[key] > 0 {
			return true
		}
	}
	return false
}

// noGroups is a cluster in which pods are scheduled one by one.
type noGroups struct{}

// Get finds nothing.
func (noGroups) Get(namespace, group string) (fwk.PodGroupState, error) {
	return nil, fmt.Errorf("there is no pod group %s/%s", namespace, group)
}
