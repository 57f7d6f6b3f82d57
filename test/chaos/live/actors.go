package live

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	simulated "github.com/kerf-autoscaler/kerf/test/awssim/world"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

const (
	namespace = metav1.NamespaceDefault
	// templateName and provisionerName are those of the one that there is.
	templateName, provisionerName = "default", "default"
	discoveryTag                  = "karpenter.sh/discovery"
	// shapeLabel is on pods: the kind of machine that they want.
	shapeLabel = "shape"
	// actEvery is how often the rest of the cluster looks around.
	actEvery = 30 * time.Millisecond
)

// actors play the parts of the cluster that are not kerf: kubelets and the scheduler.
type actors struct {
	world *World
	// bound maps the name of a pod -> its node, from the moment on in which it was told; nobody else binds.
	bound map[string]string
	// joined are the instances that have had a node: a node that was deleted stays away.
	joined map[string]bool
}

// run plays until the context ends. What the API server does not take is tried again: it is killed in some worlds.
func (a *actors) run(ctx context.Context) {
	ticks := time.NewTicker(actEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
			a.join(ctx)
			a.schedule(ctx)
			a.runPods(ctx)
		}
	}
}

// join makes nodes of instances that run, and ready ones of those. One that came of an instance which ended meanwhile, before kerf knew
// the node, goes as the cloud controller manager has it.
func (a *actors) join(ctx context.Context) {
	o := a.world.observer
	ended := map[string]bool{} // name of a node -> no instance of that name is there any more
	for _, i := range a.world.sim.World().Instances() {
		_, known := ended[i.DNSName]
		ended[i.DNSName] = i.State == simulated.Terminated && (!known || ended[i.DNSName])
		if i.State != simulated.Running || a.joined[i.ID] || i.Tags[awsv1alpha1.TagClusterUID] != a.world.site.clusterUID {
			continue
		}
		a.joined[i.ID] = client.IgnoreAlreadyExists(a.world.site.direct.Create(ctx, newNode(&i))) == nil
	}
	for _, node := range observed[*corev1.Node](o, kindNode) {
		if ended[node.Name] && node.DeletionTimestamp.IsZero() && !slices.Contains(node.Finalizers, v1alpha5.TerminationFinalizer) {
			_ = a.world.site.direct.Delete(ctx, node, client.Preconditions{UID: &node.UID}) // or at the next look
			continue
		}
		if !slices.ContainsFunc(node.Spec.Taints, isNotReady) {
			continue
		}
		ready := node.DeepCopy()
		ready.Spec.Taints = slices.DeleteFunc(ready.Spec.Taints, isNotReady)
		_ = a.world.site.direct.Update(ctx, ready) // or at the next look
	}
}

func isNotReady(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady }

func newNode(i *simulated.Instance) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: i.DNSName, Labels: map[string]string{
			corev1.LabelHostname: i.DNSName, corev1.LabelTopologyZone: i.Subnet.Zone, corev1.LabelInstanceTypeStable: i.Type,
			corev1.LabelArchStable: "amd64", corev1.LabelOSStable: "linux", v1alpha5.CapacityTypeLabel: i.CapacityType,
		}},
		Spec: corev1.NodeSpec{ProviderID: providerID(i)},
		Status: corev1.NodeStatus{
			Capacity: capacity("2"), Allocatable: capacity("1900m"),
			Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue}},
		},
	}
}

func providerID(i *simulated.Instance) string { return "aws:///" + i.Subnet.Zone + "/" + i.ID }

func capacity(cpu string) corev1.ResourceList {
	return corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse("3000Mi"),
		corev1.ResourcePods: resource.MustParse("29"), corev1.ResourceEphemeralStorage: resource.MustParse("17Gi"),
	}
}

// schedule binds each pod to a node that no other pod has, and says of the others that there is none.
func (a *actors) schedule(ctx context.Context) {
	taken := map[string]bool{}
	for _, node := range a.bound {
		taken[node] = true
	}
	nodes := slices.DeleteFunc(observed[*corev1.Node](a.world.observer, kindNode), func(n *corev1.Node) bool {
		return taken[n.Name] || len(n.Spec.Taints) > 0 || !n.DeletionTimestamp.IsZero()
	})
	for _, pod := range observed[*corev1.Pod](a.world.observer, kindPod) {
		if pod.Spec.NodeName != "" || a.bound[pod.Name] != "" || !pod.DeletionTimestamp.IsZero() {
			continue
		}
		i := slices.IndexFunc(nodes, func(n *corev1.Node) bool { return selects(pod, n) })
		if i < 0 {
			a.wait(ctx, pod)
			continue
		}
		binding := &corev1.Binding{Target: corev1.ObjectReference{Kind: kindNode, Name: nodes[i].Name}}
		if err := a.world.site.direct.SubResource("binding").Create(ctx, pod, binding); err == nil {
			a.bound[pod.Name] = nodes[i].Name
			nodes = slices.Delete(nodes, i, i+1)
		}
	}
}

func selects(pod *corev1.Pod, node *corev1.Node) bool {
	for key, value := range pod.Spec.NodeSelector {
		if node.Labels[key] != value {
			return false
		}
	}
	return true
}

// wait says that there is no node for a pod.
func (a *actors) wait(ctx context.Context, pod *corev1.Pod) {
	if len(pod.Status.Conditions) > 0 {
		return
	}
	a.status(ctx, pod, `{"status":{"conditions":[{"type":"PodScheduled","status":"False","reason":"Unschedulable"}]}}`)
}

func (a *actors) status(ctx context.Context, pod *corev1.Pod, patch string) {
	there := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: pod.Namespace, Name: pod.Name}}
	_ = a.world.site.direct.Status().Patch(ctx, there, client.RawPatch(types.MergePatchType, []byte(patch))) // or at the next look
}

// runPods starts and ends pods as kubelets do.
func (a *actors) runPods(ctx context.Context) {
	for _, pod := range observed[*corev1.Pod](a.world.observer, kindPod) {
		switch {
		case !pod.DeletionTimestamp.IsZero():
			_ = a.world.site.direct.Delete(ctx, pod, client.GracePeriodSeconds(0), client.Preconditions{UID: &pod.UID}) // or at the next look
		case pod.Spec.NodeName != "" && pod.Status.Phase != corev1.PodRunning:
			a.status(ctx, pod, `{"status":{"phase":"Running","conditions":[{"type":"PodScheduled","status":"True"},{"type":"Ready","status":"True"}]}}`)
		}
	}
}

// shapes are the machines that pods ask for. No machine is of two shapes, or pods would take each other's.
func shapes() []map[string]string {
	return []map[string]string{
		{v1alpha5.CapacityTypeLabel: v1alpha5.CapacityTypeSpot},
		{v1alpha5.CapacityTypeLabel: v1alpha5.CapacityTypeOnDemand, corev1.LabelTopologyZone: region + "a"},
		{v1alpha5.CapacityTypeLabel: v1alpha5.CapacityTypeOnDemand, corev1.LabelTopologyZone: region + "b"},
	}
}

// furnish puts into the world what users put there.
func (w *World) furnish(ctx context.Context) error {
	template := &awsv1alpha1.AWSNodeTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: templateName},
		Spec: awsv1alpha1.AWSNodeTemplateSpec{
			SubnetSelector: map[string]string{discoveryTag: clusterName}, SecurityGroupSelector: map[string]string{discoveryTag: clusterName},
			AMIFamily: "AL2023",
		},
	}
	provisioner := builders.Provisioner(provisionerName, builders.TTLAfterEmpty(300), builders.Requirement(v1alpha5.CapacityTypeLabel,
		corev1.NodeSelectorOpIn, v1alpha5.CapacityTypeSpot, v1alpha5.CapacityTypeOnDemand),
		builders.Limit(corev1.ResourceCPU, fmt.Sprint((w.plan.Machines+1)*2)))
	provisioner.UID = ""
	provisioner.Spec.ProviderRef.Name = templateName
	for _, object := range []client.Object{template, provisioner} {
		if err := w.site.direct.Create(ctx, object); err != nil {
			return fmt.Errorf("creating %T: %w", object, err)
		}
	}
	return nil
}

// fill makes the pods, each of which needs a machine of its own.
func (w *World) fill(ctx context.Context) error {
	for i := range w.plan.Machines {
		shape := i % w.plan.Shapes
		pod := builders.Pod(
			builders.Name(fmt.Sprintf("pod-%d-%02d", w.plan.Seed, i)), builders.CPU("1500m"), builders.Memory("256Mi"),
			builders.Labels(map[string]string{shapeLabel: fmt.Sprint(shape)}), builders.NodeSelector(shapes()[shape]),
			builders.OwnedBy("apps/v1", "ReplicaSet", fmt.Sprint("shape-", shape)),
		)
		pod.UID, pod.Status = "", corev1.PodStatus{}
		pod.Spec.TerminationGracePeriodSeconds = new(int64(5))
		if err := w.await(ctx, patience, "a pod to be created", func() error {
			return client.IgnoreAlreadyExists(w.site.direct.Create(ctx, pod.DeepCopy()))
		}); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes all machines that stay, as users do. Nobody replaces the pods.
func (w *World) remove(ctx context.Context) error {
	var errs []error
	for _, machine := range observed[*v1alpha5.Machine](w.observer, kindMachine) {
		if !machine.DeletionTimestamp.IsZero() {
			continue
		}
		w.observer.disown(machine)
		errs = append(errs, client.IgnoreNotFound(w.site.direct.Delete(ctx, machine)))
	}
	return errors.Join(errs...)
}

// clear takes away whatever is left, so that the next world finds nothing.
func (w *World) clear(ctx context.Context) error {
	errs := []error{}
	for _, list := range []client.ObjectList{
		&corev1.PodList{}, &v1alpha5.ProvisionerList{}, &v1alpha5.MachineList{}, &corev1.NodeList{}, &awsv1alpha1.AWSNodeTemplateList{},
	} {
		errs = append(errs, w.clearKind(ctx, list))
	}
	return errors.Join(errs...)
}
