package webhooks

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/utils/clock"
)

// LastAnswers is how long a server that has drained may take to give its last answers.
const LastAnswers = exchangeTimeout

const (
	// exchangeTimeout bounds each part of an exchange: the API server gives up on a webhook after 5 seconds.
	exchangeTimeout = 10 * time.Second
	// idleTimeout is longer than the API server keeps a connection that it does not use, 90 seconds: if it is the one that
	// closes it, no request is ever sent into a connection that has just been closed.
	idleTimeout = 3 * time.Minute
	// maxHeaderBytes is much more than the headers of the API server.
	maxHeaderBytes = 64 << 10
)

// Settings are what a server can be told.
type Settings struct {
	// Host is the address to listen on; empty is every address.
	Host string
	Port int
	// Drain is how long requests are answered after the server was asked to end: for so long they may still be sent here,
	// until everybody has learnt that others answer them.
	Drain time.Duration
}

// Server answers requests over TLS.
type Server struct {
	settings Settings
	handler  http.Handler
	tls      func(*tls.Config)
	clock    clock.Clock
	log      logr.Logger
	// draining is set once the server was asked to end.
	draining atomic.Bool
}

// NewServer returns a server that answers with a handler, under the certificate that is set in its TLS configuration.
func NewServer(settings Settings, handler http.Handler, setTLS func(*tls.Config), clock clock.Clock, logger logr.Logger) *Server {
	return &Server{settings: settings, handler: handler, tls: setTLS, clock: clock, log: logger.WithName("webhook")}
}

// Start answers requests until ctx ends, then until the drain is over, and returns when all that have come are answered.
func (s *Server) Start(ctx context.Context) error {
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", net.JoinHostPort(s.settings.Host, strconv.Itoa(s.settings.Port)))
	if err != nil {
		return fmt.Errorf("serving webhooks: %w", err)
	}
	s.log.Info("answering admission requests", "address", listener.Addr().String())
	return s.serve(ctx, listener)
}

func (s *Server) serve(ctx context.Context, listener net.Listener) error {
	server := s.server()
	failed := make(chan error, 1)
	go func() { failed <- server.ServeTLS(listener, "", "") }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving webhooks: %w", err)
	case <-ctx.Done():
	}
	s.draining.Store(true)
	s.log.Info("answering the last admission requests", "for", s.settings.Drain)
	timer := s.clock.NewTimer(s.settings.Drain)
	defer timer.Stop()
	select {
	case err := <-failed:
		return fmt.Errorf("serving webhooks: %w", err)
	case <-timer.C():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), LastAnswers)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		return fmt.Errorf("answering the last admission requests: %w", errors.Join(err, server.Close()))
	}
	return nil
}

func (s *Server) server() *http.Server {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	s.tls(config)
	// The API server speaks HTTP/1.1 to webhooks; what is not needed is not offered.
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler: http.HandlerFunc(s.answer), TLSConfig: config, Protocols: protocols,
		ReadHeaderTimeout: exchangeTimeout, ReadTimeout: exchangeTimeout, WriteTimeout: exchangeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeaderBytes,
		// Who probes the port without a handshake is no news.
		ErrorLog: slog.NewLogLogger(logr.ToSlogHandler(s.log.V(1)), slog.LevelInfo),
	}
}

// answer answers a request. While the server drains, each connection ends with its next answer: the API server then opens
// another one, to whoever answers from now on.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		w.Header().Set("Connection", "close")
	}
	s.handler.ServeHTTP(w, r)
}
