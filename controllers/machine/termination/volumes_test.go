package termination

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// attach attaches a volume to a node.
func (e *end) attach(volume, node string) *storagev1.VolumeAttachment {
	attachment := &storagev1.VolumeAttachment{
		ObjectMeta: metav1.ObjectMeta{Name: e.Name("attachment")},
		Spec: storagev1.VolumeAttachmentSpec{
			Attacher: builders.EBSDriver, NodeName: node, Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &volume},
		},
	}
	e.Create(attachment)
	return attachment
}

// drained lets a machine without pods be drained.
func (e *end) drained(machine *v1alpha5.Machine) {
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	e.settle()
}

func TestAnInstanceIsNotTerminatedWithAVolumeOfADrainedPod(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	volume := e.Name("volume")
	attachment := e.attach(volume, node.Name)
	e.attach(volume+"-elsewhere", "elsewhere")
	e.drained(machine)
	if again := e.Reconcile(e.controller, machine.Name).RequeueAfter; again != 2*time.Second {
		t.Errorf("it is looked at again after %s", again)
	}
	e.expect(t, machine, v1alpha5.ConditionVolumesDetached, metav1.ConditionUnknown, "waiting for "+volume+" to be detached")
	if e.cloud.Instances()[0].ShuttingDown {
		t.Fatal("the instance is terminated with a volume attached")
	}
	e.Delete(attachment)
	e.Reconcile(e.controller, machine.Name)
	e.expect(t, machine, v1alpha5.ConditionVolumesDetached, metav1.ConditionTrue, "")
	if !e.cloud.Instances()[0].ShuttingDown {
		t.Error("the instance runs on with no volume attached")
	}
}

func TestWhatHoldsNoInstanceThoughAVolumeIsAttached(t *testing.T) {
	tests := map[string]struct {
		grace   time.Duration // 0 is none
		arrange func(e *end, node *corev1.Node, volume string)
		reason  string
	}{
		"a pod that stays has mounted it": {0, func(e *end, node *corev1.Node, volume string) {
			namespace := e.Namespace()
			claim := builders.VolumeClaim("data", builders.BoundTo(volume))
			claim.Namespace = namespace
			e.Create(claim)
			e.RunningPod(namespace, node.Name, builders.Claim("data"), builders.Toleration(corev1.Toleration{Operator: corev1.TolerationOpExists}))
		}, v1alpha5.ReasonDetached},
		"nobody answers who could unmount it": {0, func(e *end, node *corev1.Node, _ string) {
			workbench.Update(e.Bench, node, func(n *corev1.Node) { builders.NotReady()(n) })
		}, v1alpha5.ReasonNodeNotReachable},
		"the time of the drain is over": {time.Minute, func(e *end, _ *corev1.Node, _ string) {
			e.Clock.Step(time.Minute)
		}, v1alpha5.ReasonGracePeriodOver},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			e := newEnd(t)
			var modifiers []builders.MachineModifier
			if tc.grace > 0 {
				modifiers = append(modifiers, bounded(tc.grace))
			}
			machine, node := e.Ready(e.cloud, modifiers...)
			volume := e.Name("volume")
			e.attach(volume, node.Name)
			e.drained(machine)
			tc.arrange(e, node, volume)
			e.Reconcile(e.controller, machine.Name)
			e.expect(t, machine, v1alpha5.ConditionVolumesDetached, metav1.ConditionTrue, "")
			if got := conditionReason(machine, v1alpha5.ConditionVolumesDetached); got != tc.reason {
				t.Errorf("reason is %s, want %s", got, tc.reason)
			}
		})
	}
}

func conditionReason(machine *v1alpha5.Machine, conditionType string) string {
	for _, condition := range machine.Status.Conditions {
		if condition.Type == conditionType {
			return condition.Reason
		}
	}
	return ""
}

func TestAPodThatWasDrainedKeepsNoVolume(t *testing.T) {
	e := newEnd(t)
	machine, node := e.Ready(e.cloud)
	namespace, volume := e.Namespace(), e.Name("volume")
	claim := builders.VolumeClaim("data", builders.BoundTo(volume))
	claim.Namespace = namespace
	e.Create(claim)
	pod := e.RunningPod(namespace, node.Name, builders.Claim("data"))
	e.attach(volume, node.Name)
	e.Delete(machine)
	e.Reconcile(e.controller, machine.Name)
	e.Delete(pod, client.GracePeriodSeconds(0))
	e.settle()
	e.Reconcile(e.controller, machine.Name)
	e.expect(t, machine, v1alpha5.ConditionVolumesDetached, metav1.ConditionUnknown, volume)
}
