package garbagecollection

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
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
			for _, found := range orphans([]*v1alpha5.Machine{instance("i-1", "g", 1), instance("i-2", "g", 1), instance("i-3", "", 0)}, tc.machines) {
				got = append(got, found.Status.ProviderID)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("orphans (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhichMachinesAreBereaved(t *testing.T) {
	now := metav1.Now()
	launched := func(before time.Duration) v1alpha5.Machine {
		out := machine("i-8", "g", 1, true)
		out.Status.Conditions = []metav1.Condition{{Type: v1alpha5.ConditionLaunched, LastTransitionTime: metav1.NewTime(now.Add(-before))}}
		return out
	}
	going := machine("i-9", "", 0, false)
	going.DeletionTimestamp = &now
	tests := map[string]struct {
		machine v1alpha5.Machine
		want    bool
	}{
		"its instance is listed":          {machine("i-1", "", 0, false), false},
		"it is listed without its zone":   {machine("aws:///a/i-1", "", 0, false), false},
		"its instance is not listed":      {machine("i-8", "", 0, false), true},
		"it has no instance":              {machine("", "g", 1, false), false},
		"it goes already":                 {going, false},
		"it was launched two minutes ago": {launched(2 * time.Minute), true},
		"it was launched just before":     {launched(2*time.Minute - 1), false},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			got := bereaved([]*v1alpha5.Machine{instance("i-1", "", 0)}, []v1alpha5.Machine{tc.machine}, now.Time)
			if (len(got) == 1) != tc.want {
				t.Errorf("bereaved are %v, want it: %t", got, tc.want)
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
