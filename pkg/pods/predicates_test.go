package pods_test

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestOnlyPodsThatNothingCanHostAreProvisionable(t *testing.T) {
	condition := func(status corev1.ConditionStatus, reason string) builders.PodModifier {
		return func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: status, Reason: reason}}
		}
	}
	for name, tc := range map[string]struct {
		modify builders.PodModifier
		want   bool
	}{
		"one that the scheduler found no node for": {modify: func(*corev1.Pod) {}, want: true},
		"one that a ReplicaSet owns":               {modify: builders.OwnedBy("apps/v1", "ReplicaSet", "web"), want: true},
		"one that a DaemonSet of another API owns": {modify: builders.OwnedBy("example.com/v1", "DaemonSet", "web"), want: true},
		"one that the scheduler has not looked at": {modify: func(p *corev1.Pod) { p.Status.Conditions = nil }},
		"one that is gated":                        {modify: condition(corev1.ConditionFalse, corev1.PodReasonSchedulingGated)},
		"one that is scheduled":                    {modify: condition(corev1.ConditionTrue, "")},
		"one that is bound":                        {modify: func(p *corev1.Pod) { p.Spec.NodeName = "node-1" }},
		"one for which others are preempted":       {modify: func(p *corev1.Pod) { p.Status.NominatedNodeName = "node-1" }},
		"one that a DaemonSet owns":                {modify: builders.OwnedBy("apps/v1", "DaemonSet", "agent")},
		"one that a kubelet owns":                  {modify: builders.OwnedBy("v1", "Node", "node-1")},
		"one that mirrors a static pod":            {modify: builders.Annotation(corev1.MirrorPodAnnotationKey, "hash")},
		"one that has failed":                      {modify: func(p *corev1.Pod) { p.Status.Phase = corev1.PodFailed }},
		"one that refuses machines":                {modify: refuses("karpenter.sh/provisioner-name")},
		"one that refuses machines of some kind":   {modify: refuses("karpenter.sh/capacity-type"), want: true},
		"one that refuses machines, or takes any": {modify: func(p *corev1.Pod) {
			refuses("karpenter.sh/provisioner-name")(p)
			builders.NodeAffinity(corev1.NodeSelectorRequirement{Key: "disk", Operator: corev1.NodeSelectorOpExists})(p)
		}, want: true},
		"one that is being deleted": {modify: func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }},
	} {
		t.Run(name, func(t *testing.T) {
			if got := pods.IsProvisionable(builders.Pod(tc.modify)); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func refuses(label string) builders.PodModifier {
	return builders.NodeAffinity(corev1.NodeSelectorRequirement{Key: label, Operator: corev1.NodeSelectorOpDoesNotExist})
}

func TestPriorityAndPreemption(t *testing.T) {
	pod := builders.Pod()
	if pods.Priority(pod) != 0 || pods.NeverPreempts(pod) {
		t.Errorf("a plain pod has priority %d, never preempts: %t", pods.Priority(pod), pods.NeverPreempts(pod))
	}
	pod.Spec.Priority, pod.Spec.PreemptionPolicy = new(int32(-5)), new(corev1.PreemptNever)
	if pods.Priority(pod) != -5 || !pods.NeverPreempts(pod) {
		t.Errorf("got priority %d, never preempts: %t", pods.Priority(pod), pods.NeverPreempts(pod))
	}
}

func TestWorkloadIsWhatWouldNeedAnotherNode(t *testing.T) {
	for name, tc := range map[string]struct {
		modify builders.PodModifier
		want   bool
	}{
		"a running pod":        {modify: builders.OnNode("node-1"), want: true},
		"a pod on its way out": {modify: func(p *corev1.Pod) { p.DeletionTimestamp = &metav1.Time{} }, want: true},
		"a DaemonSet's pod":    {modify: builders.OwnedBy("apps/v1", "DaemonSet", "agent")},
		"a static pod":         {modify: builders.OwnedBy("v1", "Node", "node-1")},
		"a pod that is done":   {modify: func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded }},
	} {
		t.Run(name, func(t *testing.T) {
			if got := pods.IsReschedulable(builders.Pod(tc.modify)); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestPodsThatStayPut(t *testing.T) {
	for name, tc := range map[string]struct {
		key, value string
		want       bool
	}{
		"do-not-evict":               {key: "karpenter.sh/do-not-evict", value: "true", want: true},
		"do-not-disrupt":             {key: "karpenter.sh/do-not-disrupt", value: "true", want: true},
		"do-not-disrupt for a time":  {key: "karpenter.sh/do-not-disrupt", value: "4h"},
		"do-not-disrupt taken back":  {key: "karpenter.sh/do-not-disrupt", value: "false"},
		"not safe to evict":          {key: pods.SafeToEvictAnnotation, value: "false", want: true},
		"to its end":                 {key: pods.SafeToEvictAnnotation, value: "on-completion", want: true},
		"safe to evict":              {key: pods.SafeToEvictAnnotation, value: "true"},
		"an annotation of their own": {key: "example.com/do-not-disrupt", value: "true"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := pods.StaysPut(builders.Pod(builders.Annotation(tc.key, tc.value))); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}

func TestTolerationsFollowTheScheduler(t *testing.T) {
	taint := corev1.Taint{Key: "load", Value: "5", Effect: corev1.TaintEffectNoSchedule}
	for name, tc := range map[string]struct {
		toleration corev1.Toleration
		want       bool
	}{
		"the same value":                      {corev1.Toleration{Key: "load", Value: "5"}, true},
		"the same value, said aloud":          {corev1.Toleration{Key: "load", Operator: corev1.TolerationOpEqual, Value: "5", Effect: corev1.TaintEffectNoSchedule}, true},
		"another value":                       {corev1.Toleration{Key: "load", Value: "6"}, false},
		"another effect":                      {corev1.Toleration{Key: "load", Value: "5", Effect: corev1.TaintEffectNoExecute}, false},
		"any value":                           {corev1.Toleration{Key: "load", Operator: corev1.TolerationOpExists}, true},
		"any key":                             {corev1.Toleration{Operator: corev1.TolerationOpExists}, true},
		"any key of another effect":           {corev1.Toleration{Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute}, false},
		"a value below a bound":               {corev1.Toleration{Key: "load", Operator: corev1.TolerationOpLt, Value: "6"}, true},
		"a value at a bound":                  {corev1.Toleration{Key: "load", Operator: corev1.TolerationOpLt, Value: "5"}, false},
		"a value above a bound":               {corev1.Toleration{Key: "load", Operator: corev1.TolerationOpGt, Value: "-1"}, true},
		"a bound that is no plain integer":    {corev1.Toleration{Key: "load", Operator: corev1.TolerationOpGt, Value: "+1"}, false},
		"an operator that Kubernetes has not": {corev1.Toleration{Key: "load", Operator: "Like", Value: "5"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := pods.Tolerates(builders.Pod(builders.Toleration(tc.toleration)), taint); got != tc.want {
				t.Errorf("got %v, want %v", got, tc.want)
			}
		})
	}
}
