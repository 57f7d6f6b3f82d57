// Package state feeds the model of the cluster from watches.
package state

import (
	"context"
	"errors"
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// Informers applies every event of the watches to the model, in the order in which the watch of a kind delivers them.
type Informers struct {
	cache   cache.Cache
	cluster *state.Cluster
	journal journal.Journal
	ready   chan struct{}
	// elected is closed once this replica leads: what is counted is counted by one replica.
	elected <-chan struct{}
}

// NewInformers returns informers that feed cluster once they are started, and measure what they see.
func NewInformers(cache cache.Cache, cluster *state.Cluster, journal journal.Journal) *Informers {
	return &Informers{cache: cache, cluster: cluster, journal: journal, ready: make(chan struct{})}
}

// +kubebuilder:rbac:groups="",resources=pods;nodes;namespaces;persistentvolumeclaims;persistentvolumes,verbs=list;watch
// +kubebuilder:rbac:groups=storage.k8s.io,resources=storageclasses;csinodes;volumeattachments,verbs=list;watch
// +kubebuilder:rbac:groups=apps,resources=daemonsets,verbs=list;watch
// +kubebuilder:rbac:groups=karpenter.sh,resources=machines,verbs=list;watch

// Register adds the informers to a manager, and the figures of the cluster to the metrics. The leader alone tells them.
func (i *Informers) Register(mgr ctrl.Manager) error {
	i.elected = mgr.Elected()
	err := i.journal.Metrics.Add(metrics.NewCluster(func() (metrics.Figures, bool) {
		if !closed(i.elected) || !closed(i.ready) {
			return metrics.Figures{}, false
		}
		return figuresOf(i.cluster.Snapshot(i.journal.Clock.Now())), true
	}))
	if err != nil {
		return err
	}
	return mgr.Add(i)
}

func closed(ch <-chan struct{}) bool {
	select {
	case <-ch:
		return true
	default:
		return false
	}
}

// NeedLeaderElection is false: every replica keeps its model warm, so that a new leader can decide at once.
func (i *Informers) NeedLeaderElection() bool { return false }

// Synced is closed once all that was there at the start is in the model.
func (i *Informers) Synced() <-chan struct{} { return i.ready }

// Start subscribes to the watches and runs until ctx ends.
func (i *Informers) Start(ctx context.Context) error {
	synced := i.journal.Pulse.Begin("reading the cluster's state")
	defer synced()
	var registrations []toolscache.InformerSynced
	for _, subscription := range append(i.subscriptions(), i.storage()...) {
		informer, err := i.cache.GetInformer(ctx, subscription.object)
		if err != nil {
			return fmt.Errorf("getting informer for %T: %w", subscription.object, err)
		}
		registration, err := informer.AddEventHandler(subscription.handler)
		if err != nil {
			return fmt.Errorf("subscribing to %T: %w", subscription.object, err)
		}
		registrations = append(registrations, registration.HasSynced)
	}
	if !toolscache.WaitForCacheSync(ctx.Done(), registrations...) {
		select {
		case <-ctx.Done():
			return nil
		default:
			return errors.New("waiting for the cluster's state: watches did not sync")
		}
	}
	close(i.ready)
	synced()
	<-ctx.Done()
	return nil
}

type subscription struct {
	object  client.Object
	handler toolscache.ResourceEventHandler
}

func (i *Informers) subscriptions() []subscription {
	return []subscription{
		{&corev1.Node{}, handler(i.cluster.UpdateNode, func(n *corev1.Node) { i.cluster.DeleteNode(n.Name) })},
		{&corev1.Pod{}, i.podHandler()},
		{&v1alpha5.Machine{}, handler(i.cluster.UpdateMachine, func(m *v1alpha5.Machine) { i.cluster.DeleteMachine(m.Name) })},
		{&appsv1.DaemonSet{}, handler(i.cluster.UpdateDaemonSet, func(d *appsv1.DaemonSet) { i.cluster.DeleteDaemonSet(d.UID) })},
		{&corev1.Namespace{}, handler(i.cluster.UpdateNamespace, func(n *corev1.Namespace) { i.cluster.DeleteNamespace(n.Name) })},
	}
}

// podHandler measures pods besides.
func (i *Informers) podHandler() toolscache.ResourceEventHandler {
	apply := handler(i.cluster.UpdatePod, func(p *corev1.Pod) { i.cluster.DeletePod(p.UID) })
	return toolscache.ResourceEventHandlerDetailedFuncs{
		AddFunc: apply.OnAdd, DeleteFunc: apply.OnDelete,
		UpdateFunc: func(before, after any) {
			apply.OnUpdate(before, after)
			i.measureStart(before, after)
		},
	}
}

// measureStart measures how long a pod took that has become ready just now.
func (i *Informers) measureStart(before, after any) {
	was, ok := before.(*corev1.Pod)
	pod, ok2 := after.(*corev1.Pod)
	if !ok || !ok2 {
		return
	}
	if !closed(i.elected) {
		return
	}
	if at := pods.ReadySince(pod); at != nil && pods.ReadySince(was) == nil && pods.IsReschedulable(pod) {
		i.journal.Metrics.PodStartupTime.Observe(at.Sub(pod.CreationTimestamp.Time).Seconds())
	}
}

// storage subscribes to what the volumes of pods are decided on.
func (i *Informers) storage() []subscription {
	return []subscription{
		{&corev1.PersistentVolumeClaim{}, handler(i.cluster.UpdateClaim, func(c *corev1.PersistentVolumeClaim) { i.cluster.DeleteClaim(c.Namespace, c.Name) })},
		{&corev1.PersistentVolume{}, handler(i.cluster.UpdateVolume, func(v *corev1.PersistentVolume) { i.cluster.DeleteVolume(v.Name) })},
		{&storagev1.StorageClass{}, handler(i.cluster.UpdateStorageClass, func(c *storagev1.StorageClass) { i.cluster.DeleteStorageClass(c.Name) })},
		{&storagev1.CSINode{}, handler(i.cluster.UpdateCSINode, func(n *storagev1.CSINode) { i.cluster.DeleteCSINode(n.Name) })},
		{&storagev1.VolumeAttachment{}, handler(i.cluster.UpdateVolumeAttachment, func(a *storagev1.VolumeAttachment) { i.cluster.DeleteVolumeAttachment(a.Name) })},
	}
}

func handler[T client.Object](update, remove func(T)) toolscache.ResourceEventHandler {
	apply := func(object any, f func(T)) {
		if unknown, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
			object = unknown.Obj
		}
		if typed, ok := object.(T); ok {
			f(typed)
		}
	}
	return toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { apply(object, update) },
		UpdateFunc: func(_, object any) { apply(object, update) },
		DeleteFunc: func(object any) { apply(object, remove) },
	}
}
