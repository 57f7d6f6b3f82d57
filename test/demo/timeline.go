package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// entry is a line of the timeline.
type entry struct {
	// Seconds since the start.
	Seconds float64 `json:"seconds"`
	Kind    string  `json:"kind"`
	Text    string  `json:"text"`
}

// timeline prints what happens, with the time that has passed, and remembers it for the report.
type timeline struct {
	out   io.Writer
	start time.Time

	mu      sync.Mutex
	entries []entry
}

// textColumn is where the text of a line begins.
const textColumn = 22

// add prints a line about the moment at.
func (t *timeline) add(at time.Time, kind, format string, arguments ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e := entry{Seconds: at.Sub(t.start).Seconds(), Kind: kind, Text: fmt.Sprintf(format, arguments...)}
	t.entries = append(t.entries, e)
	text := strings.ReplaceAll(e.Text, "\n", "\n"+strings.Repeat(" ", textColumn))
	_, _ = fmt.Fprintf(t.out, "%7.1f s  %-9s  %s\n", e.Seconds, e.Kind, text) // a terminal that went away ends the demo by a signal
}

// now prints a line about this moment.
func (t *timeline) now(kind, format string, arguments ...any) {
	t.add(time.Now(), kind, format, arguments...)
}

// all returns the lines so far.
func (t *timeline) all() []entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]entry(nil), t.entries...)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
