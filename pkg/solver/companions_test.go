package solver_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// like returns pods of an app, of one core each unless a modifier says otherwise.
func like(app string, n int, modifiers ...builders.PodModifier) []*corev1.Pod {
	var out []*corev1.Pod
	for i := range n {
		own := []builders.PodModifier{builders.Name(fmt.Sprint(app, "-", i)), builders.Labels(map[string]string{"app": app}), builders.CPU("1")}
		out = append(out, builders.Pod(append(own, modifiers...)...))
	}
	return out
}

func TestCompanyOnTheNode(t *testing.T) {
	db, web := map[string]string{"app": "db"}, map[string]string{"app": "web"}
	withDB, apartFromDB := builders.Affinity(corev1.LabelHostname, db), builders.AntiAffinity(corev1.LabelTopologyZone, db)
	for name, tc := range map[string]struct {
		pods     [][]*corev1.Pod
		machines int
		want     string // the apps of the pods that are planned for
	}{
		"may keep its own kind out of the zone": {
			pods: [][]*corev1.Pod{like("db", 1, apartFromDB), like("web", 1, withDB)}, machines: 1, want: "db web",
		},
		"is not waited for when it finds no machine itself": {
			pods:     [][]*corev1.Pod{like("db", 1, builders.NodeSelector(map[string]string{"nowhere": "to be found"})), like("cache", 1, builders.Labels(db), withDB)},
			machines: 1, want: "cache",
		},
		"is joined late on a machine that has room left": {
			pods:     [][]*corev1.Pod{like("db", 2, builders.AntiAffinity(corev1.LabelHostname, db)), like("web", 4, withDB)},
			machines: 1, want: "db web web web web",
		},
		"cannot start where both wait for each other over different domains": {
			pods: [][]*corev1.Pod{like("db", 1, builders.Affinity(corev1.LabelTopologyZone, web)), like("web", 1, withDB)}, machines: 1,
		},
		"that has to be there first is counted by a spread over nodes": {
			pods: [][]*corev1.Pod{like("web", 1), like("db", 1, builders.Labels(web), builders.Affinity(corev1.LabelTopologyZone, web),
				builders.Spread(corev1.LabelHostname, 1, web))},
			machines: 2, want: "db web",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := solver.Problem{Provisioners: plain(func(q *solver.Provisioner) {
				q.Remaining = corev1.ResourceList{v1alpha5.ResourceNodes: *resource.NewQuantity(int64(tc.machines), resource.DecimalSI)}
				q.InstanceTypes = cloudprovider.InstanceTypes{
					builders.InstanceType("large", builders.Capacity("8", "32Gi", 50), builders.OnDemand(0.4, "zone-a", "zone-b")),
				}
			})}
			for _, pods := range tc.pods {
				p.Pods = append(p.Pods, pods...)
			}
			plan := solver.Solve(t.Context(), p)
			if got := strings.Join(appsOf(plan), " "); got != tc.want {
				t.Errorf("%q are planned for, want %q; plan:\n%s", got, tc.want, text(plan))
			}
			for _, last := range []bool{false, true} {
				if stuck := bind(p, plan, last); len(stuck) > 0 {
					t.Errorf("the scheduler binds all but these:\n%s", strings.Join(stuck, "\n"))
				}
			}
		})
	}
}

// appsOf returns the apps of the pods that machines are bought for, by name.
func appsOf(plan solver.Plan) []string {
	var out []string
	for _, m := range plan.Machines {
		for _, pod := range m.Pods {
			app, _, _ := strings.Cut(pod.Name, "-")
			out = append(out, app)
		}
	}
	slices.Sort(out)
	return out
}
