package operator

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-logr/logr"
)

// headerTimeout bounds how long a prober may take to send its request.
const headerTimeout = 10 * time.Second

// The checks of the controller. Manifests probe them by name.
const (
	// CheckCluster is whether kerf knows which cluster this is.
	CheckCluster = "cluster"
	// CheckAWS is whether the cloud can be asked for machines.
	CheckAWS = "aws"
	// CheckWebhook is whether admission requests are answered.
	CheckWebhook = "webhook"
	// CheckCertificate is whether they will be, when the certificate that is served has expired.
	CheckCertificate = "certificate"
	// CheckWork is whether decisions are made, and the state is there that they are made on.
	CheckWork = "work"
	// CheckControllers is whether controllers come to an end with each object.
	CheckControllers = "controllers"
)

// Health answers probes from the start of the process to its end. Unlike the manager's own server it says why something is not
// ready: whoever looks at a pod that does not become ready asks just that. It is safe for concurrent use.
type Health struct {
	log logr.Logger

	mu sync.Mutex
	// checks maps a name in one word, e.g. aws -> a function that returns why kerf is not ready.
	checks map[string]func() error
	// alive maps a name -> a function that returns why the process is stuck.
	alive map[string]func() error
	// last maps name -> what the check said at the probe before, empty when it did not fail: only changes are logged.
	last map[string]string
}

// NewHealth returns a health that is ready as long as nothing is to be checked.
func NewHealth(log logr.Logger) *Health {
	return &Health{log: log.WithName("health"), checks: map[string]func() error{}, alive: map[string]func() error{}, last: map[string]string{}}
}

// Check sets what has to be so before kerf is ready, in place of the check of that name before.
func (h *Health) Check(name string, check func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks[name] = check
}

// Alive sets what has to be so for the process to be of use: where it is not, the process is to be ended.
func (h *Health) Alive(name string, check func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.alive[name] = check
}

// Serve answers probes until ctx ends. A port of 0 or less serves nothing.
func (h *Health) Serve(ctx context.Context, host string, port int) error {
	if port <= 0 {
		return nil
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", address(host, port))
	if err != nil {
		return fmt.Errorf("serving health probes: %w", err)
	}
	server := &http.Server{Handler: h.Handler(), ReadHeaderTimeout: headerTimeout}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			h.log.Error(err, "serving health probes")
		}
	}()
	return nil
}

// Handler answers /healthz with 200, or with 503 and what is stuck, and /readyz with 200, or with 503 and the reasons.
// /readyz/NAME speaks of one check alone: that which takes requests may do so while that which acts has to wait.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { ready(w, h.lives()...) })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { ready(w, h.look()...) })
	mux.HandleFunc("/readyz/{name}", func(w http.ResponseWriter, r *http.Request) {
		name, all := r.PathValue("name"), h.look()
		i := slices.IndexFunc(all, func(v verdict) bool { return v.name == name })
		if i < 0 {
			answer(w, http.StatusNotFound, fmt.Sprintf("%q is not checked\n", name))
			return
		}
		ready(w, all[i])
	})
	return mux
}

// verdict is what a check said; the reason is empty when it did not fail.
type verdict struct{ name, reason string }

// ready answers for checks, with a line for each that fails.
func ready(w http.ResponseWriter, all ...verdict) {
	var out strings.Builder
	for _, v := range all {
		if v.reason != "" {
			fmt.Fprintf(&out, "%s: %s\n", v.name, v.reason)
		}
	}
	if out.Len() > 0 {
		answer(w, http.StatusServiceUnavailable, out.String())
		return
	}
	answer(w, http.StatusOK, "ok\n")
}

// lives makes all checks of what keeps the process of use. They are made without a lock: one that is stuck itself must not keep
// others from their probes.
func (h *Health) lives() []verdict {
	h.mu.Lock()
	checks := maps.Clone(h.alive)
	h.mu.Unlock()
	var out []verdict
	for _, name := range slices.Sorted(maps.Keys(checks)) {
		if err := checks[name](); err != nil {
			out = append(out, verdict{name, err.Error()})
			h.log.Info("the process is stuck", "check", name, "reason", err.Error())
		}
	}
	return out
}

// look makes all checks, in order of name, and logs what has changed since the look before. A probe of one check looks at all:
// what the log says must not depend on which of them somebody probes.
func (h *Health) look() []verdict {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make([]verdict, 0, len(h.checks))
	for _, name := range slices.Sorted(maps.Keys(h.checks)) {
		v := verdict{name: name}
		if err := h.checks[name](); err != nil {
			v.reason = err.Error()
		}
		if v.reason != h.last[name] {
			h.last[name] = v.reason
			h.log.Info("readiness changed", "check", name, "ready", v.reason == "", "reason", v.reason)
		}
		out = append(out, v)
	}
	return out
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a prober that hung up does not want the answer
}
