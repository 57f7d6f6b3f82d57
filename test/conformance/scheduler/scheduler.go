// Package scheduler asks the filters of the real kube-scheduler, as its default profile configures them, whether a pod may go to a
// node. There is no API server behind it: what the filters look up is put into their informers' caches by hand.
package scheduler

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/tools/cache"
	"k8s.io/kubernetes/pkg/scheduler/apis/config"
	"k8s.io/kubernetes/pkg/scheduler/apis/config/latest"
	"k8s.io/kubernetes/pkg/scheduler/framework"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/names"
	"k8s.io/kubernetes/pkg/scheduler/framework/plugins/nodevolumelimits"
	"k8s.io/kubernetes/pkg/scheduler/framework/runtime"
	"k8s.io/kubernetes/pkg/scheduler/metrics"
)

// Scheduler knows the nodes of a cluster and the pods on them. It is not safe for concurrent use.
type Scheduler struct {
	framework framework.Framework
	nodes     *nodes
}

// New returns a scheduler of a cluster without nodes. Its parts end with the context.
func New(ctx context.Context, objects Objects) (*Scheduler, error) {
	metrics.Register()
	profile, err := profile()
	if err != nil {
		return nil, err
	}
	client := fake.NewClientset()
	factory := informers.NewSharedInformerFactory(client, 0)
	s := &Scheduler{nodes: newNodes()}
	s.framework, err = runtime.NewFramework(ctx, plugins.NewInTreeRegistry(), profile,
		runtime.WithClientSet(client), runtime.WithInformerFactory(factory), runtime.WithSnapshotSharedLister(s.nodes),
		runtime.WithSharedCSIManager(nodevolumelimits.NewCSIManager(factory.Storage().V1().CSINodes().Lister())),
		runtime.WithParallelism(1)) // clusters are small and many are looked at side by side
	if err != nil {
		return nil, fmt.Errorf("starting the scheduler's framework: %w", err)
	}
	if err := objects.fill(factory); err != nil {
		return nil, fmt.Errorf("filling the scheduler's caches: %w", err)
	}
	return s, nil
}

// profile returns the default profile cut down to what filters. Left out are scoring, preemption, dynamic resource allocation,
// which kerf does not plan for, and groups of pods.
func profile() (*config.KubeSchedulerProfile, error) {
	kept := []string{
		names.PrioritySort, names.DefaultBinder, // the framework insists on them
		names.NodeUnschedulable, names.NodeName, names.TaintToleration, names.NodeAffinity, names.NodePorts, names.NodeResourcesFit,
		names.VolumeRestrictions, names.NodeVolumeLimits, names.VolumeBinding, names.VolumeZone, names.PodTopologySpread,
		names.InterPodAffinity,
	}
	defaults, err := latest.Default()
	if err != nil {
		return nil, fmt.Errorf("reading the scheduler's defaults: %w", err)
	}
	p := defaults.Profiles[0].DeepCopy()
	p.Plugins.MultiPoint.Enabled = slices.DeleteFunc(p.Plugins.MultiPoint.Enabled, func(q config.Plugin) bool { return !slices.Contains(kept, q.Name) })
	if n := len(p.Plugins.MultiPoint.Enabled); n != len(kept) {
		return nil, fmt.Errorf("the scheduler's default profile has %d of the plugins %v", n, kept)
	}
	return p, nil
}

// Add adds a node and binds pods to it without asking whether they fit.
func (s *Scheduler) Add(node *corev1.Node, pods ...*corev1.Pod) {
	s.nodes.add(node)
	for _, pod := range pods {
		s.Bind(pod, node.Name)
	}
}

// Remove takes a node and its pods away.
func (s *Scheduler) Remove(node string) { s.nodes.remove(node) }

// Clear takes all nodes away.
func (s *Scheduler) Clear() { s.nodes.clear() }

// Bind puts a pod on a node without asking whether it fits.
func (s *Scheduler) Bind(pod *corev1.Pod, node string) {
	bound := pod.DeepCopy()
	bound.Spec.NodeName = node
	s.nodes.bind(bound)
}

// Evict takes the pods from a node that which tells, and returns them.
func (s *Scheduler) Evict(node string, which func(*corev1.Pod) bool) []*corev1.Pod {
	return s.nodes.evict(node, which)
}

// Refusal is why a pod may not go to a node.
type Refusal struct {
	// Plugin that refuses it; "" where none does.
	Plugin string
	// Message in the plugin's words.
	Message string
}

// None reports whether nothing speaks against it.
func (r Refusal) None() bool { return r.Plugin == "" }

func (r Refusal) String() string { return r.Plugin + ": " + r.Message }

// Ask returns why the pod may not go to the node as the cluster is now. Where it runs by now does not matter.
func (s *Scheduler) Ask(ctx context.Context, pod *corev1.Pod, node string) (Refusal, error) {
	if pod.Spec.NodeName != "" {
		pod = pod.DeepCopy()
		pod.Spec.NodeName = ""
	}
	state := framework.NewCycleState()
	result, status, _ := s.framework.RunPreFilterPlugins(ctx, state, pod)
	if status.IsRejected() {
		return Refusal{status.Plugin(), status.Message()}, nil
	}
	if err := status.AsError(); err != nil {
		return Refusal{}, fmt.Errorf("preparing to filter for pod %s: %w", pod.Name, err)
	}
	if !result.AllNodes() && !result.NodeNames.Has(node) {
		return Refusal{names.NodeAffinity, "the pod names other nodes"}, nil
	}
	info, err := s.nodes.Get(node)
	if err != nil {
		return Refusal{}, err
	}
	status = s.framework.RunFilterPlugins(ctx, state, pod, info)
	if status.IsRejected() {
		return Refusal{status.Plugin(), status.Message()}, nil
	}
	if err := status.AsError(); err != nil {
		return Refusal{}, fmt.Errorf("filtering node %s for pod %s: %w", node, pod.Name, err)
	}
	return Refusal{}, nil
}

// put adds objects to an informer's cache.
func put[T any](informer cache.SharedIndexInformer, objects []T) error {
	for _, o := range objects {
		if err := informer.GetIndexer().Add(o); err != nil {
			return err
		}
	}
	return nil
}
