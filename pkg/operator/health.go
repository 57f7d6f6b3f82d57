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
	// CheckAWS is whether the cloud can be asked for machines.
	CheckAWS = "aws"
	// CheckWebhook is whether admission requests are answered.
	CheckWebhook = "webhook"
)

// Health answers probes from the start of the process to its end. Unlike the manager's own server it says why something is not
// ready: whoever looks at a pod that does not become ready asks just that. It is safe for concurrent use.
type Health struct {
	log logr.Logger

	mu sync.Mutex
	// checks maps a name in one word, e.g. aws -> a function that returns why kerf is not ready.
	checks map[string]func() error
	// last is the answer of the probe before: only changes are logged.
	last string
}

// NewHealth returns a health that is ready as long as nothing is to be checked.
func NewHealth(log logr.Logger) *Health {
	return &Health{log: log.WithName("health"), checks: map[string]func() error{}}
}

// Check sets what has to be so before kerf is ready, in place of the check of that name before.
func (h *Health) Check(name string, check func() error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks[name] = check
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

// Handler answers /healthz with 200 as long as the process runs, and /readyz with 200, or with 503 and the reasons.
// /readyz/NAME speaks of one check alone: that which takes requests may do so while that which acts has to wait.
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { ready(w, h.reasons()) })
	mux.HandleFunc("/readyz/{name}", func(w http.ResponseWriter, r *http.Request) {
		name := r.PathValue("name")
		reason, known := h.reason(name)
		if !known {
			answer(w, http.StatusNotFound, fmt.Sprintf("%q is not checked\n", name))
			return
		}
		ready(w, reason)
	})
	return mux
}

// ready answers for checks that have failed for the reasons.
func ready(w http.ResponseWriter, reasons string) {
	if reasons != "" {
		answer(w, http.StatusServiceUnavailable, reasons)
		return
	}
	answer(w, http.StatusOK, "ok\n")
}

// reason returns the line of one check if it fails; false when there is no such check.
func (h *Health) reason(name string) (string, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	check, known := h.checks[name]
	if !known {
		return "", false
	}
	return line(name, check()), true
}

// reasons returns a line for each check that fails, in order of name.
func (h *Health) reasons() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h.checks)) {
		out.WriteString(line(name, h.checks[name]()))
	}
	if said := out.String(); said != h.last {
		h.last = said
		h.log.Info("readiness changed", "ready", said == "", "reasons", strings.TrimSpace(said))
	}
	return out.String()
}

// line says that a check fails; it is empty for one that does not.
func line(name string, err error) string {
	if err == nil {
		return ""
	}
	return fmt.Sprintf("%s: %s\n", name, err)
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a prober that hung up does not want the answer
}
