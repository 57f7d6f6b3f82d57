package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/kerf-autoscaler/kerf/test/chaos/job"
	"github.com/kerf-autoscaler/kerf/test/chaos/mutant"
)

const (
	// huntMost is within how many runs a bug has to be found.
	huntMost = 100
	// portion is how many seeds a process runs before it is replaced: what leaks in one does not grow.
	portion = 500
	// progressEvery is how often progress is told.
	progressEvery = 15 * time.Second
)

// campaign is all runs of one call of the command.
type campaign struct {
	settings
	root, directory string
	out             io.Writer
	tally           *tally
}

// errand is one process: what it is to do, with which binary, and the mutant that is awake in it.
type errand struct{ binary, work, mutant string }

func (c *campaign) run(ctx context.Context) error {
	plain, err := c.build(ctx, "chaos.test")
	if err != nil {
		return err
	}
	var errands []errand
	if c.mutant == "" {
		errands = c.exploration(plain)
	}
	if c.mutants {
		overlay, err := mutant.Overlay(c.root, c.directory)
		if err != nil {
			return fmt.Errorf("making mutants: %w", err)
		}
		sick, err := c.build(ctx, "mutants.test", "-overlay="+overlay)
		if err != nil {
			return err
		}
		for _, m := range mutant.All() {
			if c.mutant == "" || c.mutant == m.Name {
				errands = append(errands, errand{sick, fmt.Sprintf("hunt %s %d", m.Name, huntMost), m.Name})
			}
		}
	}
	return c.dispatch(ctx, errands)
}

// exploration is what kerf itself has to go through.
func (c *campaign) exploration(binary string) []errand {
	var out []errand
	if c.every > 0 {
		parts := 4 * c.workers // the last part is short, so that no process is left alone for long
		for i := range parts {
			out = append(out, errand{binary: binary, work: fmt.Sprintf("points %d %d %t %d %d", c.machines, c.every, c.alike, i, parts)})
		}
	}
	for from := 1; from <= c.seeds; from += portion {
		out = append(out, errand{binary: binary, work: fmt.Sprintf("seeds %d %d 0 1", from, min(from+portion-1, c.seeds))})
	}
	return out
}

// build makes the test binary that worlds run in.
func (c *campaign) build(ctx context.Context, name string, flags ...string) (string, error) {
	path := filepath.Join(c.directory, name)
	arguments := append([]string{"test", "-c", "-vet=off", "-o", path}, flags...)
	command := exec.CommandContext(ctx, "go", append(arguments, "./test/chaos")...)
	command.Dir = c.root
	if output, err := command.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", name, err, output)
	}
	return path, nil
}

// dispatch runs all errands, some at a time, and tells of progress.
func (c *campaign) dispatch(ctx context.Context, errands []errand) error {
	queue := make(chan errand, len(errands))
	for _, e := range errands {
		queue <- e
	}
	close(queue)
	var workers sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for range c.workers {
		workers.Go(func() {
			for e := range queue {
				if err := c.send(ctx, e); err != nil {
					mu.Lock()
					errs = append(errs, err)
					mu.Unlock()
				}
			}
		})
	}
	done := make(chan struct{})
	go func() {
		workers.Wait()
		close(done)
	}()
	ticker := time.NewTicker(progressEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			c.tally.progress(c.out)
		case <-done:
			return errors.Join(errs...)
		}
	}
}

// send runs one errand and takes in what it reports.
func (c *campaign) send(ctx context.Context, e errand) error {
	reports, reported, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("making a pipe: %w", err)
	}
	defer reports.Close() //nolint:errcheck // it is only read
	command := c.command(ctx, e)
	command.ExtraFiles = []*os.File{reported}
	var said strings.Builder
	command.Stdout, command.Stderr = &said, &said
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting %q: %w", e.work, err)
	}
	reported.Close() //nolint:errcheck,gosec // the other process has its own
	lines := bufio.NewScanner(reports)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var report job.Report
		if err := json.Unmarshal(lines.Bytes(), &report); err != nil {
			return fmt.Errorf("reading a report of %q: %w", e.work, err)
		}
		c.tally.take(c.out, report)
	}
	if err := errors.Join(lines.Err(), command.Wait()); err != nil {
		return fmt.Errorf("%q: %w\n%s", e.work, err, said.String())
	}
	return nil
}

func (c *campaign) command(ctx context.Context, e errand) *exec.Cmd {
	command := exec.CommandContext(ctx, e.binary, "-test.run=^TestWorker$", "-test.timeout=0", "-chaos.work="+e.work) //nolint:gosec // its own binary
	// One thread a process is enough, as one goroutine runs at a time; a larger heap spares the collector.
	command.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=400", mutant.Variable+"="+e.mutant)
	return command
}

// replay runs one world and prints its history.
func (c *campaign) replay(ctx context.Context) error {
	binary, err := c.build(ctx, "chaos.test")
	if err != nil {
		return err
	}
	work := fmt.Sprintf("show %d", c.seed)
	if c.point != 0 {
		work = fmt.Sprintf("point %d %s %d", c.point, c.phase, c.machines)
	}
	command := c.command(ctx, errand{binary: binary, work: work})
	command.Stdout, command.Stderr = c.out, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", work, err)
	}
	return nil
}
