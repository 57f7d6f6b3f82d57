package main

import (
	"context"
	"fmt"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/environment"
)

// measurement goes through the phases of a run and writes down what each of them took.
type measurement struct {
	world    *environment.Environment
	witness  *witness
	report   *report
	settings settings
	started  time.Time
	last     snapshot
}

// snapshot is what was used up to a moment.
type snapshot struct {
	at    time.Time
	cpu   time.Duration
	calls map[string]int // action -> count
}

func (m *measurement) begin(context.Context) error {
	now, err := m.snapshot()
	m.started, m.last = now.at, now
	return err
}

func (m *measurement) snapshot() (snapshot, error) {
	cpu, err := m.world.Controller().CPUTime()
	calls := map[string]int{}
	for action, c := range m.world.AWS().Calls().Actions {
		calls[action] = c.Count
	}
	return snapshot{at: time.Now(), cpu: cpu, calls: calls}, err
}

// phase waits until something is reached and writes down what it took since the phase before.
func (m *measurement) phase(ctx context.Context, name string, reached func(sight) bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, m.settings.patience, fmt.Errorf("it took longer than %s", m.settings.patience))
	defer cancel()
	ticker := time.NewTicker(lookPeriod)
	defer ticker.Stop()
	shown := time.Now()
	for {
		s, err := m.witness.look(ctx)
		if err != nil {
			return err
		}
		if wrong := s.wrong(); wrong != "" {
			m.report.wrong = append(m.report.wrong, fmt.Sprintf("%s: %s", name, wrong))
		}
		if reached(s) {
			return m.write(name)
		}
		if time.Since(shown) >= showPeriod {
			shown = time.Now()
			_, _ = fmt.Fprintf(m.settings.out, "%8s  %s\n", time.Since(m.started).Round(time.Second), s)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %d machines are %s: %w; seen: %s", m.settings.machines, name, context.Cause(ctx), s)
		case <-ticker.C:
		}
	}
}

func (m *measurement) write(name string) error {
	now, err := m.snapshot()
	if err != nil {
		return err
	}
	memory, err := m.world.Controller().Memory()
	if err != nil {
		return err
	}
	p := phase{name: name, took: now.at.Sub(m.last.at), cpu: now.cpu - m.last.cpu, resident: memory.Now, peak: memory.Peak, calls: map[string]int{}}
	for action, count := range now.calls {
		if more := count - m.last.calls[action]; more > 0 {
			p.calls[action] = more
		}
	}
	m.report.phases = append(m.report.phases, p)
	m.last = now
	_, _ = fmt.Fprintf(m.settings.out, "%8s  %s\n", time.Since(m.started).Round(time.Second), name)
	return nil
}

// finish notes what AWS has counted over the whole run.
func (m *measurement) finish() {
	m.report.fleets = m.world.AWS().Fleets()
	m.report.errors = m.world.AWS().Calls().Errors
	delete(m.report.errors, dryRunAllowed)
	m.report.templates = len(m.world.AWS().LaunchTemplates())
}

// launchedInstances returns how many instances the fleets have brought.
func launchedInstances(fleets []admin.Fleet) int {
	n := 0
	for _, f := range fleets {
		n += len(f.InstanceIDs)
	}
	return n
}
