package inlineprovider

import (
	"context"
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// desk is the controller of one test, and a provisioner that describes its machines itself.
type desk struct {
	*workbench.Bench
	t           *testing.T
	controller  *Controller
	provisioner *v1alpha5.Provisioner
}

func says(text string) func(*v1alpha5.Provisioner) {
	return func(p *v1alpha5.Provisioner) {
		p.Spec.ProviderRef, p.Spec.Provider = nil, &runtime.RawExtension{Raw: []byte(text)}
	}
}

const first = `{"subnetSelector": {"a": "b"}, "securityGroupSelector": {"a": "b"}, "tags": {"team": "a"}}`

func newDesk(t *testing.T) *desk {
	t.Helper()
	b := workbench.New(t)
	d := &desk{Bench: b, t: t, controller: NewController(b.Client, b.Journal.Events), provisioner: builders.Provisioner(b.Name("provisioner"), says(first))}
	b.Create(d.provisioner)
	return d
}

func (d *desk) look() {
	d.t.Helper()
	d.Reconcile(d.controller, d.provisioner.Name)
}

// template returns the provisioner's template, nil when there is none.
func (d *desk) template() *awsv1alpha1.AWSNodeTemplate {
	d.t.Helper()
	template := &awsv1alpha1.AWSNodeTemplate{}
	err := d.Client.Get(d.t.Context(), client.ObjectKey{Name: v1alpha5.InlineTemplateName(d.provisioner.Name)}, template)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return template
}

func TestATemplateIsMadeOfTheProviderOnce(t *testing.T) {
	d := newDesk(t)
	d.look()
	made := d.template()
	if made == nil || !metav1.IsControlledBy(made, d.provisioner) || made.Labels[v1alpha5.InlineProviderLabel] != "true" || made.Spec.Tags["team"] != "a" {
		t.Fatalf("template %+v", made)
	}
	d.look()
	if again := d.template(); again.ResourceVersion != made.ResourceVersion {
		t.Error("it was written again, and nothing had changed")
	}
}

func TestATemplateFollowsTheProvider(t *testing.T) {
	for name, change := range map[string]func(*desk){
		"when the provider changes": func(d *desk) {
			workbench.Update(d.Bench, d.provisioner, says(`{"subnetSelector": {"a": "b"}, "securityGroupSelector": {"a": "b"}, "amiFamily": "Bottlerocket"}`))
		},
		"when somebody has changed the template": func(d *desk) {
			workbench.Update(d.Bench, d.provisioner, says(`{"subnetSelector": {"a": "b"}, "securityGroupSelector": {"a": "b"}, "amiFamily": "Bottlerocket"}`))
			workbench.Update(d.Bench, d.template(), func(n *awsv1alpha1.AWSNodeTemplate) {
				n.Spec.UserData, n.Labels = "theirs", map[string]string{"mine": "too"}
			})
		},
		"when somebody has deleted the template": func(d *desk) {
			workbench.Update(d.Bench, d.provisioner, says(`{"subnetSelector": {"a": "b"}, "securityGroupSelector": {"a": "b"}, "amiFamily": "Bottlerocket"}`))
			d.Delete(d.template())
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.look()
			change(d)
			d.look()
			got := d.template()
			if got == nil || got.Spec.AMIFamily != "Bottlerocket" || len(got.Spec.Tags) > 0 || got.Spec.UserData != "" || got.Labels[v1alpha5.InlineProviderLabel] != "true" {
				t.Errorf("template %+v", got)
			}
		})
	}
}

func TestATemplateGoesWhenTheProvisionerNamesAnother(t *testing.T) {
	d := newDesk(t)
	d.look()
	workbench.Update(d.Bench, d.provisioner, func(p *v1alpha5.Provisioner) {
		p.Spec.Provider, p.Spec.ProviderRef = nil, &v1alpha5.TemplateReference{Name: "named"}
	})
	d.look()
	if left := d.template(); left != nil {
		t.Errorf("the template %s is left", left.Name)
	}
	d.look()
}

func TestATemplateOfSomebodyElseIsLeftAlone(t *testing.T) {
	selector := map[string]string{"x": "y"}
	for name, change := range map[string]func(*v1alpha5.Provisioner){
		"while the provisioner would need its name": func(*v1alpha5.Provisioner) {},
		"while the provisioner names another": func(p *v1alpha5.Provisioner) {
			p.Spec.Provider, p.Spec.ProviderRef = nil, &v1alpha5.TemplateReference{Name: "named"}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			foreign := &awsv1alpha1.AWSNodeTemplate{
				ObjectMeta: metav1.ObjectMeta{Name: v1alpha5.InlineTemplateName(d.provisioner.Name)},
				Spec:       awsv1alpha1.AWSNodeTemplateSpec{SubnetSelector: selector, SecurityGroupSelector: selector},
			}
			d.Create(foreign)
			workbench.Update(d.Bench, d.provisioner, change)
			d.look()
			if got := d.template(); got == nil || got.ResourceVersion != foreign.ResourceVersion {
				t.Errorf("template %+v, want it as it was", got)
			}
		})
	}
}

func TestNothingIsMadeOfWhatCannotBeReadOrIsAboutToGo(t *testing.T) {
	for name, change := range map[string]func(*desk){
		"an unknown field": func(d *desk) {
			workbench.Update(d.Bench, d.provisioner, says(`{"subnetSelector": {"a": "b"}, "securityGroupSelector": {"a": "b"}, "colour": "red"}`))
		},
		"a provisioner that is being deleted": func(d *desk) {
			workbench.Update(d.Bench, d.provisioner, func(p *v1alpha5.Provisioner) { p.Finalizers = []string{"test.example/stay"} })
			d.Delete(d.provisioner)
		},
		"a provisioner that is gone": func(d *desk) { d.Delete(d.provisioner) },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			change(d)
			d.look()
			if made := d.template(); made != nil {
				t.Errorf("template %+v was made", made)
			}
		})
	}
}

func TestAViewThatIsBehindIsLookedAtAgain(t *testing.T) {
	resource := schema.GroupResource{Group: "karpenter.k8s.aws", Resource: "awsnodetemplates"}
	failure := errors.New("down")
	for name, tc := range map[string]struct {
		err, want error
	}{
		"it exists already": {apierrors.NewAlreadyExists(resource, "x"), nil},
		"it has changed":    {apierrors.NewConflict(resource, "x", failure), nil},
		"an outage":         {failure, failure},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.controller = NewController(interceptor.NewClient(d.Client, interceptor.Funcs{
				Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return tc.err },
			}), d.Journal.Events)
			result, err := d.TryReconcile(d.controller, d.provisioner.Name)
			if !errors.Is(err, tc.want) || tc.want == nil && (err != nil || result.RequeueAfter == 0) {
				t.Errorf("%+v, %v; want %v, or another look", result, err, tc.want)
			}
		})
	}
}

func TestAProvisionerTellsWhyItsTemplateCannotBeWritten(t *testing.T) {
	resource := schema.GroupResource{Group: "karpenter.k8s.aws", Resource: "awsnodetemplates"}
	for name, tc := range map[string]struct {
		err  error
		want int
	}{
		"a refusal":                {apierrors.NewForbidden(resource, "x", errors.New("a policy wants a cost centre")), 1},
		"a view that is behind":    {apierrors.NewConflict(resource, "x", errors.New("changed")), 0},
		"a template that is there": {apierrors.NewAlreadyExists(resource, "x"), 0},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.controller = NewController(interceptor.NewClient(d.Client, interceptor.Funcs{
				Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error { return tc.err },
			}), d.Journal.Events)
			for range 2 { // of the same mistake it tells once
				if _, err := d.TryReconcile(d.controller, d.provisioner.Name); (err != nil) != (tc.want > 0) {
					t.Errorf("error %v", err)
				}
			}
			if got := d.Told.Count(events.ReasonFailedTemplate); got != tc.want {
				t.Errorf("%d events, want %d: %q", got, tc.want, d.Told.Lines())
			}
			name := v1alpha5.InlineTemplateName(d.provisioner.Name)
			if tc.want > 0 && !d.Told.Contains("Warning", "creating AWSNodeTemplate", name, "a policy wants a cost centre") {
				t.Errorf("told %q", d.Told.Lines())
			}
		})
	}
}

func TestATemplateWakesTheProvisionerThatItsNameIsFor(t *testing.T) {
	d := newDesk(t)
	for name, want := range map[string]int{v1alpha5.InlineTemplateName(d.provisioner.Name): 1, d.provisioner.Name: 0, "other.inline": 0} {
		got := d.controller.ofTemplate(t.Context(), &awsv1alpha1.AWSNodeTemplate{ObjectMeta: metav1.ObjectMeta{Name: name}})
		if len(got) != want || want == 1 && got[0].Name != d.provisioner.Name {
			t.Errorf("%s wakes %v, want %d", name, got, want)
		}
	}
}
