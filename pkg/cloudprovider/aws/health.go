package aws

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// How often facts are read anew. Instance types and list prices change by the week, spot prices and the cluster's version
// at any time.
const (
	slowInterval = 12 * time.Hour
	fastInterval = 5 * time.Minute
	// taskTimeout bounds one run of a task.
	taskTimeout = 2 * time.Minute
)

// Names of the tasks that read what may be launched.
const (
	readingTypes     = "reading instance types"
	readingOfferings = "reading offerings"
)

// Task is something to do again and again.
type Task struct {
	// Name of what it does, e.g. "reading instance types".
	Name string
	// Interval from one success to the next run.
	Interval time.Duration
	// Leader tasks change things at AWS, or tell the user something: only the acting replica runs them.
	Leader bool
	Run    func(context.Context) error
}

// Tasks returns all that has to be done again and again, in the order in which it is done first.
func (p *Provider) Tasks() []Task {
	tasks := []Task{
		{Name: "reading cluster facts", Interval: fastInterval, Run: p.cluster.Load},
		{Name: readingTypes, Interval: slowInterval, Run: p.types.LoadTypes},
		{Name: readingOfferings, Interval: slowInterval, Run: p.types.LoadOfferings},
		{Name: "reading spot prices", Interval: fastInterval, Run: p.prices.LoadSpot},
		{Name: "sweeping launch templates", Interval: max(p.settings.LaunchTemplateTTL/2, time.Second), Leader: true, Run: p.launchTemplates.Sweep},
	}
	tasks = append(tasks, Task{Name: "checking permissions", Interval: fastInterval, Leader: true, Run: p.permissions.checkAlways})
	if !p.settings.IsolatedVPC {
		tasks = append(tasks, Task{Name: "reading on-demand prices", Interval: slowInterval, Run: p.prices.LoadOnDemand})
	}
	for i, t := range tasks {
		tasks[i].Run = func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, taskTimeout)
			defer cancel()
			began := p.clock.Now()
			err := t.Run(ctx)
			p.health.note(t.Name, began, err)
			return err
		}
	}
	return tasks
}

// Ready returns nil once all that a launch needs has been read from AWS, and until then why not.
func (p *Provider) Ready() error {
	var errs []error
	if _, err := p.cluster.Facts(); err != nil {
		errs = append(errs, p.health.reason("reading cluster facts", err))
	}
	if _, err := p.types.Snapshot(); err != nil {
		errs = append(errs, p.health.reason(readingTypes, err), p.health.reason(readingOfferings, nil))
	}
	return errors.Join(errs...)
}

// Surveyed returns since when the older is known of what types there are and of where they are offered; zero if the last attempt to read
// one of them has failed.
func (p *Provider) Surveyed() time.Time {
	types, offerings := p.health.succeeded(readingTypes), p.health.succeeded(readingOfferings)
	if offerings.Before(types) {
		return offerings
	}
	return types
}

// health remembers how tasks went last. It is safe for concurrent use.
type health struct {
	mu   sync.Mutex
	last map[string]run // name of a task -> its last run
}

// run is when a task began, and how it ended.
type run struct {
	began time.Time
	err   error
}

func newHealth() *health { return &health{last: map[string]run{}} }

func (h *health) note(task string, began time.Time, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last[task] = run{began, err}
}

// succeeded returns when the last run of the task began; zero if it failed, or there was none.
func (h *health) succeeded(task string) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last[task].err != nil {
		return time.Time{}
	}
	return h.last[task].began
}

// reason returns how the task failed last, or the fallback when it has not.
func (h *health) reason(task string, fallback error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.last[task].err; err != nil {
		return fmt.Errorf("%s: %w", task, err)
	}
	return fallback
}
