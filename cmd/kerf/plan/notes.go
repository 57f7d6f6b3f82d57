package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/pkg/manifests"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/resources"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// notePrices says which prices are not real.
func (w *world) notePrices(facts *catalog.Catalog, region string) {
	if !facts.StatesSpot() && slices.ContainsFunc(slices.Collect(maps.Values(w.offers)), func(o problem.Offer) bool { return buysSpot(o.Provisioner) }) {
		w.note("spot prices are made up, 30 to 70 %% of on-demand, since no real ones are built in; state yours with --catalog")
	}
	if !facts.PricesAreOf(region) {
		w.note("no prices of %s are built in: on-demand prices are those of %s", region, catalog.PriceRegion)
	}
}

func buysSpot(p *v1alpha5.Provisioner) bool {
	requirements := scheduling.FromNodeSelector(v1alpha5.NodeSelectorRequirements(p.Spec.Requirements))
	return requirements.Get(v1alpha5.CapacityTypeLabel).Has(v1alpha5.CapacityTypeSpot)
}

// noteClasses names classes of pods that are not given. An API server would refuse such pods.
func (w *world) noteClasses() {
	runtimes := map[string]bool{}
	for _, class := range w.admission.RuntimeClasses {
		runtimes[class.Name] = true
	}
	noPriority, noRuntime := map[string]bool{}, map[string]bool{}
	for _, pod := range w.pending {
		if name := pod.Spec.PriorityClassName; name != "" && pod.Spec.Priority == nil {
			noPriority[name] = true
		}
		if name := pod.Spec.RuntimeClassName; name != nil && !runtimes[*name] {
			noRuntime[*name] = true
		}
	}
	if len(noPriority) > 0 {
		w.note("priority classes that are not given count as priority 0: %s", several(noPriority))
	}
	if len(noRuntime) > 0 {
		w.note("runtime classes that are not given are taken to need no overhead and no nodes of their own: %s", several(noRuntime))
	}
}

// noteDaemons names DaemonSets whose pod is meant for a machine that it is too large for.
func (w *world) noteDaemons(plan *solver.Plan, daemons []*corev1.Pod) {
	large := map[string]bool{}
	for i := range plan.Machines {
		m := &plan.Machines[i]
		t := typeNamed(w.offers[m.Provisioner].InstanceTypes, m.InstanceTypes[0])
		if t == nil {
			continue
		}
		taints := v1alpha5.NodeTaints(w.offers[m.Provisioner].Provisioner.Spec.Taints)
		for _, daemon := range daemons {
			meant := scheduling.Taints(taints).Tolerated(daemon) == "" && slices.ContainsFunc(scheduling.DaemonRequirements(daemon), func(r scheduling.Requirements) bool {
				return meets(m.Requirements, r) && meets(t.Requirements, r)
			})
			if meant && len(resources.Exceeding(pods.Requests(daemon), t.Allocatable())) > 0 {
				large[fmt.Sprintf("%s on %s", manifests.Key(daemon), t.Name)] = true
			}
		}
	}
	if len(large) > 0 {
		w.note("DaemonSets that ask for more than a machine has do not run there, and take no room: %s", several(large))
	}
}

// meets reports whether a machine may be what is asked for, as far as these labels tell.
func meets(offered, asked scheduling.Requirements) bool {
	return !slices.ContainsFunc(asked.Keys(), func(key string) bool { return offered.Has(key) && !offered[key].Compatible(asked[key]) })
}

// leftAlone names pods that wait and that nothing is bought for, and returns for each why not.
func (w *world) leftAlone(planned []*corev1.Pod, expendableBelow int32) map[*corev1.Pod]string {
	out := map[*corev1.Pod]string{}
	in := map[types.UID]bool{}
	for _, pod := range planned {
		in[pod.UID] = true
	}
	expendable, refusing := map[string]bool{}, map[string]bool{}
	for _, pod := range w.pending {
		switch {
		case in[pod.UID]:
		case pods.Priority(pod) < expendableBelow:
			expendable[manifests.Key(pod)] = true
			out[pod] = fmt.Sprintf("nothing is bought for pods of a priority below %d", expendableBelow)
		default:
			refusing[manifests.Key(pod)] = true
			out[pod] = "nothing is bought for pods that want no node of a provisioner"
		}
	}
	if len(expendable) > 0 {
		w.note("nothing is bought for pods of a priority below %d: %s", expendableBelow, several(expendable))
	}
	if len(refusing) > 0 {
		w.note("nothing is bought for pods that want no node of a provisioner: %s", several(refusing))
	}
	return out
}

// mostNamed is how many names a note lists.
const mostNamed = 5

// several lists names in order, and of many how many more there are.
func several(names map[string]bool) string {
	list := slices.Sorted(maps.Keys(names))
	if rest := len(list) - mostNamed; rest > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:mostNamed], ", "), rest)
	}
	return strings.Join(list, ", ")
}

// count writes a number with the words for one or for several.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%s %s", thousands(n), many)
}
