package lifecycle

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func created() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// member returns a machine of a group; its UID is its name.
func member(name string, size int32) v1alpha5.Machine {
	return v1alpha5.Machine{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), CreationTimestamp: metav1.NewTime(created())},
		Spec:       v1alpha5.MachineSpec{LaunchGroup: &v1alpha5.LaunchGroup{Name: "group", Size: size}},
	}
}

func TestTheFirstIntent(t *testing.T) {
	solitary := member("b", 1)
	ungrouped := member("b", 1)
	ungrouped.Spec.LaunchGroup = nil
	group := []v1alpha5.Machine{member("c", 3), member("a", 3), member("b", 3)}
	late := member("a", 3)
	late.CreationTimestamp = metav1.NewTime(created().Add(30 * time.Second))
	tests := map[string]struct {
		machine v1alpha5.Machine
		members []v1alpha5.Machine
		after   time.Duration
		want    *v1alpha5.Launch
	}{
		"a group of one":           {solitary, []v1alpha5.Machine{solitary}, 0, &v1alpha5.Launch{Group: "b", Attempt: 1, Size: 1}},
		"no group":                 {ungrouped, nil, 0, &v1alpha5.Launch{Group: "b", Attempt: 1, Size: 1}},
		"all are there":            {group[2], group, 0, &v1alpha5.Launch{Group: "group", Attempt: 1, Size: 3, Index: 1}},
		"all are there, late":      {group[0], group, time.Hour, &v1alpha5.Launch{Group: "group", Attempt: 1, Size: 3, Index: 2}},
		"one is missing":           {group[2], group[1:], 0, nil},
		"one is missing at last":   {group[2], group[1:], patience(3), nil},
		"one is missing for long":  {group[2], group[1:], patience(3) + 1, &v1alpha5.Launch{Group: "b", Attempt: 1, Size: 1}},
		"they still come, slowly":  {group[2], []v1alpha5.Machine{late, group[2]}, 30*time.Second + patience(3), nil},
		"they came and stopped":    {group[2], []v1alpha5.Machine{late, group[2]}, 30*time.Second + patience(3) + 1, &v1alpha5.Launch{Group: "b", Attempt: 1, Size: 1}},
		"itself is not in view":    {group[2], group[:2], 0, nil},
		"there are more than that": {group[2], append(slices.Clone(group), member("d", 3)), 0, nil},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			now := created().Add(tc.after)
			got, err := newIntent(&tc.machine, tc.members, "cluster", now, now.Sub(latest(&tc.machine, tc.members)))
			if err != nil {
				t.Fatal(err)
			}
			if got != nil {
				if len(got.Token) != 64 || got.RequestHash == "" || !got.Time.Time.Equal(created().Add(tc.after)) {
					t.Errorf("token %q, hash %q, time %s", got.Token, got.RequestHash, got.Time)
				}
				got.Token, got.RequestHash, got.Time = "", "", metav1.Time{}
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("intent (-want +got):\n%s", diff)
			}
		})
	}
}

func TestALargeGroupIsGivenMoreTime(t *testing.T) {
	if small, large := patience(2), patience(100); small > 11*time.Second || large != 30*time.Second {
		t.Errorf("two machines wait for %s, a hundred for %s", small, large)
	}
}

func TestATokenIsAFunctionOfClusterGroupAttemptAndSize(t *testing.T) {
	base := func() *v1alpha5.Launch { return &v1alpha5.Launch{Group: "g", Attempt: 1, Size: 2} }
	same := base()
	same.Index, same.Time, same.RequestHash = 1, metav1.Now(), "x"
	if token("c", base()) != token("c", same) {
		t.Error("machines of one request have different tokens")
	}
	seen := map[string]bool{token("c", base()): true, token("other", base()): true}
	for _, change := range []func(*v1alpha5.Launch){
		func(l *v1alpha5.Launch) { l.Group = "h" }, func(l *v1alpha5.Launch) { l.Attempt = 2 }, func(l *v1alpha5.Launch) { l.Size = 3 },
	} {
		changed := base()
		change(changed)
		seen[token("c", changed)] = true
	}
	if len(seen) != 5 {
		t.Errorf("5 different requests have %d tokens", len(seen))
	}
}

func TestTheRequestHashLeavesOutWhatIsNotAskedFor(t *testing.T) {
	hash := func(change func(*v1alpha5.Machine)) string {
		machine := member("a", 2)
		change(&machine)
		out, err := requestHash(&machine)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	same := hash(func(*v1alpha5.Machine) {})
	for name, change := range map[string]func(*v1alpha5.Machine){
		"its name":           func(m *v1alpha5.Machine) { m.Name, m.UID = "b", "b" },
		"its launch group":   func(m *v1alpha5.Machine) { m.Spec.LaunchGroup = nil },
		"what its pods need": func(m *v1alpha5.Machine) { m.Spec.Resources.Requests = corev1.ResourceList{"cpu": {}} },
	} {
		if hash(change) != same {
			t.Errorf("%s changes the hash of the request", name)
		}
	}
	for name, change := range map[string]func(*v1alpha5.Machine){
		"requirements": func(m *v1alpha5.Machine) { m.Spec.Requirements = []corev1.NodeSelectorRequirement{{Key: "a"}} },
		"taints":       func(m *v1alpha5.Machine) { m.Spec.Taints = []corev1.Taint{{Key: "a"}} },
		"the template": func(m *v1alpha5.Machine) { m.Spec.MachineTemplateRef = &v1alpha5.TemplateReference{Name: "t"} },
		"the kubelet":  func(m *v1alpha5.Machine) { m.Spec.Kubelet = &v1alpha5.KubeletConfiguration{} },
	} {
		if hash(change) == same {
			t.Errorf("%s do not change the hash of the request", name)
		}
	}
}

func TestFormation(t *testing.T) {
	intent := func(token, hash string, size int32) *v1alpha5.Launch {
		return &v1alpha5.Launch{Token: token, RequestHash: hash, Size: size}
	}
	with := func(intents ...*v1alpha5.Launch) []v1alpha5.Machine {
		var out []v1alpha5.Machine
		for i, l := range intents {
			m := member(string(rune('a'+i)), 2)
			m.Status.Launch = l
			out = append(out, m)
		}
		return out
	}
	ours := intent("t", "h", 2)
	tests := map[string]struct {
		members []v1alpha5.Machine // the first is the machine itself
		want    formation
	}{
		"the other has written nothing":           {with(ours, nil), forming},
		"the other is not in view":                {with(ours), forming},
		"both agree":                              {with(ours, intent("t", "h", 2)), formed},
		"the other is answered":                   {with(ours, &v1alpha5.Launch{Token: "t", RequestHash: "h", Size: 2, Answered: true}), formed},
		"the other asks for something else":       {with(ours, intent("t", "i", 2)), broken},
		"the other launches alone":                {with(ours, intent("u", "h", 1)), broken},
		"it launches alone, whatever others do":   {with(intent("u", "h", 1), intent("t", "h", 2)), formed},
		"it launches alone with nobody in view":   {with(intent("u", "h", 1)), formed},
		"it launches alone and the other is idle": {with(intent("u", "h", 1), nil), formed},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := formationOf(&tc.members[0], tc.members); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
		})
	}
}
