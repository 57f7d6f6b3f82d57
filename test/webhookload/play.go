package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/util/flowcontrol"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/test/environment"
)

// showEvery is after how many requests progress is shown.
const showEvery = 1000

// play starts a world, puts the load on it and returns what was found.
func play(ctx context.Context, s settings) (r *report, err error) {
	world, err := environment.Start(ctx, environment.Options{Root: s.root, Directory: s.directory, ControllerArguments: []string{
		"--webhook-certificate-lifetime=" + s.certificateLifetime.String(),
		"--webhook-authority-lifetime=" + s.authorityLifetime.String(),
	}})
	if err != nil {
		return nil, fmt.Errorf("starting a world: %w", err)
	}
	defer func() { err = errors.Join(err, world.Stop()) }()
	r = &report{done: map[string]int{}}
	witness, err := newWitness(ctx, world.Client())
	if err != nil {
		return nil, err
	}
	watching, stopWatching := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() { defer close(watched); witness.watch(watching) }()
	begin := time.Now()
	err = load(ctx, world, s, r)
	r.took = time.Since(begin)
	stopWatching()
	<-watched
	if err != nil {
		return nil, err
	}
	r.certificates, r.authorities = len(witness.certificates), len(witness.authorities)
	if err := errors.Join(r.measure(ctx, world, witness.paths), world.Controller().Exited()); err != nil {
		r.failures = append(r.failures, err.Error())
	}
	return r, nil
}

// load has the clients make all requests.
func load(ctx context.Context, world *environment.Environment, s settings, r *report) error {
	pace := flowcontrol.NewTokenBucketRateLimiter(s.rate, s.clients)
	defer pace.Stop()
	turns := make(chan int)
	workers := make([]*worker, s.clients)
	for i := range workers {
		own, err := newClient(world)
		if err != nil {
			return err
		}
		workers[i] = &worker{client: own, name: fmt.Sprintf("load-%d", i), cluster: world.ClusterName()}
	}
	ended := make(chan error, len(workers))
	for _, w := range workers {
		go func() { ended <- w.work(ctx, turns, r) }()
	}
	var err error
	for turn := 0; turn < s.requests && err == nil; turn++ {
		if turn%showEvery == 0 {
			_, _ = fmt.Fprintf(s.progress, "%d of %d requests are made\n", turn, s.requests)
		}
		if err = pace.Wait(ctx); err != nil {
			break
		}
		select {
		case turns <- turn:
		case err = <-ended:
			ended <- nil
		}
	}
	close(turns)
	for range workers {
		err = errors.Join(err, <-ended)
	}
	return err
}

// newClient returns a client with connections and a user agent of its own, which asks as fast as it is told to.
func newClient(world *environment.Environment) (client.Client, error) {
	config := rest.CopyConfig(world.Cluster().Config())
	config.QPS, config.UserAgent, config.WarningHandler = -1, "webhookload", rest.NoWarnings{}
	own, err := client.New(config, client.Options{Scheme: world.Client().Scheme(), FieldOwner: "webhookload"})
	if err != nil {
		return nil, fmt.Errorf("building a client: %w", err)
	}
	return own, nil
}
