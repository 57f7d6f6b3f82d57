package main

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func newSite(t *testing.T) site {
	t.Helper()
	s := site{root: t.TempDir()}
	if err := s.resolve(); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestASiteIsUpForAsLongAsItIsClaimed(t *testing.T) {
	s := newSite(t)
	wantUp := func(want bool) {
		t.Helper()
		if got, err := s.isUp(); err != nil || got != want {
			t.Errorf("up: %t, %v, want %t", got, err, want)
		}
	}
	wantUp(false)
	lock, err := s.claim()
	if err != nil {
		t.Fatal(err)
	}
	wantUp(true)
	if _, err := s.claim(); !errors.Is(err, errUp) {
		t.Errorf("a second claim: %v", err)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	wantUp(false)
}

func TestTheStateIsReadAsItWasWrittenUntilItIsForgotten(t *testing.T) {
	s := newSite(t)
	want := state{PID: 7, ClusterName: "quay", Region: "us-east-1", Kubeconfig: "/k", Kubectl: "/b", AWS: "http://a", AWSAdmin: "http://b", Log: "/l"}
	if err := s.write(want); err != nil {
		t.Fatal(err)
	}
	got, err := s.read()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("state (-want +got):\n%s", diff)
	}
	for range 2 { // the second time there is nothing to forget
		if err := s.forget(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := s.read(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after it was forgotten: %v", err)
	}
}

func TestDownWithoutAWorldIsNoError(t *testing.T) {
	s := newSite(t)
	if err := s.down(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestTheWelcomeCanBePastedIntoAShell(t *testing.T) {
	text := welcome(state{ClusterName: "quay", Region: "us-east-1", Kubeconfig: "/k", Kubectl: "/b", AWS: "http://a", AWSAdmin: "http://b", Log: "/l"})
	for _, line := range []string{
		"  export KUBECONFIG=/k\n", "  export PATH=/b:$PATH\n",
		"  sed 's/${CLUSTER_NAME}/quay/' examples/provisioner.yaml | kubectl apply -f -\n", "  curl http://b/instances\n",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("it lacks %q:\n%s", line, text)
		}
	}
}
