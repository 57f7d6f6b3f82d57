package main

import (
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// The load is put on long enough for the authority to be replaced. How long answers took is printed, and no reason to fail:
// other tests run at the same time.
func TestNoRequestFailsWhileCertificatesRotate(t *testing.T) {
	s := settings{
		root: "../..", requests: 700, clients: 4, rate: 35, progress: os.Stdout,
		certificateLifetime: 10 * time.Second, authorityLifetime: 30 * time.Second,
	}
	r, err := play(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	r.print(os.Stdout)
	for _, f := range r.failures {
		t.Error(f)
	}
	if r.requests() != s.requests || r.refused != s.requests/len(acts()) {
		t.Errorf("%d requests were made and %d refused", r.requests(), r.refused)
	}
	if r.certificates < 3 || r.authorities < 2 {
		t.Errorf("the webhook has served %d certificates of %d authorities: that is no rotation", r.certificates, r.authorities)
	}
	for _, l := range r.latencies {
		if least := float64(s.requests) / 4; l.histogram.total() < least {
			t.Errorf("%s has measured %g calls, fewer than %g: requests went past the webhook", l.who, l.histogram.total(), least)
		}
	}
}

func TestTheVerdictIsAboutWhatKerfIsKnownToAnswerInTime(t *testing.T) {
	quick := histogram{{0.01, 99}, {0.025, 100}, {math.Inf(1), 100}}
	late := histogram{{0.01, 98}, {0.025, 100}, {math.Inf(1), 100}}
	for name, tc := range map[string]struct {
		report *report
		want   string
	}{
		"all in time":               {&report{latencies: []latency{{"a", quick, true}}}, "PASS"},
		"one of two too late":       {&report{latencies: []latency{{"a", quick, true}, {"b", late, true}}}, "too slow, or not called: b"},
		"one that was never called": {&report{latencies: []latency{{"a", nil, true}}}, "FAIL"},
		"the API server too late":   {&report{latencies: []latency{{"a", quick, true}, {"b", late, false}}}, "PASS"},
		"a failure":                 {&report{latencies: []latency{{"a", quick, true}}, failures: []string{"x"}}, "FAIL"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			tc.report.printVerdict(&out)
			if !strings.Contains(out.String(), tc.want) {
				t.Errorf("got %q, want %q", out.String(), tc.want)
			}
			if good := tc.want == "PASS"; tc.report.good() != good {
				t.Errorf("good = %t", tc.report.good())
			}
		})
	}
}

func TestAnAnswerThatShouldHaveBeenAnotherIsAFailure(t *testing.T) {
	kind := schema.GroupKind{Group: "karpenter.sh", Kind: "Provisioner"}
	byKerf := apierrors.NewInvalid(kind, "x", field.ErrorList{field.Forbidden(field.NewPath("spec", "provider", "a"), "no such field")})
	bySchema := apierrors.NewInvalid(kind, "x", field.ErrorList{field.Required(field.NewPath("spec"), "")})
	for name, tc := range map[string]struct {
		act    act
		err    error
		failed bool
	}{
		"accepted":                      {act{}, nil, false},
		"refused for no reason":         {act{}, byKerf, true},
		"a mistake that kerf refuses":   {act{refused: true}, byKerf, false},
		"a mistake that is accepted":    {act{refused: true}, nil, true},
		"a mistake refused elsewhere":   {act{refused: true}, bySchema, true},
		"a mistake nobody was asked of": {act{refused: true}, errors.New("failed calling webhook"), true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &report{done: map[string]int{}}
			r.record(tc.act, tc.err)
			if failed := len(r.failures) > 0; failed != tc.failed || r.requests() != 1 {
				t.Errorf("%d failures of %d requests: %v", len(r.failures), r.requests(), r.failures)
			}
		})
	}
}
