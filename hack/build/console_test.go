package main

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestProgressIsReportedOftenEnoughAndNotMore(t *testing.T) {
	tests := map[string]struct {
		terminal bool
		want     string
	}{
		"in a log, every 15 seconds, on lines of their own": {
			want: "         15s  working\n         30s  working\n",
		},
		"on a terminal, every second, on one line": {
			terminal: true,
			want:     strings.Repeat("\r\033[K", 40),
		},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
			now := begin
			c := newConsole(&out, tc.terminal, func() time.Time { return now })
			for range 40 {
				now = now.Add(time.Second)
				c.progress(now.Sub(begin), "working")
			}
			got := out.String()
			if tc.terminal {
				if strings.Contains(got, "\n") || strings.Count(got, "\r\033[K") != strings.Count(tc.want, "\r\033[K") {
					t.Errorf("got %q", got)
				}
			} else if got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestOutputOfARelayedCommandCountsAsASignOfLife(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	c := newConsole(&out, false, func() time.Time { return now })
	now = now.Add(14 * time.Second)
	if _, err := c.Write([]byte("ok  package\n")); err != nil {
		t.Fatal(err)
	}
	now = now.Add(14 * time.Second)
	c.progress(28*time.Second, "still running")
	if got, want := out.String(), "ok  package\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestRelayedCommandKeepsItsOutputAndItsFailure(t *testing.T) {
	var out bytes.Buffer
	c := newConsole(&out, false, time.Now)
	err := c.relay(exec.Command("go", "tool", "no-such-tool"), "a failing command")
	if err == nil || !strings.Contains(err.Error(), "a failing command, after") {
		t.Errorf("got error %v", err)
	}
	if !strings.Contains(out.String(), "no-such-tool") {
		t.Errorf("the command's own words are missing from %q", out.String())
	}
}

func TestCompilationTellsPackagesDownloadsAndErrorsApart(t *testing.T) {
	c := &compilation{total: 10}
	steps := []struct{ line, want string }{
		{line: "go: downloading k8s.io/api v0.36.3", want: "1 modules fetched, now k8s.io/api v0.36.3"},
		{line: "k8s.io/api/core/v1", want: "1 of at most 10 packages compiled, now k8s.io/api/core/v1"},
		{line: "# k8s.io/api/core/v1", want: "1 of at most 10 packages compiled, now k8s.io/api/core/v1"},
		{line: "./main.go:3:1: undefined: x", want: "1 of at most 10 packages compiled, now k8s.io/api/core/v1"},
		{line: "errors", want: "2 of at most 10 packages compiled, now errors"},
	}
	for _, step := range steps {
		c.line(step.line)
		if got := c.progress(); got != step.want {
			t.Errorf("after %q: got %q, want %q", step.line, got, step.want)
		}
	}
	if want := "# k8s.io/api/core/v1|./main.go:3:1: undefined: x"; strings.Join(c.messages, "|") != want {
		t.Errorf("got messages %q", c.messages)
	}
}
