package workbench

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
)

var _ events.EventRecorder = (*Told)(nil)

// Told keeps the events that were published, as "Warning Reason: message". The zero value is ready.
type Told struct {
	mu    sync.Mutex
	lines []string
}

// Eventf keeps an event.
//
//nolint:revive // client-go has this many arguments
func (t *Told) Eventf(_, _ runtime.Object, eventType, reason, _, note string, arguments ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, fmt.Sprintf("%s %s: %s", eventType, reason, fmt.Sprintf(note, arguments...)))
}

// Lines returns what was told so far.
func (t *Told) Lines() []string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.lines)
}

// Count returns how many events have the reason.
func (t *Told) Count(reason string) int {
	n := 0
	for _, line := range t.Lines() {
		if _, rest, _ := strings.Cut(line, " "); strings.HasPrefix(rest, reason+":") {
			n++
		}
	}
	return n
}

// Contains reports whether one event contains all the parts.
func (t *Told) Contains(parts ...string) bool {
	return slices.ContainsFunc(t.Lines(), func(line string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
	})
}
