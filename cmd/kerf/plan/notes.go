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
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
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

// noteLeftAlone names pods that wait and that nothing is planned for.
func (w *world) noteLeftAlone(planned []*corev1.Pod, expendableBelow int32) {
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
		default:
			refusing[manifests.Key(pod)] = true
		}
	}
	if len(expendable) > 0 {
		w.note("nothing is bought for pods of a priority below %d: %s", expendableBelow, several(expendable))
	}
	if len(refusing) > 0 {
		w.note("nothing is bought for pods that want no node of a provisioner: %s", several(refusing))
	}
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
