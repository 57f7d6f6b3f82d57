package install_test

import (
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/test/install"
)

func TestNoManifestThatPeopleAreShownIsWrongOrDoubtful(t *testing.T) {
	judged := map[string]int{}
	for _, s := range manifests(t) {
		objects, err := install.Objects(substitute(s.text))
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range objects {
			var verdict admission.Verdict
			switch o.GetKind() {
			case "Provisioner":
				var p v1alpha5.Provisioner
				if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &p, true); err != nil {
					t.Fatalf("%s: %s", s.name, err)
				}
				admission.Default(&p)
				verdict = admission.Provisioner(&p)
			case "AWSNodeTemplate":
				var template awsv1alpha1.AWSNodeTemplate
				if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &template, true); err != nil {
					t.Fatalf("%s: %s", s.name, err)
				}
				verdict = admission.AWSNodeTemplate(&template)
			default:
				continue
			}
			judged[o.GetKind()]++
			for _, e := range verdict.Errors {
				t.Errorf("%s: %s %s: %s", s.name, o.GetKind(), o.GetName(), e)
			}
			for _, w := range verdict.Warnings {
				t.Errorf("%s: %s %s: warning: %s", s.name, o.GetKind(), o.GetName(), w)
			}
		}
	}
	if judged["Provisioner"] == 0 || judged["AWSNodeTemplate"] == 0 {
		t.Errorf("only %v were judged", judged)
	}
}

func TestSamplesNameTemplatesThatAreBesideThem(t *testing.T) {
	for _, path := range files(t, "config/samples", "*.yaml") {
		objects, err := install.Objects(substitute(read(t, path)))
		if err != nil {
			t.Fatal(err)
		}
		templates := map[string]bool{}
		for _, o := range objects {
			templates[o.GetName()] = templates[o.GetName()] || o.GetKind() == "AWSNodeTemplate"
		}
		for _, o := range objects {
			if o.GetKind() != "Provisioner" {
				continue
			}
			var p v1alpha5.Provisioner
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &p); err != nil {
				t.Fatal(err)
			}
			if !templates[p.TemplateName()] {
				t.Errorf("%s: Provisioner %s names template %q, which is not there", path, p.Name, p.TemplateName())
			}
		}
	}
}
