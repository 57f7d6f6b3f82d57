// Package live runs kerf against a real API server and a simulated AWS behind a port, crashes it, and makes what it calls misbehave.
// Unlike the worlds in memory these have real caches, watches, connections and elections, and real time; a seed repeats what is
// done to kerf, not when exactly.
package live

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/test/cluster"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// Site is where worlds take place, one after the other: etcd and an API server with kerf's kinds.
type Site struct {
	cluster *cluster.Cluster
	// direct reads and writes past all that goes wrong.
	direct     client.WithWatch
	clusterUID string
	// first is a version from when there was nothing yet.
	first string
}

// NewSite starts a site; flags of the API server follow the usual ones.
func NewSite(ctx context.Context, flags ...string) (*Site, error) {
	started, err := cluster.Start(ctx, cluster.Options{Bare: true, Arguments: map[cluster.ComponentName][]string{cluster.APIServer: flags}})
	if err != nil {
		return nil, fmt.Errorf("starting the API server: %w", err)
	}
	s := &Site{cluster: started}
	if err := s.prepare(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

func (s *Site) prepare(ctx context.Context) error {
	definitions, err := workbench.FromRoot("config", "crd", "bases")
	if err != nil {
		return err
	}
	if _, err := envtest.InstallCRDs(s.config(), envtest.CRDInstallOptions{Paths: []string{definitions}, ErrorIfPathMissing: true}); err != nil {
		return fmt.Errorf("installing kerf's kinds: %w", err)
	}
	scheme, err := operator.NewScheme()
	if err != nil {
		return err
	}
	if s.direct, err = client.NewWithWatch(s.config(), client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("connecting to the API server: %w", err)
	}
	var system corev1.Namespace
	if err := s.direct.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &system); err != nil {
		return fmt.Errorf("identifying the cluster: %w", err)
	}
	s.clusterUID, s.first = string(system.UID), system.ResourceVersion
	return nil
}

func (s *Site) config() *rest.Config { return s.cluster.Config() }

// Close ends a site.
func (s *Site) Close() error { return s.cluster.Stop() }

// Forgotten returns an error if a watch can go on from a version that was the newest when the site was new.
func (s *Site) Forgotten(ctx context.Context) error {
	watching, err := s.direct.Watch(ctx, &v1alpha5.MachineList{}, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: s.first}})
	if err == nil {
		defer watching.Stop()
		select {
		case event := <-watching.ResultChan():
			err = apierrors.FromObject(event.Object)
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) {
		return nil
	}
	return fmt.Errorf("a watch from version %s on is told %w", s.first, err)
}
