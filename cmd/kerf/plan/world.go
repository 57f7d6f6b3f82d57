package plan

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/manifests"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/pkg/workload"
)

// market tells what a provisioner may buy.
type market interface {
	InstanceTypes(context.Context, *v1alpha5.Provisioner) (cloudprovider.InstanceTypes, error)
}

// world is the cluster that files describe, and what can be bought for it.
type world struct {
	cluster *state.Cluster
	offers  problem.Offers
	// admission completes pods.
	admission workload.Admission
	// pending pods are to be placed, those of the controllers among them.
	pending []*corev1.Pod
	// notes say what was taken for granted, and what was left out.
	notes []string
}

// moment is when snapshots are taken; nothing here depends on it.
func moment() time.Time { return time.Unix(0, 0).UTC() }

// newWorld fills a cluster with what is in the files, as watches would.
func newWorld(ctx context.Context, o manifests.Objects, m market) (*world, error) {
	w := &world{cluster: state.NewCluster(), offers: problem.Offers{}, admission: workload.Admission{
		LimitRanges: o.LimitRanges, RuntimeClasses: o.RuntimeClasses, PriorityClasses: o.PriorityClasses,
	}}
	if err := w.buyFrom(ctx, m, o); err != nil {
		return nil, err
	}
	giveNames(o.Pods)
	expansion, err := workload.Expand(ctx, controllersOf(o), o.Pods)
	if err != nil {
		return nil, err
	}
	if len(expansion.Hindered) > 0 {
		w.note("pods that a StatefulSet cannot make, since others have their names, are left out: %s", few(expansion.Hindered))
	}
	w.addNodes(o)
	for _, d := range o.DaemonSets {
		w.addDaemonSet(d)
	}
	ownByName(o.Pods, o.DaemonSets)
	if err := w.addPods(ctx, slices.Concat(o.Pods, expansion.Pods), o.Nodes); err != nil {
		return nil, err
	}
	w.noteClasses()
	w.addStorage(o, expansion.Claims)
	w.addNamespaces(o.Namespaces)
	return w, nil
}

func (w *world) note(format string, arguments ...any) {
	w.notes = append(w.notes, fmt.Sprintf(format, arguments...))
}

// facts returns what problems are made from.
func (w *world) facts(expendableBelow int32, settings solver.Settings) problem.Facts {
	return problem.Facts{Snapshot: w.cluster.Snapshot(moment()), Offers: w.offers, ExpendableBelow: expendableBelow, Settings: settings}
}

// defaultProvisioner is what plans are made for where the files have none: what an empty one means.
const defaultProvisioner = "default"

// buyFrom notes what each provisioner may buy.
func (w *world) buyFrom(ctx context.Context, m market, o manifests.Objects) error {
	provisioners := o.Provisioners
	if len(provisioners) == 0 {
		provisioners = []*v1alpha5.Provisioner{{ObjectMeta: metav1.ObjectMeta{Name: defaultProvisioner}}}
	}
	known := map[string]bool{}
	for _, t := range o.Templates {
		known[t.Name] = true
	}
	var assumed []string
	for _, given := range provisioners {
		p := given.DeepCopy()
		if !p.DeletionTimestamp.IsZero() {
			w.note("provisioner %s is being deleted and buys nothing", p.Name)
			continue
		}
		admission.Default(p)
		instanceTypes, err := m.InstanceTypes(ctx, p)
		if cloudprovider.IsNotReady(err) {
			w.note("provisioner %s is left out: %s", p.Name, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("listing instance types of provisioner %s: %w", p.Name, err)
		}
		w.offers[p.Name] = problem.NewOffer(p, instanceTypes)
		if len(o.Provisioners) == 0 {
			w.note("no Provisioner is given: planning with an empty one, which buys %s", described(p))
		} else if p.Spec.Provider == nil && !known[p.TemplateName()] {
			assumed = append(assumed, p.Name)
		}
	}
	if len(assumed) > 0 {
		w.note("no AWSNodeTemplate is given for provisioner %s: planning with the default image and volume, in all zones", strings.Join(assumed, ", "))
	}
	return nil
}

// described writes requirements in order, the shortest way that there is.
func described(p *v1alpha5.Provisioner) string {
	parts := make([]string, 0, len(p.Spec.Requirements))
	for _, r := range p.Spec.Requirements {
		parts = append(parts, fmt.Sprintf("%s %s %s", r.Key, r.Operator, strings.Join(r.Values, ",")))
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}

func controllersOf(o manifests.Objects) []workload.Controller {
	var out []workload.Controller
	for _, d := range o.Deployments {
		out = append(out, workload.OfDeployment(d))
	}
	for _, r := range o.ReplicaSets {
		out = append(out, workload.OfReplicaSet(r))
	}
	for _, r := range o.ReplicationControllers {
		out = append(out, workload.OfReplicationController(r))
	}
	for _, s := range o.StatefulSets {
		out = append(out, workload.OfStatefulSet(s))
	}
	for _, j := range o.Jobs {
		out = append(out, workload.OfJob(j))
	}
	for _, j := range o.CronJobs {
		out = append(out, workload.OfCronJob(j))
	}
	return out
}

// giveNames gives pods a name of their own that only say what it starts with.
func giveNames(list []*corev1.Pod) {
	taken := make(map[string]bool, len(list))
	for _, pod := range list {
		taken[manifests.Key(pod)] = true
	}
	next := map[string]int{} // namespace and start of a name -> number to try
	for _, pod := range list {
		if pod.Name != "" {
			continue
		}
		start := manifests.Key(pod)
		for pod.Name == "" || taken[manifests.Key(pod)] {
			pod.Name = fmt.Sprintf("%s%d", pod.GenerateName, next[start])
			next[start]++
		}
		taken[manifests.Key(pod)] = true
	}
}

// ownByName gives the pods of DaemonSets the UID that their DaemonSet has here: files may leave either out.
func ownByName(list []*corev1.Pod, daemonSets []*appsv1.DaemonSet) {
	uids := map[string]types.UID{}
	for _, d := range daemonSets {
		uids[manifests.Key(d)] = d.UID
	}
	for _, pod := range list {
		if owner := metav1.GetControllerOfNoCopy(pod); owner != nil && owner.Kind == "DaemonSet" && uids[pod.Namespace+"/"+owner.Name] != "" {
			owner.UID = uids[pod.Namespace+"/"+owner.Name]
		}
	}
}

// addNodes adds nodes as their kubelets would have registered them, and machines.
func (w *world) addNodes(o manifests.Objects) {
	for _, node := range o.Nodes {
		if node.Labels == nil {
			node.Labels = map[string]string{}
		}
		node.Labels[corev1.LabelHostname] = cmp.Or(node.Labels[corev1.LabelHostname], node.Name)
		if node.Status.Allocatable == nil {
			node.Status.Allocatable = node.Status.Capacity
		}
		closed := corev1.Taint{Key: corev1.TaintNodeUnschedulable, Effect: corev1.TaintEffectNoSchedule}
		if node.Spec.Unschedulable && !slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.MatchTaint(&closed) }) {
			node.Spec.Taints = append(node.Spec.Taints, closed)
		}
		w.cluster.UpdateNode(node)
	}
	for _, machine := range o.Machines {
		w.cluster.UpdateMachine(machine)
	}
}

// addPods adds pods that run on given nodes, and those that are to be placed.
func (w *world) addPods(ctx context.Context, list []*corev1.Pod, nodes []*corev1.Node) error {
	known := map[string]bool{}
	for _, node := range nodes {
		known[node.Name] = true
	}
	var elsewhere, over int
	seen := make(map[types.UID]bool, len(list))
	for _, pod := range list {
		if err := ctx.Err(); err != nil {
			return err
		}
		w.complete(pod)
		if seen[pod.UID] { // copied within a file: an API server would have given it another
			pod.UID = types.UID(manifests.Key(pod) + " " + string(pod.UID))
		}
		seen[pod.UID] = true
		switch {
		case pods.IsTerminal(pod) || pods.IsTerminating(pod) && pod.Spec.NodeName == "":
			over++
		case pod.Spec.NodeName != "" && !known[pod.Spec.NodeName]:
			elsewhere++
		case pod.Spec.NodeName != "":
			w.cluster.UpdatePod(pod)
		case !pods.IsOwnedByDaemonSet(pod) && !pods.IsMirror(pod):
			w.pend(pod)
		}
	}
	if over > 0 {
		w.note("%s", count(over, "pod is over or being deleted, and is left out", "pods are over or being deleted, and are left out"))
	}
	if elsewhere > 0 {
		w.note("%s", count(elsewhere, "pod runs on a node that is not given, and is left out", "pods run on nodes that are not given, and are left out"))
	}
	return nil
}

// complete makes of a pod in a file what an API server would have made of it.
func (w *world) complete(pod *corev1.Pod) {
	workload.Default(pod)
	if pod.Spec.NodeName == "" { // what runs was admitted as it is
		w.admission.Admit(pod)
	}
}

// pend adds a pod as the scheduler leaves one that it finds no node for.
func (w *world) pend(pod *corev1.Pod) {
	pod.Status = corev1.PodStatus{Phase: corev1.PodPending, Conditions: []corev1.PodCondition{
		{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: corev1.PodReasonUnschedulable},
	}}
	w.cluster.UpdatePod(pod)
	w.pending = append(w.pending, pod)
}

func (w *world) addDaemonSet(d *appsv1.DaemonSet) {
	sample := &corev1.Pod{ObjectMeta: d.Spec.Template.ObjectMeta, Spec: d.Spec.Template.Spec}
	sample.Namespace = d.Namespace
	w.complete(sample)
	d.Spec.Template.Spec = sample.Spec
	if d.UID == "" {
		d.UID = types.UID("DaemonSet/" + manifests.Key(d))
	}
	w.cluster.UpdateDaemonSet(d)
}

func (w *world) addNamespaces(list []*corev1.Namespace) {
	for _, namespace := range list {
		if namespace.Labels == nil {
			namespace.Labels = map[string]string{}
		}
		namespace.Labels[corev1.LabelMetadataName] = namespace.Name // as an API server does
		w.cluster.UpdateNamespace(namespace)
	}
}
