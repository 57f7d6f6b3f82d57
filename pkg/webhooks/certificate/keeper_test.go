package certificate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

// stage is a cluster with a clock that the test moves.
type stage struct {
	client.Client
	t     *testing.T
	clock *clocktesting.FakeClock
	// before is called before each call of a keeper with what it is, e.g. "get cert"; an error is the answer.
	before func(call string) error
	calls  []string
	// registry has the metrics of the last keeper.
	registry *prometheus.Registry
}

func newStage(t *testing.T, objects ...client.Object) *stage {
	t.Helper()
	return &stage{Client: newClient(t, objects...), t: t, clock: clocktesting.NewFakeClock(start())}
}

func (s *stage) call(call string, do func() error) error {
	s.calls = append(s.calls, call)
	if s.before != nil {
		if err := s.before(call); err != nil {
			return err
		}
	}
	return do()
}

func (s *stage) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	return s.call("get "+key.Name, func() error { return s.Client.Get(ctx, key, object, options...) })
}

func (s *stage) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	return s.call("update "+object.GetName(), func() error { return s.Client.Update(ctx, object, options...) })
}

func (s *stage) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	return s.call("patch "+object.GetName(), func() error { return s.Client.Patch(ctx, object, patch, options...) })
}

// keeper returns another replica's keeper.
func (s *stage) keeper() *Keeper {
	s.t.Helper()
	s.registry = prometheus.NewRegistry()
	recorded, err := metrics.New(s.registry)
	if err != nil {
		s.t.Fatal(err)
	}
	k, err := New(testSettings(), s, s, recorded, s.clock)
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

// expirations returns what the metrics say: certificate -> Unix seconds.
func (s *stage) expirations() map[string]float64 {
	s.t.Helper()
	families, err := s.registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	out := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "karpenter_webhook_certificate_expiration_timestamp_seconds" {
			continue
		}
		for _, metric := range family.GetMetric() {
			out[metric.GetLabel()[0].GetValue()] = metric.GetGauge().GetValue()
		}
	}
	return out
}

// keep lets a keeper look once, which has to succeed.
func (s *stage) keep(k *Keeper) time.Duration {
	s.t.Helper()
	wait, err := k.keep(s.t.Context(), logr.Discard())
	if err != nil {
		s.t.Fatal(err)
	}
	return wait
}

// see returns what is in the cluster.
func (s *stage) see() view {
	s.t.Helper()
	v, err := cluster{settings: testSettings(), live: s.Client}.look(s.t.Context(), s.clock)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s *stage) secret(content string) {
	s.t.Helper()
	secret := s.see().secret
	secret.Data = map[string][]byte{dataKey: []byte(content)}
	if err := s.Client.Update(s.t.Context(), secret); err != nil {
		s.t.Fatal(err)
	}
}

// edit changes all webhooks of a configuration as somebody else would.
func (s *stage) edit(name string, change func(*admissionregistrationv1.WebhookClientConfig)) {
	s.t.Helper()
	for _, configuration := range s.see().configurations {
		if configuration.GetName() != name {
			continue
		}
		for _, w := range webhooksOf(configuration) {
			change(w.config)
		}
		if err := s.Client.Update(s.t.Context(), configuration); err != nil {
			s.t.Fatal(err)
		}
	}
}

func TestOneLookFromNothingMakesWebhooksWork(t *testing.T) {
	s := newStage(t, objects()...)
	k := s.keeper()
	if err := k.Ready(); err == nil || !strings.Contains(err.Error(), "has not looked") {
		t.Errorf("before the first look: %v", err)
	}
	wait := s.keep(k)
	if err := k.Ready(); err != nil {
		t.Errorf("not ready: %s", err)
	}
	v, served := s.see(), k.served()
	if len(v.authorities) != 1 || !v.webhooks.trust(v.authorities[0].id) || served.authority != v.authorities[0].id {
		t.Errorf("authorities %v, of which %s signs, trusted %t", v.authorities.ids(), served.authority, v.webhooks.trust(served.authority))
	}
	if diff := cmp.Diff([]string{service}, served.certificate.Leaf.DNSNames); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if wait != 10*time.Minute {
		t.Errorf("looks again after %s", wait)
	}
	want := map[string]float64{"serving": float64(served.expires.Unix()), "authority": float64(v.authorities[0].expires.Unix())}
	if diff := cmp.Diff(want, s.expirations()); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	s.calls = nil
	s.keep(k)
	if want := []string{"get defaulting", "get validation", "get cert"}; !slices.Equal(s.calls, want) {
		t.Errorf("with nothing to do there were %v, want %v", s.calls, want)
	}
}

func TestReplicasThatStartAtOnceShareOneAuthority(t *testing.T) {
	for _, at := range []string{"get defaulting", "get validation", "get cert", "update cert", "patch defaulting", "patch validation"} {
		t.Run(at, func(t *testing.T) {
			s := newStage(t, objects()...)
			first, second := s.keeper(), s.keeper()
			s.before = func(call string) error {
				if call == at {
					s.before = nil
					s.keep(second)
				}
				return nil
			}
			s.keep(first)
			v := s.see()
			if len(v.authorities) != 1 || first.served().authority != v.authorities[0].id || second.served().authority != v.authorities[0].id {
				t.Errorf("there are %v", v.authorities.ids())
			}
			if err := errors.Join(first.Ready(), second.Ready()); err != nil {
				t.Error(err)
			}
		})
	}
}

// A replica that is held up at any of its calls, while another takes a rotation further, undoes nothing of that.
func TestAReplicaThatWasHeldUpTakesNoAuthorityOutOfABundle(t *testing.T) {
	for held := range 12 {
		t.Run(fmt.Sprintf("at call %d", held+1), func(t *testing.T) {
			s := newStage(t, objects()...)
			slow, quick := s.keeper(), s.keeper()
			s.keep(slow)
			s.keep(quick)
			s.clock.SetTime(minute(119))
			s.edit("defaulting", func(c *admissionregistrationv1.WebhookClientConfig) { c.CABundle = nil }) // there is something to write
			calls, rotated := 0, false
			s.before = func(string) error {
				v := s.see()
				for _, a := range v.authorities {
					if rotated && !v.webhooks.trust(a.id) {
						t.Errorf("before call %d %s does not trust %s", calls, v.webhooks.distrust(a.id), short(a.id))
					}
				}
				if calls++; calls != held+1 {
					return nil
				}
				between := s.before
				s.before = nil
				s.clock.SetTime(minute(120))
				s.keep(quick)
				s.before, rotated = between, true
				return nil
			}
			s.keep(slow)
			if calls > held && len(s.see().authorities) != 2 {
				t.Errorf("there are %v, want two", s.see().authorities.ids())
			}
			if rotated != (calls > held) {
				t.Errorf("of %d calls the keeper was held up at none", calls)
			}
		})
	}
}

// The time that a look takes shortens what is valid for a time, and does not shorten what a time has to pass from.
func TestTheTimeThatALookTakesIsOnTheSafeSide(t *testing.T) {
	s := newStage(t, objects()...)
	k := s.keeper()
	var looks []time.Time
	var trusted time.Time // when the configurations were first seen to trust the authority
	s.before = func(call string) error {
		if call == "get defaulting" {
			looks = append(looks, s.clock.Now())
		}
		s.clock.Step(20 * time.Second)
		v := s.see()
		if newest := v.authorities.newest(); call == "get validation" && trusted.IsZero() && newest != nil && v.webhooks.trust(newest.id) {
			trusted = s.clock.Now()
		}
		return nil
	}
	s.keep(k)
	newest, served := s.see().authorities.newest(), k.served()
	if trusted.IsZero() || newest.published.Before(trusted) {
		t.Errorf("published at %s, but seen to be trusted at %s", newest.published, trusted)
	}
	if !slices.ContainsFunc(looks, served.made.Equal) || served.expires.After(served.made.Add(time.Hour)) {
		t.Errorf("the certificate is made as of %s and ends at %s; looks began at %v", served.made, served.expires, looks)
	}
}

func TestABundleThatIsTakenAwayIsPutBack(t *testing.T) {
	s := newStage(t, objects()...)
	k := s.keeper()
	s.keep(k)
	wanted := s.see().webhooks[0].config.CABundle
	for name, bundle := range map[string]string{"nothing": "", "garbage": "garbage", "more than there should be": string(wanted) + string(encodeCertificate(aged(t, 0).certificate))} {
		s.edit("validation", func(c *admissionregistrationv1.WebhookClientConfig) { c.CABundle = []byte(bundle) })
		before := k.served()
		s.keep(k)
		for _, w := range s.see().webhooks {
			if diff := cmp.Diff(string(wanted), string(w.config.CABundle)); diff != "" {
				t.Errorf("after %s the bundle of %s is (-want +got):\n%s", name, w.name, diff)
			}
		}
		if k.served() != before {
			t.Errorf("after %s another certificate is served", name)
		}
	}
}

func TestWhatIsServedStaysServedThroughTrouble(t *testing.T) {
	s := newStage(t, objects()...)
	k := s.keeper()
	s.keep(k)
	before := k.served()
	s.before = func(string) error { return errors.New("unreachable") }
	if _, err := k.keep(t.Context(), logr.Discard()); err == nil {
		t.Error("a look at nothing succeeded")
	}
	if err := k.Ready(); err != nil {
		t.Errorf("not ready while a good certificate is served: %s", err)
	}
	s.before = nil
	for _, name := range []string{"defaulting", "validation"} {
		s.edit(name, func(c *admissionregistrationv1.WebhookClientConfig) { c.CABundle = nil })
	}
	s.before = func(call string) error {
		if strings.HasPrefix(call, "patch") {
			return errors.New("patching is forbidden")
		}
		return nil
	}
	if _, err := k.keep(t.Context(), logr.Discard()); err == nil {
		t.Error("the bundles were not mended, and that is no error")
	}
	want := "webhook a.kerf of defaulting does not trust the serving certificate: "
	if err := k.Ready(); err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "patching is forbidden") {
		t.Errorf("Ready = %v, want %q and the cause", err, want)
	}
	if k.served() != before {
		t.Error("another certificate is served")
	}
}

func TestALostSecretIsNotFelt(t *testing.T) {
	for name, content := range map[string]string{"emptied": "", "garbage": "garbage"} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, objects()...)
			k := s.keeper()
			s.keep(k)
			s.clock.SetTime(minute(15))
			s.keep(k)
			before := k.served()
			s.secret(content)
			s.keep(k)
			v := s.see()
			if len(v.authorities) != 2 || v.authorities[0].id != before.authority || v.authorities[0].key != nil || !v.webhooks.trust(before.authority) {
				t.Errorf("there are %v, of which %s has served", v.authorities.ids(), short(before.authority))
			}
			if k.served() != before || k.Ready() != nil {
				t.Errorf("another certificate is served, or none: %v", k.Ready())
			}
			s.clock.SetTime(minute(25))
			s.keep(k)
			if got := k.served().authority; got != v.authorities[1].id {
				t.Errorf("%s signs, want the new one", short(got))
			}
			s.clock.SetTime(minute(25 + 60 + 10))
			s.keep(k)
			if n := len(s.see().authorities); n != 1 {
				t.Errorf("there are %d authorities in the end", n)
			}
		})
	}
}

func TestAWebhookThatMovesIsServedUnderBothNames(t *testing.T) {
	s := newStage(t, objects()...)
	k := s.keeper()
	s.keep(k)
	for _, name := range []string{"defaulting", "validation"} {
		s.edit(name, func(c *admissionregistrationv1.WebhookClientConfig) {
			c.Service, c.URL = nil, new("https://127.0.0.1:9443/x")
		})
	}
	for _, want := range [][]string{{"127.0.0.1", service}, {"127.0.0.1"}} {
		s.keep(k)
		if diff := cmp.Diff(want, k.served().names); diff != "" {
			t.Errorf("names (-want +got):\n%s", diff)
		}
		if ips := k.served().certificate.Leaf.IPAddresses; len(ips) != 1 || ips[0].String() != "127.0.0.1" {
			t.Errorf("addresses = %v", ips)
		}
		s.clock.Step(31 * time.Minute)
	}
	for _, name := range []string{"defaulting", "validation"} {
		for _, configuration := range s.see().configurations {
			if configuration.GetName() == name {
				if err := s.Delete(t.Context(), configuration); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	before := k.served()
	s.keep(k)
	if k.served() != before {
		t.Error("without webhooks another certificate is served")
	}
}

func TestAFightOverABundleEndsALook(t *testing.T) {
	s := newStage(t, objects()...)
	k := s.keeper()
	s.keep(k)
	s.before = func(call string) error {
		if call == "get defaulting" {
			s.edit("validation", func(c *admissionregistrationv1.WebhookClientConfig) { c.CABundle = []byte("mine") })
		}
		return nil
	}
	s.calls = nil
	if _, err := k.keep(t.Context(), logr.Discard()); err == nil || !strings.Contains(err.Error(), "keep changing") {
		t.Errorf("error = %v", err)
	}
	if n := len(s.calls); n > 4*maxLooks {
		t.Errorf("there were %d calls", n)
	}
}

func TestOtherContentOfTheSecretIsLeftAlone(t *testing.T) {
	all := objects()
	secret, ok := all[0].(*corev1.Secret)
	if !ok {
		t.Fatalf("the first object is a %T", all[0])
	}
	secret.Labels, secret.Data = map[string]string{"team": "infra"}, map[string][]byte{"note": []byte("hands off")}
	s := newStage(t, all...)
	s.keep(s.keeper())
	got := s.see().secret
	if got.Labels["team"] != "infra" || string(got.Data["note"]) != "hands off" || len(got.Data) != 2 {
		t.Errorf("labels %v, keys %d", got.Labels, len(got.Data))
	}
}

func TestFailuresAreRetriedEverMoreSlowlyAndToldOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, logs := newStage(t, objects()...), &lockedBuffer{}
		var attempts []time.Duration
		began, down := time.Now(), true
		s.before = func(call string) error {
			if call == "get defaulting" {
				attempts = append(attempts, time.Since(began).Round(time.Second/10))
			}
			if down {
				return errors.New("unreachable")
			}
			return nil
		}
		recorded, err := metrics.New(prometheus.NewRegistry())
		if err != nil {
			t.Fatal(err)
		}
		k, err := New(testSettings(), s, s, recorded, clock.RealClock{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(ctrl.LoggerInto(t.Context(), logs.logger()))
		ended := make(chan error)
		go func() { ended <- k.Start(ctx) }()
		<-time.After(90 * time.Second)
		want := []time.Duration{0, 500 * time.Millisecond, 1500 * time.Millisecond, 3500 * time.Millisecond, 7500 * time.Millisecond, 15500 * time.Millisecond, 31500 * time.Millisecond, 61500 * time.Millisecond}
		if diff := cmp.Diff(want, attempts); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
		down = false
		k.wake() // as a watch does
		<-time.After(2 * pause)
		if err := k.Ready(); err != nil {
			t.Errorf("not ready once it can be: %s", err)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if n := strings.Count(logs.String(), "failed and will be tried again"); n != 1 || !strings.Contains(logs.String(), "succeeded again") {
			t.Errorf("failures were told %d times:\n%s", n, logs)
		}
	})
}
