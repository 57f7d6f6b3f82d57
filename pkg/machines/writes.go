package machines

import (
	"context"
	"fmt"
	"reflect"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// Write persists what changed in a Machine since stored was read: metadata first, then the status that says it is there, each
// under an optimistic lock. A Machine that is gone needs nothing any more; a conflict is an error that Settle knows.
func Write(ctx context.Context, c client.Client, stored, machine *v1alpha5.Machine) error {
	if !sameMetadata(stored.ObjectMeta, machine.ObjectMeta) {
		status := machine.Status.DeepCopy()
		err := c.Patch(ctx, machine, metadataPatch{stored})
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("writing machine %s: %w", stored.Name, err)
		}
		stored = machine.DeepCopy()
		machine.Status = *status
	}
	if sameStatus(stored.Status, machine.Status) {
		return nil
	}
	if err := c.Status().Patch(ctx, machine, statusPatch{stored}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing status of machine %s: %w", stored.Name, err)
	}
	return nil
}

// WriteNode persists what changed in a Node's metadata and spec since stored was read, under an optimistic lock, and reports
// whether anything did. A conflict is an error that Settle knows.
func WriteNode(ctx context.Context, c client.Client, stored, node *corev1.Node) (bool, error) {
	if sameMetadata(stored.ObjectMeta, node.ObjectMeta) && equality.Semantic.DeepEqual(stored.Spec, node.Spec) {
		return false, nil
	}
	if err := c.Patch(ctx, node, nodePatch{stored}); err != nil {
		return false, fmt.Errorf("writing node %s: %w", stored.Name, err)
	}
	return true, nil
}

func locked(stored client.Object) client.Patch {
	return client.MergeFromWithOptions(stored, client.MergeFromWithOptimisticLock{})
}

// metadataPatch is a locked merge patch of a Machine's metadata: to find out from two documents that spec and status are the same would
// cost more than all the rest.
type metadataPatch struct{ stored *v1alpha5.Machine }

// Type is that of a merge patch.
func (metadataPatch) Type() types.PatchType { return types.MergePatchType }

// Data returns the patch that makes the metadata that is stored the object's.
func (p metadataPatch) Data(object client.Object) ([]byte, error) {
	machine, ok := object.(*v1alpha5.Machine)
	if !ok {
		return nil, fmt.Errorf("patching the metadata of a %T as if it were a machine's", object)
	}
	return locked(&v1alpha5.Machine{ObjectMeta: p.stored.ObjectMeta}).Data(&v1alpha5.Machine{ObjectMeta: machine.ObjectMeta})
}

// nodePatch is the same of a Node's metadata and spec: its status, with all its images, is its kubelet's.
type nodePatch struct{ stored *corev1.Node }

// Type is that of a merge patch.
func (nodePatch) Type() types.PatchType { return types.MergePatchType }

// Data returns the patch that makes the metadata and spec that are stored the object's.
func (p nodePatch) Data(object client.Object) ([]byte, error) {
	node, ok := object.(*corev1.Node)
	if !ok {
		return nil, fmt.Errorf("patching a %T as if it were a node", object)
	}
	return locked(&corev1.Node{ObjectMeta: p.stored.ObjectMeta, Spec: p.stored.Spec}).Data(&corev1.Node{ObjectMeta: node.ObjectMeta, Spec: node.Spec})
}

// statusPatch is a locked merge patch of a Machine's status. It looks at those fields of the status alone that have changed: the requirements
// in the spec of a machine with a free choice are a list of hundreds of instance types, and to find out from two documents that they are
// the same would cost more than all the rest.
type statusPatch struct{ stored *v1alpha5.Machine }

// Type is that of a merge patch.
func (statusPatch) Type() types.PatchType { return types.MergePatchType }

// Data returns the patch that makes the status that is stored the object's.
func (p statusPatch) Data(object client.Object) ([]byte, error) {
	machine, ok := object.(*v1alpha5.Machine)
	if !ok {
		return nil, fmt.Errorf("patching the status of a %T as if it were a machine's", object)
	}
	before, after := statusOf(p.stored), statusOf(machine)
	was, is := reflect.ValueOf(&before.Status).Elem(), reflect.ValueOf(&after.Status).Elem()
	for i := range was.NumField() {
		if equality.Semantic.DeepEqual(was.Field(i).Interface(), is.Field(i).Interface()) {
			was.Field(i).SetZero()
			is.Field(i).SetZero()
		}
	}
	return locked(before).Data(after)
}

func statusOf(machine *v1alpha5.Machine) *v1alpha5.Machine {
	return &v1alpha5.Machine{
		ObjectMeta: metav1.ObjectMeta{Name: machine.Name, UID: machine.UID, ResourceVersion: machine.ResourceVersion},
		Status:     machine.Status,
	}
}
