package main

import (
	"fmt"
	"regexp"
	"strings"
)

// compilation reads what go build -v prints.
type compilation struct {
	total    int // packages there are, compiled or cached; 0 if unknown
	compiled int
	fetched  int
	latest   string
	messages []string // what is neither a package nor a download: errors
}

// packageLine matches the lines on which go build -v names a package that it compiles.
const packageLine = `^[\w.~-]+(/[\w.~-]+)*$`

func (c *compilation) line(text string) {
	switch {
	case strings.HasPrefix(text, "go: downloading "):
		c.fetched++
		c.latest = strings.TrimPrefix(text, "go: downloading ")
	case regexp.MustCompile(packageLine).MatchString(text):
		c.compiled++
		c.latest = text
	default:
		c.messages = append(c.messages, text)
	}
}

func (c *compilation) progress() string {
	switch {
	case c.compiled > 0 && c.total > 0:
		return fmt.Sprintf("%d of at most %d packages compiled, now %s", c.compiled, c.total, c.latest)
	case c.compiled > 0:
		return fmt.Sprintf("%d packages compiled, now %s", c.compiled, c.latest)
	case c.fetched > 0:
		return fmt.Sprintf("%d modules fetched, now %s", c.fetched, c.latest)
	case c.total > 0:
		return fmt.Sprintf("compiling, %d packages at most", c.total)
	default:
		return "resolving modules"
	}
}

func (c *compilation) summary() string {
	switch {
	case c.compiled > 0:
		return fmt.Sprintf("%d packages compiled", c.compiled)
	case c.fetched > 0:
		return fmt.Sprintf("%d modules fetched", c.fetched)
	case c.total > 0:
		return "linked"
	default:
		return ""
	}
}
