package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// The workloads, by the value of their label app, which is how their pods are told apart.
const (
	inflate    = "inflate"
	nginx      = "nginx"
	echoserver = "echoserver"
)

func (d *show) prepareProvisioner(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it took longer than %s", patience))
	defer cancel()
	if err := d.apply(ctx, "provisioner.yaml"); err != nil {
		return err
	}
	if _, err := d.env.Kubectl(ctx, "wait", "--for=condition=Ready", "--timeout=60s", "awsnodetemplate/default", "provisioner/default"); err != nil {
		return err
	}
	d.timeline.now("ready", "provisioner default can launch machines")
	return nil
}

// scaleUp brings the load of the examples, one after the other, so that each figure belongs to one of them.
func (d *show) scaleUp(ctx context.Context) error {
	apply := func(file string) func(context.Context) error {
		return func(ctx context.Context) error { return d.apply(ctx, file) }
	}
	scale := func(deployment string, replicas int) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := d.kubectl(ctx, "scale", "deployment", deployment, fmt.Sprintf("--replicas=%d", replicas))
			return err
		}
	}
	for _, l := range []struct {
		name, workload string
		replicas       int
		change         func(context.Context) error
	}{
		{"inflate, none", inflate, 0, apply("inflate.yaml")},
		{"inflate 0 -> 5", inflate, 5, scale("inflate", 5)},
		{"inflate 5 -> 20", inflate, 20, scale("inflate", 20)},
		{"nginx 0 -> 1", nginx, 1, apply("nginx-to-scaleout.yaml")},
		{"nginx 1 -> 10", nginx, 10, scale("nginx-to-scaleout", 10)},
		{"echoserver 0 -> 1", echoserver, 1, apply("echoserver.yaml")},
	} {
		if l.replicas == 0 {
			if err := l.change(ctx); err != nil {
				return err
			}
			continue
		}
		if err := d.load(ctx, l.name, l.workload, l.replicas, l.change); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return nil
}

// scaleDown takes the load away in two steps, so that nodes without pods go while another one stays as it is.
func (d *show) scaleDown(ctx context.Context) error {
	for _, arguments := range [][]string{
		{"delete", "deployment", "nginx-to-scaleout"},
		{"scale", "deployment", "inflate", "--replicas=0"},
	} {
		if _, err := d.kubectl(ctx, arguments...); err != nil {
			return err
		}
	}
	if err := d.awaitPods(ctx, inflate, nginx); err != nil {
		return err
	}
	empty := d.emptyNodes()
	d.timeline.now("pods", "inflate and nginx: none left; %d empty nodes have to go after 30 s", len(empty))
	if err := d.awaitNodes(ctx, empty); err != nil {
		return err
	}
	d.checks.expect(len(empty) > 0 && d.gone(echoserver) == 0, "empty nodes go and others stay",
		"%d nodes went, and %d pods of echoserver with them", len(empty), d.gone(echoserver))

	if _, err := d.kubectl(ctx, "delete", "namespace", "echoserver", "--wait=false"); err != nil {
		return err
	}
	if err := d.awaitPods(ctx, echoserver); err != nil {
		return err
	}
	empty = d.emptyNodes()
	d.timeline.now("pods", "echoserver: none left; %d empty nodes have to go after 30 s", len(empty))
	return d.awaitNodes(ctx, empty)
}

// awaitPods waits until the workloads have no pods.
func (d *show) awaitPods(ctx context.Context, workloads ...string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it took longer than %s", patience))
	defer cancel()
	return d.observer.await(ctx, "no pods of "+strings.Join(workloads, " and ")+" are left", func() bool {
		for _, p := range d.observer.pods {
			for _, w := range workloads {
				if p.workload == w && p.gone.IsZero() {
					return false
				}
			}
		}
		return true
	})
}

// awaitNodes waits until the nodes and their Machines are gone.
func (d *show) awaitNodes(ctx context.Context, names []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it took longer than %s", patience))
	defer cancel()
	return d.observer.await(ctx, fmt.Sprintf("%d empty nodes and their machines are gone", len(names)), func() bool {
		left := map[string]bool{}
		for _, name := range names {
			left[name] = d.observer.nodes[name].gone.IsZero()
		}
		for _, m := range d.observer.machines {
			if m.gone.IsZero() {
				if _, ours := left[m.object.Status.NodeName]; ours {
					left[m.object.Status.NodeName] = true
				}
			}
		}
		for _, there := range left {
			if there {
				return false
			}
		}
		return true
	})
}

// emptyNodes returns the names of kerf's nodes that have no pods.
func (d *show) emptyNodes() []string {
	d.observer.mu.Lock()
	defer d.observer.mu.Unlock()
	var names []string
	for name, n := range d.observer.nodes {
		if n.provisioner != "" && n.gone.IsZero() && n.pods == 0 {
			names = append(names, name)
		}
	}
	return names
}

// gone counts the pods of the workloads that have ended.
func (d *show) gone(workloads ...string) int {
	d.observer.mu.Lock()
	defer d.observer.mu.Unlock()
	count := 0
	for _, p := range d.observer.pods {
		for _, w := range workloads {
			if p.workload == w && !p.gone.IsZero() {
				count++
			}
		}
	}
	return count
}

// awaitNothing waits until AWS and the cluster hold nothing of kerf's any more. AWS cannot be watched, so it is polled.
func (d *show) awaitNothing(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it took longer than %s", patience))
	defer cancel()
	d.timeline.now("waiting", "for unused launch templates to go")
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		left := d.left()
		if left == (remains{}) {
			d.timeline.now("done", "no instances, launch templates, nodes or machines are left")
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until nothing is left: %w: %s", context.Cause(ctx), left)
		case <-ticker.C:
		}
	}
}

// remains counts what is left of kerf's.
type remains struct {
	Instances       int `json:"instances"`
	LaunchTemplates int `json:"launchTemplates"`
	Nodes           int `json:"nodes"`
	Machines        int `json:"machines"`
}

func (r remains) String() string {
	return fmt.Sprintf("%d instances, %d launch templates, %d nodes and %d machines", r.Instances, r.LaunchTemplates, r.Nodes, r.Machines)
}

func (d *show) left() remains {
	r := remains{LaunchTemplates: len(d.env.AWS().LaunchTemplates())}
	for _, i := range d.env.AWS().Instances() {
		if i.State != "terminated" {
			r.Instances++
		}
	}
	d.observer.mu.Lock()
	defer d.observer.mu.Unlock()
	for _, n := range d.observer.nodes {
		if n.labels[v1alpha5.ProvisionerNameLabel] != "" && n.gone.IsZero() {
			r.Nodes++
		}
	}
	for _, m := range d.observer.machines {
		if m.gone.IsZero() {
			r.Machines++
		}
	}
	return r
}
