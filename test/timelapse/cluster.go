// Package timelapse lives through days of a cluster in moments: kerf's engines, a scheduler, machines that boot and a workload that
// comes and goes, in simulated time. The same seed gives the same days.
package timelapse

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

const (
	// boot is how long a machine takes from its launch until it is ready.
	boot = time.Minute
	// proof is how long after a move it shows whether it saved something.
	proof = 5 * time.Minute
	// drain is how long a machine is paid for after its pods were evicted.
	drain = 40 * time.Second
	// Tick is how often the cluster is looked at.
	Tick = 10 * time.Second
)

// Options are how a cluster is run.
type Options struct {
	Offers   problem.Offers
	Settings disruption.Settings
	// SettleFor is how long nothing has to come to a node, or leave it, before it may go to save money.
	SettleFor time.Duration
	// Share of a provisioner's machines that may be on their way out at a time, in percent; 0 does not bound.
	Share int
	// Off has nothing removed but what is empty.
	Off bool
	// DecideEvery is how often it is decided what goes; at each tick by default.
	DecideEvery time.Duration
	// Taint has the scheduler put pods last on machines that are best left to empty by themselves.
	Taint bool
}

// Figures are what living through some time has cost.
type Figures struct {
	DollarHours                            float64
	Launches, Evictions, Commands, Removed int
	// Annotations counts how often it was written on a pod what its deletion costs.
	Annotations int
}

// Cluster is a cluster in simulated time.
type Cluster struct {
	Options
	Figures
	// Now is the time there.
	Now time.Time
	// OnCommand is told of each command before it is carried out.
	OnCommand func(disruption.Command)
	// Moved maps the name of a pod, which it keeps when it is made anew -> how often it was moved.
	Moved map[string]int
	// Kept maps the reason why machines stay -> what they cost meanwhile, US dollars.
	Kept map[string]float64
	// Held maps a node -> why it must stay.
	Held map[string]string

	model    *state.Cluster
	machines map[string]*machine
	pods     map[types.UID]*corev1.Pod
	commands []*command
	// planned maps the UID of a pod that moves -> the machine that was bought for it.
	planned map[types.UID]string
	moves   disruption.Moves
	decided time.Time
	// done are commands that were carried out a short while ago.
	done []moved
	// changes counts what has come, gone or moved, seen is how much of that the last decision knew, again when it asks to be made anew.
	changes, seen int
	again         time.Time
	born          int
	// waning has the names of machines that are left to empty by themselves, stays why machines stay, both by the last decision.
	waning map[string]bool
	stays  []disruption.Refusal
}

// machine is an instance, from its launch to its end.
type machine struct {
	object       *v1alpha5.Machine
	node         *corev1.Node
	price        float64
	instanceType string
	capacityType string
	readyAt      time.Time
	ready        bool
	// changed is when a pod has come, or gone unless the machine is waning.
	changed time.Time
	// quiet is when one has come or gone in whatever way.
	quiet  time.Time
	going  bool
	goneAt time.Time
	// expected is until when pods are expected.
	expected time.Time
}

// New returns an empty cluster.
func New(options Options) *Cluster {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	return &Cluster{
		Options: options, Now: now, Moved: map[string]int{}, Kept: map[string]float64{}, Held: map[string]string{}, model: state.NewCluster(),
		machines: map[string]*machine{}, pods: map[types.UID]*corev1.Pod{}, planned: map[types.UID]string{}, moves: disruption.Moves{Since: now.Add(-24 * time.Hour)},
	}
}

// Run lets time pass, tick by tick; each is called before a tick.
func (c *Cluster) Run(ctx context.Context, d time.Duration, each func()) {
	for end := c.Now.Add(d); c.Now.Before(end); c.Now = c.Now.Add(Tick) {
		if each != nil {
			each()
		}
		c.tick(ctx)
	}
}

func (c *Cluster) tick(ctx context.Context) {
	for _, m := range c.inOrder() {
		if !m.ready && !c.Now.Before(m.readyAt) {
			c.join(m)
		}
		if m.going && !m.goneAt.IsZero() && !c.Now.Before(m.goneAt) {
			c.end(m)
			continue
		}
		c.DollarHours += m.price * Tick.Hours()
	}
	c.schedule(ctx)
	c.provision(ctx)
	c.disrupt(ctx)
}

func (c *Cluster) inOrder() []*machine {
	return slices.SortedFunc(maps.Values(c.machines), func(a, b *machine) int { return cmp.Compare(a.object.Name, b.object.Name) })
}

// CostPerHour is what the machines that are there cost, US dollars.
func (c *Cluster) CostPerHour() float64 {
	out := 0.0
	for _, m := range c.inOrder() {
		out += m.price
	}
	return out
}

// Nodes is how many machines there are.
func (c *Cluster) Nodes() int { return len(c.machines) }

// Pending returns how many pods wait for a node.
func (c *Cluster) Pending() int {
	n := 0
	for _, pod := range c.pods {
		if pod.Spec.NodeName == "" {
			n++
		}
	}
	return n
}

// Add makes a pod. Its name stays the same when it is made anew somewhere else.
func (c *Cluster) Add(pod *corev1.Pod) {
	c.born++
	pod.UID = types.UID(fmt.Sprintf("%08d", c.born))
	pod.CreationTimestamp = metav1.NewTime(c.Now)
	pod.Spec.NodeName, pod.Status = "", corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable,
	}}}
	c.pods[pod.UID] = pod
	c.model.UpdatePod(pod)
	c.changes++
}

// Remove ends the first pods of the list that there are.
func (c *Cluster) Remove(names map[string]bool) {
	for _, pod := range c.inOrderPods() {
		if names[pod.Name] {
			c.drop(pod)
		}
	}
}

func (c *Cluster) inOrderPods() []*corev1.Pod {
	return slices.SortedFunc(maps.Values(c.pods), func(a, b *corev1.Pod) int { return cmp.Compare(a.UID, b.UID) })
}

func (c *Cluster) drop(pod *corev1.Pod) {
	c.changes++
	delete(c.pods, pod.UID)
	delete(c.planned, pod.UID)
	c.model.DeletePod(pod.UID)
	c.touch(pod, !c.waning[pod.Spec.NodeName]) // that pods leave is what it is for
}

// touch notes that a pod has come to its node, or left it, and whether that unsettles the node. Pods of jobs come and go all the time, and
// say nothing of what is to come.
func (c *Cluster) touch(pod *corev1.Pod, unsettles bool) {
	if pods.IsOwnedByJob(pod) {
		return
	}
	if m := c.machines[pod.Spec.NodeName]; m != nil {
		m.quiet = c.Now
		if unsettles {
			m.changed = c.Now
		}
	}
}

// launch starts a machine as the cheapest that it may be.
func (c *Cluster) launch(planned *solver.Machine, name string) {
	types := c.Offers[planned.Provisioner].InstanceTypes
	at := slices.IndexFunc(types, func(t *cloudprovider.InstanceType) bool { return t.Name == planned.InstanceTypes[0] })
	offering, _ := types[at].Offerings.Compatible(planned.Requirements).Cheapest()
	labels := planned.Requirements.Labels()
	maps.Copy(labels, types[at].Requirements.Labels())
	maps.Copy(labels, map[string]string{
		v1alpha5.ProvisionerNameLabel: planned.Provisioner, corev1.LabelTopologyZone: offering.Zone,
		v1alpha5.CapacityTypeLabel: offering.CapacityType, corev1.LabelInstanceTypeStable: types[at].Name,
	})
	object := builders.Machine(name, planned.Provisioner, builders.MachineRequirement(corev1.LabelInstanceTypeStable, corev1.NodeSelectorOpIn, types[at].Name))
	object.Labels, object.Status.ProviderID = labels, "aws:///"+offering.Zone+"/i-"+name
	object.Status.Capacity, object.Status.Allocatable = types[at].Capacity, types[at].Allocatable()
	object.CreationTimestamp = metav1.NewTime(c.Now)
	m := &machine{
		object: object, price: offering.Price, instanceType: types[at].Name, capacityType: offering.CapacityType,
		readyAt: c.Now.Add(boot), changed: c.Now, expected: c.Now.Add(boot + time.Minute),
	}
	c.changes++
	c.machines[name] = m
	c.model.UpdateMachine(object)
	c.Launches++
}

// join has a machine become a node.
func (c *Cluster) join(m *machine) {
	c.changes++
	m.ready = true
	node := builders.Node(m.object.Name, builders.ProviderID(m.object.Status.ProviderID), builders.NodeLabels(m.object.Labels),
		builders.Managed(m.object.Labels[v1alpha5.ProvisionerNameLabel]))
	node.Status.Capacity, node.Status.Allocatable = m.object.Status.Capacity, m.object.Status.Allocatable
	m.node = node
	object := m.object.DeepCopy()
	object.Status.NodeName = node.Name
	m.object = object
	c.model.UpdateNode(node)
	c.model.UpdateMachine(object)
}

func (c *Cluster) end(m *machine) {
	c.changes++
	delete(c.machines, m.object.Name)
	c.model.DeleteNode(m.object.Name)
	c.model.DeleteMachine(m.object.Name)
	c.Removed++
}

// provision buys what pods need that nothing can host.
func (c *Cluster) provision(ctx context.Context) {
	if c.Pending() == 0 && len(c.commands) == 0 {
		return
	}
	asked := problem.Build(c.facts())
	asked.Planned = c.planned
	plan := solver.Solve(ctx, asked)
	for i := range plan.Machines {
		c.launch(&plan.Machines[i], c.name())
		for _, pod := range plan.Machines[i].Pods {
			c.disappoint(pod)
		}
	}
	for _, p := range plan.Placements {
		if m := c.machines[p.Node]; m != nil {
			m.expected = c.Now.Add(2 * Tick)
		}
	}
}

func (c *Cluster) name() string {
	c.born++
	return fmt.Sprintf("node-%06d", c.born)
}

func (c *Cluster) facts() problem.Facts {
	return problem.Facts{Snapshot: c.model.Snapshot(c.Now), Offers: c.Offers, ExpendableBelow: problem.DefaultExpendableBelow}
}

// on returns the pods of a node, in order of UID.
func (c *Cluster) on(node string) []*corev1.Pod {
	var out []*corev1.Pod
	for _, pod := range c.pods {
		if pod.Spec.NodeName == node && pods.IsReschedulable(pod) {
			out = append(out, pod)
		}
	}
	slices.SortFunc(out, func(a, b *corev1.Pod) int { return cmp.Compare(a.UID, b.UID) })
	return out
}

// Has reports whether a machine is there.
func (c *Cluster) Has(name string) bool { return c.machines[name] != nil }

// Names returns the names of all machines, in order.
func (c *Cluster) Names() []string { return slices.Sorted(maps.Keys(c.machines)) }

// AtRest reports whether nothing is to be expected of kerf within two hours unless something changes.
func (c *Cluster) AtRest() bool {
	return !c.Busy() && c.changes == c.seen && (c.again.IsZero() || c.again.Sub(c.Now) > 2*time.Hour)
}

// Busy reports whether machines come or go.
func (c *Cluster) Busy() bool {
	return len(c.commands) > 0 || slices.ContainsFunc(c.inOrder(), func(m *machine) bool { return m.going || !m.ready })
}
