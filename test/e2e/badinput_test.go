package e2e

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// reasonFailedScheduling is the reason of kerf's events about pods that it can do nothing for.
const reasonFailedScheduling = "FailedScheduling"

// awaitProvisioner waits for a condition of a Provisioner.
func (w *world) awaitProvisioner(t *testing.T, name, conditionType string, status metav1.ConditionStatus, reason string, mentions ...string) {
	t.Helper()
	w.await(t, fmt.Sprintf("%s of provisioner %s", conditionType, name), func(ctx context.Context) error {
		var p v1alpha5.Provisioner
		if err := w.Client().Get(ctx, client.ObjectKey{Name: name}, &p); err != nil {
			return err
		}
		return condition(p.Status.Conditions, conditionType, status, reason, mentions...)
	})
}

// awaitTemplate waits for a condition of an AWSNodeTemplate.
func (w *world) awaitTemplate(t *testing.T, name, conditionType string, reason string, mentions ...string) {
	t.Helper()
	w.await(t, fmt.Sprintf("%s of template %s", conditionType, name), func(ctx context.Context) error {
		var n awsv1alpha1.AWSNodeTemplate
		if err := w.Client().Get(ctx, client.ObjectKey{Name: name}, &n); err != nil {
			return err
		}
		return condition(n.Status.Conditions, conditionType, metav1.ConditionFalse, reason, mentions...)
	})
}

// onlyPod waits for the pod of a workload of one.
func (w *world) onlyPod(t *testing.T, name string) (pod *corev1.Pod) {
	t.Helper()
	w.await(t, "the pod of "+name, func(ctx context.Context) error {
		pods, err := w.pods(ctx, name)
		if err != nil {
			return err
		}
		if len(pods) != 1 {
			return fmt.Errorf("there are %d pods", len(pods))
		}
		pod = &pods[0]
		return nil
	})
	return pod
}

func (w *world) namesMissingTemplate(t *testing.T) {
	const name = "no-template"
	w.create(t, provisioner(name), workload(name, 1, "1"))
	w.awaitProvisioner(t, name, v1alpha5.ConditionTemplateReady, metav1.ConditionFalse, v1alpha5.ReasonTemplateMissing, name, "spec.providerRef")
	w.awaitProvisioner(t, name, v1alpha5.ConditionReady, metav1.ConditionFalse, "")
	w.awaitEvent(t, w.onlyPod(t, name), reasonFailedScheduling, name)

	w.create(t, w.template(name))
	w.awaitProvisioner(t, name, v1alpha5.ConditionReady, metav1.ConditionTrue, "")
	w.awaitRunning(t, name, 1)
	w.end(t, name)
}

func (w *world) namesEmptySelectors(t *testing.T) {
	const name = "no-match"
	n := w.template(name)
	n.Spec.SubnetSelector = map[string]string{"karpenter.sh/discovery": "another-cluster"}
	n.Spec.SecurityGroupSelector = map[string]string{"team": "nobody"}
	w.create(t, n, provisioner(name), workload(name, 1, "1"))
	w.awaitTemplate(t, name, awsv1alpha1.ConditionSubnetsReady, awsv1alpha1.ReasonNoneFound, "spec.subnetSelector", "another-cluster")
	w.awaitTemplate(t, name, awsv1alpha1.ConditionSecurityGroupsReady, awsv1alpha1.ReasonNoneFound, "spec.securityGroupSelector", "nobody")
	w.awaitProvisioner(t, name, v1alpha5.ConditionTemplateReady, metav1.ConditionFalse, v1alpha5.ReasonTemplateNotReady, name)
	w.awaitEvent(t, w.onlyPod(t, name), reasonFailedScheduling, name)
	if made := w.instances(name); len(made) > 0 {
		t.Errorf("%d instances were launched", len(made))
	}

	// What the user has to change is the selectors, and nothing else.
	repaired := w.template(name)
	n.Spec.SubnetSelector, n.Spec.SecurityGroupSelector = repaired.Spec.SubnetSelector, repaired.Spec.SecurityGroupSelector
	w.await(t, "the template to be changed", func(ctx context.Context) error {
		if err := w.Client().Get(ctx, client.ObjectKeyFromObject(n), n); err != nil {
			return err
		}
		n.Spec = repaired.Spec
		return w.Client().Update(ctx, n)
	})
	w.awaitRunning(t, name, 1)
	w.end(t, name)
}

// leavesTooLargePodAlone has kerf decide again and again while the pod is there.
func (w *world) leavesTooLargePodAlone(t *testing.T) {
	const name = "too-large"
	w.serve(t, provisioner(name), workload(name, 1, "4000"))
	pod := w.onlyPod(t, name)
	note := w.awaitEvent(t, pod, reasonFailedScheduling, "cpu", "4000")
	if !regexp.MustCompile(`[a-z0-9-]+\.[a-z0-9-]+ `).MatchString(note) {
		t.Errorf("the event names no instance type as the nearest miss: %s", note)
	}
	for i := range 3 {
		w.provokeDecision(t, fmt.Sprintf("%s-%d", name, i))
	}
	found, err := w.events(t.Context(), pod, reasonFailedScheduling)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].Series != nil {
		t.Errorf("there are %d events about the pod, not one that is not repeated: %v", len(found), found)
	}
	machines, err := w.machines(t.Context(), name)
	if err != nil || len(machines) > 0 {
		t.Errorf("%d machines were made, %v", len(machines), err)
	}
	w.end(t, name)
}

// provokeDecision creates a pod that no machine can host, for as long as it takes kerf to decide; kerf's own metric tells.
func (w *world) provokeDecision(t *testing.T, name string) {
	t.Helper()
	count := func(ctx context.Context) (float64, error) {
		series, err := w.Controller().Metrics(ctx)
		return series["karpenter_provisioner_scheduling_duration_seconds_count"], err
	}
	before, err := count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	other := workload(name, 1, "4000")
	w.create(t, other)
	w.await(t, "another decision", func(ctx context.Context) error {
		now, err := count(ctx)
		if err == nil && now <= before {
			err = errors.New("there is none")
		}
		return err
	})
	w.delete(t, other)
}

func (w *world) namesUntoleratedTaint(t *testing.T) {
	const name = "tainted"
	p := provisioner(name, taint("example.com/reserved"))
	w.serve(t, p, workload(name, 1, "1"))
	pod := w.onlyPod(t, name)
	w.awaitEvent(t, pod, reasonFailedScheduling, name, "example.com/reserved")
	w.change(t, p, func() { p.Spec.Taints[0].Key = "example.com/other" })
	w.await(t, "the event to be one of a series", func(ctx context.Context) error {
		found, err := w.events(ctx, pod, reasonFailedScheduling)
		if err == nil && !slices.ContainsFunc(found, func(e eventsv1.Event) bool { return e.Series != nil }) {
			err = fmt.Errorf("there are %v", found)
		}
		return err
	})
	if made := w.instances(name); len(made) > 0 {
		t.Errorf("%d instances were launched", len(made))
	}
	w.end(t, name)
}

func (w *world) holdsLimits(t *testing.T) {
	const name, limit = "limited", 8
	w.serve(t, provisioner(name, limitCPU("8")), workload(name, 12, "1"))
	w.awaitProvisioner(t, name, v1alpha5.ConditionWithinLimits, metav1.ConditionFalse, v1alpha5.ReasonLimitReached, "cpu", "spec.limits")
	w.await(t, "some pods to run and each of the others to be told of the limit", func(ctx context.Context) error {
		pods, err := w.pods(ctx, name)
		if err != nil {
			return err
		}
		running, told := 0, 0
		for i := range pods {
			if pods[i].Status.Phase == corev1.PodRunning {
				running++
				continue
			}
			found, err := w.events(ctx, &pods[i], reasonFailedScheduling)
			if err != nil {
				return err
			}
			for _, e := range found {
				if mentionsAll("", e.Note, []string{"limit", name}) == nil {
					told++
					break
				}
			}
		}
		if running == 0 || running+told != 12 {
			return fmt.Errorf("%d run and %d are told of the limit", running, told)
		}
		return nil
	})
	var p v1alpha5.Provisioner
	if err := w.Client().Get(t.Context(), client.ObjectKey{Name: name}, &p); err != nil {
		t.Fatal(err)
	}
	if launched := p.Status.Resources.Cpu().Value(); launched > limit || launched == 0 {
		t.Errorf("%d CPUs are launched, the limit is %d", launched, limit)
	}
	w.end(t, name)
}
