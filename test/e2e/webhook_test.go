package e2e

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/test/environment"
)

// withoutRequirements is the least that a Provisioner can say.
const withoutRequirements = `
apiVersion: karpenter.sh/v1alpha5
kind: Provisioner
metadata: {name: NAME}
spec:
  providerRef: {name: NAME}
  ttlSecondsUntilExpired: 9223372036854775807
`

// writesDefaults applies a Provisioner without requirements, on all the ways that kubectl has, and reads it back.
func (w *world) writesDefaults(t *testing.T) {
	const name = "defaulted"
	file := manifestFile(t, strings.ReplaceAll(withoutRequirements, "NAME", name))
	if out := w.mustKubectl(t, "apply", "--dry-run=server", "--output=yaml", "-f", file); !strings.Contains(out, "karpenter.k8s.aws/instance-generation") {
		t.Errorf("a dry run does not show the defaults:\n%s", out)
	}
	w.mustKubectl(t, "apply", "-f", file)
	want := v1alpha5.ProvisionerSpec{
		Requirements: []v1alpha5.Requirement{
			{Key: "kubernetes.io/os", Operator: corev1.NodeSelectorOpIn, Values: []string{"linux"}},
			{Key: "kubernetes.io/arch", Operator: corev1.NodeSelectorOpIn, Values: []string{"amd64"}},
			{Key: "karpenter.sh/capacity-type", Operator: corev1.NodeSelectorOpIn, Values: []string{"on-demand"}},
			{Key: "karpenter.k8s.aws/instance-category", Operator: corev1.NodeSelectorOpIn, Values: []string{"c", "m", "r"}},
			{Key: "karpenter.k8s.aws/instance-generation", Operator: corev1.NodeSelectorOpGt, Values: []string{"2"}},
		},
		ProviderRef:            &v1alpha5.TemplateReference{Name: name},
		TTLSecondsUntilExpired: new(int64(9223372036854775807)),
	}
	if diff := cmp.Diff(want, w.provisioner(t, name).Spec); diff != "" {
		t.Errorf("spec as it is stored (-want +got):\n%s", diff)
	}
	if out := w.mustKubectl(t, "apply", "-f", file); !strings.Contains(out, "unchanged") {
		t.Errorf("applied again: %s", out)
	}
	w.mustKubectl(t, "apply", "--server-side", "--force-conflicts", "-f", file)
	w.mustKubectl(t, "replace", "-f", file)
	if diff := cmp.Diff(want, w.provisioner(t, name).Spec); diff != "" {
		t.Errorf("spec after it was applied and replaced again (-want +got):\n%s", diff)
	}
	w.delete(t, provisioner(name))
}

func (w *world) provisioner(t *testing.T, name string) *v1alpha5.Provisioner {
	t.Helper()
	p := &v1alpha5.Provisioner{}
	if err := w.Client().Get(t.Context(), client.ObjectKey{Name: name}, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// showsEveryMistake applies what the schema knows to be wrong together with what only the webhook does.
func (w *world) showsEveryMistake(t *testing.T) {
	file := manifestFile(t, `
apiVersion: karpenter.sh/v1alpha5
kind: Provisioner
metadata: {name: mistaken}
spec:
  weight: 1000
  provider: {subnetSelectors: {a: b}}
`)
	_, err := w.Kubectl(t.Context(), "apply", "-f", file)
	if err == nil {
		t.Fatal("it is accepted")
	}
	if missing := mentionsAll("what kubectl shows", err.Error(), []string{
		`The Provisioner "mistaken" is invalid`, "Warning: spec.provider: deprecated", "* spec.weight: Invalid value: 1000",
		"* spec.provider.subnetSelectors: Forbidden", "* spec.provider.subnetSelector: Required", "* spec.provider.securityGroupSelector: Required",
	}); missing != nil {
		t.Error(missing)
	}
}

// warnsOfOverlaps applies two Provisioners that take the same pods.
func (w *world) warnsOfOverlaps(t *testing.T) {
	const first, second = "same-as-second", "same-as-first"
	applied := func(name string) string {
		return manifestFile(t, strings.ReplaceAll(withoutRequirements, "NAME", name))
	}
	w.mustKubectl(t, "apply", "-f", applied(first))
	w.await(t, "a warning of the second", func(ctx context.Context) error { // kerf has to see the first one
		_, err := w.Kubectl(ctx, "apply", "--dry-run=server", "--warnings-as-errors", "-f", applied(second))
		if err == nil {
			return errors.New("there is none")
		}
		return mentionsAll("what kubectl shows", err.Error(), []string{"Warning: spec: pods that this provisioner takes may go to others", first})
	})
	w.mustKubectl(t, "apply", "-f", applied(second)) // which a warning does not keep out
	w.delete(t, provisioner(first), provisioner(second))
}

// servesWithoutRegion applies a Provisioner while kerf waits to be told where AWS is.
func (w *world) servesWithoutRegion(t *testing.T) {
	const name = "early"
	if err := w.Controller().Stop(); err != nil {
		t.Fatal(err)
	}
	if err := w.Controller().StartWith("AWS_REGION=", "AWS_DEFAULT_REGION="); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the webhook to answer", func(ctx context.Context) error { return w.Controller().ReadyFor(ctx, "webhook") })
	w.create(t, w.template(name), provisioner(name))
	if err := w.Controller().Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "AWS_REGION") {
		t.Errorf("without a region the controller says %v", err)
	}
	w.restart(t)
	w.awaitProvisioner(t, name, v1alpha5.ConditionReady, metav1.ConditionTrue, "")
	w.end(t, name)
}

// restart ends the controller and starts it as usual.
func (w *world) restart(t *testing.T) {
	t.Helper()
	if err := errors.Join(w.Controller().Stop(), w.Controller().Start()); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the controller to be ready", w.Controller().Ready)
}

// answersWhileItEnds changes a spec after the controller was told to end. Its lease is free by then: another replica acts already.
func (w *world) answersWhileItEnds(t *testing.T) {
	const name = "last"
	if err := w.Controller().Stop(); err != nil {
		t.Fatal(err)
	}
	if err := w.Controller().StartWith("WEBHOOK_DRAIN_DURATION=6s"); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the controller to be ready", w.Controller().Ready)
	w.create(t, w.template(name), provisioner(name))
	w.awaitProvisioner(t, name, v1alpha5.ConditionReady, metav1.ConditionTrue, "")
	ended := make(chan error, 1)
	go func() { ended <- w.Controller().Stop() }()
	w.await(t, "the lease to be given back", func(ctx context.Context) error {
		var lease coordinationv1.Lease
		if err := w.Client().Get(ctx, client.ObjectKey{Namespace: environment.Namespace, Name: operator.LeaderElectionID}, &lease); err != nil {
			return err
		}
		if holder := lease.Spec.HolderIdentity; holder != nil && *holder != "" {
			return fmt.Errorf("%s holds it", *holder)
		}
		return nil
	})
	w.mustKubectl(t, "patch", "provisioner/"+name, "--type=merge", "--patch", `{"spec":{"weight":7}}`)
	if len(ended) > 0 {
		t.Error("the controller ended before its last answer") // and nothing was shown
	}
	if err := errors.Join(<-ended, w.Controller().Start()); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the controller to be ready", w.Controller().Ready)
	w.end(t, name)
}

// worksWithoutWebhook leaves the webhook configurations as they are and lets nobody answer them.
func (w *world) worksWithoutWebhook(t *testing.T) {
	const name = "unanswered"
	w.serve(t, provisioner(name, limitCPU("100")), workload(name, 1, "3"))
	w.awaitRunning(t, name, 1)
	const inline = "unanswered-inline"
	w.create(t, provisioner(inline, func(s *v1alpha5.ProvisionerSpec) { s.ProviderRef, s.Provider = nil, w.inlineProvider("a") }))
	w.awaitProvisioner(t, inline, v1alpha5.ConditionReady, metav1.ConditionTrue, "")
	if err := w.Controller().Stop(); err != nil {
		t.Fatal(err)
	}
	w.takesAllButSpecs(t, name)
	w.mustKubectl(t, "delete", "--wait=false", "awsnodetemplate/"+v1alpha5.InlineTemplateName(inline))
	if err := w.Controller().StartWith("DISABLE_WEBHOOK=true"); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the controller to be ready", w.Controller().Ready)
	w.mustKubectl(t, "scale", "deployment/"+name, "--replicas=4")
	w.awaitRunning(t, name, 4)
	w.await(t, "the status to count what was launched", func(ctx context.Context) error {
		var p v1alpha5.Provisioner
		if err := w.Client().Get(ctx, client.ObjectKey{Name: name}, &p); err != nil {
			return err
		}
		if launched := p.Status.Resources.Cpu().Value(); launched < 4*3 {
			return fmt.Errorf("it counts %d CPUs", launched)
		}
		return nil
	})
	w.takesAllButSpecs(t, name)
	w.create(t, workload(inline, 1, "1"))
	w.awaitRunning(t, inline, 1) // from a template that kerf has written anew
	w.end(t, inline)
	w.end(t, name)
	w.restart(t)
	w.writesDefaults(t)
}

// takesAllButSpecs writes to a Provisioner while nobody answers for it: the API server refuses a new spec and says why, and
// takes everything else.
func (w *world) takesAllButSpecs(t *testing.T, name string) {
	t.Helper()
	for _, refused := range [][]string{
		{"patch", "provisioner/" + name, "--type=merge", "--patch", `{"spec":{"weight":7}}`},
		{"patch", "awsnodetemplate/" + name, "--type=merge", "--patch", `{"spec":{"tags":{"a":"b"}}}`},
		{"create", "-f", manifestFile(t, strings.ReplaceAll(withoutRequirements, "NAME", "late"))},
	} {
		_, err := w.Kubectl(t.Context(), refused...)
		if err == nil || !strings.Contains(err.Error(), "failed calling webhook") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("kubectl %s: %v", strings.Join(refused, " "), err)
		}
	}
	for _, taken := range [][]string{
		{"annotate", "--overwrite", "provisioner/" + name, "example.com/note=b"},
		{"label", "--overwrite", "provisioner/" + name, "example.com/team=a"},
		{"patch", "provisioner/" + name, "--type=merge", "--patch", `{"metadata":{"finalizers":["example.com/hold"]}}`},
		{"patch", "provisioner/" + name, "--type=merge", "--patch", `{"metadata":{"finalizers":null}}`},
		{"patch", "provisioner/" + name, "--subresource=status", "--type=merge", "--patch", `{"status":{"lastScaleTime":"2026-01-01T00:00:00Z"}}`},
		{"annotate", "--overwrite", "awsnodetemplate/" + name, "example.com/note=b"},
	} {
		w.mustKubectl(t, taken...)
	}
}
