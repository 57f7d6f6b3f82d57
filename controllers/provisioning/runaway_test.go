package provisioning

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// emptied has a node that no pod comes to removed after a time without pods.
func emptied(ttl time.Duration, join func(*ordeal, *v1alpha5.Machine, time.Duration)) func(*ordeal, *v1alpha5.Machine, time.Duration) {
	return func(o *ordeal, m *v1alpha5.Machine, age time.Duration) {
		join(o, m, age)
		if m.Status.NodeName != "" && age >= bootTime+ttl {
			o.state(m, v1alpha5.ConditionDisrupting, metav1.ConditionTrue, "Empty")
			o.remove(m)
		}
	}
}

// deleted has somebody delete the node soon after the pod came to it. The pod is made anew.
func deleted(after time.Duration) func(*ordeal, *v1alpha5.Machine, time.Duration) {
	return func(o *ordeal, m *v1alpha5.Machine, age time.Duration) {
		serves("a")(o, m, age)
		if age < bootTime+after {
			return
		}
		node := o.nodes[m.Status.NodeName].DeepCopy()
		node.DeletionTimestamp = &metav1.Time{Time: o.clock.Now()}
		o.nodes[node.Name] = node
		o.cluster.UpdateNode(node)
		o.remove(m)
		o.want("a", builders.CPU("1"))
	}
}

// unpinned has somebody delete the node with its finalizers before any pod comes.
func unpinned(o *ordeal, m *v1alpha5.Machine, age time.Duration) {
	joinsAs()(o, m, age)
	switch {
	case m.Status.NodeName != "" && age >= bootTime+time.Minute:
		o.remove(m)
	case m.Status.NodeName != "":
		delete(o.nodes, m.Status.NodeName)
		o.cluster.DeleteNode(m.Status.NodeName)
		o.state(m, v1alpha5.ConditionRegistered, metav1.ConditionFalse, v1alpha5.ReasonNodeNotFound)
		o.state(m, v1alpha5.ConditionInitialized, metav1.ConditionUnknown, v1alpha5.ReasonNotRegistered)
	}
}

func TestOnePodWhoseMachinesComeToNothingGetsFewOfThem(t *testing.T) {
	taint := builders.Taint("audit.example.com/held", "", corev1.TaintEffectNoSchedule)
	small := builders.Allocatable("980m", "4Gi", 29)
	for name, tc := range map[string]struct {
		live   func(*ordeal, *v1alpha5.Machine, time.Duration)
		reason string
	}{
		"they never join":                                {neverJoins, v1alpha5.ReasonNeverJoined},
		"every node is tainted by somebody":              {joinsAs(taint), v1alpha5.ReasonPodsStayedAway},
		"every node is tainted, and removed as empty":    {emptied(30*time.Second, joinsAs(taint)), v1alpha5.ReasonPodsStayedAway},
		"every node is tainted, and removed at once":     {emptied(0, joinsAs(taint)), v1alpha5.ReasonPodsStayedAway},
		"the nodes are smaller than they were said":      {joinsAs(small), v1alpha5.ReasonPodsStayedAway},
		"somebody deletes the nodes that pods run on":    {deleted(time.Minute), v1alpha5.ReasonNodeDeleted},
		"somebody deletes the nodes as soon as they run": {deleted(0), v1alpha5.ReasonNodeDeleted},
		"somebody deletes the nodes and their pins":      {unpinned, v1alpha5.ReasonNodeDeleted},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrdeal(t, tc.live, builders.Provisioner("p"))
			start := o.clock.Now()
			o.want("a", builders.CPU("1"))
			for range 24 {
				o.run(time.Hour)
				o.restart()
			}
			first := 0
			for i, at := range o.made {
				if at.Sub(start) < time.Hour {
					first++
				} else if gap := at.Sub(o.made[i-1]); i > first && gap < 30*time.Minute {
					t.Errorf("machine %d was made %s after the one before, %s after the start", i+1, gap, at.Sub(start))
				}
			}
			t.Logf("%d machines in the first hour, %d in a day", first, len(o.made))
			if first > 5 || len(o.made) > 30 || len(o.made) < 15 {
				t.Errorf("%d machines in the first hour, %d in a day; want at most 5 and 30, and at least one now and then", first, len(o.made))
			}
			row := o.rows().of(machines.WorkloadOf(o.pods["a"]))
			if row == nil || row.Reason != tc.reason || int(row.Failures) < len(o.made)-1 {
				t.Errorf("on record of %d machines: %+v, want reason %s", len(o.made), row, tc.reason)
			}
			if !o.told.Contains("Warning", tc.reason) {
				t.Errorf("nobody was told: %q", o.told.Lines())
			}
		})
	}
}

func TestTheNextMachineComesAtOnceWhenTheProvisionerChanges(t *testing.T) {
	o := newOrdeal(t, neverJoins, builders.Provisioner("p"))
	o.want("a", builders.CPU("1"))
	o.run(3 * time.Hour)
	made := len(o.made)
	o.live = serves("a")
	var p v1alpha5.Provisioner
	if err := o.kube.Get(t.Context(), client.ObjectKey{Name: "p"}, &p); err != nil {
		t.Fatal(err)
	}
	p.Generation++
	if err := o.kube.Update(t.Context(), &p); err != nil {
		t.Fatal(err)
	}
	for _, m := range o.machines { // what was on its way is of the old make
		o.end(m)
	}
	o.run(ordealPass)
	if len(o.made) != made+1 {
		t.Fatalf("%d machines were made after the change, want 1", len(o.made)-made)
	}
	o.run(time.Hour)
	if len(o.made) != made+1 || o.pods["a"].Spec.NodeName == "" {
		t.Errorf("%d machines were made after the change, want 1; the pod runs on %q", len(o.made)-made, o.pods["a"].Spec.NodeName)
	}
}

func TestPodsGoOnAtOnceWhenAMachineOfAnotherPodJoins(t *testing.T) {
	o := newOrdeal(t, neverJoins, builders.Provisioner("p"))
	o.want("a", builders.CPU("1500m"))
	o.run(4 * time.Hour)
	if row := o.rows().of(everybody); row == nil || !row.Holds() {
		t.Fatalf("the provisioner is not in doubt: %+v", row)
	}
	o.run(40 * time.Minute) // until the others may try
	made := len(o.made)
	o.live = joinsAs()
	o.want("b", builders.CPU("1500m"))
	o.run(bootTime + 3*ordealPass)
	if len(o.made) != made+2 {
		t.Errorf("%d machines were made, want one for the new pod and, as it joined, one for the old", len(o.made)-made)
	}
	if o.rows().waiting(machines.WorkloadOf(o.pods["a"]), o.clock.Now()) {
		t.Errorf("the old pod still waits: %+v", o.rows())
	}
}

func TestAPodThatFitsNoNodeDoesNotHoldUpOthers(t *testing.T) {
	small := joinsAs(builders.Allocatable("1500m", "4Gi", 29))
	live := func(o *ordeal, m *v1alpha5.Machine, age time.Duration) {
		if _, made := machines.MadeFrom(m); slices.Contains(made, machines.WorkloadOf(o.pods["poison"])) {
			emptied(40*time.Second, small)(o, m, age)
			return
		}
		small(o, m, age)
		for name, pod := range o.pods {
			if _, made := machines.MadeFrom(m); m.Status.NodeName != "" && pod.Spec.NodeName == "" && slices.Contains(made, machines.WorkloadOf(pod)) {
				o.bind(m, name)
			}
		}
	}
	o := newOrdeal(t, live, builders.Provisioner("p"))
	o.want("poison", builders.CPU("1600m"))
	o.run(6 * time.Hour)
	for _, name := range []string{"b", "c", "d", "e"} {
		o.want(name, builders.CPU("1"))
		asked := o.clock.Now()
		for o.pods[name].Spec.NodeName == "" && o.clock.Since(asked) < time.Hour {
			o.run(ordealPass)
		}
		if waited := o.clock.Since(asked); waited > longestDoubt+2*bootTime {
			t.Errorf("pod %s waited for %s", name, waited)
		}
	}
	made := len(o.made)
	o.run(2 * time.Hour)
	if more := len(o.made) - made; more > 3 {
		t.Errorf("%d machines in two hours for the pod that fits none", more)
	}
}

func TestTheNextProvisionerIsAskedWhereMachinesOfOneComeToNothing(t *testing.T) {
	live := func(o *ordeal, m *v1alpha5.Machine, age time.Duration) {
		if m.ProvisionerName() == "broken" {
			neverJoins(o, m, age)
			return
		}
		serves("a")(o, m, age)
	}
	o := newOrdeal(t, live, builders.Provisioner("broken", builders.Weight(100)), builders.Provisioner("sound"))
	o.want("a", builders.CPU("1"))
	o.run(time.Hour)
	if o.pods["a"].Spec.NodeName == "" || len(o.made) != 3 {
		t.Errorf("%d machines were made, want 2 of the broken provisioner and 1 of the other; the pod runs on %q", len(o.made), o.pods["a"].Spec.NodeName)
	}
}

func TestManyPodsOfABrokenProvisionerGetOneMachineAtATime(t *testing.T) {
	o := newOrdeal(t, neverJoins, builders.Provisioner("p"))
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "g", "h"} {
		o.want(name, builders.CPU("1500m"), builders.AntiAffinity(corev1.LabelHostname, map[string]string{"app": "x"}), builders.Labels(map[string]string{"app": "x"}))
	}
	o.run(10 * time.Minute)
	batch := len(o.made)
	if batch != 8 {
		t.Fatalf("%d machines were made for 8 pods that bear no other", batch)
	}
	o.run(24 * time.Hour)
	if more := len(o.made) - batch; more > 33 {
		t.Errorf("%d machines were made in a day after the first %d came to nothing", more, batch)
	}
}

func TestAGPUThatShowsLateIsWaitedFor(t *testing.T) {
	gpu := corev1.ResourceName("nvidia.com/gpu")
	late := func(n *corev1.Node) {
		delete(n.Labels, v1alpha5.InitializedLabel)
		n.Status.Allocatable[corev1.ResourceCPU] = *n.Status.Capacity.Cpu()
	}
	for name, modify := range map[string]builders.NodeModifier{
		"it is not advertised at all": late,
		"none is advertised": func(n *corev1.Node) {
			late(n)
			n.Status.Allocatable[gpu] = *n.Status.Capacity.Name("none", "DecimalSI")
		},
	} {
		t.Run(name, func(t *testing.T) {
			join := joinsAs(modify)
			o := newOrdeal(t, func(o *ordeal, m *v1alpha5.Machine, age time.Duration) {
				m.Status.Allocatable = corev1.ResourceList{}
				for _, resource := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourcePods, gpu} {
					m.Status.Allocatable[resource] = m.Spec.Resources.Requests[resource]
				}
				join(o, m, age)
			}, builders.Provisioner("p", builders.Requirement(awsv1alpha1.LabelInstanceCategory, corev1.NodeSelectorOpIn, "g")))
			o.want("a", builders.Request(gpu, "1"))
			o.run(12 * time.Hour)
			if len(o.made) != 1 || len(o.rows()) > 0 {
				t.Errorf("%d machines were made for one pod, and on record is %+v; told: %q", len(o.made), o.rows(), o.told.Lines())
			}
		})
	}
}
