package provisioning

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// spread wants pods that bear no other beside them.
func (o *ordeal) spread(n int) {
	for i := range n {
		o.want(fmt.Sprint("p", i), builders.CPU("1500m"), builders.AntiAffinity(corev1.LabelHostname, map[string]string{"app": "x"}),
			builders.Labels(map[string]string{"app": "x"}))
	}
}

func TestRefusedLaunchesAreTriedLessOftenUntilTheyAreMended(t *testing.T) {
	o := newOrdeal(t, joinsAs(), builders.Provisioner("p"))
	mended := false
	o.refuses = func(*v1alpha5.Machine) bool { return !mended }
	o.spread(8)
	o.run(3 * time.Hour)
	if len(o.made) < 16+20 || len(o.made) > 16+3*60/5+6 {
		t.Errorf("%d machines were made in three hours; want two decisions of 8, and then one every five minutes", len(o.made))
	}
	if row := o.rows().of(everybody); row == nil || !row.Holds() || row.Reason != v1alpha5.ReasonLaunchRefused || len(o.rows()) != 1 {
		t.Errorf("on record is %+v", o.rows())
	}
	if !o.told.Contains("Warning", v1alpha5.ReasonLaunchRefused) {
		t.Errorf("nobody was told: %q", o.told.Lines())
	}
	mended = true
	before := len(o.made)
	o.run(7 * time.Minute)
	if got := len(o.made) - before; got != 8 {
		t.Errorf("%d machines were made in seven minutes for 8 pods after the cloud launches again", got)
	}
}

func TestTheNextProvisionerIsAskedWhereLaunchesOfOneAreRefused(t *testing.T) {
	o := newOrdeal(t, serves("b"), builders.Provisioner("broken", builders.Weight(100)), builders.Provisioner("sound"))
	o.refuses = func(m *v1alpha5.Machine) bool { return m.ProvisionerName() == "broken" }
	o.want("b", builders.CPU("1"))
	o.run(5 * time.Minute)
	if o.pods["b"].Spec.NodeName == "" || len(o.made) != 3 {
		t.Errorf("%d machines were made, want 2 of the broken provisioner and 1 of the other; the pod runs on %q", len(o.made), o.pods["b"].Spec.NodeName)
	}
}

func TestTheMachinesOfOneDecisionAreRefusedOnce(t *testing.T) {
	refused := func(name string, minute float64) fate {
		out := came(name, minute, "a", v1alpha5.ReasonLaunchRefused)
		out.failed = nil
		return out
	}
	batch := []fate{refused("m1", 0), refused("m2", 0.1), refused("m3", 0.1)}
	var r rows
	for n := range batch { // they go one after the other
		r = r.continued("basis", batch[:n+1], noon().Add(time.Minute))
	}
	if diff := cmp.Diff(map[string]int32{everybody: 1}, counted(r)); diff != "" {
		t.Errorf("after one decision (-want +got):\n%s", diff)
	}
	r = r.continued("basis", append(batch, refused("m4", 2)), noon().Add(3*time.Minute))
	if row := r.of(everybody); row.Failures != 2 || row.RetryTime.Time != noon().Add(3*time.Minute+firstWaitRefused) {
		t.Errorf("after another decision: %+v", row)
	}
	launched := came("m5", 5, "a", "")
	launched.joined, launched.used, launched.served, launched.launched = false, false, nil, true
	if r = r.continued("basis", []fate{launched}, noon().Add(6*time.Minute)); r.of(everybody).Holds() {
		t.Errorf("an instance was launched, and still: %+v", r)
	}
	if alone := rows(nil).continued("basis", []fate{refused("m1", 0), launched}, noon().Add(6*time.Minute)); len(alone) > 0 {
		t.Errorf("a refusal counts beside a launch that was served: %+v", alone)
	}
}
