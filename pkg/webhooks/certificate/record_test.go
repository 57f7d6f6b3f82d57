package certificate

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// recordOf returns an authority as the Secret has it.
func recordOf(t *testing.T, a authority) record {
	t.Helper()
	content, err := encode(authorities{a})
	if err != nil {
		t.Fatal(err)
	}
	var records []record
	if err := json.Unmarshal(content, &records); err != nil {
		t.Fatal(err)
	}
	return records[0]
}

func TestTheSecretKeepsAllThatIsKnown(t *testing.T) {
	list := authorities{aged(t, 0, published(1), keyless), aged(t, 120, published(121)), aged(t, 240)}
	content, err := encode(list)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(content)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(list) {
		t.Fatalf("%d authorities came back of %d", len(got), len(list))
	}
	for i, want := range list {
		a := got[i]
		if a.id != want.id || !a.certificate.Equal(want.certificate) || a.leafLifetime != want.leafLifetime {
			t.Errorf("authority %d came back as another", i)
		}
		if (a.key == nil) != (want.key == nil) || a.key != nil && !a.key.Equal(want.key) {
			t.Errorf("the key of authority %d came back as another", i)
		}
		times, wanted := []time.Time{a.created, a.expires, a.published, a.signsFrom}, []time.Time{want.created, want.expires, want.published, want.signsFrom}
		if diff := cmp.Diff(wanted, times); diff != "" {
			t.Errorf("times of authority %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestAnEmptySecretIsAStartAndNotAnError(t *testing.T) {
	for _, content := range [][]byte{nil, {}} {
		if list, err := decode(content); len(list) > 0 || err != nil {
			t.Errorf("decode of nothing = %v, %v", list, err)
		}
	}
}

func otherKey(t *testing.T, curve elliptic.Curve) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: keyBlock, Bytes: der}))
}

// leafRecord is a serving certificate in the place of an authority.
func leafRecord(t *testing.T, good authority) string {
	t.Helper()
	made, err := newLeaf(&good, []string{service}, minute(0), minute(60))
	if err != nil {
		t.Fatal(err)
	}
	return string(encodeCertificate(made.certificate.Leaf))
}

func TestUnusableContentIsRefusedWithAReasonThatQuotesNothingOfIt(t *testing.T) {
	good := aged(t, 0, published(0))
	key := recordOf(t, good).Key
	with := func(change func(*record)) []record {
		r := recordOf(t, good)
		change(&r)
		return []record{r}
	}
	for name, tc := range map[string]struct {
		content any
		want    string
	}{
		"a string":                   {key, "no list"},
		"a key for a time":           {[]any{map[string]any{"published": key}}, "no list"},
		"a key for a lifetime":       {[]any{map[string]any{"leafLifetime": key}}, "no list"},
		"none":                       {[]record{}, "0 authorities"},
		"too many":                   {make([]record, 17), "17 authorities"},
		"no certificate":             {with(func(r *record) { r.Certificate = "" }), "one certificate"},
		"the key in its place":       {with(func(r *record) { r.Certificate = r.Key }), "one certificate"},
		"two certificates":           {with(func(r *record) { r.Certificate += r.Certificate }), "one certificate"},
		"a broken certificate":       {with(func(r *record) { r.Certificate = strings.Replace(r.Certificate, "M", "N", 5) }), "certificate"},
		"a certificate of no issuer": {with(func(r *record) { r.Certificate = leafRecord(t, good) }), "no authority's"},
		"no lifetime":                {with(func(r *record) { r.LeafLifetime = metav1.Duration{} }), "no time to live"},
		"published and never to act": {with(func(r *record) { r.SignsFrom = time.Time{} }), "before it is published"},
		"acting and not published":   {with(func(r *record) { r.Published = time.Time{} }), "before it is published"},
		"acting before published":    {with(func(r *record) { r.Published = r.SignsFrom.Add(1) }), "before it is published"},
		"no key at all":              {with(func(r *record) { r.Key = "" }), "newest authority has no key"},
		"half a key":                 {with(func(r *record) { r.Key = r.Key[:len(r.Key)/2] }), "not that of its certificate"},
		"a key that is a mess":       {with(func(r *record) { r.Key = strings.Replace(r.Key, "M", "N", 1) }), "not that of its certificate"},
		"the certificate as key":     {with(func(r *record) { r.Key = r.Certificate }), "not that of its certificate"},
		"another key":                {with(func(r *record) { r.Key = otherKey(t, elliptic.P256()) }), "not that of its certificate"},
		"another kind of key":        {with(func(r *record) { r.Key = otherKey(t, elliptic.P384()) }), "not that of its certificate"},
		"the same twice":             {[]record{recordOf(t, good), recordOf(t, good)}, "authority 2 of 2 is there twice"},
	} {
		t.Run(name, func(t *testing.T) {
			content, err := json.Marshal(tc.content)
			if err != nil {
				t.Fatal(err)
			}
			list, err := decode(content)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("decode = %v, %v; want an error about %q", list.ids(), err, tc.want)
			}
			for line := range strings.Lines(key) {
				if strings.Contains(err.Error(), strings.TrimSpace(line)) {
					t.Errorf("the error quotes the content: %s", err)
				}
			}
		})
	}
}

// Whatever is in the Secret, it is read or refused, and what is read can be written and read again.
func FuzzContentIsReadOrRefused(f *testing.F) {
	a, err := newAuthority(start(), time.Hour, time.Minute)
	if err != nil {
		f.Fatal(err)
	}
	good, err := encode(authorities{a})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte(`[{"certificate": "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "leafLifetime": "1h"}]`))
	f.Add([]byte(`[{}, null]`))
	f.Fuzz(func(t *testing.T, content []byte) {
		list, err := decode(content)
		if err != nil || len(list) == 0 {
			return
		}
		again, err := encode(list)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := decode(again); err != nil || len(back) != len(list) {
			t.Errorf("what was read and written reads as %v, %v", back.ids(), err)
		}
	})
}
