package garbagecollection

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func instance(id, group string, attempt int32) *v1alpha5.Machine {
	out := &v1alpha5.Machine{Status: v1alpha5.MachineStatus{ProviderID: id}}
	if group != "" {
		out.Status.Launch = &v1alpha5.Launch{Group: group, Attempt: attempt}
	}
	return out
}

func machine(id, group string, attempt int32, answered bool) v1alpha5.Machine {
	out := *instance(id, group, attempt)
	if out.Status.Launch != nil {
		out.Status.Launch.Answered = answered
	}
	return out
}

func TestWhichInstancesAreOrphans(t *testing.T) {
	tests := map[string]struct {
		machines []v1alpha5.Machine
		want     []string
	}{
		"nobody is there":                             {nil, []string{"i-1", "i-2", "i-3"}},
		"each has an owner":                           {[]v1alpha5.Machine{machine("i-1", "g", 1, true), machine("i-2", "g", 1, true), machine("i-3", "", 0, false)}, nil},
		"an owner without a recorded intent":          {[]v1alpha5.Machine{machine("i-1", "", 0, false)}, []string{"i-2", "i-3"}},
		"a request whose answer is awaited":           {[]v1alpha5.Machine{machine("", "g", 1, false)}, []string{"i-3"}},
		"a request that was answered with nothing":    {[]v1alpha5.Machine{machine("", "g", 1, true)}, []string{"i-1", "i-2", "i-3"}},
		"another attempt is awaited":                  {[]v1alpha5.Machine{machine("", "g", 2, false)}, []string{"i-1", "i-2", "i-3"}},
		"one of a request has its answer, one awaits": {[]v1alpha5.Machine{machine("i-1", "g", 1, true), machine("", "g", 1, false)}, []string{"i-3"}},
		"their zones were not told":                   {[]v1alpha5.Machine{machine("aws:///a/i-1", "g", 1, true), machine("aws:////i-2", "g", 1, true)}, []string{"i-3"}},
		"a machine that has asked for nothing":        {[]v1alpha5.Machine{machine("", "", 0, false)}, []string{"i-1", "i-2", "i-3"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			there := []*v1alpha5.Machine{instance("i-1", "g", 1), instance("i-2", "g", 1), instance("i-3", "", 0), with(instance("i-4", "", 0), v1alpha5.ReasonTerminating)}
			for _, found := range difference(look{instances: there, machines: tc.machines}).orphans {
				got = append(got, found.Status.ProviderID)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("orphans (-want +got):\n%s", diff)
			}
		})
	}
}

// with is an instance of which the cloud says why it serves no pods.
func with(instance *v1alpha5.Machine, reason string) *v1alpha5.Machine {
	instance.Status.Conditions = []metav1.Condition{{Type: v1alpha5.ConditionTerminated, Status: metav1.ConditionFalse, Reason: reason}}
	return instance
}

func TestWhichMachinesAreBereaved(t *testing.T) {
	going := machine("i-9", "", 0, false)
	going.DeletionTimestamp = new(metav1.Now())
	tests := map[string]struct {
		machine v1alpha5.Machine
		want    bool
	}{
		"its instance is listed":         {machine("i-1", "", 0, false), false},
		"it is listed without its zone":  {machine("aws:///a/i-1", "", 0, false), false},
		"its instance is not listed":     {machine("i-8", "", 0, false), true},
		"its instance shuts down":        {machine("i-2", "", 0, false), true},
		"its instance is switched off":   {machine("i-3", "", 0, false), true},
		"it has no instance":             {machine("", "g", 1, false), false},
		"it goes already":                {going, false},
		"it was launched a moment since": {machine("i-8", "g", 1, true), true}, // the cloud is asked, and believed late
	}
	there := []*v1alpha5.Machine{
		instance("i-1", "", 0), with(instance("i-2", "", 0), v1alpha5.ReasonTerminating), with(instance("i-3", "", 0), v1alpha5.ReasonStopped),
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := difference(look{instances: there, machines: []v1alpha5.Machine{tc.machine}}).bereaved
			if (len(got) == 1) != tc.want {
				t.Errorf("bereaved are %v, want it: %t", got, tc.want)
			}
		})
	}
}

func TestWhichNodesAreStrays(t *testing.T) {
	stray := func(changes ...builders.NodeModifier) corev1.Node {
		return *builders.Node("n", append([]builders.NodeModifier{builders.ProviderID("aws:///a/i-8"), builders.NotReady(), func(n *corev1.Node) {
			n.Labels = map[string]string{v1alpha5.ProvisionerNameLabel: "default"}
		}}, changes...)...)
	}
	named := machine("i-7", "", 0, false)
	named.Status.NodeName = "n"
	tests := map[string]struct {
		node     corev1.Node
		machines []v1alpha5.Machine
		want     bool
	}{
		"nobody knows it":                         {stray(), nil, true},
		"only the finalizer says that it is ours": {stray(func(n *corev1.Node) { n.Labels = nil; n.Finalizers = []string{v1alpha5.TerminationFinalizer} }), nil, true},
		"it is somebody else's":                   {stray(func(n *corev1.Node) { n.Labels = nil }), nil, false},
		"it is ready":                             {*builders.Node("n", builders.ProviderID("aws:///a/i-8"), func(n *corev1.Node) { n.Labels[v1alpha5.ProvisionerNameLabel] = "default" }), nil, false},
		"its instance is listed":                  {stray(builders.ProviderID("aws:///a/i-1")), nil, false},
		"it names no instance":                    {stray(builders.ProviderID("")), nil, false},
		"a machine has its instance":              {stray(), []v1alpha5.Machine{machine("aws:////i-8", "", 0, false)}, false},
		"a machine has joined as it":              {stray(), []v1alpha5.Machine{named}, false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			seen := look{instances: []*v1alpha5.Machine{instance("i-1", "", 0)}, machines: tc.machines, nodes: []corev1.Node{tc.node}}
			if got := difference(seen).strays; (len(got) == 1) != tc.want {
				t.Errorf("strays are %v, want it: %t", got, tc.want)
			}
		})
	}
}

func TestWhenAnInstanceIsOver(t *testing.T) {
	for name, tc := range map[string]struct {
		fate       fate
		ready      bool
		unknownFor time.Duration
		want       bool
	}{
		"it lives":                                         {lives, false, time.Hour, false},
		"the answer settles nothing":                       {unclear, false, time.Hour, false},
		"it has ended":                                     {ended, false, 0, true},
		"it has ended, and another has its name":           {ended, true, 0, true},
		"it is switched off":                               {stopped, false, 0, true},
		"it is switched off, which its node denies":        {stopped, true, 0, false},
		"nobody knows it, for a moment":                    {unknown, false, unknownAge - 1, false},
		"nobody knows it, for as long as it may hide":      {unknown, false, unknownAge, true},
		"nobody knows it, and its node says that it lives": {unknown, true, time.Hour, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := tc.fate.isOver(tc.ready, tc.unknownFor); got != tc.want {
				t.Errorf("over: %t, want %t", got, tc.want)
			}
		})
	}
}

func TestHowManyMayBeMissingAtOnce(t *testing.T) {
	for launched, want := range map[int]int{0: 3, 1: 3, 30: 3, 39: 3, 40: 4, 100: 10, 1005: 100} {
		if got := tolerated(launched); got != want {
			t.Errorf("of %d machines %d may be missing, want %d", launched, got, want)
		}
	}
}
