package certificate

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func TestReadinessSaysWhatIsMissing(t *testing.T) {
	all := objects()
	forbidden := errors.New("patching is forbidden")
	for name, tc := range map[string]struct {
		objects []client.Object
		change  func(*stage)
		want    string
	}{
		"no Secret":                {all[1:], nil, `(apply kerf's manifests again, or upgrade its Helm release): secrets "cert" not found`},
		"no webhook":               {all[:1], nil, ""}, // that nobody calls is no reason not to answer
		"neither":                  {nil, nil, ""},
		"one configuration of two": {all[:2], nil, ""},
		"a host of no name": {all, func(s *stage) {
			for _, name := range []string{"defaulting", "validation"} {
				s.edit(name, func(c *admissionregistrationv1.WebhookClientConfig) { c.Service, c.URL = nil, new("https://täglich") })
			}
		}, "no webhook configuration has a host"},
		"no right to write a bundle": {all, func(s *stage) {
			s.before = func(call string) error {
				if call == "patch validation" {
					return forbidden
				}
				return nil
			}
		}, "no certificate yet that every webhook trusts: writing the CA bundle of webhook configuration validation: patching is forbidden"},
		"no right to write the Secret": {all, func(s *stage) {
			s.before = func(call string) error {
				if call == "update cert" {
					return errors.New("updating is forbidden")
				}
				return nil
			}
		}, "writing Secret kerf-system/cert: updating is forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, tc.objects...)
			if tc.change != nil {
				tc.change(s)
			}
			k := s.keeper()
			_, keepErr := k.keep(t.Context(), logr.Discard())
			err := k.Ready()
			if (err == nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Ready = %v, want %q (keeping: %v)", err, tc.want, keepErr)
			}
		})
	}
}

func TestAReplicaThatCannotRenewIsReadyUntilTheEnd(t *testing.T) {
	s := newStage(t, objects()...)
	k := s.keeper()
	s.keep(k)
	s.before = func(string) error { return errors.New("unreachable") }
	const reason = "getting webhook configuration defaulting: unreachable"
	for at, want := range map[int]string{59: "", 60: "the serving certificate expired at 2026-01-01T01:00:00Z: " + reason} {
		s.clock.SetTime(minute(at))
		_, keepErr := k.keep(t.Context(), logr.Discard())
		if err := k.Ready(); keepErr == nil || fmt.Sprint(err) != fmt.Sprint(errorOrNil(want)) {
			t.Errorf("in minute %d Ready = %v, want %q", at, err, want)
		}
	}
}

func TestWithoutWebhooksKerfIsReadyAndSaysOnceThatNobodyCalls(t *testing.T) {
	s, logs := newStage(t, objects()...), &lockedBuffer{}
	k := s.keeper()
	look := func(want error) {
		t.Helper()
		_, err := k.keep(t.Context(), logs.logger())
		if got := k.Ready(); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("Ready = %v, want %v (keeping: %v)", got, want, err)
		}
	}
	look(nil)
	taken := s.see().configurations
	for _, configuration := range taken {
		if err := s.Delete(t.Context(), configuration); err != nil {
			t.Fatal(err)
		}
	}
	look(nil)
	s.clock.SetTime(minute(60)) // the certificate ends
	look(nil)
	if n := strings.Count(logs.String(), "no webhook configuration calls kerf"); n != 1 {
		t.Errorf("it was said %d times that nobody calls:\n%s", n, logs)
	}
	for _, configuration := range taken {
		configuration.SetResourceVersion("")
		webhooksOf(configuration).inject(nil)
		if err := s.Create(t.Context(), configuration); err != nil {
			t.Fatal(err)
		}
	}
	s.before = func(call string) error {
		if strings.HasPrefix(call, "patch") {
			return errors.New("patching is forbidden")
		}
		return nil
	}
	if _, err := k.keep(t.Context(), logs.logger()); err == nil || k.Ready() == nil {
		t.Errorf("with webhooks that do not trust kerf again it is ready (keeping: %v)", err)
	}
	s.before = nil
	look(nil)
}

func TestALostSecretIsToldOnceTheCertificateShouldHaveBeenRenewed(t *testing.T) {
	s, logs := newStage(t, objects()...), &lockedBuffer{}
	k := s.keeper()
	s.keep(k)
	lost := s.see().secret
	if err := s.Delete(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	const reason = `getting Secret kerf-system/cert, which kerf fills and may not create (apply kerf's manifests again, or upgrade its Helm release): secrets "cert" not found`
	for _, tc := range []struct {
		minute            int
		wantKept, wantNot string
	}{
		{29, "", ""},
		{30, "the serving certificate, which expires at 2026-01-01T01:00:00Z, could not be renewed: " + reason, ""},
		{60, "the serving certificate, which expires at 2026-01-01T01:00:00Z, could not be renewed: " + reason, "the serving certificate expired at 2026-01-01T01:00:00Z: " + reason},
	} {
		s.clock.SetTime(minute(tc.minute))
		if _, err := k.keep(t.Context(), logs.logger()); err == nil {
			t.Errorf("in minute %d looking for a lost Secret succeeded", tc.minute)
		}
		if kept, ready := k.Kept(), k.Ready(); fmt.Sprint(kept) != fmt.Sprint(errorOrNil(tc.wantKept)) || fmt.Sprint(ready) != fmt.Sprint(errorOrNil(tc.wantNot)) {
			t.Errorf("in minute %d Kept = %v, Ready = %v", tc.minute, kept, ready)
		}
	}
	lost.ResourceVersion, lost.Data = "", nil
	if err := s.Create(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	s.keep(k)
	if err := errors.Join(k.Kept(), k.Ready()); err != nil {
		t.Errorf("with a new Secret: %s", err)
	}
}

func errorOrNil(text string) error {
	if text == "" {
		return nil
	}
	return errors.New(text)
}
