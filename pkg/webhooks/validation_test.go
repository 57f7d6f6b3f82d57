package webhooks_test

import (
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/webhooks"
)

const (
	valid = `{"metadata":{"name":"x"},"spec":{"providerRef":{"name":"x"}}}`
	// invalid has two mistakes.
	invalid = `{"metadata":{"name":"x"},"spec":{"ttlSecondsAfterEmpty":-1}}`
)

func TestARefusalNamesEveryFieldAsTheAPIServerDoes(t *testing.T) {
	w := newWebhook(t, peers{})
	got := w.ask(t, webhooks.PathValidateProvisioners, admissionv1.Create, invalid, "")
	if got.Allowed || got.Result.Code != 422 || got.Result.Reason != metav1.StatusReasonInvalid {
		t.Fatalf("got %+v", got)
	}
	details := got.Result.Details
	if details == nil || details.Kind != "Provisioner" || details.Group != "karpenter.sh" || details.Name != "x" {
		t.Fatalf("details are %+v", details)
	}
	fields := map[string]bool{}
	for _, c := range details.Causes {
		fields[c.Field] = true
	}
	for _, want := range []string{"spec.ttlSecondsAfterEmpty", "spec"} {
		found := false
		for field := range fields {
			found = found || strings.HasPrefix(field, want)
		}
		if !found {
			t.Errorf("no cause is about %s: %+v", want, details.Causes)
		}
	}
	if len(details.Causes) != 2 {
		t.Errorf("there are %d causes for 2 mistakes: %+v", len(details.Causes), details.Causes)
	}
}

func TestValidObjectsAreAllowed(t *testing.T) {
	w := newWebhook(t, peers{})
	const template = `{"metadata":{"name":"x"},"spec":{"subnetSelector":{"a":"b"},"securityGroupSelector":{"a":"b"}}}`
	for path, object := range map[string]string{webhooks.PathValidateProvisioners: valid, webhooks.PathValidateAWSNodeTemplates: template} {
		for operation, stored := range map[admissionv1.Operation]string{admissionv1.Create: "", admissionv1.Update: `{"spec":{}}`} {
			if got := w.ask(t, path, operation, object, stored); !got.Allowed || len(got.Patch) > 0 {
				t.Errorf("%s %s: %+v", path, operation, got)
			}
		}
	}
}

func TestTemplatesWithMistakesAreRefused(t *testing.T) {
	got := newWebhook(t, peers{}).ask(t, webhooks.PathValidateAWSNodeTemplates, admissionv1.Create, `{"metadata":{"name":"x"},"spec":{}}`, "")
	if got.Allowed || got.Result.Reason != metav1.StatusReasonInvalid || !strings.Contains(got.Result.Message, "spec.subnetSelector") {
		t.Errorf("got %+v", got)
	}
}

func TestAnUpdateThatKeepsTheSpecIsAllowedWhateverTheSpecSays(t *testing.T) {
	w := newWebhook(t, peers{})
	relabelled := strings.Replace(invalid, `"name":"x"`, `"name":"x","labels":{"a":"b"}`, 1)
	if got := w.ask(t, webhooks.PathValidateProvisioners, admissionv1.Update, relabelled, invalid); !got.Allowed {
		t.Errorf("a label is refused: %+v", got.Result)
	}
	for name, stored := range map[string]string{"a valid spec": valid, "what is no Provisioner": `{"spec":{"weight":"ten"}}`, "nothing": ""} {
		if got := w.ask(t, webhooks.PathValidateProvisioners, admissionv1.Update, invalid, stored); got.Allowed {
			t.Errorf("an invalid spec in place of %s is allowed", name)
		}
	}
	if got := w.ask(t, webhooks.PathValidateProvisioners, admissionv1.Create, invalid, invalid); got.Allowed {
		t.Error("creating an invalid object is allowed")
	}
}

func TestWhatDoesNotDecodeIsRefusedWithTheReason(t *testing.T) {
	w := newWebhook(t, peers{})
	for object, says := range map[string]string{
		`{"spec":{"weight":"ten"}}`:                         "weight",
		`{"spec":{"limits":{"resources":{"cpu":"a lot"}}}}`: "quantities",
		`{"spec":{"requirements":{"key":"a"}}}`:             "requirements",
		`[]`:                                                "Provisioner",
	} {
		got := w.ask(t, webhooks.PathValidateProvisioners, admissionv1.Create, object, "")
		if got.Allowed || got.Result.Code != 400 || !strings.Contains(got.Result.Message, says) {
			t.Errorf("%s: got %+v, want a message with %q", object, got.Result, says)
		}
	}
}

func TestOverlappingProvisionersAreWarnedOf(t *testing.T) {
	other := v1alpha5.Provisioner{ObjectMeta: metav1.ObjectMeta{Name: "other"}}
	got := newWebhook(t, peers{other}).ask(t, webhooks.PathValidateProvisioners, admissionv1.Create, valid, "")
	if !got.Allowed || len(got.Warnings) == 0 || !strings.Contains(strings.Join(got.Warnings, "\n"), "other") {
		t.Errorf("got %+v", got)
	}
	if got := newWebhook(t, peers{}).ask(t, webhooks.PathValidateProvisioners, admissionv1.Create, valid, ""); len(got.Warnings) > 0 {
		t.Errorf("a Provisioner alone is warned of %v", got.Warnings)
	}
}

func TestWarningsComeWithARefusalToo(t *testing.T) {
	const both = `{"metadata":{"name":"x"},"spec":{"launchTemplate":"mine"}}`
	got := newWebhook(t, peers{}).ask(t, webhooks.PathValidateAWSNodeTemplates, admissionv1.Create, both, "")
	if got.Allowed || len(got.Warnings) == 0 || !strings.Contains(got.Warnings[0], "launchTemplate") {
		t.Errorf("got %+v", got)
	}
}
