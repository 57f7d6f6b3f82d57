package main

import (
	"context"
	"fmt"
	"time"

	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
)

// phase is one change of load and what it led to.
type phase struct {
	Name string `json:"name"`
	// Pods of the workload when they all run.
	Pods int `json:"pods"`
	// Nodes of kerf at that time, and what their instances cost.
	Nodes        int     `json:"nodes"`
	PricePerHour float64 `json:"pricePerHour"`
	// Fleets that brought capacity for the pods.
	Fleets int `json:"fleets"`
	// FirstToFleet and LastToFleet are the times from a pod's being unschedulable to the CreateFleet that brought its
	// node, for the pod of a batch that came first and the one that came last; the longest over the fleets, and 0
	// without any. The pods of a burst keep a batch open, so only the latter is up to kerf alone.
	FirstToFleet time.Duration `json:"firstToFleet"`
	LastToFleet  time.Duration `json:"lastToFleet"`
	// ToRunning is the time from a pod's being unschedulable, or else bound, to its running, for the slowest pod.
	ToRunning time.Duration `json:"toRunning"`
}

// load changes the number of pods of a workload, by the function, and waits until all of them run.
func (d *show) load(ctx context.Context, name, workload string, replicas int, change func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it took longer than %s", patience))
	defer cancel()
	began := time.Now()
	if err := change(ctx); err != nil {
		return err
	}
	all := func(condition func(*pod) bool) func() bool {
		return func() bool {
			count := 0
			for _, p := range d.observer.pods {
				if p.workload == workload && p.gone.IsZero() && condition(p) {
					count++
				}
			}
			return count == replicas
		}
	}
	considered := all(func(p *pod) bool { return !p.unschedulable.IsZero() || !p.bound.IsZero() })
	if err := d.observer.await(ctx, fmt.Sprintf("the scheduler has considered %d pods of %s", replicas, workload), considered); err != nil {
		return err
	}
	d.sayPending(workload, began)
	running := all(func(p *pod) bool { return !p.running.IsZero() })
	if err := d.observer.await(ctx, fmt.Sprintf("%d pods of %s run", replicas, workload), running); err != nil {
		return err
	}
	d.timeline.now("pods", "%s: all %d run", workload, replicas)
	d.phases = append(d.phases, d.measure(phase{Name: name, Pods: replicas}, workload, began))
	return nil
}

// sayPending tells how many of the new pods no node has room for.
func (d *show) sayPending(workload string, began time.Time) {
	d.observer.mu.Lock()
	defer d.observer.mu.Unlock()
	pending, placed := 0, 0
	var since time.Time
	for _, p := range d.observer.pods {
		switch {
		case p.workload != workload || !p.gone.IsZero():
		case p.unschedulable.After(began):
			pending++
			if since.IsZero() || p.unschedulable.Before(since) {
				since = p.unschedulable
			}
		case p.bound.After(began):
			placed++
		}
	}
	if pending > 0 {
		d.timeline.add(since, "pods", "%s: %d pending, no node has room for them", workload, pending)
	}
	if placed > 0 {
		d.timeline.now("pods", "%s: %d placed on nodes that are there", workload, placed)
	}
}

// measure fills in the figures of a phase that began at the given time and has just ended.
func (d *show) measure(p phase, workload string, began time.Time) phase {
	byNode, cost := map[string]admin.Instance{}, 0.0
	for _, i := range d.env.AWS().Instances() {
		if alive(i) {
			byNode[i.PrivateDNSName] = i
			cost += i.PricePerHour
		}
	}
	p.Nodes, p.PricePerHour = len(byNode), cost
	times := map[string]time.Time{} // fleet id -> when
	for _, f := range d.env.AWS().Fleets() {
		times[f.ID] = f.Time
	}
	shortest := map[string]time.Duration{} // fleet id -> wait of the pod that came last
	d.observer.mu.Lock()
	defer d.observer.mu.Unlock()
	for _, pod := range d.observer.pods {
		if pod.workload != workload || !pod.gone.IsZero() || pod.bound.Before(began) {
			continue
		}
		waitedFrom := pod.unschedulable
		if waitedFrom.IsZero() {
			waitedFrom = pod.bound
		}
		p.ToRunning = max(p.ToRunning, pod.running.Sub(waitedFrom))
		fleet := byNode[pod.node].FleetID
		// A pod that a node from before had room for after all has waited for no fleet.
		if launched := times[fleet]; !pod.unschedulable.IsZero() && launched.After(pod.unschedulable) {
			wait := launched.Sub(pod.unschedulable)
			p.FirstToFleet = max(p.FirstToFleet, wait)
			if least, ok := shortest[fleet]; !ok || wait < least {
				shortest[fleet] = wait
			}
		}
	}
	p.Fleets = len(shortest)
	for _, wait := range shortest {
		p.LastToFleet = max(p.LastToFleet, wait)
	}
	return p
}

func alive(i admin.Instance) bool { return i.State == "pending" || i.State == "running" }
