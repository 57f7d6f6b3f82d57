package main

import (
	"errors"
	"os"
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
