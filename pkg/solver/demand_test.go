package solver_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// preferring prefers nodes with each of the zones, the weight growing from the first on.
func preferring(zones ...string) builders.PodModifier {
	return func(p *corev1.Pod) {
		p.Spec.Affinity = &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{}}
		for i, zone := range zones {
			terms := &p.Spec.Affinity.NodeAffinity.PreferredDuringSchedulingIgnoredDuringExecution
			*terms = append(*terms, corev1.PreferredSchedulingTerm{Weight: int32(i + 1), Preference: corev1.NodeSelectorTerm{ //nolint:gosec // a few
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}},
			}})
		}
	}
}

// zoneOf returns the only zone of the only machine of a plan.
func zoneOf(t *testing.T, plan solver.Plan) string {
	t.Helper()
	if len(plan.Machines) != 1 || len(plan.Unplaced) > 0 {
		t.Fatalf("%d machines, unplaced: %v", len(plan.Machines), plan.Unplaced)
	}
	zone, _ := plan.Machines[0].Requirements.Get(corev1.LabelTopologyZone).Single()
	return zone
}

func TestTheHeaviestPreferenceThatCanBeMetIsMet(t *testing.T) {
	for name, tc := range map[string]struct {
		zones  []string
		ignore bool
		want   string
	}{
		"the heaviest of two":                         {zones: []string{"zone-b", "zone-c"}, want: "zone-c"},
		"the next where the heaviest cannot be met":   {zones: []string{"zone-b", "nowhere"}, want: "zone-b"},
		"none where none can be met":                  {zones: []string{"nowhere"}},
		"none where preferences are not to be minded": {zones: []string{"zone-b"}, ignore: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := solver.Problem{Pods: []*corev1.Pod{builders.Pod(preferring(tc.zones...))}, Provisioners: plain()}
			p.Settings.IgnorePreferences = tc.ignore
			if got := zoneOf(t, solver.Solve(t.Context(), p)); got != tc.want {
				t.Errorf("the machine is in %q, want %q", got, tc.want)
			}
		})
	}
}

func TestVolumesDecideWhereAPodCanBe(t *testing.T) {
	in := func(zones ...string) []scheduling.Requirements {
		var out []scheduling.Requirements
		for _, zone := range zones {
			out = append(out, scheduling.FromLabels(map[string]string{corev1.LabelTopologyZone: zone}))
		}
		return out
	}
	pod := builders.Pod(builders.Claim("data"))
	for name, tc := range map[string]struct {
		volumes    solver.Volumes
		want, miss string
	}{
		"the zone that all volumes share": {volumes: solver.Volumes{Topologies: [][]scheduling.Requirements{in("zone-a", "zone-b"), in("zone-b", "zone-c")}}, want: "zone-b"},
		"none where they share no zone":   {volumes: solver.Volumes{Topologies: [][]scheduling.Requirements{in("zone-a"), in("zone-b")}}, miss: "affinity"},
		"none where there is no machine": {
			volumes: solver.Volumes{Topologies: [][]scheduling.Requirements{in("zone-x")}, Claims: []string{"data"}}, miss: `the volume of claim "data" is elsewhere: topology.kubernetes.io/zone In [zone-x] is asked for`,
		},
		"none where there is trouble": {volumes: solver.Volumes{Trouble: "claim data does not exist"}, miss: "claim data does not exist"},
	} {
		t.Run(name, func(t *testing.T) {
			plan := solver.Solve(t.Context(), solver.Problem{
				Pods: []*corev1.Pod{pod}, Provisioners: plain(), Volumes: map[types.UID]solver.Volumes{pod.UID: tc.volumes},
			})
			if tc.miss != "" {
				if len(plan.Unplaced) != 1 || !strings.Contains(plan.Unplaced[0].Reason, tc.miss) {
					t.Errorf("unplaced: %v", plan.Unplaced)
				}
				return
			}
			if got := zoneOf(t, plan); got != tc.want {
				t.Errorf("the machine is in %q, want %q", got, tc.want)
			}
		})
	}
}

func TestNodesTakeOnlyAsManyVolumesAsTheyCanAttach(t *testing.T) {
	p := solver.Problem{Volumes: map[types.UID]solver.Volumes{}, Nodes: []solver.Node{{
		Name: "node", Available: builders.InstanceType("free", builders.Capacity("8", "8Gi", 20)).Capacity, Attachable: map[string]int{"ebs": 5},
	}}}
	for i := range 4 {
		pod := builders.Pod(builders.Name(fmt.Sprint("db-", i)))
		p.Pods = append(p.Pods, pod)
		p.Volumes[pod.UID] = solver.Volumes{Attachments: map[string]int{"ebs": 2, "unlimited": 9}}
	}
	if plan := solver.Solve(t.Context(), p); len(plan.Placements) != 2 || len(plan.Unplaced) != 2 {
		t.Errorf("%d pods are placed and %d are not, want two of each", len(plan.Placements), len(plan.Unplaced))
	}
}

func TestNamespaceSelectorsSelectByTheLabelsOfNamespaces(t *testing.T) {
	app := map[string]string{"app": "db"}
	away := builders.Pod(builders.Name("away"), builders.AntiAffinity(corev1.LabelTopologyZone, app))
	away.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0].NamespaceSelector =
		&metav1.LabelSelector{MatchLabels: map[string]string{"team": "red"}}
	zone := map[string]string{corev1.LabelTopologyZone: "zone-a"}
	for name, tc := range map[string]struct {
		namespaces map[string]map[string]string
		placed     int
	}{
		"a namespace that is selected":                       {namespaces: map[string]map[string]string{"other": {"team": "red"}}},
		"one that is not":                                    {namespaces: map[string]map[string]string{"other": {"team": "blue"}}, placed: 1},
		"all where nothing is known, to be on the safe side": {},
	} {
		t.Run(name, func(t *testing.T) {
			plan := solver.Solve(t.Context(), solver.Problem{
				Pods: []*corev1.Pod{away}, Namespaces: tc.namespaces,
				Nodes: []solver.Node{{
					Name: "node", Labels: zone, Available: builders.InstanceType("free", builders.Capacity("8", "8Gi", 20)).Capacity,
					Pods: []*corev1.Pod{builders.Pod(builders.Name("db"), builders.Namespace("other"), builders.Labels(app), builders.OnNode("node"))},
				}},
			})
			if len(plan.Placements) != tc.placed {
				t.Errorf("%d pods are placed, want %d: %v", len(plan.Placements), tc.placed, plan.Unplaced)
			}
		})
	}
}
