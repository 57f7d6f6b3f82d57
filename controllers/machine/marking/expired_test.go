package marking

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

func (s *subject) wantExpired(want bool) time.Duration {
	s.t.Helper()
	again := s.look()
	got := machines.Conditions(s.machine).Get(v1alpha5.ConditionExpired)
	if (got != nil) != want || want && (got.Status != metav1.ConditionTrue || got.Reason != v1alpha5.ReasonExpired) {
		s.t.Errorf("Expired is %+v, want it: %t", got, want)
	}
	return again
}

// grant sets for how many seconds machines of the Provisioner may live.
func (s *subject) grant(seconds *int64) {
	s.edit(func(spec *v1alpha5.ProvisionerSpec) { spec.TTLSecondsUntilExpired = seconds })
}

func TestAMachineExpiresToTheMoment(t *testing.T) {
	s := newSubject(t)
	s.wantExpired(false)
	s.grant(new(int64(3600)))
	end := s.machine.CreationTimestamp.Add(time.Hour)
	if again := s.wantExpired(false); again != driftPeriod {
		t.Errorf("an hour before it is looked at again after %s", again)
	}
	s.Clock.SetTime(end.Add(-time.Millisecond))
	if again := s.wantExpired(false); again != time.Millisecond {
		t.Errorf("a millisecond before it is looked at again after %s", again)
	}
	s.Clock.SetTime(end)
	s.wantExpired(true)
	if s.writes != 1 || s.Told.Count(events.ReasonExpired) != 1 {
		t.Errorf("%d writes, events %v; want one each", s.writes, s.Told.Lines())
	}
}

func TestHowLongAMachineMayLiveIsReadLive(t *testing.T) {
	s := newSubject(t)
	s.Clock.SetTime(s.machine.CreationTimestamp.Add(time.Hour))
	s.grant(new(int64(3600)))
	s.wantExpired(true)
	s.grant(new(int64(3601)))
	if again := s.wantExpired(false); again != time.Second {
		t.Errorf("it is looked at again after %s", again)
	}
	s.grant(new(int64(0)))
	s.wantExpired(true)
	s.grant(new(int64(1) << 62)) // more than a duration holds
	s.wantExpired(false)
	s.grant(new(int64(60)))
	s.wantExpired(true)
	s.grant(nil)
	s.wantExpired(false)
	s.grant(new(int64(60)))
	s.wantExpired(true)
	s.Delete(s.provisioner)
	s.wantExpired(true)
}

func TestAMachineIsAsOldAsItsNode(t *testing.T) {
	s := newSubject(t)
	s.grant(new(int64(3600)))
	older := interceptor.NewClient(s.Client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			err := c.List(ctx, list, options...)
			if nodes, ok := list.(*corev1.NodeList); ok {
				for i := range nodes.Items {
					nodes.Items[i].CreationTimestamp = metav1.NewTime(nodes.Items[i].CreationTimestamp.Add(-time.Hour))
				}
			}
			return err
		},
	})
	s.wantExpired(false)
	s.controller = NewController(older, s.cloud, s.Journal)
	s.wantExpired(true)
}

func TestAMachineOnItsWayExpiresAndDriftsButIsNotEmpty(t *testing.T) {
	s := newSubject(t)
	machine := s.Launched(s.cloud, func(m *v1alpha5.Machine) {
		m.Labels, m.Annotations, m.Spec.MachineTemplateRef = s.machine.Labels, s.machine.Annotations, s.machine.Spec.MachineTemplateRef
	})
	s.machine = machine
	s.grant(new(int64(0)))
	s.cloud.Outdate(v1alpha5.ReasonAMIDrifted)
	s.look()
	conditions := machines.Conditions(s.machine)
	if !conditions.IsTrue(v1alpha5.ConditionExpired) || !conditions.IsTrue(v1alpha5.ConditionDrifted) || conditions.Get(v1alpha5.ConditionEmpty) != nil {
		t.Errorf("conditions are %+v", s.machine.Status.Conditions)
	}
}
