package main

import (
	"fmt"
	"io"
	"sync"
)

// check is one expectation and whether it was met.
type check struct {
	Name   string `json:"name"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail,omitempty"`
}

// checks collects expectations; each is printed in the end.
type checks struct {
	mu   sync.Mutex
	list []check
}

// expect records an expectation; the detail says what was found.
func (c *checks) expect(ok bool, name, detail string, arguments ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, check{Name: name, OK: ok, Detail: fmt.Sprintf(detail, arguments...)})
}

// all returns the expectations so far.
func (c *checks) all() []check {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]check(nil), c.list...)
}

// tell lists the expectations and ends with the line that says how many were met.
func (c *checks) tell(out io.Writer) (failed int) {
	for _, k := range c.all() {
		verdict := "ok    "
		if !k.OK {
			verdict = "FAILED"
			failed++
		}
		_, _ = fmt.Fprintf(out, "  %s  %s: %s\n", verdict, k.Name, k.Detail)
	}
	_, _ = fmt.Fprintf(out, "\ndemo: %d passed, %d failed\n", len(c.all())-failed, failed)
	return failed
}
