package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/controllers/machine/garbagecollection"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// neighbourOperations names a variable of the environment: how many operations two clusters make. Without it there are few.
const neighbourOperations = "KERF_NEIGHBOUR_OPERATIONS"

var errFound = errors.New("it was found")

// neighbour is a cluster that does this and that, and what it should have come to.
type neighbour struct {
	*tenant
	gc *garbagecollection.Controller

	mu     sync.Mutex
	groups int
	live   map[string]*v1alpha5.Machine // id of an instance -> its Machine
	ended  map[string]bool              // ids of instances that it has ended itself
	did    map[string]int               // operation -> how often
}

func (a *account) neighbour(uid string) *neighbour {
	c := a.join(uid, 0)
	return &neighbour{
		tenant: c, gc: garbagecollection.NewController(c.kube, c.kube, c.provider, c.journal),
		live: map[string]*v1alpha5.Machine{}, ended: map[string]bool{}, did: map[string]int{},
	}
}

// pick returns one of its live machines, or nil.
func (n *neighbour) pick(choice uint64) *v1alpha5.Machine {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.live) == 0 {
		return nil
	}
	return n.live[slices.Sorted(maps.Keys(n.live))[choice%uint64(len(n.live))]]
}

func (n *neighbour) count(operation string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.did[operation]++
}

// buy launches two machines, whose names the other cluster uses, too.
func (n *neighbour) buy() error {
	n.mu.Lock()
	n.groups++
	name := fmt.Sprintf("group%d", n.groups)
	n.mu.Unlock()
	group := n.group(name, 2)
	n.launch(group)
	n.create(group[0], group[1])
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, m := range group {
		n.live[machines.InstanceID(m.Status.ProviderID)] = m
	}
	return nil
}

// drop ends one of its machines.
func (n *neighbour) drop(m *v1alpha5.Machine) error {
	if err := n.provider.Delete(n.t.Context(), m); cloudprovider.IgnoreNotFound(err) != nil {
		return err
	}
	n.mu.Lock()
	id := machines.InstanceID(m.Status.ProviderID)
	first := !n.ended[id]
	delete(n.live, id)
	n.ended[id] = true
	n.mu.Unlock()
	if !first {
		return nil
	}
	stored := &v1alpha5.Machine{}
	if err := n.kube.Get(n.t.Context(), client.ObjectKeyFromObject(m), stored); err != nil {
		return err
	}
	stored.Finalizers = nil
	if err := n.kube.Update(n.t.Context(), stored); err != nil {
		return err
	}
	return n.kube.Delete(n.t.Context(), stored)
}

// operate does one thing, by the dice.
func (n *neighbour) operate(other *neighbour, dice, choice uint64) error {
	mine, theirs := n.pick(choice), other.pick(choice)
	switch {
	case dice < 10 || mine == nil || theirs == nil:
		n.count("launches")
		return n.buy()
	case dice < 25:
		n.count("ends")
		return n.drop(mine)
	case dice < 50:
		n.count("looks")
		_, err := n.provider.Get(n.t.Context(), mine.Status.ProviderID)
		return cloudprovider.IgnoreNotFound(err) // another operation may have ended it
	case dice < 75:
		n.count("looks at the other's")
		if _, err := n.provider.Get(n.t.Context(), theirs.Status.ProviderID); !cloudprovider.IsNotFound(err) {
			return fmt.Errorf("%s looks at an instance of the other cluster and is not told that there is none: %w", n.uid, cmp.Or(err, errFound))
		}
	default:
		n.count("tries to end the other's")
		if err := n.provider.Delete(n.t.Context(), theirs); !cloudprovider.IsNotFound(err) {
			return fmt.Errorf("%s ends an instance of the other cluster and is not told that there is none: %w", n.uid, cmp.Or(err, errFound))
		}
	}
	return nil
}

// check holds what EC2 has against what the cluster has done.
func (n *neighbour) check() (wrong int) {
	n.t.Helper()
	going := map[string]bool{}
	for _, i := range n.sim.World().Instances() {
		going[i.ID] = i.State == world.ShuttingDown || i.State == world.Terminated
	}
	for id := range n.live {
		if going[id] {
			n.t.Errorf("instance %s of %s was ended, and not by it", id, n.uid)
			wrong++
		}
	}
	list, err := n.provider.List(n.t.Context())
	if err != nil {
		n.t.Fatal(err)
	}
	for _, m := range list {
		if id := machines.InstanceID(m.Status.ProviderID); n.live[id] == nil && !n.ended[id] {
			n.t.Errorf("%s lists instance %s, which is not its own", n.uid, id)
			wrong++
		}
	}
	return wrong
}

func TestTwoClustersOfOneNameLeaveEachOtherAlone(t *testing.T) {
	operations, atOnce := 600, 100
	if value, ok := os.LookupEnv(neighbourOperations); ok {
		n, err := strconv.Atoi(value)
		if err != nil {
			t.Fatal(err)
		}
		operations, atOnce = n, 500
	}
	source := rand.New(rand.NewPCG(1, 2))
	a := openAccount(t)
	pair := []*neighbour{a.neighbour("cluster-a"), a.neighbour("cluster-b")}
	wrong := 0
	for done := 0; done < operations; done += atOnce {
		var group errgroup.Group
		for i := range atOnce {
			dice, choice := source.Uint64N(100), source.Uint64()
			group.Go(func() error { return pair[i%2].operate(pair[1-i%2], dice, choice) })
		}
		if err := group.Wait(); err != nil {
			t.Error(err)
			wrong++
		}
		pair[0].step(sweepEvery)
		pair[1].clock.Step(sweepEvery)
		for _, n := range pair {
			if err := n.gc.Sweep(t.Context()); err != nil {
				t.Error(err)
			}
			wrong += n.check()
		}
	}
	for _, n := range pair {
		t.Logf("%s: %v; %d instances live", n.uid, n.did, len(n.live))
	}
	t.Logf("%d operations, %d cross effects", operations, wrong)
}
