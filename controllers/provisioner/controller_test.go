package provisioner

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/conditions"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// report is the controller of one test with one provisioner, and the registry that it measures into.
type report struct {
	*workbench.Bench
	registry    *prometheus.Registry
	controller  *Controller
	provisioner *v1alpha5.Provisioner
}

func newReport(t *testing.T, modifiers ...builders.ProvisionerModifier) *report {
	t.Helper()
	b := workbench.New(t)
	registry := prometheus.NewRegistry()
	recorded, err := metrics.New(registry)
	if err != nil {
		t.Fatal(err)
	}
	r := &report{Bench: b, registry: registry, controller: NewController(b.Client, recorded, b.Clock)}
	r.provisioner = builders.Provisioner(b.Name("provisioner"), modifiers...)
	b.Create(r.provisioner)
	return r
}

func (r *report) look() {
	r.Reconcile(r.controller, r.provisioner.Name)
	r.Reload(r.provisioner)
}

// template creates the template that the provisioner names.
func (r *report) template(change func(*awsv1alpha1.AWSNodeTemplate)) *awsv1alpha1.AWSNodeTemplate {
	anything := map[string]string{"a": "*"}
	template := &awsv1alpha1.AWSNodeTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: r.provisioner.TemplateName()},
		Spec:       awsv1alpha1.AWSNodeTemplateSpec{SubnetSelector: anything, SecurityGroupSelector: anything},
	}
	r.Create(template)
	workbench.Update(r.Bench, template, change)
	return template
}

// describedInline has the provisioner say itself what its machines look like.
func describedInline(p *v1alpha5.Provisioner) {
	p.Spec.ProviderRef = nil
	p.Spec.Provider = &runtime.RawExtension{Raw: []byte(`{"subnetSelector": {"a": "b"}, "securityGroupSelector": {"a": "b"}}`)}
}

// resolved says that the template is ready, or why it is not.
func resolved(reason string) func(*awsv1alpha1.AWSNodeTemplate) {
	return func(n *awsv1alpha1.AWSNodeTemplate) {
		set := conditions.For(&n.Status.Conditions, n.Generation, v1alpha5.ConditionReady, awsv1alpha1.ConditionSubnetsReady)
		if reason == "" {
			set.True(awsv1alpha1.ConditionSubnetsReady, awsv1alpha1.ReasonResolved, "")
		} else {
			set.False(awsv1alpha1.ConditionSubnetsReady, awsv1alpha1.ReasonNoneFound, reason)
		}
	}
}

func (r *report) expect(t *testing.T, conditionType string, status metav1.ConditionStatus, reason, message string) {
	t.Helper()
	set := conditions.For(&r.provisioner.Status.Conditions, 0, v1alpha5.ConditionReady)
	got := set.Get(conditionType)
	if got == nil || got.Status != status || got.Reason != reason || !strings.Contains(got.Message, message) {
		t.Errorf("%s is %+v, want %s %s with %q", conditionType, got, status, reason, message)
	}
}

// machine creates a machine of the provisioner with capacity; without, it has no instance yet.
func (r *report) machine(cpu, memory string) *v1alpha5.Machine {
	modifiers := []builders.MachineModifier{}
	name := r.Name("machine")
	if cpu != "" {
		modifiers = append(modifiers, builders.LaunchedAs("fake:///"+name, cpu, memory, 10))
	}
	machine := builders.Machine(name, r.provisioner.Name, modifiers...)
	r.Create(machine)
	return machine
}

func (r *report) resources() map[string]string {
	out := map[string]string{}
	for name, q := range r.provisioner.Status.Resources {
		out[string(name)] = q.String()
	}
	return out
}

// gauge returns the values of a gauge by resource.
func (r *report) gauge(t *testing.T, name string) map[string]float64 {
	t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == metrics.LabelResourceType {
					out[label.GetValue()] = metric.GetGauge().GetValue()
				}
			}
		}
	}
	return out
}

// namingNoTemplate reads Provisioners like those that were stored before they had to name a template.
func namingNoTemplate(c client.WithWatch) client.Client {
	unname := func(object client.Object, err error) error {
		if p, ok := object.(*v1alpha5.Provisioner); ok {
			p.Spec.ProviderRef = nil
		}
		return err
	}
	return interceptor.NewClient(c, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			return unname(object, c.Get(ctx, key, object, options...))
		},
		Patch: func(ctx context.Context, c client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return unname(object, c.Patch(ctx, object, patch, options...))
		},
	})
}

func TestATemplateDecidesWhetherMachinesCanBeLaunched(t *testing.T) {
	t.Run("the provisioner names none", func(t *testing.T) {
		r := newReport(t)
		r.controller.client = namingNoTemplate(r.Client)
		r.look()
		r.expect(t, v1alpha5.ConditionTemplateReady, metav1.ConditionFalse, v1alpha5.ReasonTemplateMissing, "set spec.providerRef.name")
	})
	t.Run("it does not exist", func(t *testing.T) {
		r := newReport(t)
		r.look()
		want := `AWSNodeTemplate "` + r.provisioner.TemplateName() + `" does not exist; create it or change spec.providerRef.name`
		r.expect(t, v1alpha5.ConditionTemplateReady, metav1.ConditionFalse, v1alpha5.ReasonTemplateMissing, want)
		r.expect(t, v1alpha5.ConditionReady, metav1.ConditionFalse, "NotReady", want)
	})
	t.Run("it is being made from spec.provider", func(t *testing.T) {
		r := newReport(t, describedInline)
		r.look()
		r.expect(t, v1alpha5.ConditionTemplateReady, metav1.ConditionUnknown, v1alpha5.ReasonTemplateMissing, "is being made from spec.provider")
	})
	t.Run("somebody else has one of the name that spec.provider needs", func(t *testing.T) {
		r := newReport(t, describedInline)
		r.template(resolved(""))
		r.look()
		r.expect(t, v1alpha5.ConditionTemplateReady, metav1.ConditionFalse, v1alpha5.ReasonTemplateConflict, r.provisioner.TemplateName())
	})
	t.Run("it is not resolved yet", func(t *testing.T) {
		r := newReport(t)
		r.template(func(*awsv1alpha1.AWSNodeTemplate) {})
		r.look()
		r.expect(t, v1alpha5.ConditionTemplateReady, metav1.ConditionUnknown, v1alpha5.ReasonTemplateNotReady, "not resolved yet")
	})
	t.Run("what it found is about an older spec", func(t *testing.T) {
		r := newReport(t)
		template := r.template(resolved(""))
		workbench.Update(r.Bench, template, func(n *awsv1alpha1.AWSNodeTemplate) { n.Spec.Tags = map[string]string{"a": "b"} })
		r.look()
		r.expect(t, v1alpha5.ConditionTemplateReady, metav1.ConditionUnknown, v1alpha5.ReasonTemplateNotReady, "not resolved yet")
	})
	t.Run("it found nothing", func(t *testing.T) {
		r := newReport(t)
		r.template(resolved("no subnet has the tag a"))
		r.look()
		r.expect(t, v1alpha5.ConditionTemplateReady, metav1.ConditionFalse, v1alpha5.ReasonTemplateNotReady, "no subnet has the tag a")
	})
	t.Run("it is ready", func(t *testing.T) {
		r := newReport(t)
		r.template(resolved(""))
		r.look()
		r.expect(t, v1alpha5.ConditionTemplateReady, metav1.ConditionTrue, v1alpha5.ReasonReady, "")
		r.expect(t, v1alpha5.ConditionReady, metav1.ConditionTrue, v1alpha5.ConditionReady, "")
		if r.provisioner.Status.ObservedGeneration != r.provisioner.Generation {
			t.Errorf("the status is about generation %d of %d", r.provisioner.Status.ObservedGeneration, r.provisioner.Generation)
		}
	})
}

func TestTheStatusCountsMachinesThatStay(t *testing.T) {
	r := newReport(t)
	r.look()
	if diff := cmp.Diff(map[string]string{"nodes": "0"}, r.resources()); diff != "" {
		t.Errorf("without machines (-want +got):\n%s", diff)
	}
	r.machine("", "")
	small := r.machine("2", "4Gi")
	large := r.machine("4", "16Gi")
	r.Create(builders.Machine(r.Name("another"), "another", builders.LaunchedAs("fake:///x", "2", "4Gi", 10)))
	r.look()
	if diff := cmp.Diff(map[string]string{"nodes": "2", "cpu": "6", "memory": "20Gi", "pods": "20"}, r.resources()); diff != "" {
		t.Errorf("two with an instance (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]float64{"nodes": 2, "cpu": 6, "memory": 20 << 30, "pods": 20}, r.gauge(t, "karpenter_provisioner_usage")); diff != "" {
		t.Errorf("measured (-want +got):\n%s", diff)
	}
	r.Delete(small) // pinned until its instance is gone
	r.look()
	if diff := cmp.Diff(map[string]string{"nodes": "1", "cpu": "4", "memory": "16Gi", "pods": "10"}, r.resources()); diff != "" {
		t.Errorf("one is on its way out (-want +got):\n%s", diff)
	}
	r.Release(small)
	r.Delete(large)
	r.Release(large)
	r.look()
	if diff := cmp.Diff(map[string]string{"nodes": "0"}, r.resources()); diff != "" {
		t.Errorf("when all are gone (-want +got):\n%s", diff)
	}
	for name, value := range r.gauge(t, "karpenter_provisioner_usage") {
		if value != 0 {
			t.Errorf("all machines are gone, and %g of %s are measured", value, name)
		}
	}
}

func TestALimitThatIsReachedIsNamed(t *testing.T) {
	r := newReport(t, builders.Limit(corev1.ResourceCPU, "6"), builders.Limit(corev1.ResourceMemory, "16Gi"), builders.Limit("nodes", "10"))
	r.machine("4", "8Gi")
	r.look()
	r.expect(t, v1alpha5.ConditionWithinLimits, metav1.ConditionTrue, v1alpha5.ReasonWithinLimits, "")
	r.machine("4", "8Gi")
	r.look()
	r.expect(t, v1alpha5.ConditionWithinLimits, metav1.ConditionFalse, v1alpha5.ReasonLimitReached,
		"cpu: 8 launched of 6; raise spec.limits.resources.cpu to launch more; memory: 16Gi launched of 16Gi; raise spec.limits.resources.memory")
	if diff := cmp.Diff(map[string]float64{"nodes": 10, "cpu": 6, "memory": 16 << 30}, r.gauge(t, "karpenter_provisioner_limit")); diff != "" {
		t.Errorf("measured (-want +got):\n%s", diff)
	}
	workbench.Update(r.Bench, r.provisioner, func(p *v1alpha5.Provisioner) {
		p.Spec.Limits.Resources = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10")}
	})
	r.look()
	r.expect(t, v1alpha5.ConditionWithinLimits, metav1.ConditionTrue, v1alpha5.ReasonWithinLimits, "")
	if diff := cmp.Diff(map[string]float64{"cpu": 10}, r.gauge(t, "karpenter_provisioner_limit")); diff != "" {
		t.Errorf("measured with fewer limits (-want +got):\n%s", diff)
	}
}

func TestWhatIsMeasuredGoesWithTheProvisioner(t *testing.T) {
	r := newReport(t, builders.Limit(corev1.ResourceCPU, "6"))
	r.machine("4", "8Gi")
	r.look()
	r.Delete(r.provisioner)
	r.Reconcile(r.controller, r.provisioner.Name)
	if len(r.gauge(t, "karpenter_provisioner_usage"))+len(r.gauge(t, "karpenter_provisioner_limit")) != 0 {
		t.Error("a provisioner that is gone is still measured")
	}
}

func TestNothingIsWrittenWhenNothingChanged(t *testing.T) {
	r := newReport(t, builders.Limit(corev1.ResourceCPU, "2"))
	r.machine("4", "8Gi")
	r.look()
	writes := 0
	counting := interceptor.NewClient(r.Client, interceptor.Funcs{
		SubResourcePatch: func(context.Context, client.Client, string, client.Object, client.Patch, ...client.SubResourcePatchOption) error {
			writes++
			return nil
		},
	})
	recorded, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		t.Fatal(err)
	}
	r.Reconcile(NewController(counting, recorded, r.Clock), r.provisioner.Name)
	if writes != 0 {
		t.Errorf("a look that found nothing new was written %d times", writes)
	}
}

func TestAProvisionerCarriesTheHashOfItsSpec(t *testing.T) {
	r := newReport(t, builders.MachineLabels(map[string]string{"team": "a"}))
	r.look()
	first := r.provisioner.Annotations[v1alpha5.ProvisionerHashAnnotation]
	want, err := drift.ProvisionerHash(r.provisioner)
	if err != nil || first != want {
		t.Fatalf("annotated with %q, want %q (%v)", first, want, err)
	}
	p := r.provisioner
	p.Spec.Weight = new(int32(7))
	if err := r.Client.Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if r.look(); r.provisioner.Annotations[v1alpha5.ProvisionerHashAnnotation] != first {
		t.Errorf("the weight changed the hash from %s to %s", first, r.provisioner.Annotations[v1alpha5.ProvisionerHashAnnotation])
	}
	p.Spec.Labels["team"] = "b"
	if err := r.Client.Update(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	if r.look(); r.provisioner.Annotations[v1alpha5.ProvisionerHashAnnotation] == first {
		t.Error("a label did not change the hash")
	}
}

func TestASpecThatAdmissionRefusesIsNotReady(t *testing.T) {
	r := newReport(t)
	r.look()
	r.expect(t, v1alpha5.ConditionSpecValid, metav1.ConditionTrue, v1alpha5.ReasonSpecValid, "")
	r.provisioner.Spec.KubeletConfiguration = &v1alpha5.KubeletConfiguration{ClusterDNS: []string{"10.100.0.256"}}
	if err := r.Client.Update(t.Context(), r.provisioner); err != nil { // only a webhook would refuse it
		t.Fatal(err)
	}
	r.look()
	r.expect(t, v1alpha5.ConditionSpecValid, metav1.ConditionFalse, v1alpha5.ReasonSpecInvalid, "spec.kubeletConfiguration.clusterDNS[0]")
	r.expect(t, v1alpha5.ConditionReady, metav1.ConditionFalse, "NotReady", "10.100.0.256")
}
