package lifecycle

import (
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/fake"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

// newChoosingLife returns a life whose cloud has two instance types.
func newChoosingLife(t *testing.T) *life {
	t.Helper()
	b := workbench.New(t)
	l := &life{Bench: b, cloud: fake.New(fake.Options{Clock: b.Clock, InstanceTypes: fake.Make(
		fake.Shape{Name: "m5.large", CPU: 2, MemoryGiB: 8, Pods: 29, Price: 0.096, Zones: []string{b.Zone}},
		fake.Shape{Name: "m6i.large", CPU: 2, MemoryGiB: 8, Pods: 29, Price: 0.097, Zones: []string{b.Zone}},
	)})}
	l.controller = l.with(b.Client, l.cloud)
	return l
}

// choosy makes a machine of the provisioner that may be either instance type and wants both to be on offer.
func choosy(provisioner string, policy v1alpha5.MinValuesPolicy) builders.MachineModifier {
	return func(m *v1alpha5.Machine) {
		m.Labels[v1alpha5.ProvisionerNameLabel] = provisioner
		for i := range m.Spec.Requirements {
			if m.Spec.Requirements[i].Key == corev1.LabelInstanceTypeStable {
				m.Spec.Requirements[i].Values = []string{"m5.large", "m6i.large"}
			}
		}
		m.Spec.MinValues, m.Spec.MinValuesPolicy = map[string]int32{corev1.LabelInstanceTypeStable: 2}, policy
	}
}

// provisioner creates a provisioner and returns its name.
func (l *life) provisioner() string {
	p := builders.Provisioner(l.Name("provisioner"))
	l.Create(p)
	return p.Name
}

func TestAMachineIsLaunchedOnlyWithTheChoiceThatItAsksFor(t *testing.T) {
	tests := map[string]struct {
		policy    v1alpha5.MinValuesPolicy
		exhausted bool
		dropped   bool
		relaxed   string
	}{
		"all is on offer":                      {policy: v1alpha5.MinValuesStrict},
		"all is on offer, on best effort":      {policy: v1alpha5.MinValuesBestEffort},
		"one has sold out":                     {policy: v1alpha5.MinValuesStrict, exhausted: true, dropped: true},
		"one has sold out and nobody says how": {exhausted: true, dropped: true},
		"one has sold out, on best effort":     {policy: v1alpha5.MinValuesBestEffort, exhausted: true, relaxed: "true"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := newChoosingLife(t)
			if tc.exhausted {
				l.cloud.Exhaust("m6i.large")
			}
			machine := l.launched(choosy(l.provisioner(), tc.policy))
			if tc.dropped {
				if machine.DeletionTimestamp.IsZero() || machine.Status.Launch != nil || l.cloud.Calls(fake.OperationCreate) != 0 {
					t.Errorf("deleted at %s, intent %v, %d launches", machine.DeletionTimestamp, machine.Status.Launch, l.cloud.Calls(fake.OperationCreate))
				}
				if !l.Told.Contains("Warning InsufficientCapacity", "1 values of node.kubernetes.io/instance-type, minValues asks for 2") {
					t.Errorf("told: %q", l.Told.Lines())
				}
				return
			}
			l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
			if got := machine.Annotations[v1alpha5.MinValuesRelaxedAnnotation]; got != tc.relaxed {
				t.Errorf("annotated with %q, want %q", got, tc.relaxed)
			}
		})
	}
}

// Once the request may have been carried out, giving the machine up would leave an instance behind.
func TestWhatSellsOutAfterTheIntentIsWrittenChangesNothing(t *testing.T) {
	l := newChoosingLife(t)
	machine := l.group(1, choosy(l.provisioner(), v1alpha5.MinValuesStrict))[0]
	l.Reconcile(l.controller, machine.Name)
	l.cloud.LoseAnswers(1)
	if _, err := l.TryReconcile(l.controller, machine.Name); err == nil {
		t.Fatal("the answer was not lost")
	}
	l.cloud.Exhaust()
	l.Reconcile(l.controller, machine.Name)
	l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
	if n := len(l.cloud.Instances()); n != 1 || !machine.DeletionTimestamp.IsZero() {
		t.Errorf("%d instances, machine deleted at %s", n, machine.DeletionTimestamp)
	}
}

func TestAMachineThatIsRegroupedChoosesAnew(t *testing.T) {
	l := newChoosingLife(t)
	name := l.provisioner()
	group := l.group(2, choosy(name, v1alpha5.MinValuesStrict))
	l.Reconcile(l.controller, group[0].Name)
	workbench.Update(l.Bench, group[1], func(m *v1alpha5.Machine) { // it has lost patience, and its view of the other
		m.Status.Launch = alone(m, 1, "hash", "cluster", l.Clock.Now())
	})
	l.cloud.Exhaust("m6i.large")
	l.Clock.Step(time.Second)
	l.Reconcile(l.controller, group[0].Name)
	l.Reload(group[0])
	if group[0].DeletionTimestamp.IsZero() || l.cloud.Calls(fake.OperationCreate) != 0 {
		t.Errorf("deleted at %s after %d launches", group[0].DeletionTimestamp, l.cloud.Calls(fake.OperationCreate))
	}
}

func TestAMachineWhoseProvisionerIsGoneIsNotJudged(t *testing.T) {
	l := newChoosingLife(t)
	l.cloud.Exhaust("m6i.large")
	machine := l.launched(choosy(l.Name("gone"), v1alpha5.MinValuesStrict))
	l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
}

func TestAMachineWaitsUntilItIsKnownWhatItMayBecome(t *testing.T) {
	tests := map[string]struct {
		err  error
		want string // reason of Launched
	}{
		"the template is not ready": {cloudprovider.NewNotReadyError(errors.New("no subnet")), v1alpha5.ReasonTemplateNotReady},
		"the cloud does not answer": {errors.New("throttled"), ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			l := newChoosingLife(t)
			machine := l.group(1, choosy(l.provisioner(), v1alpha5.MinValuesStrict))[0]
			l.cloud.Fail(fake.OperationInstanceTypes, tc.err)
			if _, err := l.TryReconcile(l.controller, machine.Name); !errors.Is(err, tc.err) {
				t.Errorf("error = %v, want %v", err, tc.err)
			}
			if got := l.condition(machine, v1alpha5.ConditionLaunched).Reason; got != tc.want || machine.Status.Launch != nil {
				t.Errorf("reason %q with intent %v, want %q and none", got, machine.Status.Launch, tc.want)
			}
			l.cloud.Fail(fake.OperationInstanceTypes, nil)
			for range 2 {
				l.Reconcile(l.controller, machine.Name)
			}
			l.expect(t, machine, v1alpha5.ConditionLaunched, metav1.ConditionTrue, v1alpha5.ReasonLaunched)
		})
	}
}
