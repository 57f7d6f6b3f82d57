package world

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	simulated "github.com/kerf-autoscaler/kerf/test/awssim/world"
	"github.com/kerf-autoscaler/kerf/test/chaos/apiserver"
)

// Who writes beside kerf.
const (
	byKubelet   = "kubelet"
	byScheduler = "scheduler"
	byOwner     = "statefulset"
	byCluster   = "controller-manager"
	byUser      = "user"
)

const (
	// actEvery is how often the rest of the cluster looks around while something changes.
	actEvery = 500 * time.Millisecond
	// joinDelay is how long a kubelet takes at least to join, and joinSpread by how much more it may be.
	joinDelay, joinSpread = 10 * time.Second, 20 * time.Second
	// silentAfter is how long a kubelet is not heard of until its node counts as not ready; removedAfter is when its pods and, where
	// that is done, its node go.
	silentAfter, removedAfter = 40 * time.Second, 60 * time.Second
	// podEnds is how long a pod takes to end.
	podEnds = 2 * time.Second
)

// actors are the parts of the cluster that are not kerf: kubelets, the scheduler, owners of pods, collectors of garbage.
type actors struct {
	w *World
	// wanted maps the shape of a pod -> how many there shall be.
	wanted map[int]int
	// stopped says that pods that go are not replaced.
	stopped bool
	made    int
	// seen is how far the store was when the actors last looked, acted when that was.
	seen  int
	acted time.Time
	due   time.Time
	// silent maps the name of a node -> since when its instance is gone.
	silent map[string]time.Time
	// joined are the instances that have had a node.
	joined map[string]bool
	// ambush says that the machine of the next node that joins is deleted.
	ambush bool
	// dumb are the instances that never join.
	dumb map[string]bool
	// back are the instances whose kubelets have left -> when they come back; nameless are the nodes that have no provider id -> until when.
	back, nameless map[string]time.Time
	stepped        int
	// guests are those that come to nodes in a race or leave them, given maps a pod -> when its kubelet got it, closed the name of a node ->
	// since when it has been tainted.
	guests []guest
	given  map[types.UID]time.Time
	closed map[string]time.Time
	// calmed is when all was calm, drained when the machines were deleted after that.
	calmed, drained time.Time
	// launch is how many calls kerf had made by then.
	launch int
}

func newActors(w *World) *actors {
	return &actors{
		w: w, wanted: map[int]int{}, silent: map[string]time.Time{}, joined: map[string]bool{}, dumb: map[string]bool{},
		back: map[string]time.Time{}, nameless: map[string]time.Time{}, given: map[types.UID]time.Time{}, closed: map[string]time.Time{},
	}
}

// act does what is due, and says when more will be.
func (a *actors) act(now time.Time) time.Time {
	changed := len(a.w.store.Changes()) != a.seen
	due := a.due
	if changed {
		due = earliest(a.due, a.acted.Add(actEvery))
	}
	if due.IsZero() || due.After(now) {
		return due
	}
	a.seen, a.acted, a.due = len(a.w.store.Changes()), now, time.Time{}
	a.host(now)
	a.own()
	a.runNodes(now)
	a.runPods(now)
	a.schedule(now)
	a.collect()
	if err := a.w.store.CountBudgets(byCluster); err != nil {
		a.w.fail(err)
	}
	a.w.recordWrites(0)
	if len(a.w.store.Changes()) == a.seen {
		return a.due
	}
	return earliest(a.due, now.Add(actEvery))
}

// again has the actors look at a time at the latest. What is past has been looked at.
func (a *actors) again(at time.Time) {
	if at.After(a.acted) {
		a.due = earliest(a.due, at)
	}
}

func each[T client.Object](a *actors, kind string, visit func(T)) {
	for _, object := range a.w.store.Objects(kind) {
		if typed, ok := object.(T); ok {
			visit(typed)
		}
	}
}

func change[T client.Object](a *actors, by string, object T, f func(T)) {
	err := a.w.store.Change(by, object, func(o client.Object) {
		if typed, ok := o.(T); ok {
			f(typed)
		}
	})
	if client.IgnoreNotFound(err) != nil {
		a.w.fail(fmt.Errorf("%s changing %s: %w", by, object.GetName(), err))
	}
}

func (a *actors) create(by string, object client.Object) {
	if _, err := a.w.store.Create(by, object); err != nil {
		a.w.fail(fmt.Errorf("%s creating %T: %w", by, object, err))
	}
}

func (a *actors) remove(by string, object client.Object) {
	if err := a.w.store.Delete(by, apiserver.VerbDelete, object, apiserver.Deletion{}); client.IgnoreNotFound(err) != nil {
		a.w.fail(fmt.Errorf("%s deleting %s: %w", by, object.GetName(), err))
	}
}

// runNodes makes instances nodes, and nodes of dead instances silent.
func (a *actors) runNodes(now time.Time) {
	alive := map[string]string{} // name of a node -> provider id of its instance, which runs
	for _, i := range a.w.sim.World().Instances() {
		if live(i.State) {
			alive[i.DNSName] = providerID(&i)
			a.join(now, &i)
		}
	}
	each(a, "Node", func(node *corev1.Node) {
		if a.tell(node, alive, now) {
			if ready(node) == nil || ready(node).Status != corev1.ConditionTrue {
				change(a, byKubelet, node, beReady)
			}
			return
		}
		since, known := a.silent[node.Name]
		if !known {
			since = now
			a.silent[node.Name] = now
		}
		a.again(since.Add(silentAfter))
		if now.Sub(since) >= silentAfter && ready(node).Status == corev1.ConditionTrue {
			change(a, byCluster, node, func(n *corev1.Node) {
				ready(n).Status = corev1.ConditionUnknown
				n.Spec.Taints = append(n.Spec.Taints, corev1.Taint{Key: corev1.TaintNodeUnreachable, Effect: corev1.TaintEffectNoSchedule})
			})
		}
		if a.w.plan.Orphaned {
			a.again(since.Add(removedAfter))
			if now.Sub(since) >= removedAfter && node.DeletionTimestamp.IsZero() {
				a.remove(byCluster, node)
			}
		}
	})
}

func providerID(i *simulated.Instance) string { return "aws:///" + i.Subnet.Zone + "/" + i.ID }

// join makes a node of an instance once its kubelet has had time to start. It does so once: a node that was deleted stays away, unless
// its kubelet is to come back.
func (a *actors) join(now time.Time, i *simulated.Instance) {
	if a.joined[i.ID] || a.dumb[i.ID] || i.Tags[tagClusterUID] != clusterUID {
		return
	}
	at := i.Launched.Add(joinDelay + spread(a.w.plan.Seed, i.ID, joinSpread))
	if back := a.back[i.ID]; back.After(at) {
		at = back
	}
	if at.After(now) {
		a.again(at)
		return
	}
	a.joined[i.ID] = true
	a.create(byKubelet, &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: i.DNSName, Labels: map[string]string{
			corev1.LabelHostname: i.DNSName, corev1.LabelTopologyZone: i.Subnet.Zone, corev1.LabelInstanceTypeStable: i.Type,
			corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux", v1alpha5.CapacityTypeLabel: i.CapacityType,
		}},
		Spec: corev1.NodeSpec{ProviderID: a.nameOf(i.DNSName, providerID(i), now), Taints: []corev1.Taint{{Key: corev1.TaintNodeNotReady, Effect: corev1.TaintEffectNoSchedule}}},
		Status: corev1.NodeStatus{
			Capacity: capacity("2"), Allocatable: capacity("1900m"),
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionFalse}},
		},
	})
	if a.ambush {
		each(a, "Machine", func(m *v1alpha5.Machine) {
			if m.Status.ProviderID == providerID(i) {
				a.ambush = false
				a.remove(byUser, m)
			}
		})
	}
}

func capacity(cpu string) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("3000Mi"),
		corev1.ResourcePods: resource.MustParse("29"), corev1.ResourceEphemeralStorage: resource.MustParse("17Gi"),
	}
}

// spread is a time below most that depends on the name alone.
func spread(seed uint64, name string, most time.Duration) time.Duration {
	h := fnv.New64a()
	fmt.Fprint(h, seed, name)                      //nolint:errcheck // a hash never fails to write
	return time.Duration(h.Sum64() % uint64(most)) //nolint:gosec // below most
}

func ready(node *corev1.Node) *corev1.NodeCondition {
	for i := range node.Status.Conditions {
		if node.Status.Conditions[i].Type == corev1.NodeReady {
			return &node.Status.Conditions[i]
		}
	}
	return nil
}

func beReady(node *corev1.Node) {
	node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}}
	node.Spec.Taints = slices.DeleteFunc(node.Spec.Taints, func(t corev1.Taint) bool {
		return t.Key == corev1.TaintNodeNotReady || t.Key == corev1.TaintNodeUnreachable
	})
}

// runPods starts and ends pods as their kubelets do, and takes away those whose node is gone.
func (a *actors) runPods(now time.Time) {
	nodes := map[string]*corev1.Node{}
	each(a, "Node", func(node *corev1.Node) { nodes[node.Name] = node })
	each(a, "Pod", func(pod *corev1.Pod) {
		if pod.Spec.NodeName == "" {
			return
		}
		node, there := nodes[pod.Spec.NodeName]
		since, silent := a.silent[pod.Spec.NodeName]
		switch {
		case !there, silent && now.Sub(since) >= removedAfter:
			a.w.store.Remove(byCluster, pod)
		case silent:
			a.again(since.Add(removedAfter))
		case ready(node) == nil || ready(node).Status != corev1.ConditionTrue:
		case !pod.DeletionTimestamp.IsZero():
			grace := time.Duration(0)
			if pod.DeletionGracePeriodSeconds != nil {
				grace = time.Duration(*pod.DeletionGracePeriodSeconds) * time.Second
			}
			ended := pod.DeletionTimestamp.Add(-grace).Add(min(podEnds, grace))
			if ended.After(now) {
				a.again(ended)
				return
			}
			a.w.store.Remove(byKubelet, pod)
		case pods.IsTerminal(pod):
		case a.begins(pod, now).After(now):
			a.again(a.begins(pod, now))
		case pod.Status.Phase != corev1.PodRunning:
			change(a, byKubelet, pod, func(p *corev1.Pod) { p.Status.Phase = corev1.PodRunning })
		}
	})
}

// schedule binds pods to nodes that have room for them, and says of the others that there is none.
func (a *actors) schedule(now time.Time) {
	free := map[string]int64{} // node -> millicores
	var open []*corev1.Node
	each(a, "Node", func(node *corev1.Node) {
		free[node.Name] = node.Status.Allocatable.Cpu().MilliValue()
		a.close(node, now)
		if node.DeletionTimestamp.IsZero() && !node.Spec.Unschedulable && ready(node) != nil && ready(node).Status == corev1.ConditionTrue {
			open = append(open, node)
		}
	})
	var pending []*corev1.Pod
	each(a, "Pod", func(pod *corev1.Pod) {
		if pod.Spec.NodeName != "" {
			free[pod.Spec.NodeName] -= millicores(pod)
		} else if pod.DeletionTimestamp.IsZero() {
			pending = append(pending, pod)
		}
	})
	slices.SortStableFunc(pending, func(x, y *corev1.Pod) int { return cmp.Compare(x.CreationTimestamp.Unix(), y.CreationTimestamp.Unix()) })
	for _, pod := range pending {
		i := slices.IndexFunc(open, func(n *corev1.Node) bool {
			return free[n.Name] >= millicores(pod) && selects(pod, n) && a.open(n, pod, now)
		})
		if i >= 0 {
			free[open[i].Name] -= millicores(pod)
			change(a, byScheduler, pod, func(p *corev1.Pod) {
				p.Spec.NodeName = open[i].Name
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionTrue}}
			})
			continue
		}
		if len(pod.Status.Conditions) == 0 {
			change(a, byScheduler, pod, func(p *corev1.Pod) {
				p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable}}
			})
		}
	}
}

func millicores(pod *corev1.Pod) int64 {
	return pod.Spec.Containers[0].Resources.Requests.Cpu().MilliValue()
}

func selects(pod *corev1.Pod, node *corev1.Node) bool {
	for key, value := range pod.Spec.NodeSelector {
		if node.Labels[key] != value {
			return false
		}
	}
	return true
}

// collect deletes what is owned by something that is gone.
func (a *actors) collect() {
	uids := map[string]bool{}
	for _, kind := range []string{"Machine", "Provisioner"} {
		each(a, kind, func(o client.Object) { uids[string(o.GetUID())] = true })
	}
	for _, kind := range []string{"Machine", "Node"} {
		each(a, kind, func(o client.Object) {
			owners := o.GetOwnerReferences()
			orphaned := len(owners) > 0 && !slices.ContainsFunc(owners, func(r metav1.OwnerReference) bool { return uids[string(r.UID)] })
			if orphaned && o.GetDeletionTimestamp().IsZero() {
				a.remove(byCluster, o)
			}
		})
	}
}
