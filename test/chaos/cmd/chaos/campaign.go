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
	"strconv"
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
	portion = 250
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

// errand is one process: the kind of its runs, what it is to do, with which binary, and the mutant that is awake in it.
type errand struct{ kind, binary, work, mutant string }

func (c *campaign) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	live := func() error { return nil }
	defer func() { _ = live() }() // after a failure: it ends as the context has
	defer cancel()
	plain, err := c.build(ctx, "chaos.test")
	if err != nil {
		return err
	}
	var errands []errand
	if c.mutant == "" {
		errands = c.exploration(plain)
		if err := c.beside(ctx, &live); err != nil {
			return err
		}
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
			if c.mutant == m.Name || c.mutant == "" && (m.Race || c.seeds > 0) { // who runs races alone hunts what races find
				hunt := "hunt"
				if m.Race {
					hunt = "hunt-in-race"
				}
				errands = append(errands, errand{"mutant", sick, fmt.Sprintf("%s %s %d", hunt, m.Name, huntMost), m.Name})
			}
		}
	}
	err = c.dispatch(ctx, errands)
	return errors.Join(err, live())
}

// largeHeap spares the collector: worlds are small, and made and thrown away all the time.
const largeHeap = "GOGC=400"

// beside starts the worlds on real API servers, and sets how to wait for them. They run beside all else, as they wait most of the time.
func (c *campaign) beside(ctx context.Context, wait *func() error) error {
	if c.live == 0 {
		return nil
	}
	binary := filepath.Join(c.directory, "live")
	if err := c.compile(ctx, "build", "-o", binary, "./test/chaos/cmd/live"); err != nil {
		return err
	}
	command := exec.CommandContext(ctx, binary, "--worlds", strconv.Itoa(c.live)) //nolint:gosec // its own binary
	command.Dir = c.root
	command.Env = append(os.Environ(), largeHeap)
	var said strings.Builder
	command.Stdout, command.Stderr = &said, &said
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) } // it ends its API servers
	if err := command.Start(); err != nil {
		return fmt.Errorf("starting worlds on real API servers: %w", err)
	}
	*wait = sync.OnceValue(func() error {
		err := command.Wait()
		c.tally.spend("live", command.ProcessState)
		c.tally.hear(said.String())
		if err != nil {
			return fmt.Errorf("worlds on real API servers: %w", err)
		}
		return nil
	})
	return nil
}

// exploration is what kerf itself has to go through.
func (c *campaign) exploration(binary string) []errand {
	var out []errand
	if c.every > 0 {
		for i := range c.workers {
			out = append(out, errand{kind: "point", binary: binary, work: fmt.Sprintf("choices %d %d %d", c.every, i, c.workers)})
		}
		parts := 4 * c.workers // the last part is short, so that no process is left alone for long
		for i := range parts {
			out = append(out, errand{kind: "point", binary: binary, work: fmt.Sprintf("points %d %d %t %d %d", c.machines, c.every, c.alike, i, parts)})
		}
	}
	for from := 1; from <= c.seeds; from += portion {
		out = append(out, errand{kind: "seed", binary: binary, work: fmt.Sprintf("seeds %d %d 0 1", from, min(from+portion-1, c.seeds))})
	}
	for from := 1; from <= c.races; from += portion {
		out = append(out, errand{kind: "race", binary: binary, work: fmt.Sprintf("races %d %d 0 1", from, min(from+portion-1, c.races))})
	}
	return out
}

// build makes the test binary that worlds run in.
func (c *campaign) build(ctx context.Context, name string, flags ...string) (string, error) {
	path := filepath.Join(c.directory, name)
	arguments := append([]string{"test", "-c", "-vet=off", "-o", path}, flags...)
	return path, c.compile(ctx, append(arguments, "./test/chaos")...)
}

// compile calls the go command.
func (c *campaign) compile(ctx context.Context, arguments ...string) error {
	command := exec.CommandContext(ctx, "go", arguments...) //nolint:gosec // the arguments are its own
	command.Dir = c.root
	output, err := command.CombinedOutput()
	c.tally.spend("building", command.ProcessState)
	if err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(arguments, " "), err, output)
	}
	return nil
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
	err = errors.Join(lines.Err(), command.Wait())
	c.tally.spend(e.kind, command.ProcessState)
	if err != nil {
		return fmt.Errorf("%q: %w\n%s", e.work, err, said.String())
	}
	return nil
}

func (c *campaign) command(ctx context.Context, e errand) *exec.Cmd {
	command := exec.CommandContext(ctx, e.binary, "-test.run=^TestWorker$", "-test.timeout=0", "-chaos.work="+e.work) //nolint:gosec // its own binary
	// One thread a process is enough, as one goroutine runs at a time.
	command.Env = append(os.Environ(), "GOMAXPROCS=1", largeHeap, mutant.Variable+"="+e.mutant)
	return command
}

// replay runs one world and prints its history.
func (c *campaign) replay(ctx context.Context) error {
	binary, err := c.build(ctx, "chaos.test")
	if err != nil {
		return err
	}
	work := fmt.Sprintf("show %d", c.seed)
	if c.race != 0 {
		work = fmt.Sprintf("race %d", c.race)
	}
	if c.point != 0 {
		work = fmt.Sprintf("point %d %s %d", c.point, c.phase, c.machines)
		if c.choice != "" {
			work = fmt.Sprintf("choice %s %d %s", c.choice, c.point, c.phase)
		}
	}
	command := c.command(ctx, errand{binary: binary, work: work})
	command.Stdout, command.Stderr = c.out, os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w", work, err)
	}
	return nil
}
