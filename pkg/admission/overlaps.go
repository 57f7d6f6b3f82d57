package admission

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// maxNamed is how many provisioners a warning names; clients cut long ones.
const maxNamed = 5

// offer is what a Provisioner has for pods.
type offer struct {
	requirements scheduling.Requirements
	taints       sets.Set[corev1.Taint]
}

// Overlaps returns a warning if there are others of the same weight that some machine could as well be of: nothing then says
// which of them a pod gets its machine from. Different taints count as a choice that pods make by what they tolerate.
func Overlaps(p *v1alpha5.Provisioner, others []v1alpha5.Provisioner) []string {
	if p.DeletionTimestamp != nil {
		return nil
	}
	mine := offerOf(p)
	var names []string
	for i := range others {
		o := &others[i]
		if o.Name == p.Name || o.DeletionTimestamp != nil || o.Weight() != p.Weight() {
			continue
		}
		if mine.overlaps(offerOf(o)) {
			names = append(names, o.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return []string{"spec: pods that this provisioner takes may go to others of the same weight as well; set spec.weight, or let " +
		"requirements, labels or taints exclude each other: " + list(names)}
}

func offerOf(p *v1alpha5.Provisioner) offer {
	defaulted := p.DeepCopy()
	Default(defaulted)
	o := offer{requirements: requirementsOf(defaulted), taints: sets.New[corev1.Taint]()}
	for _, t := range p.Spec.Taints {
		// The other effects keep no pod away.
		if t.Effect == corev1.TaintEffectNoSchedule || t.Effect == corev1.TaintEffectNoExecute {
			o.taints.Insert(corev1.Taint{Key: t.Key, Value: t.Value, Effect: t.Effect})
		}
	}
	return o
}

func (o offer) overlaps(other offer) bool {
	if !o.taints.Equal(other.taints) {
		return false
	}
	both := o.requirements.Union(other.requirements)
	return !slices.ContainsFunc(both.Keys(), func(key string) bool { return both[key].Empty() })
}

// list returns the names in order, and of many just how many more there are.
func list(names []string) string {
	slices.Sort(names)
	if rest := len(names) - maxNamed; rest > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:maxNamed], ", "), rest)
	}
	return strings.Join(names, ", ")
}
