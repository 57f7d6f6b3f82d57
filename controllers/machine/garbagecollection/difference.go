package garbagecollection

import (
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

// look is the cloud and the cluster as one sweep sees them.
type look struct {
	// instances as the cloud lists them.
	instances []*v1alpha5.Machine
	// machines as the API server has them, nodes as the cache does.
	machines []v1alpha5.Machine
	nodes    []corev1.Node
}

// differences are what is on one side only. None is proof: a list of the cloud may leave out what is there.
type differences struct {
	// orphans are the instances that no Machine owns or may still come to own. Those that shut down are on their way already.
	orphans []*v1alpha5.Machine
	// retired are the Machines that were made to end an orphan and are still to be deleted.
	retired []*v1alpha5.Machine
	// bereaved are the Machines whose instance is not listed, or no longer serves pods.
	bereaved []*v1alpha5.Machine
	// strays are the Nodes of kerf that have neither Machine nor listed instance, and whose kubelet is silent.
	strays []*corev1.Node
}

// request is what instances and the Machines that asked for them have in common.
type request struct {
	group   string
	attempt int32
}

// owners are what Machines claim.
type owners struct {
	// ids of instances, names of Nodes.
	instances, nodes map[string]bool
	// awaited are the requests whose answer is not on record for some Machine: it may own any of their instances.
	awaited map[request]bool
}

func ownersOf(list []v1alpha5.Machine) owners {
	out := owners{instances: map[string]bool{}, nodes: map[string]bool{}, awaited: map[request]bool{}}
	for i := range list {
		status := &list[i].Status
		if id := machines.ProviderID(&list[i]); id != "" {
			out.instances[machines.InstanceID(id)] = true
		}
		if status.NodeName != "" {
			out.nodes[status.NodeName] = true
		}
		if status.ProviderID == "" && status.Launch != nil && !status.Launch.Answered {
			out.awaited[request{status.Launch.Group, status.Launch.Attempt}] = true
		}
	}
	return out
}

// own reports whether a Machine has the instance, or may come to have it.
func (o owners) own(instance *v1alpha5.Machine) bool {
	launch := instance.Status.Launch
	return o.instances[machines.InstanceID(instance.Status.ProviderID)] || (launch != nil && o.awaited[request{launch.Group, launch.Attempt}])
}

// has reports whether a Machine has the Node, or its instance. One that names no instance is nobody's to judge.
func (o owners) has(node *corev1.Node) bool {
	return node.Spec.ProviderID == "" || o.instances[machines.InstanceID(node.Spec.ProviderID)] || o.nodes[node.Name]
}

// difference compares the two sides.
func difference(seen look) differences {
	var out differences
	claimed, listed := ownersOf(seen.machines), map[string]*v1alpha5.Machine{}
	for _, instance := range seen.instances {
		listed[machines.InstanceID(instance.Status.ProviderID)] = instance
		if !claimed.own(instance) && !cloudprovider.IsEnding(instance) {
			out.orphans = append(out.orphans, instance)
		}
	}
	for i := range seen.machines {
		machine := &seen.machines[i]
		if machine.Status.ProviderID == "" || !machine.DeletionTimestamp.IsZero() {
			continue
		}
		instance, ok := listed[machines.InstanceID(machine.Status.ProviderID)]
		if !ok || cloudprovider.IsEnding(instance) || cloudprovider.IsStopped(instance) {
			out.bereaved = append(out.bereaved, machine)
		}
	}
	out.retired = retired(seen.machines)
	for i := range seen.nodes {
		node := &seen.nodes[i]
		if listed[machines.InstanceID(node.Spec.ProviderID)] == nil && !claimed.has(node) && ours(node) && !machines.NodeIsReady(node) {
			out.strays = append(out.strays, node)
		}
	}
	return out
}

// retired returns the Machines that were made to end an orphan and are still to be deleted.
func retired(list []v1alpha5.Machine) []*v1alpha5.Machine {
	var out []*v1alpha5.Machine
	for i := range list {
		if list[i].Annotations[v1alpha5.OrphanAnnotation] != "" && list[i].DeletionTimestamp.IsZero() {
			out = append(out, &list[i])
		}
	}
	return out
}

// ours reports whether kerf has made the Node's instance, by what the Node was born with or was given.
func ours(node *corev1.Node) bool {
	return node.Labels[v1alpha5.ProvisionerNameLabel] != "" || node.Labels[v1alpha5.RegisteredLabel] != "" ||
		controllerutil.ContainsFinalizer(node, v1alpha5.TerminationFinalizer)
}
