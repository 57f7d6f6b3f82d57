package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/environment"
)

// witness follows the cluster by watches, so that looking costs the API server nothing, and AWS from within.
type witness struct {
	world  *environment.Environment
	reader client.Reader
}

// sight is what was there at one look.
type sight struct {
	pods, running                               int
	machines, launched, registered, initialized int
	nodes                                       int      // of kerf
	instances                                   int      // pending or running
	shared                                      []string // provider IDs that more than one Machine claims
}

// wrong says what may never be seen; it is empty if all is well.
func (s sight) wrong() string {
	switch {
	case len(s.shared) > 0:
		return fmt.Sprintf("several machines claim %v", s.shared)
	case s.instances > s.machines:
		return fmt.Sprintf("%d instances for %d machines", s.instances, s.machines)
	}
	return ""
}

// nothing reports whether neither machines nor their nodes nor instances are left.
func (s sight) nothing() bool { return s.machines == 0 && s.nodes == 0 && s.instances == 0 }

func (s sight) String() string {
	return fmt.Sprintf("%d pods (%d run), %d machines (%d launched, %d registered, %d initialized), %d nodes, %d instances",
		s.pods, s.running, s.machines, s.launched, s.registered, s.initialized, s.nodes, s.instances)
}

// newWitness returns one whose watches have begun; the context ends them.
func newWitness(ctx context.Context, world *environment.Environment) (*witness, error) {
	scheme, err := operator.NewScheme()
	if err != nil {
		return nil, err
	}
	watched, err := cache.New(world.Cluster().Config(), cache.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("building watches: %w", err)
	}
	for _, o := range []client.Object{&corev1.Pod{}, &corev1.Node{}, &v1alpha5.Machine{}} {
		if _, err := watched.GetInformer(ctx, o, cache.BlockUntilSynced(false)); err != nil {
			return nil, fmt.Errorf("watching %T: %w", o, err)
		}
	}
	go func() { _ = watched.Start(ctx) }() // it ends with the context, and only so
	if !watched.WaitForCacheSync(ctx) {
		return nil, errors.New("the watches ended before they began")
	}
	return &witness{world: world, reader: watched}, nil
}

// look looks at AWS before the cluster: what has an instance has had a Machine before.
func (w *witness) look(ctx context.Context) (sight, error) {
	s := sight{instances: w.living()}
	var pods corev1.PodList
	var nodes corev1.NodeList
	var list v1alpha5.MachineList
	if err := errors.Join(
		w.reader.List(ctx, &pods, client.InNamespace("default"), client.MatchingLabels{"app": name}),
		w.reader.List(ctx, &nodes, client.HasLabels{v1alpha5.ProvisionerNameLabel}),
		w.reader.List(ctx, &list),
	); err != nil {
		return s, fmt.Errorf("looking at the cluster: %w", err)
	}
	s.pods, s.nodes, s.machines = len(pods.Items), len(nodes.Items), len(list.Items)
	s.running = lo.CountBy(pods.Items, func(p corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning })
	has := func(condition string) int {
		return lo.CountBy(list.Items, func(m v1alpha5.Machine) bool { return machines.Conditions(&m).IsTrue(condition) })
	}
	s.launched, s.registered = has(v1alpha5.ConditionLaunched), has(v1alpha5.ConditionRegistered)
	s.initialized = has(v1alpha5.ConditionInitialized)
	s.shared = lo.FindDuplicates(lo.FilterMap(list.Items, func(m v1alpha5.Machine, _ int) (string, bool) {
		return m.Status.ProviderID, m.Status.ProviderID != ""
	}))
	return s, nil
}

// living counts the instances that are pending or running.
func (w *witness) living() int {
	return lo.CountBy(w.world.AWS().Instances(), func(i admin.Instance) bool { return i.State == "pending" || i.State == "running" })
}
