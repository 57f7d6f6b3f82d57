package world

import (
	"math/rand/v2"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// StepDeleteProvisioner deletes the provisioner; its machines go with it.
	StepDeleteProvisioner = "delete-provisioner"
	// StepDeleteTemplate deletes the template.
	StepDeleteTemplate = "delete-template"
	// StepReplaceProvisioner deletes the provisioner and makes another one of the same name at once.
	StepReplaceProvisioner = "replace-provisioner"
	// StepReplaceTemplate does the same to the template.
	StepReplaceTemplate = "replace-template"
	// StepLeave has nobody want pods any more: those that there are go.
	StepLeave = "leave"
)

// Uninstall is the plan of a run in which somebody changes, replaces or deletes what machines are made from while they launch, and
// then removes all of it, as the documents say: the provisioners. It returns when that is.
func Uninstall(seed uint64) (plan Plan, removed time.Duration) {
	d := dice{rand.New(rand.NewPCG(seed, 6))} //nolint:gosec // to be repeated, not to be secret
	plan = Plan{
		Seed: seed, Pods: 2 + d.IntN(6), Shapes: 1 + d.IntN(len(shapes())), Workers: 1 + d.IntN(6), Shuffle: true, Orphaned: d.chance(0.5),
	}
	at := time.Second
	plan.Steps = []Step{{At: at, Action: StepScale, Number: plan.Pods}}
	for range 1 + d.IntN(3) {
		at += d.over(50*time.Millisecond, 20*time.Second) // a launch takes seconds
		plan.Steps = append(plan.Steps, Step{At: at, Number: d.IntN(8), Action: pick(d,
			StepDeleteProvisioner, StepReplaceProvisioner, StepProvisioner, StepDeleteTemplate, StepReplaceTemplate, StepTemplate)})
	}
	at += d.over(50*time.Millisecond, 20*time.Second)
	plan.Steps = append(plan.Steps, Step{At: at, Action: StepDeleteProvisioner}, Step{At: at, Action: StepLeave})
	plan.Calm = at + time.Second
	return plan, at
}

// supplant deletes all objects of a kind, and makes others in their place if it is asked to.
func (a *actors) supplant(kind string, again bool) bool {
	objects := slices.Clone(a.w.store.Objects(kind))
	for _, object := range objects {
		a.remove(byUser, object)
		if !again {
			continue
		}
		successor, ok := object.DeepCopyObject().(client.Object)
		if !ok {
			continue
		}
		successor.SetUID("")
		successor.SetResourceVersion("")
		successor.SetFinalizers(nil)
		successor.SetAnnotations(nil)
		successor.SetCreationTimestamp(metav1.Time{})
		a.create(byUser, successor)
	}
	return len(objects) > 0
}

// leave has nobody want pods any more.
func (a *actors) leave() {
	a.stopped = true
	clear(a.wanted)
	for _, pod := range slices.Clone(a.w.store.Objects("Pod")) {
		a.remove(byUser, pod)
	}
}
