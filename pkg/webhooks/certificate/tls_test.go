package certificate

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

// handshake lets a client greet a server of the keeper's.
func handshake(t *testing.T, k *Keeper, config *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	serving := &tls.Config{NextProtos: []string{"h2"}} // as a webhook server has it before it is told otherwise
	k.TLS()(serving)
	listener, err := tls.Listen("tcp", "127.0.0.1:0", serving)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = connection.Read(make([]byte, 1)) // which makes the handshake, of which the client tells
			_ = connection.Close()
		}
	}()
	dialer := tls.Dialer{Config: config, NetDialer: &net.Dialer{Timeout: 10 * time.Second}}
	connection, err := dialer.DialContext(t.Context(), "tcp", listener.Addr().String())
	if closeErr := listener.Close(); closeErr != nil {
		t.Error(closeErr)
	}
	if err != nil {
		return tls.ConnectionState{}, err
	}
	defer func() { _ = connection.Close() }()
	client, ok := connection.(*tls.Conn)
	if !ok {
		t.Fatalf("the connection is a %T", connection)
	}
	return client.ConnectionState(), nil
}

// trustful returns a client that trusts the webhooks' bundle in the time of the stage.
func (s *stage) trustful(name string) *tls.Config {
	s.t.Helper()
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(s.see().webhooks[0].config.CABundle)
	return &tls.Config{RootCAs: roots, ServerName: name, Time: s.clock.Now, MinVersion: tls.VersionTLS10}
}

func TestHandshakesOfEveryVersionAndSuiteEndAsWrittenDown(t *testing.T) {
	s := newStage(t, objects()...)
	k := s.keeper()
	s.keep(k)
	var lines []string
	try := func(version uint16, suite *tls.CipherSuite) {
		config := s.trustful(service)
		config.MinVersion, config.MaxVersion = version, version
		name := "any suite"
		if suite != nil {
			name, config.CipherSuites = suite.Name, []uint16{suite.ID}
		}
		state, err := handshake(t, k, config)
		outcome := "refused"
		if err == nil {
			outcome = tls.CipherSuiteName(state.CipherSuite)
		}
		lines = append(lines, fmt.Sprintf("%-8s %-46s %s", tls.VersionName(version), name, outcome))
	}
	for _, version := range []uint16{tls.VersionTLS10, tls.VersionTLS11, tls.VersionTLS12, tls.VersionTLS13} {
		try(version, nil)
	}
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		if slices.Contains(suite.SupportedVersions, tls.VersionTLS12) {
			try(tls.VersionTLS12, suite)
		}
	}
	got, path := strings.Join(lines, "\n")+"\n", filepath.Join("testdata", "handshakes.golden")
	// Which suite of TLS 1.3 two sides agree on depends on what their processors are fast at.
	got = strings.NewReplacer("TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_AES_128_GCM_SHA256").Replace(got)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("handshakes (-want +got):\n%s", diff)
	}
}

func TestHTTP2IsNotOffered(t *testing.T) {
	s := newStage(t, objects()...)
	k := s.keeper()
	s.keep(k)
	config := s.trustful(service)
	config.NextProtos = []string{"h2", "http/1.1"}
	state, err := handshake(t, k, config)
	if err != nil || state.NegotiatedProtocol != "http/1.1" {
		t.Errorf("agreed on %q, %v", state.NegotiatedProtocol, err)
	}
	config.NextProtos = []string{"h2"}
	if state, err := handshake(t, k, config); err == nil {
		t.Errorf("a client that wants HTTP/2 only is served with %q", state.NegotiatedProtocol)
	}
}

func TestAClientIsToldWhyThereIsNoHandshake(t *testing.T) {
	s := newStage(t, objects()...)
	k := s.keeper()
	config := s.trustful(service)
	if _, err := handshake(t, k, config); err == nil {
		t.Error("there is a handshake before there is a certificate")
	}
	if _, err := k.certificate(nil); err == nil || !strings.Contains(err.Error(), "has not looked") {
		t.Errorf("before the first look: %v", err)
	}
	s.keep(k)
	if _, err := handshake(t, k, config); !errors.As(err, new(x509.UnknownAuthorityError)) {
		t.Errorf("without trust: %v", err)
	}
	if _, err := handshake(t, k, s.trustful("other.kerf-system.svc")); !errors.As(err, new(x509.HostnameError)) {
		t.Errorf("by another name: %v", err)
	}
	config = s.trustful(service)
	if _, err := handshake(t, k, config); err != nil {
		t.Errorf("as it should be: %v", err)
	}
	s.clock.SetTime(minute(61))
	var invalid x509.CertificateInvalidError
	if _, err := handshake(t, k, config); !errors.As(err, &invalid) || invalid.Reason != x509.Expired {
		t.Errorf("after the end: %v", err)
	}
}

// Two hundred new certificates and authorities, seen by clients that learn of each bundle as late as they may.
func TestTwoHundredRotationsFailNoHandshake(t *testing.T) {
	s := newStage(t, objects()...)
	replicas := []*Keeper{s.keeper(), s.keeper()}
	for _, k := range replicas {
		s.keep(k)
	}
	rotations, late := map[any]bool{}, s.trustful(service)
	for step := 1; len(rotations) < 200; step++ {
		if step > 1000 {
			t.Fatalf("after %d steps there were %d rotations", step, len(rotations))
		}
		s.clock.Step(10 * time.Minute)
		if step%17 == 0 {
			replicas[0] = s.keeper()
		}
		for _, k := range replicas {
			s.keep(k)
			served := k.served()
			rotations[served], rotations[served.authority] = true, true
		}
		now := s.trustful(service)
		for _, k := range replicas {
			for _, trust := range []*tls.Config{late, now} {
				if _, err := handshake(t, k, trust); err != nil {
					t.Fatalf("step %d, after %d rotations: %s", step, len(rotations), err)
				}
			}
		}
		late = now
	}
}
