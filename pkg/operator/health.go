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
func (h *Health) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, "ok\n") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if reasons := h.reasons(); reasons != "" {
			answer(w, http.StatusServiceUnavailable, reasons)
			return
		}
		answer(w, http.StatusOK, "ok\n")
	})
	return mux
}

// reasons returns a line for each check that fails, in order of name.
func (h *Health) reasons() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h.checks)) {
		if err := h.checks[name](); err != nil {
			fmt.Fprintf(&out, "%s: %s\n", name, err)
		}
	}
	if said := out.String(); said != h.last {
		h.last = said
		h.log.Info("readiness changed", "ready", said == "", "reasons", strings.TrimSpace(said))
	}
	return out.String()
}

func answer(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(body)) // a prober that hung up does not want the answer
}
