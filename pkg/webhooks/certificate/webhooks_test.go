package certificate

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

func TestTheNameOfAWebhookIsTheOneThatAPIServersVerify(t *testing.T) {
	for url, want := range map[string]string{
		"https://127.0.0.1:8443/validate":        "127.0.0.1",
		"https://[::1]:8443/validate":            "::1",
		"https://[fe80::1%25eth0]/validate":      "fe80::1",
		"https://[::ffff:10.0.0.1]/validate":     "10.0.0.1",
		"https://Kerf.Example.Com/validate":      "kerf.example.com",
		"https://localhost":                      "localhost",
		"https://täglich.example/validate":       "",
		"https://under_score.example/validate":   "",
		"https://..example/validate":             "",
		"https://":                               "",
		"https://%zz":                            "",
		"https://user:secret@kerf.example/a?b=c": "kerf.example",
	} {
		if got := host(&admissionregistrationv1.WebhookClientConfig{URL: &url}); got != want {
			t.Errorf("host of %s = %q, want %q", url, got, want)
		}
	}
	reference := &admissionregistrationv1.ServiceReference{Name: "kerf", Namespace: "kerf-system"}
	if got := host(&admissionregistrationv1.WebhookClientConfig{Service: reference}); got != service {
		t.Errorf("host of a service = %q, want %q", got, service)
	}
	if got := host(&admissionregistrationv1.WebhookClientConfig{}); got != "" {
		t.Errorf("host of nothing = %q", got)
	}
}

func TestABundleIsExactlyTheAuthoritiesInEveryWebhookOfAConfiguration(t *testing.T) {
	old, next := aged(t, 0), aged(t, 120)
	bundle := authorities{old, next}.bundle()
	configuration := &admissionregistrationv1.ValidatingWebhookConfiguration{Webhooks: []admissionregistrationv1.ValidatingWebhook{
		{Name: "a", ClientConfig: admissionregistrationv1.WebhookClientConfig{CABundle: []byte("garbage")}},
		{Name: "b", ClientConfig: admissionregistrationv1.WebhookClientConfig{CABundle: authorities{aged(t, 0), old}.bundle()}},
		{Name: "c", ClientConfig: admissionregistrationv1.WebhookClientConfig{CABundle: bundle}},
	}}
	if list := webhooksOf(configuration); list.trust(old.id) || list.distrust(old.id) != "a of " {
		t.Errorf("trusted before by all but %q", list.distrust(old.id))
	}
	if !webhooksOf(configuration).inject(bundle) {
		t.Fatal("nothing was injected")
	}
	for _, w := range configuration.Webhooks {
		if diff := cmp.Diff(bundle, w.ClientConfig.CABundle); diff != "" {
			t.Errorf("bundle of %s (-want +got):\n%s", w.Name, diff)
		}
	}
	list := webhooksOf(configuration)
	if !list.trust(old.id) || !list.trust(next.id) || list.trust(aged(t, 0).id) {
		t.Error("the webhooks do not trust what they are told to")
	}
	if list.inject(bundle) {
		t.Error("the same bundle was injected again")
	}
}

func TestOnlyAuthoritiesOfKerfsAreTakenOverFromABundle(t *testing.T) {
	ours := aged(t, 0)
	made, err := newLeaf(&ours, []string{authorityName}, minute(0), minute(60))
	if err != nil {
		t.Fatal(err)
	}
	bundle := "garbage\n" + string(encodeCertificate(made.certificate.Leaf)) + string(encodeCertificate(ours.certificate)) +
		"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
	got := adopted([]byte(bundle), time.Minute)
	if diff := cmp.Diff(authorities{ours}.ids(), got.ids()); diff != "" {
		t.Errorf("taken over (-want +got):\n%s", diff)
	}
	if len(got) == 1 && (got[0].key != nil || got[0].leafLifetime != time.Minute || !got[0].expires.Equal(ours.expires)) {
		t.Errorf("it is taken over as %+v", got[0])
	}
}
