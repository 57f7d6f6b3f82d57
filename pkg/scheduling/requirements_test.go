package scheduling_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func expression(key string, op corev1.NodeSelectorOperator, values ...string) corev1.NodeSelectorRequirement {
	return corev1.NodeSelectorRequirement{Key: key, Operator: op, Values: values}
}

func TestPodRequirementsListTheAlternatives(t *testing.T) {
	zone, fields := expression("zone", corev1.NodeSelectorOpIn, "a"), corev1.NodeSelectorTerm{
		MatchFields: []corev1.NodeSelectorRequirement{expression("metadata.name", corev1.NodeSelectorOpIn, "node-1")},
	}
	add := func(terms ...corev1.NodeSelectorTerm) builders.PodModifier {
		return func(p *corev1.Pod) {
			s := p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
			s.NodeSelectorTerms = append(s.NodeSelectorTerms, terms...)
		}
	}
	for name, tc := range map[string]struct {
		pod           *corev1.Pod
		want, wantAll []string // the latter as a DaemonSet's pod
	}{
		"a pod that asks for nothing has one alternative that asks for nothing": {
			pod: builders.Pod(), want: []string{""}, wantAll: []string{""},
		},
		"the node selector is part of each term": {
			pod: builders.Pod(builders.NodeSelector(map[string]string{"disk": "ssd"}), builders.NodeAffinity(zone),
				builders.NodeAffinity(expression("zone", corev1.NodeSelectorOpIn, "b"), expression("disk", corev1.NodeSelectorOpExists))),
			want:    []string{"disk In [ssd], zone In [a]", "disk In [ssd], zone In [b]"},
			wantAll: []string{"disk In [ssd], zone In [a]", "disk In [ssd], zone In [b]"},
		},
		"expressions of one term narrow each other down": {
			pod:  builders.Pod(builders.NodeAffinity(expression("n", corev1.NodeSelectorOpGt, "1"), expression("n", corev1.NodeSelectorOpLt, "5"))),
			want: []string{"n > 1, n < 5"}, wantAll: []string{"n > 1, n < 5"},
		},
		"a term without expressions matches nothing": {
			pod: builders.Pod(builders.NodeAffinity()),
		},
		"a term that selects a node by name counts for a DaemonSet without the name": {
			pod: builders.Pod(builders.NodeAffinity(zone), add(fields)), want: []string{"zone In [a]", ".metadata.name In [node-1]"}, wantAll: []string{"zone In [a]", ""},
		},
		"names and labels of one term have to match both": {
			pod: builders.Pod(builders.NodeAffinity(), func(p *corev1.Pod) {
				p.Spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms[0] = corev1.NodeSelectorTerm{
					MatchExpressions: []corev1.NodeSelectorRequirement{zone}, MatchFields: fields.MatchFields,
				}
			}),
			want: []string{".metadata.name In [node-1], zone In [a]"}, wantAll: []string{"zone In [a]"},
		},
		"beta keys become the stable ones": {
			pod:     builders.Pod(builders.NodeSelector(map[string]string{"beta.kubernetes.io/arch": "arm64"})),
			want:    []string{"kubernetes.io/arch In [arm64]"},
			wantAll: []string{"kubernetes.io/arch In [arm64]"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, texts(scheduling.PodRequirements(tc.pod))); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.wantAll, texts(scheduling.DaemonRequirements(tc.pod))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func texts(alternatives []scheduling.Requirements) []string {
	var out []string
	for _, a := range alternatives {
		out = append(out, a.String())
	}
	return out
}

func TestANodeIsAcceptedWhateverItsOpenLabelsBecome(t *testing.T) {
	possible := scheduling.FromNodeSelector([]corev1.NodeSelectorRequirement{
		expression("zone", corev1.NodeSelectorOpIn, "a", "b"), expression("team", corev1.NodeSelectorOpExists),
	})
	labels := map[string]string{"arch": "amd64"}
	for name, tc := range map[string]struct {
		asked corev1.NodeSelectorRequirement
		want  string
	}{
		"a settled label that fits": {asked: expression("arch", corev1.NodeSelectorOpIn, "amd64")},
		"a settled label that does not fit": {
			asked: expression("arch", corev1.NodeSelectorOpNotIn, "amd64"), want: `arch NotIn [amd64] is asked for, the node has "amd64"`,
		},
		"an open label of which all values fit": {asked: expression("zone", corev1.NodeSelectorOpIn, "c", "b", "a")},
		"an open label of which one value does not fit": {
			asked: expression("zone", corev1.NodeSelectorOpIn, "a"), want: "zone In [a] is asked for, the node may become zone In [a b]",
		},
		"an open label that only has to exist": {asked: expression("team", corev1.NodeSelectorOpExists)},
		"an open label that may be anything": {
			asked: expression("team", corev1.NodeSelectorOpNotIn, "red"), want: "team NotIn [red] is asked for, the node may become team Exists",
		},
		"a label that is absent": {
			asked: expression("disk", corev1.NodeSelectorOpExists), want: "disk Exists is asked for, the node has no such label",
		},
		"a label that is absent and may be": {asked: expression("disk", corev1.NodeSelectorOpNotIn, "hdd")},
	} {
		t.Run(name, func(t *testing.T) {
			r := scheduling.FromNodeSelector([]corev1.NodeSelectorRequirement{tc.asked})
			if got := r.Accepts(labels, possible); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestRequirementsArePrintedAsAPersonWouldWriteThem(t *testing.T) {
	r := scheduling.FromNodeSelector([]corev1.NodeSelectorRequirement{
		expression("a", corev1.NodeSelectorOpIn, "1", "2", "3", "4", "5", "6", "7"), expression("b", corev1.NodeSelectorOpDoesNotExist),
		expression("c", corev1.NodeSelectorOpNotIn, "x"), expression("d", corev1.NodeSelectorOpGt, "3"), expression("d", corev1.NodeSelectorOpLt, "9"),
		expression("e", corev1.NodeSelectorOpExists), expression("f", corev1.NodeSelectorOpIn),
	})
	want := "a In [1 2 3 4 5 and 2 others], b DoesNotExist, c NotIn [x], d > 3, d < 9, e Exists, f In []"
	if got := r.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRequirementsAreEqualThatSayTheSame(t *testing.T) {
	const key = "a"
	different := []scheduling.Requirement{
		scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, "1", "2", "3", "4", "5", "6", "7"),
		scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, "1", "2", "3", "4", "5", "8", "9"),
		scheduling.NewRequirement(key, corev1.NodeSelectorOpNotIn, "1", "2", "3", "4", "5", "6", "7"),
		scheduling.NewRequirement(key, corev1.NodeSelectorOpExists), scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist),
		scheduling.NewRequirement(key, corev1.NodeSelectorOpGt, "3"), scheduling.NewRequirement(key, corev1.NodeSelectorOpGt, "4"),
		scheduling.NewRequirement(key, corev1.NodeSelectorOpLt, "3"), scheduling.NewRequirement("b", corev1.NodeSelectorOpExists),
		scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, "1").Or(scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist)),
		scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, "1"),
	}
	for i, r := range different {
		again := scheduling.FromNodeSelector(r.NodeSelectorRequirements())
		if len(again) == 1 && r.String() != "a In [1]" && !again.Equal(scheduling.NewRequirements(r)) {
			t.Errorf("%s read again is %s", r, again)
		}
		for j, o := range different {
			if got := r.Equal(o); got != (i == j) {
				t.Errorf("%d %s and %d %s: equal is %v", i, r, j, o, got)
			}
		}
	}
}

func TestAConflictNamesWhatIsAskedForAndWhatThereIs(t *testing.T) {
	provisioner := scheduling.FromNodeSelector([]corev1.NodeSelectorRequirement{expression("zone", corev1.NodeSelectorOpIn, "a", "b")})
	pod := scheduling.FromLabels(map[string]string{"zone": "c", "team": "red"})
	if got, want := provisioner.Conflict(pod), "zone In [c] is asked for where there is zone In [a b]"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := provisioner.Conflict(scheduling.FromLabels(map[string]string{"zone": "a", "team": "red"})); got != "" {
		t.Errorf("got %q, want no conflict", got)
	}
}

func TestTaintsNameTheFirstThatIsNotTolerated(t *testing.T) {
	taints := scheduling.Taints{
		{Key: "soft", Effect: corev1.TaintEffectPreferNoSchedule},
		{Key: "dedicated", Value: "gpu", Effect: corev1.TaintEffectNoSchedule},
		{Key: "gone", Effect: corev1.TaintEffectNoExecute},
	}
	for name, tc := range map[string]struct {
		tolerations []corev1.Toleration
		want        string
	}{
		"none": {want: "taint dedicated=gpu:NoSchedule is not tolerated"},
		"the first": {
			tolerations: []corev1.Toleration{{Key: "dedicated", Value: "gpu"}}, want: "taint gone:NoExecute is not tolerated",
		},
		"all by name": {tolerations: []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpExists}, {Key: "gone"}}},
		"everything":  {tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}}},
	} {
		t.Run(name, func(t *testing.T) {
			pod := builders.Pod(func(p *corev1.Pod) { p.Spec.Tolerations = tc.tolerations })
			if got := taints.Tolerated(pod); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}
