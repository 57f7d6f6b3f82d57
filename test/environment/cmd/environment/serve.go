package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/kerf-autoscaler/kerf/test/cluster"
	"github.com/kerf-autoscaler/kerf/test/environment"
)

// serve is the world: it runs until it is told to end.
func (s *site) serve(ctx context.Context, region string) (err error) {
	if err := s.resolve(); err != nil {
		return err
	}
	lock, err := s.claim()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	// What an earlier world left behind belongs to nobody.
	if err := errors.Join(s.forget(), os.RemoveAll(s.path("world"))); err != nil {
		return err
	}
	begin := time.Now()
	e, err := environment.Start(ctx, environment.Options{
		Root: s.root, Directory: s.path("world"), Region: region,
		Progress: func(what string) { fmt.Printf("%6.1f s  %s\n", time.Since(begin).Seconds(), what) },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Stop(), s.forget()) }()
	if err := s.announce(e, region); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// announce writes the state, which tells the caller of up that everything runs.
func (s *site) announce(e *environment.Environment, region string) error {
	kubeconfig := s.path("kubeconfig")
	if err := cluster.WriteKubeconfig(kubeconfig, e.Cluster().Config()); err != nil {
		return err
	}
	return s.write(state{
		PID: os.Getpid(), ClusterName: e.ClusterName(), Region: region,
		Kubeconfig: kubeconfig, Kubectl: filepath.Dir(e.KubectlProgram()),
		AWS: e.AWS().URL(), AWSAdmin: e.AWS().AdminURL(), Log: e.Controller().Log(),
	})
}
