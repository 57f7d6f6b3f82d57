package environment

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"k8s.io/client-go/discovery"
)

const (
	// pollPeriod is how often something that cannot be watched is looked at.
	pollPeriod = 100 * time.Millisecond
	// answerTimeout bounds one question to the controller's servers.
	answerTimeout = 5 * time.Second
	// answerLimit bounds what is read of an answer, in bytes.
	answerLimit = 16 << 20
)

// Ready returns nil when the controller is ready, or an error that says why not, in the controller's own words.
func (c *Controller) Ready(ctx context.Context) error {
	_, err := get(ctx, c.probes+"/readyz?verbose=true")
	return err
}

// ReadyFor is Ready for one of the controller's checks alone, such as webhook.
func (c *Controller) ReadyFor(ctx context.Context, check string) error {
	_, err := get(ctx, c.probes+"/readyz/"+check)
	return err
}

// Alive returns nil when the controller answers that it is healthy.
func (c *Controller) Alive(ctx context.Context) error {
	_, err := get(ctx, c.probes+"/healthz")
	return err
}

// Metrics returns what the controller exports to Prometheus: a series as it is written there, labels included -> value.
func (c *Controller) Metrics(ctx context.Context) (map[string]float64, error) {
	body, err := get(ctx, c.metrics+"/metrics")
	if err != nil {
		return nil, err
	}
	return parseMetrics(body)
}

// APIServerMetrics returns what the API server exports, in the form of Controller.Metrics.
func (e *Environment) APIServerMetrics(ctx context.Context) (map[string]float64, error) {
	d, err := discovery.NewDiscoveryClientForConfig(e.cluster.Config())
	if err != nil {
		return nil, fmt.Errorf("building a client: %w", err)
	}
	body, err := d.RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return nil, fmt.Errorf("getting metrics of the API server: %w", err)
	}
	return parseMetrics(string(body))
}

func parseMetrics(body string) (map[string]float64, error) {
	series := map[string]float64{}
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		end := strings.LastIndexByte(line, ' ')
		if end < 0 || strings.HasPrefix(line, "#") {
			continue
		}
		value, err := strconv.ParseFloat(line[end+1:], 64)
		if err != nil {
			return nil, fmt.Errorf("reading the metric %q: %w", line, err)
		}
		series[line[:end]] = value
	}
	return series, nil
}

func get(ctx context.Context, url string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", fmt.Errorf("asking the controller: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return "", fmt.Errorf("asking the controller: %w", err)
	}
	defer func() { _ = response.Body.Close() }() // all that matters has been read
	body, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	if err != nil {
		return "", fmt.Errorf("reading the controller's answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return "", fmt.Errorf("the controller answers %s: %s", response.Status, strings.TrimSpace(string(body)))
	}
	return string(body), nil
}

// Memory is the resident memory of a process, in bytes.
type Memory struct {
	Now  int64
	Peak int64
}

// Memory reads the controller's resident memory from the kernel.
func (c *Controller) Memory() (Memory, error) {
	pid := c.PID()
	if pid == 0 {
		return Memory{}, fmt.Errorf("reading the controller's memory: it does not run")
	}
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return Memory{}, fmt.Errorf("reading the controller's memory: %w", err)
	}
	var m Memory
	for line := range strings.Lines(string(content)) {
		name, value, _ := strings.Cut(line, ":")
		into := map[string]*int64{"VmRSS": &m.Now, "VmHWM": &m.Peak}[name]
		if into == nil {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return Memory{}, fmt.Errorf("reading the controller's memory: %w", err)
		}
		*into = kib << 10
	}
	return m, nil
}

// kernelTick is the unit in which the kernel counts the CPU time of processes: 1/100 s on every platform of Go's.
const kernelTick = 10 * time.Millisecond

// CPUTime reads from the kernel how long the controller's process has computed so far, on all cores together.
func (c *Controller) CPUTime() (time.Duration, error) {
	pid := c.PID()
	if pid == 0 {
		return 0, fmt.Errorf("reading the controller's CPU time: it does not run")
	}
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, fmt.Errorf("reading the controller's CPU time: %w", err)
	}
	// What follows the program's name, which may have spaces: the state, ten more fields, then user and system time.
	_, rest, _ := strings.Cut(string(content), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("reading the controller's CPU time: %q is too short", content)
	}
	var ticks int64
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading the controller's CPU time: %w", err)
		}
		ticks += n
	}
	return time.Duration(ticks) * kernelTick, nil
}
