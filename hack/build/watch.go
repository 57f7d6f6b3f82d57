package main

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// reporter turns the lines that a command prints into what a person wants to know.
type reporter interface {
	line(text string)
	progress() string
	summary() string
}

// watch runs the command, feeds its standard error to the reporter and prints progress until it ends.
func (c *console) watch(command *exec.Cmd, report reporter) error {
	output, err := command.StderrPipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	begin := c.now()
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", command.Path, err)
	}
	lines := make(chan string)
	go readLines(output, lines)
	ticker := time.NewTicker(terminalPeriod)
	defer ticker.Stop()
	for open := true; open; {
		select {
		case text, more := <-lines:
			if open = more; more {
				report.line(text)
			}
		case <-ticker.C:
			c.progress(c.now().Sub(begin), report.progress())
		}
	}
	err = command.Wait()
	c.finish(c.now().Sub(begin), report.summary())
	if err != nil {
		return fmt.Errorf("running go %s: %w", command.Args[1], err)
	}
	return nil
}

// readLines sends the lines of the text and then closes the channel.
func readLines(text io.Reader, lines chan<- string) {
	defer close(lines)
	reader := bufio.NewReader(text)
	for {
		line, err := reader.ReadString('\n')
		if line != "" {
			lines <- strings.TrimSuffix(line, "\n")
		}
		if err != nil {
			return // at the end of the text, or of the process: Wait says which
		}
	}
}

// relay runs a command whose output is shown as it is, and prints a sign of life whenever that is silent for long.
func (c *console) relay(command *exec.Cmd, title string) error {
	c.say(title)
	command.Stdout, command.Stderr = c, c
	begin := c.now()
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", command.Path, err)
	}
	done := make(chan error, 1)
	go func() { done <- command.Wait() }()
	ticker := time.NewTicker(terminalPeriod)
	defer ticker.Stop()
	for {
		select {
		case err := <-done:
			if err != nil {
				return fmt.Errorf("%s, after %s: %w", title, c.now().Sub(begin).Round(time.Second), err)
			}
			c.finish(c.now().Sub(begin), title+": done")
			return nil
		case <-ticker.C:
			c.progress(c.now().Sub(begin), "still running: "+title)
		}
	}
}
