// Package machines finds Machines from their Nodes and Nodes from their Machines, and writes both.
package machines

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/conditions"
)

// Names of the cache indexes that package operator sets up.
const (
	// IndexNodeProviderID indexes Nodes by spec.providerID.
	IndexNodeProviderID = "node.spec.providerID"
	// IndexMachineProviderID indexes Machines by status.providerID.
	IndexMachineProviderID = "machine.status.providerID"
	// IndexMachineInstance indexes Machines by the part of status.providerID that tells one instance from all others.
	IndexMachineInstance = "machine.status.instance"
	// IndexMachineAwaiting indexes by Awaiting the Machines that have asked for an instance, or are about to, and have none on record.
	IndexMachineAwaiting = "machine.status.launch.awaiting"
	// IndexMachineLaunchGroup indexes Machines by the name of their launch group.
	IndexMachineLaunchGroup = "machine.spec.launchGroup.name"
	// IndexPodNodeName indexes Pods by spec.nodeName.
	IndexPodNodeName = "pod.spec.nodeName"
	// IndexAttachmentNodeName indexes VolumeAttachments by spec.nodeName.
	IndexAttachmentNodeName = "volumeattachment.spec.nodeName"
)

// Conditions returns the conditions of a Machine: Ready is true when it is launched, registered and initialized.
func Conditions(machine *v1alpha5.Machine) conditions.Set {
	return conditions.For(&machine.Status.Conditions, machine.Generation, v1alpha5.ConditionReady,
		v1alpha5.ConditionLaunched, v1alpha5.ConditionRegistered, v1alpha5.ConditionInitialized)
}

// Nodes returns the Nodes that carry the Machine's provider id: normally one, before registration none.
func Nodes(ctx context.Context, reader client.Reader, machine *v1alpha5.Machine) ([]corev1.Node, error) {
	if machine.Status.ProviderID == "" {
		return nil, nil
	}
	var nodes corev1.NodeList
	if err := reader.List(ctx, &nodes, client.MatchingFields{IndexNodeProviderID: machine.Status.ProviderID}); err != nil {
		return nil, fmt.Errorf("listing nodes with provider id %s: %w", machine.Status.ProviderID, err)
	}
	return nodes.Items, nil
}

// ForNode returns the Machine of a Node, or nil when no Machine has the Node's provider id.
func ForNode(ctx context.Context, reader client.Reader, node *corev1.Node) (*v1alpha5.Machine, error) {
	list, err := ByProviderID(ctx, reader, node.Spec.ProviderID)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	return &list[0], nil
}

// ByProviderID returns the Machines that have the instance: normally one, several where somebody has copied a Machine by hand. The
// first is the same whoever asks, lest two Machines be made to write to one Node in turn: one that stays before one that is being
// deleted, then the oldest.
func ByProviderID(ctx context.Context, reader client.Reader, providerID string) ([]v1alpha5.Machine, error) {
	if providerID == "" {
		return nil, nil
	}
	var list v1alpha5.MachineList
	if err := reader.List(ctx, &list, client.MatchingFields{IndexMachineProviderID: providerID}); err != nil {
		return nil, fmt.Errorf("listing machines with provider id %s: %w", providerID, err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha5.Machine) int {
		switch {
		case a.DeletionTimestamp.IsZero() != b.DeletionTimestamp.IsZero() && a.DeletionTimestamp.IsZero():
			return -1
		case a.DeletionTimestamp.IsZero() != b.DeletionTimestamp.IsZero():
			return 1
		default:
			return cmp.Or(a.CreationTimestamp.Compare(b.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
		}
	})
	return list.Items, nil
}

// ByInstance returns the Machines that have the instance of an id such as i-0123456789abcdef0, which tells no zone.
func ByInstance(ctx context.Context, reader client.Reader, id string) ([]v1alpha5.Machine, error) {
	var list v1alpha5.MachineList
	if err := reader.List(ctx, &list, client.MatchingFields{IndexMachineInstance: id}); err != nil {
		return nil, fmt.Errorf("listing machines with instance %s: %w", id, err)
	}
	return list.Items, nil
}

// Awaiting is what IndexMachineAwaiting says of the Machines that it finds.
const Awaiting = "true"

// AwaitsInstance reports whether an instance of the cloud may be the Machine's without that being on record: the intent to launch is
// written, and no answer is. A Machine that is being deleted ends what it finds, and needs no answer.
func AwaitsInstance(machine *v1alpha5.Machine) bool {
	return machine.Status.Launch != nil && machine.Status.ProviderID == "" && machine.DeletionTimestamp.IsZero()
}

// AnyAwaitsInstance reports whether that is so of any Machine.
func AnyAwaitsInstance(ctx context.Context, reader client.Reader) (bool, error) {
	var list v1alpha5.MachineList
	if err := reader.List(ctx, &list, client.MatchingFields{IndexMachineAwaiting: Awaiting}, client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("listing machines that await their instances: %w", err)
	}
	return len(list.Items) > 0, nil
}

// Pods returns the pods bound to a Node.
func Pods(ctx context.Context, reader client.Reader, nodeName string) ([]*corev1.Pod, error) {
	return podsBy(ctx, reader, IndexPodNodeName, nodeName)
}

func podsBy(ctx context.Context, reader client.Reader, field, nodeName string) ([]*corev1.Pod, error) {
	var list corev1.PodList
	if err := reader.List(ctx, &list, client.MatchingFields{field: nodeName}); err != nil {
		return nil, fmt.Errorf("listing pods on node %s: %w", nodeName, err)
	}
	out := make([]*corev1.Pod, len(list.Items))
	for i := range list.Items {
		out[i] = &list.Items[i]
	}
	return out, nil
}

// EnqueueForNode maps an event on a Node to its Machine.
func EnqueueForNode(reader client.Reader) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, object client.Object) []reconcile.Request {
		node, ok := object.(*corev1.Node)
		if !ok {
			return nil
		}
		return request(ForNode(ctx, reader, node))
	})
}

// EnqueueForPod maps an event on a Pod to the Machine of the Node that it is bound to.
func EnqueueForPod(reader client.Reader) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(ctx context.Context, object client.Object) []reconcile.Request {
		pod, ok := object.(*corev1.Pod)
		if !ok || pod.Spec.NodeName == "" {
			return nil
		}
		var node corev1.Node
		if err := reader.Get(ctx, types.NamespacedName{Name: pod.Spec.NodeName}, &node); err != nil {
			return nil // a Node that is gone has no Machine left to wake
		}
		return request(ForNode(ctx, reader, &node))
	})
}

// request drops an error: the map functions cannot return one, and a later event on the object maps again.
func request(machine *v1alpha5.Machine, err error) []reconcile.Request {
	if err != nil || machine == nil {
		return nil
	}
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Name: machine.Name}}}
}
