package aws_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// hide has EC2 not know instances by their ids for a while after their launch.
func (s *sim) hide(byID time.Duration) {
	s.t.Helper()
	lag := faults.Range{Least: faults.Duration(byID), Most: faults.Duration(byID)}
	if err := s.SetFaults(faults.Plan{Seed: 1, Visibility: &faults.Visibility{ByID: &lag}}); err != nil {
		s.t.Fatal(err)
	}
}

// end deletes the machine as its controller does, again and again until nothing is left to do.
func (s *sim) end(p *aws.Provider, m *v1alpha5.Machine) {
	s.t.Helper()
	for began := s.clock.Now(); s.clock.Since(began) < 20*time.Minute; s.clock.Step(30 * time.Second) {
		if cloudprovider.IsNotFound(p.Delete(s.t.Context(), m)) {
			if s.live() > 0 {
				s.t.Errorf("the machine is given up %s after it was deleted, and its instance runs on", s.clock.Since(began))
			}
			return
		}
	}
	s.t.Error("the machine does not end")
}

// old is a machine whose intent was written long before it is carried out: EC2 was out of order.
func (s *sim) old() *v1alpha5.Machine {
	return machine("old", 1, 0, func(m *v1alpha5.Machine) { m.Status.Launch.Time = metav1.NewTime(s.clock.Now().Add(-30 * time.Minute)) })
}

// answered puts on record what the machine's controller writes with the answer to its launch.
func (s *sim) answered(m *v1alpha5.Machine) {
	m.Status.Launch.Answered = true
	m.Status.Conditions = []metav1.Condition{{
		Type: v1alpha5.ConditionLaunched, Status: metav1.ConditionTrue, Reason: v1alpha5.ReasonLaunched, LastTransitionTime: metav1.NewTime(s.clock.Now()).Rfc3339Copy(),
	}}
}

// For as long as EC2 may hide an instance that was launched, that it does not know it proves nothing, whoever launched it.
func TestAMachineIsNotGivenUpWhileItsInstanceMayStillShow(t *testing.T) {
	for name, prepare := range map[string]func(*sim) (*aws.Provider, *v1alpha5.Machine){
		"another process launched it, long after its intent": func(s *sim) (*aws.Provider, *v1alpha5.Machine) {
			m, err := s.provider.Create(s.t.Context(), s.old())
			if err != nil {
				s.t.Fatal(err)
			}
			s.answered(m)
			return s.newProvider(clusterUID), m
		},
		"its answer was lost with the process, and it was found in the list": func(s *sim) (*aws.Provider, *v1alpha5.Machine) {
			m := s.old()
			create(s.t, s.provider, m)
			p := s.newProvider(clusterUID)
			deleted := metav1.NewTime(s.clock.Now()).Rfc3339Copy()
			m.DeletionTimestamp = &deleted
			found, err := p.List(s.t.Context())
			if err != nil || len(found) != 1 {
				s.t.Fatalf("listed are %v, %v", found, err)
			}
			m.Status.ProviderID = found[0].Status.ProviderID
			return s.newProvider(clusterUID), m
		},
		"its answer was lost, and it was adopted by its tags": func(s *sim) (*aws.Provider, *v1alpha5.Machine) {
			s.inject(on("CreateFleet", -1, refuse("IdempotentParameterMismatch")))
			before := s.newProvider(clusterUID)
			if _, err := before.Create(s.t.Context(), s.old()); err == nil {
				s.t.Fatal("nothing was launched, and the launch is answered")
			}
			s.inject(nil)
			create(s.t, s.provider, s.old())
			s.inject(on("CreateFleet", -1, refuse("IdempotentParameterMismatch")))
			m, err := before.Create(s.t.Context(), s.old())
			if err != nil {
				s.t.Fatal(err)
			}
			return before, m
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, lag := range []time.Duration{time.Minute, 4*time.Minute + 59*time.Second} {
				s := startSim(t)
				s.makeTemplate()
				s.hide(lag)
				p, m := prepare(s)
				s.end(p, m)
				if s.live() > 0 {
					t.Errorf("hidden for %s: %d instances are left", lag, s.live())
				}
			}
		})
	}
}

func TestAnInstanceThatIsShownAndHiddenAgainIsNotTakenForGone(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	m, err := s.provider.Create(t.Context(), s.old())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.provider.Get(t.Context(), m.Status.ProviderID); err != nil {
		t.Fatal(err)
	}
	s.inject(on("DescribeInstances", -1, refuse("InvalidInstanceID.NotFound")))
	if err := s.provider.Delete(t.Context(), m); err == nil || cloudprovider.IsNotFound(err) {
		t.Errorf("error = %v, want one to wait on", err)
	}
}

func TestThatEC2CannotTerminateWhatItShowsProvesNothing(t *testing.T) {
	s := startSim(t)
	s.makeTemplate()
	m, err := s.provider.Create(t.Context(), machine("split", 1, 0))
	if err != nil {
		t.Fatal(err)
	}
	s.inject(on("TerminateInstances", 1, refuse("InvalidInstanceID.NotFound")))
	if err := s.provider.Delete(t.Context(), m); err == nil || cloudprovider.IsNotFound(err) {
		t.Errorf("error = %v, want one to wait on", err)
	}
	if err := s.provider.Delete(t.Context(), m); err != nil || s.live() > 0 {
		t.Errorf("the next time: %v, %d instances are left", err, s.live())
	}
}
