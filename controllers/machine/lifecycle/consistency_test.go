package lifecycle

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientfake "sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestNodesThatLoseWhatTheyHadAreToldOfLater(t *testing.T) {
	const gpu = "nvidia.com/gpu"
	has := func(n string) builders.NodeModifier {
		return func(node *corev1.Node) { node.Status.Capacity = corev1.ResourceList{gpu: resource.MustParse(n)} }
	}
	said := func(m *v1alpha5.Machine) { m.Status.Capacity = corev1.ResourceList{gpu: resource.MustParse("4")} }
	ready := func(m *v1alpha5.Machine) {
		machines.Conditions(m).True(v1alpha5.ConditionInitialized, v1alpha5.ReasonInitialized, "")
	}
	goes := func(m *v1alpha5.Machine) {
		m.DeletionTimestamp, m.Finalizers = &metav1.Time{Time: time.Unix(1, 0)}, []string{v1alpha5.TerminationFinalizer}
	}
	l := newLife(t)
	objects := clientfake.NewClientBuilder().WithScheme(l.Client.Scheme())
	for name, tc := range map[string]struct {
		gpus      string
		modifiers []builders.MachineModifier
	}{
		"whole":           {"4", []builders.MachineModifier{ready}},
		"poor":            {"3", []builders.MachineModifier{ready}},
		"not-initialized": {"0", nil},
		"going":           {"0", []builders.MachineModifier{ready, goes}},
	} {
		providerID := "aws:///z/i-" + name
		machine := builders.Machine(name, "p", append([]builders.MachineModifier{said, builders.RegisteredAs(name)}, tc.modifiers...)...)
		machine.Status.ProviderID = providerID
		objects.WithObjects(machine, builders.Node(name, builders.ProviderID(providerID), has(tc.gpus)))
	}
	if err := NewConsistency(objects.Build(), l.Journal).Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	lines := l.Told.Lines()
	if l.Told.Count(events.ReasonFailedConsistency) != 1 || !strings.Contains(strings.Join(lines, "\n"), "Node poor has 3 of nvidia.com/gpu, where its instance was expected to have 4") {
		t.Errorf("it was told %q, want only of the node that has 3 devices of 4", lines)
	}
}
