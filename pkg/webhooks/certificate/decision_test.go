package certificate

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
)

// start is the beginning of time in these tests; minute counts from there.
func start() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

func minute(n int) time.Time { return start().Add(time.Duration(n) * time.Minute) }

// hourly has leaves of an hour, authorities of four, and ten minutes to propagate.
func hourly() policy { return testSettings().policy() }

// aged is an authority as old as is said, which is trusted and signs where that is said.
func aged(t *testing.T, createdAt int, change ...func(*authority)) authority {
	t.Helper()
	p := hourly()
	a, err := newAuthority(minute(createdAt), p.authority, p.leaf)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(&a)
	}
	return a
}

func published(at int) func(*authority) {
	return func(a *authority) { a.published, a.signsFrom = minute(at), minute(at).Add(hourly().propagation) }
}

func keyless(a *authority) { a.key = nil }

// trusting returns a webhook that trusts authorities.
func trusting(list ...authority) webhook {
	config := &admissionregistrationv1.WebhookClientConfig{
		Service: &admissionregistrationv1.ServiceReference{Name: "kerf", Namespace: "kerf-system"}, CABundle: authorities(list).bundle(),
	}
	return webhook{configuration: "validation", name: "b.kerf", config: config, trusted: trusts(config.CABundle)}
}

func TestTheNewestAuthorityThatEveryAPIServerKnowsSigns(t *testing.T) {
	old, next := aged(t, 0, published(0)), aged(t, 120, published(120))
	lost, fresh, second := aged(t, 0, published(0), keyless), aged(t, 100), aged(t, 110)
	for name, tc := range map[string]struct {
		list    authorities
		now     time.Time
		want    string
		settled bool
	}{
		"none":                                   {now: minute(0)},
		"the only one, before anybody knows it":  {list: authorities{fresh}, now: minute(100), want: fresh.id},
		"the only one, on its way":               {list: authorities{old}, now: minute(9), want: old.id},
		"the only one, known":                    {list: authorities{old}, now: minute(10), want: old.id, settled: true},
		"the old one while the new one travels":  {list: authorities{old, next}, now: minute(129), want: old.id, settled: true},
		"the new one from its minute on":         {list: authorities{old, next}, now: minute(130), want: next.id, settled: true},
		"the new one once the old has lost":      {list: authorities{lost, fresh}, now: minute(105), want: fresh.id},
		"the older of two that nobody knows":     {list: authorities{fresh, second}, now: minute(115), want: fresh.id},
		"none that has expired":                  {list: authorities{old}, now: minute(240)},
		"the new one though the old one expired": {list: authorities{old, fresh}, now: minute(241), want: fresh.id},
	} {
		t.Run(name, func(t *testing.T) {
			signer, settled := tc.list.signer(tc.now)
			got := ""
			if signer != nil {
				got = signer.id
			}
			if got != tc.want || settled != tc.settled {
				t.Errorf("signer = %q settled %t, want %q settled %t", got, settled, tc.want, tc.settled)
			}
		})
	}
}

func TestAnAuthorityIsNeededUntilAllThatItSignedHasExpired(t *testing.T) {
	old := aged(t, 0, published(0))
	long := aged(t, 0, published(0), func(a *authority) { a.leafLifetime = 2 * time.Hour })
	for name, tc := range map[string]struct {
		list authorities
		want time.Time
	}{
		"until it expires when it has no successor":          {authorities{old}, minute(240)},
		"until it expires when nobody knows the successor":   {authorities{old, aged(t, 120)}, minute(240)},
		"until it expires when the successor cannot sign":    {authorities{old, aged(t, 120, published(120), keyless)}, minute(240)},
		"a lifetime and the travel time after the successor": {authorities{old, aged(t, 120, published(120))}, minute(120 + 10 + 60 + 10)},
		"by its own lifetime of what it signs":               {authorities{long, aged(t, 60, published(60))}, minute(60 + 10 + 120 + 10)},
		"by the first of two successors":                     {authorities{old, aged(t, 60, published(60)), aged(t, 120, published(120))}, minute(60 + 10 + 60 + 10)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.list.obsoleteAt(0); !got.Equal(tc.want) {
				t.Errorf("obsolete at %s, want %s", got, tc.want)
			}
			if n := len(tc.list.needed(tc.want.Add(-time.Second))); n != len(tc.list) {
				t.Errorf("%d of %d are needed the second before", n, len(tc.list))
			}
			if tc.list.needed(tc.want).find(tc.list[0].id) != nil {
				t.Error("it is needed still")
			}
		})
	}
}

func TestARotationTakesItsStepsInOrder(t *testing.T) {
	first, old, next := aged(t, 0), aged(t, 0, published(0)), aged(t, 120)
	settled, made := aged(t, 120, published(120)), aged(t, 1000)
	foreign := trusting(old)
	foreign.config.CABundle = append(foreign.config.CABundle, []byte("garbage")...)
	for name, tc := range map[string]struct {
		view view
		step string
		want authorities
	}{
		"nothing is there":                         {view: view{now: minute(0)}, step: stepMade, want: authorities{made}},
		"the content is lost and nothing trusted":  {view: view{now: minute(0), unusable: errors.New("lost"), webhooks: webhooks{trusting()}}, step: stepMade, want: authorities{made}},
		"the content is lost and one is trusted":   {view: view{now: minute(0), webhooks: webhooks{trusting(), foreign, trusting(old)}}, step: stepMade, want: authorities{old, made}},
		"the content is lost and one has expired":  {view: view{now: minute(240), webhooks: webhooks{trusting(old, next)}}, step: stepMade, want: authorities{next, made}},
		"it is made and no webhook trusts it":      {view: view{now: minute(0), authorities: authorities{first}, webhooks: webhooks{trusting()}}},
		"it is made and one webhook distrusts it":  {view: view{now: minute(0), authorities: authorities{first}, webhooks: webhooks{trusting(first), trusting()}}},
		"it is made and there is no webhook":       {view: view{now: minute(0), authorities: authorities{first}}},
		"all webhooks trust it":                    {view: view{now: minute(0), seen: minute(3), authorities: authorities{first}, webhooks: webhooks{trusting(first)}}, step: stepPublished, want: authorities{first}},
		"it is known":                              {view: view{now: minute(119), authorities: authorities{old}, webhooks: webhooks{trusting(old)}}},
		"half of its life is over":                 {view: view{now: minute(120), authorities: authorities{old}, webhooks: webhooks{trusting(old)}}, step: stepMade, want: authorities{old, made}},
		"its successor is there":                   {view: view{now: minute(121), authorities: authorities{old, next}, webhooks: webhooks{trusting(old)}}},
		"all webhooks trust the successor":         {view: view{now: minute(121), seen: minute(121), authorities: authorities{old, next}, webhooks: webhooks{trusting(old, next)}}, step: stepPublished, want: authorities{old, next}},
		"the old one may still be needed":          {view: view{now: minute(199), authorities: authorities{old, settled}, webhooks: webhooks{trusting(old, settled)}}},
		"the old one is needed no more":            {view: view{now: minute(200), authorities: authorities{old, settled}, webhooks: webhooks{trusting(old, settled)}}, step: stepDropped, want: authorities{settled}},
		"everything expired while nothing ran":     {view: view{now: minute(9999), authorities: authorities{old, settled}, webhooks: webhooks{trusting(old)}}, step: stepMade, want: authorities{old, settled, made}},
		"what expired is dropped when one is made": {view: view{now: minute(1000), authorities: authorities{old, settled, made}, webhooks: webhooks{trusting(old)}}, step: stepDropped, want: authorities{made}},
	} {
		t.Run(name, func(t *testing.T) {
			got, step, err := hourly().rotate(tc.view, func(time.Time) (authority, error) { return made, nil })
			if err != nil || step != tc.step {
				t.Fatalf("step %q, %v; want %q", step, err, tc.step)
			}
			if diff := cmp.Diff(tc.want.ids(), got.ids()); diff != "" {
				t.Errorf("authorities (-want +got):\n%s", diff)
			}
			if step != stepPublished {
				return
			}
			if newest := got.newest(); !newest.published.Equal(tc.view.seen) || newest.signsFrom.Sub(newest.published) != 10*time.Minute {
				t.Errorf("published at %s, signs from %s", newest.published, newest.signsFrom)
			}
		})
	}
}

func TestAnAuthorityThatCannotBeMadeIsAnError(t *testing.T) {
	failure := errors.New("no entropy")
	if _, _, err := hourly().rotate(view{now: minute(0)}, func(time.Time) (authority, error) { return authority{}, failure }); !errors.Is(err, failure) {
		t.Errorf("error = %v, want that of making one", err)
	}
}

func TestAServingCertificateIsRenewedWhenThatIsOfUse(t *testing.T) {
	old, next, lost := aged(t, 0, published(0)), aged(t, 120, published(120)), aged(t, 0, published(0), keyless)
	fresh := aged(t, 60)
	of := func(a authority, made, lasts int, names ...string) *leaf {
		return &leaf{authority: a.id, names: append(names, service), made: minute(made), expires: minute(made + lasts)}
	}
	one := func(now int, list authorities, hooks ...webhook) view {
		return view{now: minute(now), authorities: list, webhooks: hooks}
	}
	nobody := trusting(old)
	nobody.config.Service = nil
	elsewhere := trusting(old)
	elsewhere.config.Service.Name = "other"
	for name, tc := range map[string]struct {
		view view
		have *leaf
		want string
	}{
		"the first":                                    {one(1, authorities{old}, trusting(old)), nil, old.id},
		"not without an authority":                     {one(1, nil, trusting(old)), nil, ""},
		"not before its authority is trusted":          {one(1, authorities{old}, trusting(old), trusting()), nil, ""},
		"not without webhooks":                         {one(1, authorities{old}), nil, ""},
		"not for nobody":                               {one(1, authorities{old}, nobody), nil, ""},
		"not in its first half":                        {one(79, authorities{old}, trusting(old)), of(old, 50, 60), ""},
		"in its second half":                           {one(80, authorities{old}, trusting(old)), of(old, 50, 60), old.id},
		"by its own life, not by what it could be":     {one(61, authorities{old}, trusting(old)), of(old, 50, 20), old.id},
		"not when a new one would end at the same":     {one(235, authorities{old}, trusting(old)), of(old, 180, 60), ""},
		"when it has expired":                          {one(110, authorities{old}, trusting(old)), of(old, 50, 60), old.id},
		"when a webhook moves":                         {one(51, authorities{old}, elsewhere), of(old, 50, 60), old.id},
		"not when a webhook moves back":                {one(51, authorities{old}, trusting(old)), of(old, 50, 60, "other.kerf-system.svc"), ""},
		"when another authority signs":                 {one(130, authorities{old, next}, trusting(old, next)), of(old, 125, 60), next.id},
		"not while that is on its way":                 {one(129, authorities{old, next}, trusting(old, next)), of(old, 125, 60), ""},
		"not when that is not trusted any more":        {one(131, authorities{old, next}, trusting(old)), of(old, 125, 60), ""},
		"not by one that nobody knows":                 {one(62, authorities{lost, fresh}, trusting(lost, fresh)), of(lost, 55, 60), ""},
		"not by it when it is due, either":             {one(90, authorities{lost, fresh}, trusting(lost, fresh)), of(lost, 55, 60), ""},
		"by it shortly before the end":                 {one(108, authorities{lost, fresh}, trusting(lost, fresh)), of(lost, 55, 60), fresh.id},
		"by it when the old one is distrusted already": {one(62, authorities{lost, fresh}, trusting(fresh)), of(lost, 55, 60), fresh.id},
	} {
		t.Run(name, func(t *testing.T) {
			got := ""
			if signer := hourly().renewal(tc.view, tc.have); signer != nil {
				got = signer.id
			}
			if got != tc.want {
				t.Errorf("renewed by %q, want %q", short(got), short(tc.want))
			}
		})
	}
}

func TestAServingCertificateEndsWithWhateverEndsFirst(t *testing.T) {
	whole, brief := aged(t, 0), aged(t, 0, func(a *authority) { a.leafLifetime = 20 * time.Minute })
	for name, tc := range map[string]struct {
		signer authority
		now    time.Time
		want   time.Time
	}{
		"its lifetime": {whole, minute(5), minute(65)},
		"the lifetime that its authority promised": {brief, minute(5), minute(25)},
		"its authority":  {whole, minute(200), minute(240)},
		"a whole second": {whole, minute(5).Add(999 * time.Millisecond), minute(65)},
	} {
		if got := hourly().leafEnd(&tc.signer, tc.now); !got.Equal(tc.want) {
			t.Errorf("%s: it ends at %s, want %s", name, got, tc.want)
		}
	}
}

func TestNothingIsLookedAtUntilSomethingIsDue(t *testing.T) {
	old, next := aged(t, 0, published(0)), aged(t, 120, published(120))
	of := func(made int) *leaf { return &leaf{made: minute(made), expires: minute(made + 60)} }
	for name, tc := range map[string]struct {
		now  int
		list authorities
		have *leaf
		want time.Duration
	}{
		"nothing is":                        {now: 30, want: restingTime},
		"nothing soon":                      {now: 12, list: authorities{old}, have: of(5), want: restingTime},
		"a renewal":                         {now: 31, list: authorities{old}, have: of(5), want: 4 * time.Minute},
		"a renewal that waits for a repair": {now: 36, list: authorities{old}, have: of(5), want: restingTime},
		"an authority becomes known":        {now: 127, list: authorities{old, next}, have: of(120), want: 3 * time.Minute},
		"an authority becomes obsolete":     {now: 198, list: authorities{old, next}, have: of(190), want: 2 * time.Minute},
		"an authority gets a successor":     {now: 119, list: authorities{old}, have: of(110), want: time.Minute},
		"the end of a certificate":          {now: 64, list: authorities{old}, have: of(5), want: time.Minute},
	} {
		if got := hourly().wait(view{now: minute(tc.now), authorities: tc.list}, tc.have); got != tc.want {
			t.Errorf("%s: waits %s, want %s", name, got, tc.want)
		}
	}
}
