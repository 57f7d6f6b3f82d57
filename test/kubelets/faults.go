package kubelets

import (
	"context"
	"fmt"
	"maps"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	"github.com/kerf-autoscaler/kerf/test/cluster"
)

// unreadyReason is why a Node is not ready while its machine starts again or flaps.
const unreadyReason = "KubeletNotReady"

// secondSuffix makes the name of the second Node of a machine that registers twice.
const secondSuffix = "-again"

// fault is the plan for the machine; its zero value is to join as it should.
func (k *kubelet) fault() faults.Boot {
	if k.instance.Boot == nil {
		return faults.Boot{}
	}
	return *k.instance.Boot
}

// hit counts that the planned fault has taken effect.
func (k *kubelet) hit() { k.bridge.options.Hit("boot." + k.fault().Kind) }

// joinDelay is the time from the instance's running to its Node.
func (k *kubelet) joinDelay() time.Duration {
	if f := k.fault(); f.Kind == faults.Late {
		return k.bridge.options.JoinDelay + time.Duration(f.Delay)
	}
	return k.bridge.options.JoinDelay
}

// distort makes of the Node that a kubelet is about to create the one that the plan has in its place.
func (k *kubelet) distort(node *corev1.Node) {
	if k.fault().Kind == faults.WrongLabels {
		maps.DeleteFunc(node.Labels, func(key, _ string) bool { _, told := k.bootstrap.Kubelet.Labels[key]; return told })
	}
}

// joined counts how the machine has joined, and has it join once more if that is planned.
func (k *kubelet) joined(ctx context.Context, node *corev1.Node) error {
	switch k.fault().Kind {
	case faults.Twice:
		second := node.DeepCopy()
		second.ObjectMeta = metav1.ObjectMeta{Name: node.Name + secondSuffix, Labels: node.Labels}
		if err := k.bridge.client.Create(ctx, second); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating the second node: %w", err)
		}
		k.hit()
	case faults.Late, faults.WrongLabels:
		k.hit()
	}
	return nil
}

// live is what a machine does that has joined: most do nothing. It never ends by itself.
func (k *kubelet) live(ctx context.Context, elapsed time.Duration) error {
	f := k.fault()
	if f.Kind != faults.Flapping {
		return errLater
	}
	down := int(elapsed/time.Duration(f.Delay))%2 == 1
	if down == k.down {
		return errLater
	}
	if err := k.setDown(ctx, down); err != nil {
		return err
	}
	if down {
		k.hit()
	}
	return errLater
}

// setDown makes the Node not ready, without a heartbeat, or hands it to kwok again, which makes it ready.
func (k *kubelet) setDown(ctx context.Context, down bool) error {
	if !down {
		k.down = false
		return k.patchLabel(ctx, `"`+cluster.ManagedValue+`"`)
	}
	if err := k.patchLabel(ctx, "null"); err != nil {
		return err
	}
	now := metav1.Now().UTC().Format(time.RFC3339)
	patch := fmt.Sprintf(`{"status":{"conditions":[{"type":"Ready","status":"False","reason":%q,"message":"the kubelet is not up","lastHeartbeatTime":%q,"lastTransitionTime":%q}]}}`,
		unreadyReason, now, now)
	err := k.bridge.client.Status().Patch(ctx, k.named(), client.RawPatch(types.StrategicMergePatchType, []byte(patch)))
	k.down = true
	return k.unlessDeleted("making the node not ready", err)
}

// restart notices that a machine that had joined has been started or rebooted from outside, and has its Node become ready once more.
func (k *kubelet) restart(ctx context.Context, now time.Time) error {
	if k.instance.State != stateRunning {
		return nil
	}
	rebooted := k.instance.Reboots > k.reboots
	switch {
	case k.phase == phaseEnded && k.registered:
		k.down = false
		k.enter(phaseReady, now)
	case rebooted && k.phase > phaseReady && k.phase <= phaseRunning:
		if err := k.setDown(ctx, true); err != nil {
			return err
		}
		k.down = false
		k.enter(phaseReady, now)
	}
	k.reboots = k.instance.Reboots
	return nil
}
