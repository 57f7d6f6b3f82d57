// Package solver decides which machines to buy for pods that nothing can host: a Problem in, a Plan out, and nothing else.
package solver

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// Problem is all that a decision depends on. Solve does not change it.
type Problem struct {
	// Pods to place.
	Pods []*corev1.Pod
	// Nodes that are there or on their way; they are filled before anything is bought.
	Nodes []Node
	// Planned maps the UID of a pod -> the name of the node that an earlier plan meant it for. Pods go there if they still can,
	// so that machines on their way are not filled in another way than they were bought for, with some pod left over.
	Planned map[types.UID]string
	// Provisioners that may buy machines, in any order.
	Provisioners []Provisioner
	// DaemonSets holds one pod per DaemonSet, as it would run on a new node.
	DaemonSets []*corev1.Pod
	// Volumes maps the UID of a pod with claims -> what they ask of its node. Pods that are not there have none.
	Volumes map[types.UID]Volumes
	// Namespaces maps name -> labels, for the namespace selectors of affinity terms. Where it is nil, such a selector counts as
	// selecting all namespaces for anti-affinity and none for affinity: that keeps apart more than needs be, never less.
	Namespaces map[string]map[string]string
	// Settings say what is wanted of a plan.
	Settings Settings
}

// Settings of a plan. The zero value is the default of each.
type Settings struct {
	// NodeFee is what a node costs on top of its price, US dollars per hour: licences, agents, and the trouble of having one more.
	NodeFee float64
	// MostDearer is how many times the price of its cheapest instance type a machine may cost when others are sold out;
	// 1.5 by default, at least 1.
	MostDearer float64
	// Steps bounds the work that goes into making a plan cheaper. A step is a look at one kind of pod for one machine; it is a
	// count, not a time, so that the same Problem gives the same Plan. Placing what can be placed is not bounded. By default it is
	// two million and a thousand for each pod, at most twelve million: a tenth of a second or two on an ordinary core.
	Steps int
	// MinValuesBestEffort buys a machine with as many values as there are where Provisioner.MinValues cannot be met. By default its
	// pods are left unplaced.
	MinValuesBestEffort bool
	// IgnorePreferences leaves preferred affinity, ScheduleAnyway and PreferNoSchedule to the scheduler. By default they are met
	// as far as they can be, even where that costs more.
	IgnorePreferences bool
}

// Volumes is what the claims of a pod ask of its node.
type Volumes struct {
	// Topologies has one list of alternatives per volume: a node has to meet one of each list. No machine that is yet to come meets
	// one that names a host. They are not part of the pod's own node affinity: topology spread does not see them.
	Topologies [][]scheduling.Requirements
	// Claims names the claim of each topology, in the same order; they matter to reasons only, and may be left out.
	Claims []string
	// Attachments maps a CSI driver -> how many volumes it has to attach for the pod.
	Attachments map[string]int
	// Trouble says why no node can help until a person acts, e.g. that the claim does not exist; "" when there is none.
	Trouble string
}

// Node is a node that is there, or a machine on its way that will be one.
type Node struct {
	// Name of the Node or, before it has one, of the Machine.
	Name string
	// Initialized is false for machines on their way; initialized nodes are filled first.
	Initialized bool
	// Labels that the node has or is sure to get.
	Labels map[string]string
	// Possible are labels of a machine on its way that are not settled yet: a pod fits only if it accepts all their values.
	Possible scheduling.Requirements
	// Taints that matter to pods: startup taints and those that pass by themselves are left out.
	Taints []corev1.Taint
	// Available is what is free: allocatable less the pods that are there and the DaemonSets that are still to come.
	Available corev1.ResourceList
	// Pods that are there or planned for the node. Their requests are in Available already; here they count for host ports,
	// anti-affinity and topology spread, so leaving one out may place a pod where the scheduler will not.
	Pods []*corev1.Pod
	// Yielding are pods that are there but give way to any other that needs their room or cannot be beside them: Available does not
	// reckon with them. As nobody knows which of them go, those who come to other nodes keep away from them as from Pods.
	Yielding []*corev1.Pod
	// Plain says that IsPlain holds for all of Pods and Yielding, so that nobody has to find that out again; false says nothing.
	Plain bool
	// Attachable maps a CSI driver -> how many more volumes it can attach; a driver that is not there has no limit.
	Attachable map[string]int
}

// Provisioner is a source of machines.
type Provisioner struct {
	// Name of the Provisioner.
	Name string
	// Weight orders provisioners: a pod goes to the heaviest that can host it; equal weights are ordered by name.
	Weight int32
	// Requirements of every machine, labels of the Provisioner included.
	Requirements scheduling.Requirements
	// MinValues maps a label -> how many different values of it the instance types that a machine lists have to have between them.
	MinValues map[string]int
	// Taints of every machine that last; startup taints are left out.
	Taints []corev1.Taint
	// Remaining maps a resource to the capacity that limits leave; a resource that is not there is not limited.
	Remaining corev1.ResourceList
	// InstanceTypes that may be bought.
	InstanceTypes cloudprovider.InstanceTypes
}
