package certificate

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

func TestWhatIsNotSetFollowsFromTheLifetime(t *testing.T) {
	for lifetime, want := range map[time.Duration]policy{
		168 * time.Hour:  {leaf: 168 * time.Hour, authority: 52 * 168 * time.Hour, propagation: time.Hour},
		10 * time.Second: {leaf: 10 * time.Second, authority: 520 * time.Second, propagation: 2500 * time.Millisecond},
		maxLifetime:      {leaf: maxLifetime, authority: 52 * maxLifetime, propagation: time.Hour},
	} {
		s := testSettings()
		s.Lifetime, s.AuthorityLifetime, s.Propagation = lifetime, 0, 0
		if got := s.policy(); got != want {
			t.Errorf("with a lifetime of %s: %+v, want %+v", lifetime, got, want)
		}
		if err := s.Validate(); err != nil {
			t.Errorf("a lifetime of %s is refused: %s", lifetime, err)
		}
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Settings)
		want   string
	}{
		"no Secret":                     {func(s *Settings) { s.Secret = "" }, "no Secret is named"},
		"no namespace":                  {func(s *Settings) { s.Namespace = "" }, "no Secret is named"},
		"no webhooks":                   {func(s *Settings) { s.Mutating, s.Validating = nil, nil }, "no webhook configuration is named"},
		"no lifetime":                   {func(s *Settings) { s.Lifetime = 0 }, "a lifetime of 0s is not between 4s and 8784h0m0s"},
		"less than seconds can tell":    {func(s *Settings) { s.Lifetime = time.Second }, "a lifetime of 1s"},
		"longer than anybody remembers": {func(s *Settings) { s.Lifetime = 10 * maxLifetime }, "a lifetime of 87840h0m0s"},
		"an authority of two lives":     {func(s *Settings) { s.AuthorityLifetime = 2 * time.Hour }, "an authority's lifetime of 2h0m0s is below three times"},
		"travel for half of a life":     {func(s *Settings) { s.Propagation = 30 * time.Minute }, "a propagation time of 30m0s"},
		"travel back in time":           {func(s *Settings) { s.Propagation = -time.Minute }, "a propagation time of -1m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := testSettings()
			tc.change(&settings)
			if err := settings.Validate(); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Validate = %v, want %q", err, tc.want)
			}
			recorded, err := metrics.New(prometheus.NewRegistry())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := New(settings, nil, nil, recorded, clocktesting.NewFakeClock(start())); err == nil {
				t.Error("there is a keeper with these settings")
			}
		})
	}
}
