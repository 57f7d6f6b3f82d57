package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/test/environment"
)

const (
	// batchIdle is the controller's default; a decision is due when no pod has come for so long.
	batchIdle = time.Second
	// Bounds of what the demo expects.
	fleetBudget  = batchIdle + 500*time.Millisecond
	memoryBudget = 150 << 20
	totalBudget  = 7 * time.Minute
	// patience bounds each wait; on an idle machine the longest one takes a third of it.
	patience = 2 * time.Minute
)

// show is a run of the demo.
type show struct {
	out      io.Writer
	settings settings
	begin    time.Time
	timeline *timeline
	checks   *checks
	env      *environment.Environment
	observer *observer
	phases   []phase
}

// play starts the world, runs the scenario in it, ends it, and tells what came of it.
func play(ctx context.Context, s settings) error {
	begin := time.Now()
	d := &show{
		out: os.Stdout, settings: s, begin: begin,
		timeline: &timeline{out: os.Stdout, start: begin}, checks: &checks{},
	}
	d.timeline.now("setup", "starting a control plane, simulated AWS and kerf")
	env, err := environment.Start(ctx, environment.Options{
		Directory: s.directory, Region: s.region,
		// What takes five minutes by default takes seconds, so that the second act is short; and a small spot machine, which has few cheaper
		// instance types below it, may take the place of one that is a little larger, for the sake of a little money.
		ControllerArguments: []string{"--consolidation-settle-duration=5s", "--min-spot-alternatives=5", "--eviction-cost=0.005"},
		Progress:            func(what string) { d.timeline.now("setup", "%s: ready", what) },
	})
	if err != nil {
		return err
	}
	d.env = env
	found, err := d.perform(ctx)
	if ctx.Err() != nil {
		return errors.Join(context.Cause(ctx), d.keepLogs(), env.Stop())
	}
	if err != nil {
		d.checks.expect(false, "the scenario runs to its end", "%v", err)
		d.diagnose(ctx)
	}
	d.timeline.now("setup", "ending everything")
	if err := errors.Join(d.keepLogs(), env.Stop()); err != nil {
		d.checks.expect(false, "everything that was started ends", "%v", err)
	}
	took := time.Since(begin)
	d.checks.expect(took <= totalBudget, "the demo is short", "it took %s, at most %s", seconds(took), seconds(totalBudget))
	d.printTables(found)
	if err := d.writeReport(found, took); err != nil {
		return err
	}
	if d.checks.tell(d.out) > 0 {
		return errFailed
	}
	return nil
}

// perform runs the scenario and gathers what AWS and the controller have to say in the end.
func (d *show) perform(ctx context.Context) (findings, error) {
	ctrl.SetLogger(logr.Discard()) // what watches have to say helps nobody here
	observer, err := newObserver(d.env.Cluster().Config(), d.timeline)
	if err != nil {
		return findings{}, err
	}
	d.observer = observer
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := observer.start(watching); err != nil {
		return findings{}, err
	}
	for _, scene := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"the examples apply and become ready", d.prepareProvisioner},
		{"pods get nodes", d.scaleUp},
		{"what runs is what was asked for", d.inspectPeak},
		{"nodes without pods go", d.scaleDown},
		{"nothing is left", d.awaitNothing},
	} {
		if err := scene.run(ctx); err != nil {
			return d.find(), fmt.Errorf("%s: %w", scene.name, err)
		}
	}
	found := d.find()
	d.judge(found)
	d.timeline.now("setup", "the second act: what is there already")
	if err := d.secondAct(ctx); err != nil {
		return found, err
	}
	d.judgeAccounts(d.find())
	return found, nil
}

// kubectl runs what a user would run, and shows it.
func (d *show) kubectl(ctx context.Context, arguments ...string) (string, error) {
	d.timeline.now("$", "kubectl %s", strings.Join(arguments, " "))
	return d.env.Kubectl(ctx, arguments...)
}

// apply applies an example.
func (d *show) apply(ctx context.Context, name string) error {
	path := filepath.Join("examples", name)
	d.timeline.now("$", "kubectl apply -f %s", path)
	return d.env.Apply(ctx, path)
}

// diagnose prints what helps to understand a failure.
func (d *show) diagnose(ctx context.Context) {
	for _, arguments := range [][]string{
		{"get", "provisioners,awsnodetemplates,machines,nodes,pods", "--all-namespaces", "--output=wide"},
		{"get", "events", "--all-namespaces", "--sort-by=.lastTimestamp"},
		{"get", "provisioners,awsnodetemplates,machines", "--output=yaml"},
	} {
		text, err := d.env.Kubectl(ctx, arguments...)
		if err != nil {
			text = err.Error()
		}
		_, _ = fmt.Fprintf(d.out, "\n%s\n", text)
	}
	_, _ = fmt.Fprintf(d.out, "\nThe end of the controller's log:\n%s\n", d.env.Controller().LogTail(60))
}

// keepLogs copies the logs to where the report is.
func (d *show) keepLogs() error {
	directory := filepath.Dir(d.settings.report)
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("making the directory of the report: %w", err)
	}
	for _, name := range []string{"controller.log", "kubelets.log"} {
		content, err := os.ReadFile(filepath.Join(d.env.Directory(), name))
		if err != nil {
			return fmt.Errorf("keeping the logs: %w", err)
		}
		if err := os.WriteFile(filepath.Join(directory, name), content, 0o644); err != nil {
			return fmt.Errorf("keeping the logs: %w", err)
		}
	}
	return nil
}
