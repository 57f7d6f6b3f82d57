package cluster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
)

// tailBytes is how much of the end of a log an error carries.
const tailBytes = 4096

// process is one run of a program. It leads a process group of its own, so that a Ctrl-C at the terminal reaches only
// the owner, which then ends the processes in their order.
type process struct {
	command *exec.Cmd
	log     string
	done    chan struct{} // closed after exit
	err     error         // how it exited; read only after done
}

// startProcess runs the command with its output appended to the log.
func startProcess(command *exec.Cmd, log string) (*process, error) {
	output, err := os.OpenFile(log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening a log: %w", err)
	}
	command.Stdout, command.Stderr = output, output
	command.SysProcAttr = processAttributes()
	p := &process{command: command, log: log, done: make(chan struct{})}
	started := make(chan error, 1)
	go p.own(started)
	err = <-started
	return p, errors.Join(err, output.Close())
}

// own starts the process and waits for it on one and the same thread. The kernel ends the process together with the
// thread that started it (see processAttributes), so that thread must last as long as the process.
func (p *process) own(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := p.command.Start()
	started <- err
	if err != nil {
		return
	}
	p.err = p.command.Wait()
	close(p.done)
}

func (p *process) pid() int { return p.command.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// stop asks the process to end and, when it has not by the time the context is done, kills it. It returns after the exit.
func (p *process) stop(ctx context.Context) {
	p.signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-ctx.Done():
		p.kill()
	}
}

// kill ends the process and whatever it started, and returns after the exit.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.done
}

// signal reaches the whole group. It is sent only while the process runs: later the number may be that of another one.
func (p *process) signal(signal syscall.Signal) {
	if p.running() {
		_ = syscall.Kill(-p.pid(), signal) // it fails only for a group that is already gone
	}
}

// exitError describes a process that ended unasked, with the end of its log.
func (p *process) exitError() error {
	reason := "exit status 0"
	if p.err != nil {
		reason = p.err.Error()
	}
	return fmt.Errorf("ended with %s; %s", reason, p.tail())
}

// tail quotes the end of the log.
func (p *process) tail() string {
	text, err := readTail(p.log, tailBytes)
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("the end of %s:\n%s", p.log, text)
}

// readTail returns the last lines of a file, as many as fit into size bytes.
func readTail(path string, size int64) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading a log: %w", err)
	}
	defer func() { _ = file.Close() }() // opened for reading: nothing is lost
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("reading a log: %w", err)
	}
	offset := max(0, info.Size()-size)
	content, err := io.ReadAll(io.NewSectionReader(file, offset, size))
	if err != nil {
		return "", fmt.Errorf("reading a log: %w", err)
	}
	text := string(content)
	if offset > 0 {
		if _, rest, found := strings.Cut(text, "\n"); found {
			text = rest // the first line is cut
		}
	}
	return strings.TrimSpace(text), nil
}
