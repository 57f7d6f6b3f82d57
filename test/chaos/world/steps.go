package world

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
	simulated "github.com/kerf-autoscaler/kerf/test/awssim/world"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

// What somebody may do, as steps of a plan.
const (
	// StepScale wants a number of pods in all, spread over the shapes.
	StepScale = "scale"
	// StepShrink wants a number of pods in all, and deletes those beyond it.
	StepShrink = "shrink"
	// StepRestart ends the process, as an upgrade does.
	StepRestart = "restart"
	// StepStop has pods that go not be replaced.
	StepStop = "stop"
	// StepDrain deletes all machines.
	StepDrain = "drain"
	// StepDeletePods deletes a number of pods, which are replaced.
	StepDeletePods = "delete-pods"
	// StepDeleteMachine deletes one of the machines.
	StepDeleteMachine = "delete-machine"
	// StepDeleteNode deletes one of the nodes.
	StepDeleteNode = "delete-node"
	// StepAmbush has the machine of the next node that joins deleted in that very moment.
	StepAmbush = "delete-as-node-joins"
	// StepReclaim has EC2 end one of the instances.
	StepReclaim = "reclaim"
	// StepTerminate has somebody end one of the instances by hand.
	StepTerminate = "terminate"
	// StepLimit sets the provisioner's limit to a number of machines.
	StepLimit = "limit"
	// StepTemplate edits the template.
	StepTemplate = "edit-template"
	// StepProvisioner edits the provisioner.
	StepProvisioner = "edit-provisioner"
	// StepExpire has machines expire that are as old as the world is, until all is calm.
	StepExpire = "expire"
	// StepConsolidate has machines go to save money, empty ones included.
	StepConsolidate = "consolidate"
	// StepDumb has one of the instances that are not nodes yet never become one.
	StepDumb = "never-joins"
)

// steps takes the plan's steps that are due, and returns when the next one is.
func (w *World) steps(now time.Time) time.Time {
	for ; w.actors.stepped < len(w.plan.Steps); w.actors.stepped++ {
		step := w.plan.Steps[w.actors.stepped]
		if due := w.start.Add(step.At); due.After(now) {
			return due
		}
		w.mark(history.MarkFault, fmt.Sprintf("%s %d", step.Action, step.Number))
		if w.actors.do(step) {
			w.hits[step.Action]++
		}
		w.recordWrites(0)
	}
	return time.Time{}
}

// unfinished reports whether the plan has steps left.
func (a *actors) unfinished() bool { return a.stepped < len(a.w.plan.Steps) }

// do takes a step, and reports whether there was something to do.
func (a *actors) do(step Step) bool {
	a.again(time.Now())
	switch step.Action {
	case StepScale:
		a.scale(step.Number)
		return true
	case StepShrink:
		return a.shrink(step.Number)
	case StepRestart:
		running := a.w.process != nil
		a.w.crash("it is restarted")
		return running
	case StepStop:
		a.stopped = true
		return true
	case StepAmbush:
		a.ambush = true
		return true
	case StepDrain:
		each(a, "Machine", func(m *v1alpha5.Machine) { a.remove(byUser, m) })
		return true
	case StepDeletePods, StepDeleteMachine, StepDeleteNode:
		return a.deleteSome(step)
	case StepStrip, StepRejoin:
		return a.lose(step)
	case StepReclaim, StepTerminate, StepDumb:
		return a.strike(step)
	case StepVisit:
		return a.takeVisit(step.Number)
	case StepLimit, StepProvisioner, StepTemplate, StepExpire, StepConsolidate:
		return a.edit(step)
	case StepDeleteProvisioner, StepReplaceProvisioner:
		return a.supplant("Provisioner", step.Action == StepReplaceProvisioner)
	case StepDeleteTemplate, StepReplaceTemplate:
		return a.supplant("AWSNodeTemplate", step.Action == StepReplaceTemplate)
	case StepLeave:
		a.leave()
		return true
	}
	a.w.fail(fmt.Errorf("step %q is not known", step.Action))
	return false
}

// scale wants a number of pods in all, spread over the shapes.
func (a *actors) scale(pods int) {
	for shape := range a.w.plan.Shapes {
		a.wanted[shape] = (pods + shape) / a.w.plan.Shapes
	}
}

// shrink does the same, and deletes the pods that are not wanted any more.
func (a *actors) shrink(pods int) bool {
	a.scale(pods)
	wanted := map[string]bool{}
	for shape := range a.w.plan.Shapes {
		for place := range a.wanted[shape] {
			wanted[podName(shape, place)] = true
		}
	}
	shrunk := false
	for _, pod := range slices.Clone(a.w.store.Objects("Pod")) {
		if !wanted[pod.GetName()] && pod.GetDeletionTimestamp().IsZero() {
			a.remove(byUser, pod)
			shrunk = true
		}
	}
	return shrunk
}

// deleteSome deletes one object of a kind, or a number of pods.
func (a *actors) deleteSome(step Step) bool {
	kind, number := "Machine", 1
	switch step.Action {
	case StepDeleteNode:
		kind = "Node"
	case StepDeletePods:
		kind, number = "Pod", step.Number
	}
	var objects []client.Object
	each(a, kind, func(o client.Object) {
		if o.GetDeletionTimestamp().IsZero() {
			objects = append(objects, o)
		}
	})
	for i := range min(number, len(objects)) {
		a.remove(byUser, objects[(step.Number+i)%len(objects)])
	}
	return len(objects) > 0
}

// strike does something to one of the instances.
func (a *actors) strike(step Step) bool {
	var found []simulated.Instance
	for _, i := range a.w.sim.World().Instances() {
		if live(i.State) && i.Tags[tagClusterUID] == clusterUID && (step.Action != StepDumb || !a.joined[i.ID]) {
			found = append(found, i)
		}
	}
	if len(found) == 0 {
		return false
	}
	struck := found[step.Number%len(found)]
	if step.Action == StepDumb {
		a.dumb[struck.ID] = true
		return true
	}
	what := faults.Fail
	if step.Action == StepTerminate {
		what = faults.Terminate
	}
	if err := a.w.sim.Befall(struck.ID, what); err != nil {
		a.w.fail(err)
	}
	a.w.recordCall(0, &history.Call{By: "somebody else", Action: what, IDs: []string{struck.ID}})
	return true
}

// edit changes what users have said.
func (a *actors) edit(step Step) bool {
	if step.Action == StepTemplate {
		each(a, "AWSNodeTemplate", func(t *awsv1alpha1.AWSNodeTemplate) {
			change(a, byUser, t, func(t *awsv1alpha1.AWSNodeTemplate) {
				t.Spec.Tags = map[string]string{"edited": fmt.Sprint(step.Number)}
			})
		})
		return true
	}
	each(a, "Provisioner", func(p *v1alpha5.Provisioner) {
		change(a, byUser, p, func(p *v1alpha5.Provisioner) {
			switch step.Action {
			case StepLimit:
				p.Spec.Limits = limit(step.Number)
			case StepExpire:
				p.Spec.TTLSecondsUntilExpired = new(int64(max(30, a.w.since().Seconds())))
			case StepConsolidate:
				p.Spec.TTLSecondsAfterEmpty, p.Spec.Consolidation = nil, &v1alpha5.Consolidation{Enabled: new(true)}
			default:
				p.Spec.Labels = map[string]string{"edited": fmt.Sprint(step.Number)}
			}
		})
	})
	return true
}

// keepAll has machines live for ever, or the last ones would be replaced without end.
func (a *actors) keepAll() {
	each(a, "Provisioner", func(p *v1alpha5.Provisioner) {
		if p.Spec.TTLSecondsUntilExpired != nil {
			change(a, byUser, p, func(p *v1alpha5.Provisioner) { p.Spec.TTLSecondsUntilExpired = nil })
		}
	})
	a.w.recordWrites(0)
}

// drain deletes all machines, and pods are not replaced any more.
func (a *actors) drain() {
	a.drained, a.launch = time.Now(), a.w.calls
	a.w.mark(history.MarkFault, "drain")
	a.do(Step{Action: StepStop})
	a.do(Step{Action: StepDrain})
	a.w.recordWrites(0)
}

// makeRoom takes the provisioner's limit away if it is reached and a machine is to go: its pods may have to wait for others that are ready,
// and those for a machine that the limit forbids, for ever.
func (a *actors) makeRoom() {
	going := a.w.plan.Drain
	each(a, "Machine", func(m *v1alpha5.Machine) { going = going || !m.DeletionTimestamp.IsZero() })
	if !going || !a.full() {
		return
	}
	each(a, "Provisioner", func(p *v1alpha5.Provisioner) {
		change(a, byUser, p, func(p *v1alpha5.Provisioner) { p.Spec.Limits = nil })
	})
}

// busy reports whether something is under way: pods wait for room that they may have, something is being deleted, or an instance
// runs that no machine stands for.
func (a *actors) busy() bool {
	busy := a.leaked()
	for _, kind := range []string{"Machine", "Node"} {
		each(a, kind, func(o client.Object) { busy = busy || !o.GetDeletionTimestamp().IsZero() })
	}
	full := a.full()
	each(a, "Pod", func(p *corev1.Pod) { busy = busy || p.Spec.NodeName == "" && !full || !p.DeletionTimestamp.IsZero() })
	return busy
}

// leaked reports whether one of kerf's instances runs without a machine.
func (a *actors) leaked() bool {
	claimed := map[string]bool{}
	each(a, "Machine", func(m *v1alpha5.Machine) { claimed[m.Status.ProviderID] = true })
	return slices.ContainsFunc(a.w.sim.World().Instances(), func(i simulated.Instance) bool {
		return live(i.State) && i.Tags[tagClusterUID] == clusterUID && !claimed[providerID(&i)]
	})
}

// full reports whether the provisioner may have no more machines.
func (a *actors) full() bool {
	full := false
	each(a, "Provisioner", func(p *v1alpha5.Provisioner) {
		if p.Spec.Limits == nil {
			return
		}
		used := p.Status.Resources[corev1.ResourceCPU]
		used.Add(*resource.NewQuantity(coresPerMachine, resource.DecimalSI))
		limit, there := p.Spec.Limits.Resources[corev1.ResourceCPU]
		full = full || there && used.Cmp(limit) > 0
	})
	return full
}
