package termination

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// volumesPoll is how often a drained Node is looked at for volumes that are still attached.
const volumesPoll = 2 * time.Second

// volumesStep waits until the volumes of the pods that were drained are detached.
type volumesStep struct {
	client client.Client
	live   client.Reader
	clock  clock.PassiveClock
}

// +kubebuilder:rbac:groups=storage.k8s.io,resources=volumeattachments,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=persistentvolumeclaims,verbs=list;watch

func (v *volumesStep) reconcile(ctx context.Context, machine *v1alpha5.Machine, nodes []corev1.Node) (bool, time.Duration, error) {
	conditions := machines.Conditions(machine)
	if conditions.IsTrue(v1alpha5.ConditionVolumesDetached) {
		return true, 0, nil
	}
	deadline := machine.TerminationDeadline()
	if now := v.clock.Now(); !deadline.IsZero() && !now.Before(deadline) {
		conditions.True(v1alpha5.ConditionVolumesDetached, v1alpha5.ReasonGracePeriodOver, "")
		return true, 0, nil
	}
	var attached []string
	for i := range nodes {
		// Without its kubelet nobody unmounts a volume; what may still write to it ends with the instance, which detaches it.
		if !machines.NodeIsReady(&nodes[i]) {
			conditions.True(v1alpha5.ConditionVolumesDetached, v1alpha5.ReasonNodeNotReachable, "the kubelet of node "+nodes[i].Name+" does not answer")
			return true, 0, nil
		}
		onNode, err := v.attached(ctx, nodes[i].Name)
		if err != nil {
			return false, 0, err
		}
		attached = append(attached, onNode...)
	}
	if len(attached) == 0 {
		conditions.True(v1alpha5.ConditionVolumesDetached, v1alpha5.ReasonDetached, "")
		return true, 0, nil
	}
	conditions.Unknown(v1alpha5.ConditionVolumesDetached, v1alpha5.ReasonDetaching, "waiting for "+strings.Join(attached, ", ")+" to be detached")
	return false, volumesPoll, nil
}

// attached returns the volumes that still have to come off a Node.
func (v *volumesStep) attached(ctx context.Context, nodeName string) ([]string, error) {
	var attachments storagev1.VolumeAttachmentList
	if err := v.client.List(ctx, &attachments, client.MatchingFields{machines.IndexAttachmentNodeName: nodeName}); err != nil {
		return nil, fmt.Errorf("listing volumes attached to node %s: %w", nodeName, err)
	}
	if len(attachments.Items) == 0 {
		return nil, nil
	}
	onNode, err := machines.LivePods(ctx, v.live, nodeName)
	if err != nil {
		return nil, err
	}
	kept := map[string]bool{}
	for _, pod := range drain.Staying(onNode) {
		for _, name := range drain.Claims(pod) {
			var claim corev1.PersistentVolumeClaim
			if err := v.client.Get(ctx, name, &claim); client.IgnoreNotFound(err) != nil {
				return nil, fmt.Errorf("getting volume claim %s: %w", name, err)
			}
			kept[claim.Spec.VolumeName] = true
		}
	}
	return drain.Attached(attachments.Items, kept), nil
}
