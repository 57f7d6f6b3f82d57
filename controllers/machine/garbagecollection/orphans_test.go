package garbagecollection

import (
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// Orphans that are working nodes are what a cluster looks like that was restored from a backup without its Machines.
func TestManyWorkingNodesWithoutMachineAreNotTerminated(t *testing.T) {
	s := newBroom(t)
	var ids []string
	var nodes []*corev1.Node
	for range 5 {
		id, err := s.cloud.AddOrphan(s.provisioner)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
		if len(ids) > 1 {
			nodes = append(nodes, s.Node(id, builders.Managed(s.provisioner), func(n *corev1.Node) { n.Labels[v1alpha5.RegisteredLabel] = "true" }))
		}
	}
	held := func() float64 {
		return measured(t, s.Journal.Metrics.TerminationPaused)
	}
	s.sweep(t)
	s.later(t)
	if left := len(s.cloud.Instances()); left != 4 || s.live(ids[0]) || held() != 4 {
		t.Errorf("%d instances are left, that without a node among them: %t; measured: %g", left, s.live(ids[0]), held())
	}
	if !s.Told.Contains("Warning "+events.ReasonDeletionPaused, "4 of 5 instances of provisioner "+s.provisioner) {
		t.Errorf("told: %q", s.Told.Lines())
	}
	s.Delete(nodes[0]) // it was on purpose
	s.later(t)
	if s.live(ids[1]) || held() != 0 {
		t.Errorf("the instance whose node was deleted lives: %t; measured: %g", s.live(ids[1]), held())
	}
	for _, id := range ids[2:] {
		if s.retired(t, id) == nil {
			t.Errorf("instance %s is held though there are few of its kind", id)
		}
	}
}

// retired returns the machine that was made to end an orphan, nil for none.
func (s *broom) retired(t *testing.T, providerID string) *v1alpha5.Machine {
	t.Helper()
	var list v1alpha5.MachineList
	if err := s.Client.List(t.Context(), &list); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(list.Items, func(m v1alpha5.Machine) bool {
		return m.Annotations[v1alpha5.OrphanAnnotation] == providerID && !m.DeletionTimestamp.IsZero()
	})
	if i < 0 {
		return nil
	}
	return &list.Items[i]
}

// The machine of a working node that loses it, as to somebody who takes its finalizer off, takes no pod with it.
func TestAnOrphanWhoseNodeIsReadyIsDrained(t *testing.T) {
	for name, modify := range map[string]builders.NodeModifier{
		"registered": func(n *corev1.Node) { n.Labels[v1alpha5.RegisteredLabel] = "true" },
		"new":        func(*corev1.Node) {},
	} {
		t.Run(name, func(t *testing.T) {
			s := newBroom(t)
			orphan, err := s.cloud.AddOrphan(s.provisioner)
			if err != nil {
				t.Fatal(err)
			}
			s.Node(orphan, builders.Managed(s.provisioner), modify)
			s.sweep(t)
			if s.retired(t, orphan) != nil {
				t.Fatal("the first sweep ended an instance whose machine may be on its way")
			}
			for range 3 {
				s.later(t)
			}
			got := s.retired(t, orphan)
			if got == nil || got.ProvisionerName() != s.provisioner || !slices.Contains(got.Finalizers, v1alpha5.TerminationFinalizer) {
				t.Fatalf("the machine that is to end it is %+v", got)
			}
			if !s.live(orphan) {
				t.Error("an instance was ended whose node is ready, and may run pods")
			}
			if s.Told.Count(events.ReasonInstanceOrphaned) != 1 {
				t.Errorf("told: %q", s.Told.Lines())
			}
		})
	}
}

// Whoever made it crashed before it was deleted. Its instance is nobody else's meanwhile.
func TestAMachineThatWasMadeToEndAnOrphanIsDeletedByTheNextSweep(t *testing.T) {
	s := newBroom(t)
	orphan, err := s.cloud.AddOrphan(s.provisioner)
	if err != nil {
		t.Fatal(err)
	}
	machine := s.Machine(s.mine, func(m *v1alpha5.Machine) {
		m.Annotations = map[string]string{v1alpha5.OrphanAnnotation: orphan}
	})
	s.Create(machine)
	s.sweep(t)
	if !s.isGoing(machine) {
		t.Error("it stays")
	}
	for range 3 {
		s.later(t)
	}
	if !s.live(orphan) {
		t.Error("the instance was taken for an orphan again")
	}
}

func TestAnOrphanEndsWithTheSecondSweepThatSeesIt(t *testing.T) {
	s := newBroom(t)
	owned := s.Launched(s.cloud, s.mine)
	awaited := s.Intended(s.mine)
	s.cloud.LoseAnswers(1)
	if _, err := s.cloud.Create(t.Context(), awaited); err == nil {
		t.Fatal("the answer was not lost")
	}
	foreign := s.cloud.AddForeign()
	orphan, err := s.cloud.AddOrphan(s.provisioner)
	if err != nil {
		t.Fatal(err)
	}
	s.sweep(t)
	if !s.live(orphan) {
		t.Fatal("the first sweep ended an instance whose machine may be on its way")
	}
	s.later(t)
	if s.live(orphan) {
		t.Error("the orphan lives after the second sweep")
	}
	s.later(t)
	if !s.live(owned.Status.ProviderID) || !s.live(foreign) || len(s.cloud.Instances()) != 3 {
		t.Errorf("what has an owner, awaits its answer or belongs to others was ended; left are %v", s.cloud.Instances())
	}
}

func TestAnInstanceThatFoundItsOwnerIsNoSuspectAnyMore(t *testing.T) {
	s := newBroom(t)
	orphan, err := s.cloud.AddOrphan(s.provisioner)
	if err != nil {
		t.Fatal(err)
	}
	s.sweep(t)
	machine := s.Machine(s.mine, builders.LaunchedAs(orphan, "2", "8Gi", 29))
	s.Create(machine)
	s.later(t)
	s.Delete(machine)
	s.Release(machine)
	s.later(t)
	if !s.live(orphan) {
		t.Error("an instance that had an owner in the last sweep was ended by the first that finds it without")
	}
}
