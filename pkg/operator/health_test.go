package operator

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-logr/logr"
	"github.com/go-logr/logr/funcr"
	"github.com/google/go-cmp/cmp"
)

func TestProbesSayWhyKerfIsNotReady(t *testing.T) {
	var logged []string
	log := funcr.New(func(_, line string) { logged = append(logged, line) }, funcr.Options{})
	var aws, state error
	health := NewHealth(log)
	health.Check("state", func() error { return state })
	health.Check("aws", func() error { return errors.New("replaced below") })
	health.Check("aws", func() error { return aws })
	handler := health.Handler()
	probe := func(path string) (int, string) {
		recorder := httptest.NewRecorder()
		handler.ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
		return recorder.Code, recorder.Body.String()
	}
	type answer struct {
		status int
		body   string
	}
	for _, tc := range []struct {
		name       string
		aws, state error
		want       answer
	}{
		{"at once", nil, nil, answer{200, "ok\n"}},
		{"with one failure", errors.New("credentials refused"), nil, answer{503, "aws: credentials refused\n"}},
		{"still", errors.New("credentials refused"), nil, answer{503, "aws: credentials refused\n"}},
		{"with two", errors.New("credentials refused"), errors.New("not synced"), answer{503, "aws: credentials refused\nstate: not synced\n"}},
		{"again", nil, nil, answer{200, "ok\n"}},
	} {
		aws, state = tc.aws, tc.state
		status, body := probe("/readyz")
		if diff := cmp.Diff(tc.want, answer{status, body}, cmp.AllowUnexported(answer{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
		if status, _ := probe("/healthz"); status != 200 {
			t.Errorf("%s: the process is said to be dead: %d", tc.name, status)
		}
	}
	if len(logged) != 4 {
		t.Errorf("4 changes made %d log lines: %q", len(logged), logged)
	}
}

func TestAChangeIsLoggedOnceWhicheverCheckIsProbed(t *testing.T) {
	var logged []string
	log := funcr.New(func(_, line string) { logged = append(logged, line) }, funcr.Options{})
	health := NewHealth(log)
	aws := errors.New("credentials refused")
	health.Check("aws", func() error { return aws })
	health.Check("webhook", func() error { return nil })
	probe := func() {
		for _, path := range []string{"/readyz/webhook", "/readyz/webhook", "/readyz/aws", "/readyz", "/readyz/unknown"} {
			health.Handler().ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, path, nil))
		}
	}
	probe()
	aws = nil
	probe()
	health.Check("aws", func() error { return errors.New("no region") })
	probe()
	want := []string{
		`"level"=0 "msg"="readiness changed" "check"="aws" "ready"=false "reason"="credentials refused"`,
		`"level"=0 "msg"="readiness changed" "check"="aws" "ready"=true "reason"=""`,
		`"level"=0 "msg"="readiness changed" "check"="aws" "ready"=false "reason"="no region"`,
	}
	if diff := cmp.Diff(want, logged); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
}

func TestOneCheckCanBeProbedAlone(t *testing.T) {
	health := NewHealth(logr.Discard())
	health.Check("webhook", func() error { return nil })
	health.Check("aws", func() error { return errors.New("credentials refused") })
	for path, want := range map[string]struct {
		status int
		body   string
	}{
		"/readyz":         {503, "aws: credentials refused\n"},
		"/readyz/aws":     {503, "aws: credentials refused\n"},
		"/readyz/webhook": {200, "ok\n"},
		"/readyz/queue":   {404, "\"queue\" is not checked\n"},
	} {
		recorder := httptest.NewRecorder()
		health.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
		if recorder.Code != want.status || recorder.Body.String() != want.body {
			t.Errorf("%s: %d %q, want %d %q", path, recorder.Code, recorder.Body.String(), want.status, want.body)
		}
	}
}

func TestAProcessThatIsStuckSaysSoToWhoeverEndsIt(t *testing.T) {
	health := NewHealth(logr.Discard())
	var stuck error
	health.Alive("work", func() error { return stuck })
	probe := func(path string) (int, string) {
		recorder := httptest.NewRecorder()
		health.Handler().ServeHTTP(recorder, httptest.NewRequest(http.MethodGet, path, nil))
		return recorder.Code, recorder.Body.String()
	}
	if status, body := probe("/healthz"); status != 200 || body != "ok\n" {
		t.Errorf("a process that works: %d %q", status, body)
	}
	stuck = errors.New("a pass takes 3m0s")
	if status, body := probe("/healthz"); status != 503 || body != "work: a pass takes 3m0s\n" {
		t.Errorf("a process that is stuck: %d %q", status, body)
	}
	if status, _ := probe("/readyz"); status != 200 {
		t.Errorf("readiness is another matter: %d", status)
	}
}
