package webhooks

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	clocktesting "k8s.io/utils/clock/testing"
)

const testDrain = 5 * time.Second

// running is a server that answers at a URL until it is told to end.
type running struct {
	url    string
	client *http.Client
	clock  *clocktesting.FakeClock
	end    context.CancelFunc
	ended  chan error
}

// serve starts a server on a port of the loopback interface.
func serve(t *testing.T, handler http.HandlerFunc) *running {
	t.Helper()
	// Borrowed from the standard library: a certificate for 127.0.0.1, and a client that trusts it.
	lender := httptest.NewUnstartedServer(nil)
	lender.StartTLS()
	certificates := lender.TLS.Certificates
	authorities := x509.NewCertPool()
	authorities.AddCert(lender.Certificate())
	lender.Close()

	ctx, cancel := context.WithCancel(t.Context())
	r := &running{clock: clocktesting.NewFakeClock(time.Now()), end: cancel, ended: make(chan error, 1)}
	server := NewServer(Settings{Drain: testDrain}, handler, func(c *tls.Config) { c.Certificates = certificates }, r.clock, logr.Discard())
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r.url = "https://" + listener.Addr().String()
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: authorities, NextProtos: []string{"h2", "http/1.1"}}, ForceAttemptHTTP2: true}
	r.client = &http.Client{Transport: transport}
	go func() { r.ended <- server.serve(ctx, listener) }()
	t.Cleanup(func() { cancel(); transport.CloseIdleConnections() })
	return r
}

// exchange is how a request was answered.
type exchange struct {
	status, protocol string
	closes           bool // the connection
}

// post sends a request.
func (r *running) post(t *testing.T) exchange {
	t.Helper()
	response, err := r.client.Post(r.url, "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return exchange{response.Status, response.Proto, response.Close}
}

// awaitDrain waits until the server waits for its drain to be over.
func (r *running) awaitDrain(t *testing.T) {
	t.Helper()
	for !r.clock.HasWaiters() {
		if t.Context().Err() != nil {
			t.Fatal("the server does not drain")
		}
	}
}

func TestRequestsAreAnsweredUntilTheDrainIsOver(t *testing.T) {
	r := serve(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	if got, want := r.post(t), (exchange{"200 OK", "HTTP/1.1", false}); got != want {
		t.Errorf("got %v, want %v: a connection that is kept", got, want)
	}
	r.end()
	r.awaitDrain(t)
	for range 2 {
		if got, want := r.post(t), (exchange{"200 OK", "HTTP/1.1", true}); got != want {
			t.Errorf("while it drains: got %v, want %v: a connection that ends", got, want)
		}
	}
	r.clock.Step(testDrain)
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
	if response, err := r.client.Post(r.url, "application/json", http.NoBody); err == nil {
		_ = response.Body.Close()
		t.Error("a server that has ended answers")
	}
}

func TestWhatIsBeingAnsweredWhenTheDrainIsOverIsAnswered(t *testing.T) {
	come, release := make(chan struct{}), make(chan struct{})
	r := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		close(come)
		<-release
		w.WriteHeader(http.StatusAccepted)
	})
	answered := make(chan string, 1)
	go func() {
		response, err := r.client.Post(r.url, "application/json", http.NoBody)
		if err != nil {
			answered <- err.Error()
			return
		}
		_ = response.Body.Close()
		answered <- response.Status
	}()
	<-come
	r.end()
	r.awaitDrain(t)
	r.clock.Step(testDrain)
	select {
	case err := <-r.ended:
		t.Fatalf("the server ended with %v before its last answer", err)
	case <-r.listenerClosed():
	}
	close(release)
	if got := <-answered; got != "202 Accepted" {
		t.Errorf("the last answer is %q", got)
	}
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
}

// listenerClosed is closed once nobody can connect any more: the server ends.
func (r *running) listenerClosed() <-chan struct{} {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		for {
			connection, err := net.Dial("tcp", strings.TrimPrefix(r.url, "https://"))
			if err != nil {
				return
			}
			_ = connection.Close()
		}
	}()
	return closed
}

func TestAPortThatIsTakenIsSaid(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	taken := listener.Addr().(*net.TCPAddr).Port
	server := NewServer(Settings{Host: "127.0.0.1", Port: taken}, nil, func(*tls.Config) {}, clocktesting.NewFakeClock(time.Now()), logr.Discard())
	if err := server.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "serving webhooks") {
		t.Errorf("got %v", err)
	}
}
