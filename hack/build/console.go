package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

// How often progress is reported: a terminal's line is rewritten, a log gets few enough lines to stay readable.
const (
	terminalPeriod = time.Second
	logPeriod      = 15 * time.Second
)

// console tells a person what is going on.
type console struct {
	w        io.Writer
	terminal bool
	now      func() time.Time

	mu   sync.Mutex
	last time.Time // when something was last printed
}

func newConsole(w io.Writer, terminal bool, now func() time.Time) *console {
	return &console{w: w, terminal: terminal, now: now, last: now()}
}

// isTerminal tells whether a person watches the file rather than a log.
func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}

// step begins the line of one step.
func (c *console) step(number, of int, name string) {
	c.print(fmt.Sprintf("[%d/%d] %s: ", number, of, name))
}

// say ends the current line with a text.
func (c *console) say(text string) { c.print(text + "\n") }

func (c *console) print(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = c.now()
	_, _ = io.WriteString(c.w, text) // there is nowhere to report that reporting fails
}

// progress prints how far a step is, unless something was printed within the period.
func (c *console) progress(elapsed time.Duration, text string) {
	period := logPeriod
	if c.terminal {
		period = terminalPeriod
	}
	c.mu.Lock()
	due := c.now().Sub(c.last) >= period
	c.mu.Unlock()
	if !due {
		return
	}
	text = fmt.Sprintf("      %6s  %s", elapsed.Round(time.Second), text)
	if c.terminal {
		c.print("\r\033[K" + text)
	} else {
		c.print(text + "\n")
	}
}

// finish reports how a step ended and how long it took, if that was long enough to mention.
func (c *console) finish(elapsed time.Duration, text string) {
	if c.terminal {
		c.print("\r\033[K")
	}
	if elapsed >= terminalPeriod && text != "" {
		c.say(fmt.Sprintf("      %6s  %s", elapsed.Round(time.Second), text))
	}
}

// Write prints what a command prints, which counts as a sign of life.
func (c *console) Write(text []byte) (int, error) {
	c.print(string(text))
	return len(text), nil
}
