package environment

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a controller may take to end after it was asked to: it gives its lease back and finishes what it
// is in the middle of.
const stopGrace = 20 * time.Second

// Controller is kerf's controller as a process of its own. It can be stopped or killed and started again. Its methods
// may be called concurrently.
type Controller struct {
	program     string
	arguments   []string
	environment []string
	directory   string
	log         string
	metrics     string // URL
	probes      string // URL of the health server

	mu      sync.Mutex
	command *exec.Cmd
	done    chan struct{} // closed after the exit of command
	exit    error         // how it exited; read only after done
}

// Start starts the process; one that runs already is left alone. It does not wait for anything: see AwaitReady.
//
// A controller whose owner is killed without warning ends by itself, once it cannot renew its lease any more.
func (c *Controller) Start() error { return c.StartWith() }

// StartWith is Start with variables in the environment of this run, on top of the usual ones: NAME=value.
func (c *Controller) StartWith(variables ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running() {
		return nil
	}
	output, err := os.OpenFile(c.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the controller's log: %w", err)
	}
	defer func() { _ = output.Close() }() // the process has its own handle
	command := exec.Command(c.program, c.arguments...)
	command.Dir, command.Env = c.directory, slices.Concat(c.environment, variables)
	command.Stdout, command.Stderr = output, output
	// A group of its own, so that a Ctrl-C at the terminal reaches only the owner, which then ends things in their order.
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting the controller: %w", err)
	}
	done := make(chan struct{})
	c.command, c.done = command, done
	go func() {
		err := command.Wait()
		c.mu.Lock()
		defer c.mu.Unlock()
		c.exit = err
		close(done)
	}()
	return nil
}

// running says whether the process is there. The caller holds the lock.
func (c *Controller) running() bool {
	if c.command == nil {
		return false
	}
	select {
	case <-c.done:
		return false
	default:
		return true
	}
}

// PID returns the process id, or 0 while the controller does not run.
func (c *Controller) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running() {
		return 0
	}
	return c.command.Process.Pid
}

// Exited returns an error that quotes the end of the log if the controller has ended, asked or unasked.
func (c *Controller) Exited() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.command == nil || c.running() {
		return nil
	}
	reason := "exit status 0"
	if c.exit != nil {
		reason = c.exit.Error()
	}
	return fmt.Errorf("the controller ended with %s; the end of its log:\n%s", reason, c.LogTail(20))
}

// Stop asks the controller to end and returns when it has; one that takes too long is killed.
func (c *Controller) Stop() error {
	done := c.signal(syscall.SIGTERM)
	if done == nil {
		return nil
	}
	timer := time.NewTimer(stopGrace)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		c.Kill()
		return fmt.Errorf("the controller did not end within %s and was killed", stopGrace)
	}
}

// Kill ends the controller at once, as a crash would, and returns when it has ended.
func (c *Controller) Kill() {
	if done := c.signal(syscall.SIGKILL); done != nil {
		<-done
	}
}

// signal sends the signal and returns what is closed after the exit; nil when there is nothing to signal.
func (c *Controller) signal(signal syscall.Signal) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.running() {
		return nil
	}
	_ = c.command.Process.Signal(signal) // it fails only for a process that has just ended
	return c.done
}

// Log returns the path of the log, to which each start appends.
func (c *Controller) Log() string { return c.log }

// LogTail returns the last lines of the log.
func (c *Controller) LogTail(lines int) string {
	content, err := os.ReadFile(c.log)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimSpace(string(content)), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}

// AwaitReady waits until the controller says that it is ready; the error says what it was waiting for.
func (c *Controller) AwaitReady(ctx context.Context) error {
	ticker := time.NewTicker(pollPeriod)
	defer ticker.Stop()
	for {
		notReady := c.Ready(ctx)
		if notReady == nil {
			return nil
		}
		if err := c.Exited(); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the controller: %w; the end of its log:\n%s", errors.Join(ctx.Err(), notReady), c.LogTail(20))
		case <-ticker.C:
		}
	}
}
