package marking

import (
	"errors"
	"maps"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// subject is a Machine that is ready, with all that is compared with it.
type subject struct {
	*workbench.Bench
	t           *testing.T
	cloud       *fake.Provider
	controller  *Controller
	provisioner *v1alpha5.Provisioner
	machine     *v1alpha5.Machine
	writes      int
}

func newSubject(t *testing.T) *subject {
	t.Helper()
	b := workbench.New(t)
	s := &subject{Bench: b, t: t, cloud: b.Cloud(0)}
	s.controller = NewController(b.Client, s.cloud, b.Journal)
	s.provisioner = builders.Provisioner(b.Name("provisioner"),
		builders.Requirement(v1alpha5.CapacityTypeLabel, corev1.NodeSelectorOpIn, v1alpha5.CapacityTypeSpot, v1alpha5.CapacityTypeOnDemand))
	b.Create(s.provisioner)
	hash, err := drift.ProvisionerHash(s.provisioner)
	if err != nil {
		t.Fatal(err)
	}
	s.machine, _ = b.Ready(s.cloud, func(m *v1alpha5.Machine) {
		m.Labels[v1alpha5.ProvisionerNameLabel] = s.provisioner.Name
		m.Spec.MachineTemplateRef = s.provisioner.Spec.ProviderRef
		m.Annotations = map[string]string{v1alpha5.ProvisionerHashAnnotation: hash, v1alpha5.ProvisionerHashVersionAnnotation: drift.HashVersion}
	})
	told, err := s.cloud.Get(t.Context(), s.machine.Status.ProviderID)
	if err != nil {
		t.Fatal(err)
	}
	workbench.Update(b, s.machine, func(m *v1alpha5.Machine) {
		maps.Copy(m.Labels, told.Labels)
		m.Labels[v1alpha5.ProvisionerNameLabel] = s.provisioner.Name
		maps.Copy(m.Annotations, told.Annotations)
	})
	b.Clock.Step(time.Minute) // the API server has stamped the machine later than the bench's clock began
	s.look()                  // so that Empty is written
	return s
}

// interrupt has the Machine remember what was said of its instance.
func (s *subject) interrupt(reason string) {
	workbench.Update(s.Bench, s.machine, func(m *v1alpha5.Machine) { m.Annotations[v1alpha5.InterruptedAnnotation] = reason })
}

// look reconciles twice, and fails if the second time has written anything. It returns when the Machine is to be looked at again.
func (s *subject) look() time.Duration {
	s.t.Helper()
	before := s.machine.ResourceVersion
	s.Reconcile(s.controller, s.machine.Name)
	s.Reload(s.machine)
	s.writes = 0
	if s.machine.ResourceVersion != before {
		s.writes++
	}
	written := s.machine.ResourceVersion
	again := s.Reconcile(s.controller, s.machine.Name).RequeueAfter
	if s.Reload(s.machine); s.machine.ResourceVersion != written {
		s.t.Error("a second look at the same was written")
	}
	return again
}

// edit changes the Provisioner's spec.
func (s *subject) edit(change func(*v1alpha5.ProvisionerSpec)) {
	workbench.Update(s.Bench, s.provisioner, func(p *v1alpha5.Provisioner) { change(&p.Spec) })
}

// want looks, and fails unless the condition is as wanted; without a status it has not to be there.
func (s *subject) want(status metav1.ConditionStatus, reason string) time.Duration {
	s.t.Helper()
	again := s.look()
	got := machines.Conditions(s.machine).Get(v1alpha5.ConditionDrifted)
	switch {
	case status == "" && got != nil:
		s.t.Errorf("Drifted is %+v, want nothing", got)
	case status != "" && (got == nil || got.Status != status || got.Reason != reason || got.Message == ""):
		s.t.Errorf("Drifted is %+v, want %s for %s, with a message", got, status, reason)
	}
	if !machines.Conditions(s.machine).IsTrue(v1alpha5.ConditionReady) {
		s.t.Error("the machine is not ready any more")
	}
	return again
}

// counted returns how often a type of drift was counted.
func (s *subject) counted(reason string) float64 {
	s.t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(s.Journal.Metrics.MachinesDrifted)
	families, err := registry.Gather()
	if err != nil {
		s.t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			for _, label := range metric.GetLabel() {
				if label.GetName() == metrics.LabelType && label.GetValue() == reason {
					sum += metric.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

func TestEachReasonForDriftIsStatedAndTakenBack(t *testing.T) {
	ofCloud := func(reason string) [2]func(*subject) {
		return [2]func(*subject){func(s *subject) { s.cloud.Outdate(reason) }, func(s *subject) { s.cloud.Renew() }}
	}
	ofSpec := func(change func(*v1alpha5.ProvisionerSpec)) [2]func(*subject) {
		var before v1alpha5.ProvisionerSpec
		return [2]func(*subject){
			func(s *subject) { before = *s.provisioner.Spec.DeepCopy(); s.edit(change) },
			func(s *subject) { s.edit(func(spec *v1alpha5.ProvisionerSpec) { *spec = before }) },
		}
	}
	for name, tc := range map[string]struct {
		reason string
		steps  [2]func(*subject)
	}{
		"labels": {v1alpha5.ReasonProvisionerDrifted, ofSpec(func(spec *v1alpha5.ProvisionerSpec) { spec.Labels = map[string]string{"team": "b"} })},
		"capacity type": {v1alpha5.ReasonRequirementsDrifted, ofSpec(func(spec *v1alpha5.ProvisionerSpec) {
			spec.Requirements[0].Values = []string{v1alpha5.CapacityTypeOnDemand}
		})},
		"another template": {v1alpha5.ReasonNodeTemplateDrifted, ofSpec(func(spec *v1alpha5.ProvisionerSpec) {
			spec.ProviderRef = &v1alpha5.TemplateReference{Name: "other"}
		})},
		"a change that was announced": {v1alpha5.ReasonInstanceUnhealthy, [2]func(*subject){
			func(s *subject) { s.interrupt(v1alpha5.ReasonInstanceUnhealthy) }, func(s *subject) { s.interrupt("") },
		}},
		"template":        {v1alpha5.ReasonNodeTemplateDrifted, ofCloud(v1alpha5.ReasonNodeTemplateDrifted)},
		"image":           {v1alpha5.ReasonAMIDrifted, ofCloud(v1alpha5.ReasonAMIDrifted)},
		"subnet":          {v1alpha5.ReasonSubnetDrifted, ofCloud(v1alpha5.ReasonSubnetDrifted)},
		"security groups": {v1alpha5.ReasonSecurityGroupDrifted, ofCloud(v1alpha5.ReasonSecurityGroupDrifted)},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSubject(t)
			s.want("", "")
			tc.steps[0](s)
			if again := s.want(metav1.ConditionTrue, tc.reason); again != driftPeriod {
				t.Errorf("it is looked at again after %s", again)
			}
			if s.writes != 1 || s.Told.Count(events.ReasonDrifted) != 1 || !s.Told.Contains(tc.reason) || s.counted(tc.reason) != 1 {
				t.Errorf("%d writes, events %v, %v counted; want one each", s.writes, s.Told.Lines(), s.counted(tc.reason))
			}
			tc.steps[1](s)
			if s.want("", ""); s.Told.Count(events.ReasonDrifted) != 1 || s.counted(tc.reason) != 1 {
				t.Errorf("the end of drift was told as drift: %v", s.Told.Lines())
			}
		})
	}
}

func TestADriftForAnotherReasonIsToldOnce(t *testing.T) {
	s := newSubject(t)
	s.cloud.Outdate(v1alpha5.ReasonAMIDrifted)
	s.want(metav1.ConditionTrue, v1alpha5.ReasonAMIDrifted)
	s.edit(func(spec *v1alpha5.ProvisionerSpec) { spec.Labels = map[string]string{"team": "b"} })
	s.want(metav1.ConditionTrue, v1alpha5.ReasonProvisionerDrifted)
	if s.counted(v1alpha5.ReasonAMIDrifted) != 1 || s.counted(v1alpha5.ReasonProvisionerDrifted) != 1 || s.Told.Count(events.ReasonDrifted) != 2 {
		t.Errorf("events %v", s.Told.Lines())
	}
}

func TestAMachineWithoutHashesIsNotComparedByThem(t *testing.T) {
	s := newSubject(t)
	workbench.Update(s.Bench, s.machine, func(m *v1alpha5.Machine) { delete(m.Annotations, v1alpha5.ProvisionerHashAnnotation) })
	s.edit(func(spec *v1alpha5.ProvisionerSpec) { spec.Labels = map[string]string{"team": "b"} })
	s.want("", "")
	workbench.Update(s.Bench, s.machine, func(m *v1alpha5.Machine) { delete(m.Annotations, fake.EditionAnnotation) })
	s.cloud.Outdate(v1alpha5.ReasonAMIDrifted)
	s.want("", "")
}

func TestWithoutATemplateNothingNewIsStatedOfIt(t *testing.T) {
	s := newSubject(t)
	gone := cloudprovider.NewNotReadyError(errors.New("AWSNodeTemplate does not exist"))
	s.cloud.Fail(fake.OperationDrifted, gone)
	s.cloud.Outdate(v1alpha5.ReasonAMIDrifted)
	s.want("", "")
	s.cloud.Fail(fake.OperationDrifted, nil)
	s.want(metav1.ConditionTrue, v1alpha5.ReasonAMIDrifted)
	s.cloud.Fail(fake.OperationDrifted, gone)
	s.cloud.Renew()
	if again := s.want(metav1.ConditionTrue, v1alpha5.ReasonAMIDrifted); again != driftPeriod {
		t.Errorf("it is looked at again after %s", again)
	}
	// What is compared with the Provisioner alone still is.
	s.edit(func(spec *v1alpha5.ProvisionerSpec) { spec.Labels = map[string]string{"team": "b"} })
	s.want(metav1.ConditionTrue, v1alpha5.ReasonProvisionerDrifted)
	s.edit(func(spec *v1alpha5.ProvisionerSpec) { spec.Labels = nil })
	s.want("", "")
}

func TestAFailureToCompareLeavesWhatIsStatedAndEmptinessIsStillLookedAt(t *testing.T) {
	s := newSubject(t)
	s.cloud.Outdate(v1alpha5.ReasonAMIDrifted)
	s.want(metav1.ConditionTrue, v1alpha5.ReasonAMIDrifted)
	s.cloud.Fail(fake.OperationDrifted, errors.New("no connection"))
	s.RunningPod(s.Namespace(), s.machine.Status.NodeName)
	if _, err := s.TryReconcile(s.controller, s.machine.Name); err == nil {
		t.Error("the failure is no error")
	}
	s.Reload(s.machine)
	conditions := machines.Conditions(s.machine)
	if !conditions.IsTrue(v1alpha5.ConditionDrifted) || conditions.IsTrue(v1alpha5.ConditionEmpty) {
		t.Errorf("conditions are %+v", s.machine.Status.Conditions)
	}
}

func TestOfAMachineWhoseProvisionerIsGoneNothingNewIsSaid(t *testing.T) {
	s := newSubject(t)
	s.cloud.Outdate(v1alpha5.ReasonAMIDrifted)
	s.want(metav1.ConditionTrue, v1alpha5.ReasonAMIDrifted)
	s.Delete(s.provisioner)
	s.cloud.Renew()
	if again := s.want(metav1.ConditionTrue, v1alpha5.ReasonAMIDrifted); again != 0 {
		t.Errorf("it is looked at again after %s", again)
	}
}

func TestAnInstanceTypeIsGoneOnceItWasMissingForAnHour(t *testing.T) {
	for name, lose := range map[string]func(*subject){
		"the type": func(s *subject) { s.cloud.Offer(fake.Make(fake.Shape{Name: "m5.xlarge", Zones: []string{s.Zone}})) },
		"its zone": func(s *subject) { s.cloud.Offer(fake.Make(fake.Shape{Name: "m5.large", Zones: []string{"elsewhere"}})) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newSubject(t)
			s.edit(func(spec *v1alpha5.ProvisionerSpec) {
				spec.Requirements = append(spec.Requirements, v1alpha5.Requirement{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{s.Zone}})
			})
			s.want("", "")
			offered := fake.Make(fake.Shape{Name: "m5.large", Zones: []string{s.Zone}})
			s.Clock.Step(catalogueAge)
			lose(s)
			again := s.want(metav1.ConditionUnknown, v1alpha5.ReasonInstanceTypeNotFound)
			if again != driftPeriod || s.Told.Count(events.ReasonDrifted) != 0 {
				t.Errorf("it is looked at again after %s; told %v", again, s.Told.Lines())
			}
			// It comes back, and is missing anew: the hour begins anew.
			s.Clock.Step(50 * time.Minute)
			s.cloud.Offer(offered)
			s.want("", "")
			s.Clock.Step(catalogueAge)
			lose(s)
			start := s.Clock.Now()
			s.want(metav1.ConditionUnknown, v1alpha5.ReasonInstanceTypeNotFound)
			s.Clock.SetTime(start.Add(missingFor - time.Minute))
			s.controller = NewController(s.Client, s.cloud, s.Journal) // the hour is on record, not in memory
			lose(s)
			if again := s.want(metav1.ConditionUnknown, v1alpha5.ReasonInstanceTypeNotFound); again < time.Minute || again > time.Minute+time.Second {
				t.Errorf("a minute before its time it is looked at again after %s", again)
			}
			s.Clock.SetTime(start.Add(missingFor + time.Second))
			s.want(metav1.ConditionTrue, v1alpha5.ReasonInstanceTypeNotFound)
			if s.counted(v1alpha5.ReasonInstanceTypeNotFound) != 1 {
				t.Errorf("%v counted", s.counted(v1alpha5.ReasonInstanceTypeNotFound))
			}
			s.Clock.Step(catalogueAge)
			s.cloud.Offer(offered)
			s.want("", "")
		})
	}
}

// What cannot be read says nothing, neither that it is there nor that it is gone, however long that lasts.
func TestTheHourOfAMissingTypeDoesNotRunThroughAnOutage(t *testing.T) {
	for name, outage := range map[string]struct{ begin, end func(*subject) }{
		"it fails": {
			func(s *subject) { s.cloud.Fail(fake.OperationInstanceTypes, errors.New("no connection")) },
			func(s *subject) { s.cloud.Fail(fake.OperationInstanceTypes, nil) }},
		"it holds nothing": {
			func(s *subject) { s.cloud.Offer(nil) },
			func(s *subject) { s.cloud.Offer(fake.Make(fake.Shape{Name: "m5.xlarge", Zones: []string{s.Zone}})) }},
		"it is known from before": {
			func(s *subject) { s.cloud.Freeze(time.Time{}) },
			func(s *subject) { s.cloud.Thaw() }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSubject(t)
			s.Clock.Step(catalogueAge)
			s.cloud.Offer(fake.Make(fake.Shape{Name: "m5.xlarge", Zones: []string{s.Zone}}))
			s.want(metav1.ConditionUnknown, v1alpha5.ReasonInstanceTypeNotFound)
			s.Clock.Step(50 * time.Minute)
			outage.begin(s)
			s.want("", "")
			s.Clock.Step(2 * time.Hour)
			s.want("", "")
			outage.end(s)
			s.Clock.Step(catalogueAge)
			s.want(metav1.ConditionUnknown, v1alpha5.ReasonInstanceTypeNotFound)
			s.Clock.Step(missingFor - time.Minute)
			s.want(metav1.ConditionUnknown, v1alpha5.ReasonInstanceTypeNotFound)
			s.Clock.Step(time.Minute + time.Second)
			s.want(metav1.ConditionTrue, v1alpha5.ReasonInstanceTypeNotFound)
			s.Clock.Step(catalogueAge)
			outage.begin(s)
			s.want(metav1.ConditionTrue, v1alpha5.ReasonInstanceTypeNotFound) // what is stated stays
		})
	}
}

// The adapter of AWS asks for all types twice a day and answers from memory in between.
func TestOneAnswerWithoutATypeIsNoHourWithoutIt(t *testing.T) {
	s := newSubject(t)
	s.Clock.Step(catalogueAge)
	s.cloud.Offer(fake.Make(fake.Shape{Name: "m5.xlarge", Zones: []string{s.Zone}}))
	s.cloud.Freeze(s.Clock.Now())
	first := s.Clock.Now()
	s.want(metav1.ConditionUnknown, v1alpha5.ReasonInstanceTypeNotFound)
	s.Clock.Step(10 * time.Hour)
	if again := s.want(metav1.ConditionUnknown, v1alpha5.ReasonInstanceTypeNotFound); again != driftPeriod {
		t.Errorf("it is looked at again after %s", again)
	}
	s.cloud.Freeze(first.Add(12 * time.Hour)) // the next answer
	s.Clock.Step(2*time.Hour + catalogueAge)
	s.want(metav1.ConditionTrue, v1alpha5.ReasonInstanceTypeNotFound)
}

func TestATypeThatIsSoldOutIsNotGone(t *testing.T) {
	s := newSubject(t)
	s.Clock.Step(catalogueAge)
	s.cloud.Exhaust()
	s.want("", "")
}

func TestACatalogueIsAskedForOnceForAllMachinesOfAProvisioner(t *testing.T) {
	s := newSubject(t)
	before := s.cloud.Calls(fake.OperationInstanceTypes)
	for range 20 {
		s.look()
	}
	if got := s.cloud.Calls(fake.OperationInstanceTypes); got != before {
		t.Errorf("it was asked for %d times more", got-before)
	}
	s.Clock.Step(catalogueAge)
	s.look()
	s.edit(func(spec *v1alpha5.ProvisionerSpec) { spec.Weight = new(int32(3)) })
	s.look()
	if got := s.cloud.Calls(fake.OperationInstanceTypes); got != before+2 {
		t.Errorf("after its time and after a change it was asked for %d times, want 2", got-before)
	}
}
