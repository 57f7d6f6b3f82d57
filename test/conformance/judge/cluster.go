package judge

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/conformance/world"
)

// outcome is what a machine may turn out to be.
type outcome struct {
	instanceType *cloudprovider.InstanceType
	zone         string
	labels       map[string]string
}

// member is a node of the cluster as it will be.
type member struct {
	node *corev1.Node
	// others are what it might have turned out to be instead.
	others []*corev1.Node
	// fresh nodes get the pods of DaemonSets that they do not have yet before any planned one comes.
	fresh bool
	// underway says that its machine was there before the plan.
	underway bool
	// running are the pods of a node that is there, and those that the scheduler keeps room for; yielding are those beside them that
	// are expendable.
	running, yielding []*corev1.Pod
	// planned are the pods that the plan means for it.
	planned []*corev1.Pod
}

// outcomes returns what a machine may turn out to be as an instance type: one for each zone that it may be bought in.
func (j *judge) outcomes(m *solver.Machine, typeName string) ([]outcome, error) {
	t, err := j.world.Type(typeName)
	if err != nil {
		return nil, err
	}
	var out []outcome
	for _, o := range t.Offerings.Compatible(m.Requirements) {
		labels := m.Requirements.Labels()
		labels[v1alpha5.ProvisionerNameLabel] = m.Provisioner
		out = append(out, outcome{t, o.Zone, offered(labels, t, o)})
	}
	return out, nil
}

// offered adds the labels that the instance type and the offering decide.
func offered(labels map[string]string, t *cloudprovider.InstanceType, o cloudprovider.Offering) map[string]string {
	maps.Copy(labels, t.Requirements.Labels())
	labels[corev1.LabelTopologyZone], labels[v1alpha5.CapacityTypeLabel] = o.Zone, o.CapacityType
	return labels
}

// register turns everything that is on its way, or planned to be, into nodes: as the first that it may be, as the last, or as
// any. New nodes have the pods of their DaemonSets on them.
func (j *judge) register(way int) {
	j.cluster, j.unnamed = j.cluster[:0], ""
	if way%2 == 1 {
		j.unnamed = anything
	}
	on := map[string][]*corev1.Pod{}
	for _, p := range j.plan.Placements {
		on[p.Node] = append(on[p.Node], p.Pod)
	}
	for _, n := range j.world.Nodes {
		if n.Leaving {
			continue
		}
		m := j.member(way, j.world.Outcomes(n))
		m.fresh, m.underway, m.planned = n.Machine != nil, n.Machine != nil, on[n.Name()]
		for _, pod := range n.Pods {
			if world.Expendable(pod) {
				m.yielding = append(m.yielding, pod)
			} else {
				m.running = append(m.running, pod)
			}
		}
		m.running = append(m.running, j.world.Nominated(n.Name())...)
		j.cluster = append(j.cluster, m)
	}
	for i := range j.plan.Machines {
		planned := &j.plan.Machines[i]
		provisioner, _ := j.provisioner(planned.Provisioner) // inspectMachines has found it, and all types
		var nodes []*corev1.Node
		for _, name := range planned.InstanceTypes {
			outcomes, _ := j.outcomes(planned, name)
			for _, o := range outcomes {
				nodes = append(nodes, j.newNode(fmt.Sprintf("machine-%d", i), o, provisioner))
			}
		}
		m := j.member(way, nodes)
		m.fresh, m.planned = true, planned.Pods
		j.cluster = append(j.cluster, m)
	}
}

// member picks what a machine turns out to be.
func (j *judge) member(way int, of []*corev1.Node) member {
	switch way {
	case 0:
		return member{node: of[0], others: of[1:]}
	case 1:
		last := len(of) - 1
		return member{node: of[last], others: of[:last]}
	default:
		i := j.random.IntN(len(of))
		return member{node: of[i], others: slices.Concat(of[:i], of[i+1:])}
	}
}

// mostBlends bounds the combinations of labels that are looked at.
const mostBlends = 64

// blends returns nodes as kerf is told that a machine on its way may be: with the least of each resource that it may have, and any
// combination of what its labels may be, not only those that some instance type has. Of planned machines it knows more.
func (m *member) blends() []*corev1.Node {
	if !m.underway || len(m.others) == 0 {
		return nil
	}
	least := m.node.DeepCopy()
	values := map[string][]string{}
	for _, node := range append([]*corev1.Node{m.node}, m.others...) {
		for name, q := range least.Status.Allocatable {
			if o := node.Status.Allocatable[name]; o.Cmp(q) < 0 {
				least.Status.Allocatable[name] = o
			}
		}
		for key, value := range node.Labels {
			if !slices.Contains(values[key], value) {
				values[key] = append(values[key], value)
			}
		}
	}
	out := []*corev1.Node{least}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		var next []*corev1.Node
		for _, node := range out {
			for _, value := range values[key] {
				node = node.DeepCopy()
				node.Labels[key] = value
				next = append(next, node)
			}
		}
		if len(next) <= mostBlends {
			out = next
		}
	}
	return out
}

// newNode returns the Node that a machine registers as.
func (j *judge) newNode(name string, o outcome, provisioner solver.Provisioner) *corev1.Node {
	for key, q := range provisioner.Requirements {
		_, settled := o.labels[key]
		if open := !q.Finite() && !q.AllowsAbsent() && q.Has(j.unnamed); open && !settled && j.unnamed != "" {
			o.labels[key] = j.unnamed
		}
	}
	return world.Registered(name, o.labels, provisioner.Taints, o.instanceType)
}

// before returns the pods that are on a node before any planned one comes, those aside that give way: those that run there, and the
// pods of DaemonSets that are still to come.
func (j *judge) before(m *member, node *corev1.Node) []*corev1.Pod {
	return slices.Concat(m.running, slices.DeleteFunc(j.daemons(node), func(daemon *corev1.Pod) bool {
		return slices.ContainsFunc(m.running, func(pod *corev1.Pod) bool {
			owner := metav1.GetControllerOfNoCopy(pod)
			return owner != nil && owner.UID == daemon.UID
		})
	}))
}

// daemons returns the pods that DaemonSets put onto a new node.
func (j *judge) daemons(node *corev1.Node) []*corev1.Pod {
	var out []*corev1.Pod
	for _, daemon := range j.world.DaemonSets {
		if world.RunsOn(daemon, node) {
			out = append(out, daemon)
		}
	}
	return out
}

// describe says what a node is.
func (j *judge) describe(name string) string {
	for _, m := range j.cluster {
		if m.node.Name == name {
			return describe(m.node)
		}
	}
	return name
}

func describe(node *corev1.Node) string {
	l := node.Labels
	return fmt.Sprintf("%s (%s %s in %s, provisioner %s)", node.Name, l[v1alpha5.CapacityTypeLabel], l[corev1.LabelInstanceTypeStable],
		l[corev1.LabelTopologyZone], l[v1alpha5.ProvisionerNameLabel])
}
