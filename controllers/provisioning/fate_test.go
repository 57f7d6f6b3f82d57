package provisioning

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func noon() time.Time { return time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC) }

// at returns the time that many minutes after noon.
func at(minutes float64) metav1.Time {
	return metav1.NewTime(noon().Add(time.Duration(minutes * float64(time.Minute))))
}

// told sets a condition as of a minute.
func told(condition string, status metav1.ConditionStatus, minute float64) builders.MachineModifier {
	return func(m *v1alpha5.Machine) {
		m.Status.Conditions = append(m.Status.Conditions, metav1.Condition{
			Type: condition, Status: status, Reason: v1alpha5.ReasonNodeNotFound, LastTransitionTime: at(minute),
		})
	}
}

func goes(minute float64) builders.MachineModifier {
	return func(m *v1alpha5.Machine) { t := at(minute); m.DeletionTimestamp = &t }
}

func nodeGoes(minute float64) builders.NodeModifier {
	return func(n *corev1.Node) { t := at(minute); n.DeletionTimestamp = &t }
}

// madeOf returns an entry of a machine that was made at noon for pods a and b, with a node if there are modifiers for one.
func madeOf(node []builders.NodeModifier, modifiers ...builders.MachineModifier) state.Entry {
	m := builders.Machine("m", "p", modifiers...)
	m.CreationTimestamp = at(0)
	m.Annotations = map[string]string{v1alpha5.MadeForAnnotation: machines.MadeFor("basis", []*corev1.Pod{
		builders.Pod(builders.Name("a")), builders.Pod(builders.Name("b")),
	})}
	entry := state.Entry{Machine: m}
	if node != nil {
		entry.Node = builders.Node("n", node...)
	}
	return entry
}

func TestWhatCameOfAMachine(t *testing.T) {
	launched := builders.LaunchedAs("aws:///a/i-1", "2", "4Gi", 10)
	joined := builders.RegisteredAs("n")
	ready := told(v1alpha5.ConditionInitialized, metav1.ConditionTrue, 1)
	failed := func(m *v1alpha5.Machine) {
		machines.Conditions(m).False(v1alpha5.ConditionRegistered, v1alpha5.ReasonNeverJoined, "")
	}
	a, b := machines.WorkloadOf(builders.Pod(builders.Name("a"))), machines.WorkloadOf(builders.Pod(builders.Name("b")))
	there, there2 := []builders.NodeModifier{}, []builders.NodeModifier{nodeGoes(2)}
	since := patience{a: noon(), b: noon()}
	type verdict struct {
		Reason string
		Failed []string
	}
	ordered := []string{min(a, b), max(a, b)}
	for name, tc := range map[string]struct {
		entry   state.Entry
		ended   bool
		pods    []string
		waiting patience
		want    verdict
	}{
		"nothing was launched for it":               {entry: madeOf(nil, goes(2)), waiting: since},
		"it has not joined yet":                     {entry: madeOf(nil, launched), waiting: since},
		"it goes for it did not join in time":       {entry: madeOf(nil, launched, failed, goes(15)), want: verdict{v1alpha5.ReasonNeverJoined, ordered}},
		"it is gone for it did not join in time":    {entry: madeOf(nil, launched, failed), ended: true, want: verdict{v1alpha5.ReasonNeverJoined, ordered}},
		"somebody deletes it before it joins":       {entry: madeOf(nil, launched, goes(2)), waiting: since},
		"it was taken away before it joined":        {entry: madeOf(nil, launched), ended: true, waiting: since},
		"it is not ready for a long time":           {entry: madeOf(there, launched, joined), waiting: since},
		"its pods do not come":                      {entry: madeOf(there, launched, joined, ready), waiting: since, want: verdict{v1alpha5.ReasonPodsStayedAway, ordered}},
		"one of its pods does not come":             {entry: madeOf(there, launched, joined, ready), waiting: since, pods: []string{"b"}, want: verdict{v1alpha5.ReasonPodsStayedAway, []string{a}}},
		"its pods do not come, and it is removed":   {entry: madeOf(there, launched, joined, ready, goes(3), told(v1alpha5.ConditionDisrupting, metav1.ConditionTrue, 3)), waiting: since, want: verdict{v1alpha5.ReasonPodsStayedAway, ordered}},
		"its pods are gone":                         {entry: madeOf(there, launched, joined, ready)},
		"pods wait that came later":                 {entry: madeOf(there, launched, joined, ready), waiting: patience{a: noon().Add(time.Minute)}},
		"somebody deletes it":                       {entry: madeOf(there, launched, joined, ready, goes(3)), waiting: since},
		"somebody deletes its node":                 {entry: madeOf(there2, launched, joined, ready, goes(2)), pods: []string{"a", "b"}, want: verdict{v1alpha5.ReasonNodeDeleted, ordered}},
		"its node goes with it":                     {entry: madeOf(there2, launched, joined, ready, goes(1.5)), pods: []string{"a"}},
		"its node was deleted for it was not ready": {entry: madeOf([]builders.NodeModifier{nodeGoes(2), builders.NotReady()}, launched, joined, ready, goes(2))},
		"its node was deleted after a long life":    {entry: madeOf([]builders.NodeModifier{nodeGoes(60)}, launched, joined, ready, goes(60))},
		"its node was deleted before it was ready":  {entry: madeOf([]builders.NodeModifier{nodeGoes(2), builders.NotReady()}, launched, joined, goes(2)), want: verdict{v1alpha5.ReasonNodeDeleted, ordered}},
	} {
		t.Run(name, func(t *testing.T) {
			tc.entry.Pods = map[types.UID]*corev1.Pod{}
			for _, name := range tc.pods {
				pod := builders.Pod(builders.Name(name), builders.OnNode("n"))
				tc.entry.Pods[pod.UID] = pod
			}
			f := fateOf(tc.entry, tc.ended, tc.waiting, noon().Add(20*time.Minute))
			if diff := cmp.Diff(tc.want, verdict{f.reason, f.failed}); diff != "" {
				t.Errorf("verdict (-want +got):\n%s", diff)
			}
		})
	}
}

// came returns what came of a machine that was made for a workload at a minute.
func came(name string, minute float64, workload, reason string) fate {
	m := builders.Machine(name, "p")
	m.CreationTimestamp = at(minute)
	out := fate{machine: m, basis: "basis", workloads: []string{workload}, reason: reason}
	if reason != "" {
		out.failed = out.workloads
		return out
	}
	out.open, out.joined, out.used, out.served = true, true, true, out.workloads
	return out
}

// counted maps a workload -> how many failures in a row make it wait, for those that are not over.
func counted(r rows) map[string]int32 {
	out := map[string]int32{}
	for i := range r {
		if r[i].RecoveryTime == nil {
			out[r[i].Workload] = r[i].Failures
		}
	}
	return out
}

func TestARowCountsEachMachineOnce(t *testing.T) {
	never := v1alpha5.ReasonNeverJoined
	batch := []fate{came("m1", 0, "a", never), came("m2", 0.1, "a", never), came("m3", 0.1, "b", never)}
	var r rows
	for range 3 { // however often it is looked at
		r = r.continued("basis", batch, noon().Add(15*time.Minute))
	}
	if diff := cmp.Diff(map[string]int32{everybody: 3, "a": 1, "b": 1}, counted(r)); diff != "" {
		t.Errorf("after machines of one decision (-want +got):\n%s", diff)
	}
	r = r.continued("basis", append(batch, came("m4", 16, "a", never)), noon().Add(31*time.Minute))
	if diff := cmp.Diff(map[string]int32{everybody: 4, "a": 2, "b": 1}, counted(r)); diff != "" {
		t.Errorf("after another one (-want +got):\n%s", diff)
	}
	if !r.waiting("a", noon().Add(35*time.Minute)) || r.waiting("a", noon().Add(36*time.Minute)) || r.waiting("b", noon()) {
		t.Errorf("a is to wait for 5 minutes, b is not: %+v", r)
	}
	if other := r.continued("other", batch, noon().Add(time.Hour)); len(other) > 0 {
		t.Errorf("machines of another make count: %+v", other)
	}
}

func TestARowEndsWithAMachineThatIsOfUse(t *testing.T) {
	away := v1alpha5.ReasonPodsStayedAway
	r := rows(nil).continued("basis", []fate{came("m1", 0, "a", away)}, noon())
	r = r.continued("basis", []fate{came("m2", 2, "a", away)}, noon().Add(4*time.Minute))
	for name, tc := range map[string]struct {
		fate fate
		want map[string]int32
	}{
		"an old one":           {came("m0", 1, "a", ""), map[string]int32{everybody: 2, "a": 2}},
		"one of another":       {came("m3", 5, "b", ""), map[string]int32{"a": 2}},
		"a later one":          {came("m3", 5, "a", ""), map[string]int32{}},
		"one that fails again": {came("m3", 5, "a", away), map[string]int32{everybody: 3, "a": 3}},
	} {
		got := r.continued("basis", []fate{tc.fate}, noon().Add(6*time.Minute))
		if diff := cmp.Diff(tc.want, counted(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	recovered := r.continued("basis", []fate{came("m3", 5, "a", "")}, noon().Add(6*time.Minute))
	if got := recovered.continued("basis", []fate{came("m4", 7, "a", away)}, noon().Add(8*time.Minute)); counted(got)["a"] != 3 {
		t.Errorf("a failure soon after a recovery does not go on with the row: %+v", got)
	}
	if got := recovered.continued("basis", nil, noon().Add(30*time.Minute)); len(got) != 0 {
		t.Errorf("what was recovered from is kept for ever: %+v", got)
	}
}

func TestAFewOfABatchThatFailPutNobodyInDoubt(t *testing.T) {
	never := v1alpha5.ReasonNeverJoined
	r := rows(nil).continued("basis", []fate{
		came("m1", 0, "a", never), came("m2", 0, "b", ""), came("m3", 0.1, "c", never), came("m4", 0.1, "d", ""),
	}, noon().Add(15*time.Minute))
	if diff := cmp.Diff(map[string]int32{"a": 1, "c": 1}, counted(r)); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
