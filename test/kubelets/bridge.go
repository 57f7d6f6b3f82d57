// Package kubelets makes each running simulated instance join the local cluster as a real one would.
//
// It stands in for three programs: the start-up program of the image and its kubelet, which read the user data and create
// the Node; the cloud controller manager, which labels it; and device plugins. What comes after, being ready, heartbeats
// and running pods, is kwok's.
package kubelets

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
)

const (
	// pollPeriod is how often instances are listed.
	pollPeriod = 200 * time.Millisecond
	// parallelism bounds the nodes that are worked on at a time, so that a scale-up is not a queue.
	parallelism = 16
)

// Options say which cluster instances join and how long each part of it takes.
type Options struct {
	// Cluster that lets machines in.
	Cluster Cluster
	// KubeletVersion that nodes report, e.g. v1.36.3.
	KubeletVersion string
	// JoinDelay is the time from an instance's running to its Node.
	JoinDelay time.Duration
	// ReadyDelay is the time from the Node to its being ready. A real network plugin takes seconds; much longer than the
	// cluster's node monitor grace period and the Node counts as unreachable in between, as a real one would.
	ReadyDelay time.Duration
	// DeviceDelay is the time from being ready until GPUs and the like are announced.
	DeviceDelay time.Duration
	// RemoveDeadNodes deletes the Node of a terminated instance, as the cloud controller manager of EKS does. Off, such a
	// Node stays, without heartbeat, until somebody else takes care of it.
	RemoveDeadNodes bool
	// Hit counts a planned fault that has taken effect; nil does not.
	Hit func(counter string)
	// Logger gets a line for each transition and for each machine that cannot join.
	Logger *slog.Logger
}

// Bridge holds one kubelet for each instance. Make one with New.
type Bridge struct {
	client  client.Client
	source  Source
	catalog *catalog.Catalog
	options Options

	kubelets map[string]*kubelet // instance id -> kubelet; only the polling goroutine touches it
	listErr  string              // the last error of the source, so that it is logged once

	mu       sync.Mutex
	withheld func(Instance, Bootstrap) bool
}

// New makes a bridge; the client acts as cluster administrator.
func New(c client.Client, source Source, options Options) (*Bridge, error) {
	facts, err := catalog.Load()
	if err != nil {
		return nil, fmt.Errorf("loading the EC2 catalogue: %w", err)
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Hit == nil {
		options.Hit = func(string) {}
	}
	return &Bridge{
		client: c, source: source, catalog: facts, options: options,
		kubelets: map[string]*kubelet{},
		withheld: func(Instance, Bootstrap) bool { return false },
	}, nil
}

// Withhold keeps instances that match from joining for as long as they match; nil lets all of them join. A Node that is
// there already stays.
func (b *Bridge) Withhold(match func(Instance, Bootstrap) bool) {
	if match == nil {
		match = func(Instance, Bootstrap) bool { return false }
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.withheld = match
}

func (b *Bridge) isWithheld(i Instance, boot Bootstrap) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.withheld(i, boot)
}

// Run works until the context ends. A source that does not answer is asked again.
func (b *Bridge) Run(ctx context.Context) {
	ticker := time.NewTicker(pollPeriod)
	defer ticker.Stop()
	for {
		b.poll(ctx, time.Now())
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// poll looks at all instances once and takes every kubelet as far as it can come by now.
func (b *Bridge) poll(ctx context.Context, now time.Time) {
	instances, err := b.source.Instances(ctx)
	if err != nil {
		if ctx.Err() == nil && err.Error() != b.listErr {
			b.options.Logger.Error("listing instances", "error", err)
			b.listErr = err.Error()
		}
		return
	}
	b.listErr = ""
	b.observe(instances)

	var group errgroup.Group
	group.SetLimit(parallelism)
	for _, k := range b.kubelets {
		group.Go(func() error {
			k.report(ctx, k.advance(ctx, now))
			return nil
		})
	}
	_ = group.Wait() // each kubelet has reported its own error
	for id, k := range b.kubelets {
		if k.gone() {
			delete(b.kubelets, id)
		}
	}
}

// observe brings the kubelets up to date with their instances; one that is not listed any more has terminated.
func (b *Bridge) observe(instances []Instance) {
	listed := map[string]bool{}
	for _, i := range instances {
		listed[i.ID] = true
		if k, ok := b.kubelets[i.ID]; ok {
			k.instance = i
		} else if i.State == stateRunning {
			b.kubelets[i.ID] = &kubelet{bridge: b, instance: i}
		}
	}
	for id, k := range b.kubelets {
		if !listed[id] {
			k.instance.State = stateTerminated
			k.forgotten = true
		}
	}
}
