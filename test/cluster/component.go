package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// pollInterval is how often readiness is asked for; probeTimeout bounds one question.
const (
	pollInterval = 50 * time.Millisecond
	probeTimeout = 2 * time.Second
)

// stopGrace is how long a component may take to end after it was asked to.
const stopGrace = 15 * time.Second

// Component is one program of a cluster. It can be stopped or killed and started again, on the same port and with the
// same data. Its methods may be called concurrently.
type Component struct {
	name      ComponentName
	arguments []string
	layout    *layout
	probe     probe
	// prepare writes what the program reads at its start; nil when there is nothing to write.
	prepare func(context.Context) error

	mu      sync.Mutex
	process *process
}

// Name returns the name of the program.
func (c *Component) Name() ComponentName { return c.name }

// Log returns the path of the program's log, to which each start appends.
func (c *Component) Log() string { return c.layout.logPath(c.name) }

// PID returns the process id, or 0 while the program does not run.
func (c *Component) PID() int {
	p := c.current()
	if p == nil || !p.running() {
		return 0
	}
	return p.pid()
}

// current returns the latest run of the program, which may have ended, or nil.
func (c *Component) current() *process {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.process
}

// Start starts the program and returns when it serves; a program that already runs is only waited for.
func (c *Component) Start(ctx context.Context) error {
	p, err := c.launch(ctx)
	if err != nil {
		return fmt.Errorf("starting %s: %w", c.name, err)
	}
	if err := c.awaitReady(ctx, p); err != nil {
		return fmt.Errorf("starting %s: %w", c.name, err)
	}
	return nil
}

// Stop asks the program to end and returns when it has. One that has not ended after a grace period, or when the
// context is done, is killed.
func (c *Component) Stop(ctx context.Context) {
	p := c.current()
	if p == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	p.stop(ctx)
}

// Kill ends the program at once, as a crash would, and returns when it has ended.
func (c *Component) Kill() {
	if p := c.current(); p != nil {
		p.kill()
	}
}

func (c *Component) launch(ctx context.Context) (*process, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process != nil && c.process.running() {
		return c.process, nil
	}
	if c.prepare != nil {
		if err := c.prepare(ctx); err != nil {
			return nil, err
		}
	}
	command := exec.Command(filepath.Join(c.layout.assets, string(c.name)), c.arguments...)
	command.Dir = c.layout.directory
	// Nothing of the caller's environment may change what a cluster does: no proxies, no configuration in its home.
	// A larger heap spares the collector: the machine has memory to spare, and many of these run beside a test.
	command.Env = []string{"HOME=" + c.layout.directory, "PATH=/usr/bin:/bin", "GOGC=300"}
	p, err := startProcess(command, c.Log())
	if err != nil {
		return nil, err
	}
	c.process = p
	return p, nil
}

// awaitReady polls until the program serves, has exited, or the context is done.
func (c *Component) awaitReady(ctx context.Context, p *process) error {
	client := c.probe.client()
	defer client.CloseIdleConnections()
	var last error
	err := wait.PollUntilContextCancel(ctx, pollInterval, true, func(ctx context.Context) (bool, error) {
		if !p.running() {
			return false, p.exitError()
		}
		last = c.probe.ask(ctx, client)
		return last == nil, nil
	})
	if err != nil && ctx.Err() != nil && p.running() {
		return fmt.Errorf("not ready in time: %w; %s", errors.Join(err, last), p.tail())
	}
	return err
}

// probe asks one program whether it is ready.
type probe struct {
	url       string
	authority *authority
	pair      keyPair
}

func (p probe) client() *http.Client {
	pool := x509.NewCertPool()
	pool.AddCert(p.authority.certificate)
	return &http.Client{
		Timeout: probeTimeout,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{
			RootCAs:    pool,
			MinVersion: tls.VersionTLS12,
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				pair, err := tls.LoadX509KeyPair(p.pair.certificate, p.pair.key)
				return &pair, err
			},
		}},
	}
}

func (p probe) ask(ctx context.Context, client *http.Client) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return fmt.Errorf("building the readiness question: %w", err)
	}
	response, err := client.Do(request)
	if err != nil {
		return fmt.Errorf("asking for readiness: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // what matters has been read
	body, err := io.ReadAll(io.LimitReader(response.Body, tailBytes))
	if err != nil {
		return fmt.Errorf("reading the readiness answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking for readiness: %s: %s", response.Status, body)
	}
	return nil
}
