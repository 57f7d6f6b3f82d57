package cloudprovidertest

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
)

// launch returns the machine as it is on record once it is launched.
func launch(t *testing.T, w World, name string) *v1alpha5.Machine {
	t.Helper()
	out, err := w.Provider.Create(t.Context(), w.group(name, 1, w.shape(t, v1alpha5.CapacityTypeSpot))[0])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func drifted(t *testing.T, p cloudprovider.Provider, m *v1alpha5.Machine) drift.Finding {
	t.Helper()
	found, err := p.Drifted(t.Context(), m)
	if err != nil {
		t.Fatalf("comparing %s: %v", m.Name, err)
	}
	return found
}

// drifting makes each change in turn: machines of before have drifted for its reason, those of after for none.
func drifting(t *testing.T, w World) {
	if len(w.Outdate) == 0 {
		t.Fatal("the world has no way to change what machines are made from")
	}
	if found := drifted(t, w.Provider, w.group("planned", 1, w.shape(t, v1alpha5.CapacityTypeSpot))[0]); found.There() {
		t.Errorf("a machine that is not launched has drifted: %+v", found)
	}
	before := launch(t, w, "first")
	if found := drifted(t, w.Provider, before); found.There() {
		t.Errorf("as it was launched it has drifted: %+v", found)
	}
	for _, reason := range sortedKeys(w.Outdate) {
		w.Outdate[reason]()
		for _, p := range []cloudprovider.Provider{w.Provider, w.Restart()} {
			found := drifted(t, p, before)
			if found.Reason != reason || found.Message == "" {
				t.Errorf("after a change that makes for %s it is %+v", reason, found)
			}
			if again := drifted(t, p, before); again != found {
				t.Errorf("asked again it is %+v, it was %+v", again, found)
			}
		}
		before = launch(t, w, "after-"+reason)
		if found := drifted(t, w.Provider, before); found.There() {
			t.Errorf("one that was launched after the change for %s has drifted: %+v", reason, found)
		}
	}
}

// unrecorded are machines of which nothing was noted that could be compared.
func unrecorded(t *testing.T, w World) {
	m := launch(t, w, "old")
	m.Annotations = nil
	m.Labels = map[string]string{
		v1alpha5.ProvisionerNameLabel: w.Provisioner.Name, corev1.LabelInstanceTypeStable: m.Labels[corev1.LabelInstanceTypeStable],
	}
	for _, reason := range sortedKeys(w.Outdate) {
		w.Outdate[reason]()
		if found := drifted(t, w.Provider, m); found.There() {
			t.Errorf("after a change for %s it has drifted: %+v", reason, found)
		}
	}
}
