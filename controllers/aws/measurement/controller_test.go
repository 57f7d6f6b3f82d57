package measurement

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/instancetype"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
)

const (
	providerID = "aws:///us-east-1a/i-1"
	bytes      = 7800 << 20
)

// objects are a Node, its Machine and its template: an m5.large that booted one of two images.
func objects() (*corev1.Node, *v1alpha5.Machine, *awsv1alpha1.AWSNodeTemplate) {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "node", Labels: map[string]string{v1alpha5.RegisteredLabel: "true"}}}
	node.Spec.ProviderID = providerID
	node.Status.Capacity = corev1.ResourceList{corev1.ResourceMemory: *resource.NewQuantity(bytes, resource.BinarySI)}
	machine := &v1alpha5.Machine{ObjectMeta: metav1.ObjectMeta{Name: "machine", Labels: map[string]string{
		corev1.LabelInstanceTypeStable: "m5.large", awsv1alpha1.LabelInstanceAMIID: "ami-2",
	}}}
	machine.Spec.MachineTemplateRef = &v1alpha5.TemplateReference{Name: "template"}
	machine.Status.ProviderID, machine.Status.NodeName = providerID, "node"
	template := &awsv1alpha1.AWSNodeTemplate{ObjectMeta: metav1.ObjectMeta{Name: "template"}}
	template.Status.AMIs = []awsv1alpha1.AMI{{ID: "ami-2"}, {ID: "ami-1"}}
	return node, machine, template
}

func newClient(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha5.AddToScheme, awsv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithIndex(&v1alpha5.Machine{}, machines.IndexMachineProviderID, func(o client.Object) []string {
			return []string{o.(*v1alpha5.Machine).Status.ProviderID}
		}).Build()
}

func TestANodeTellsItsMemoryForMachinesThatBootAsItDid(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*corev1.Node, *v1alpha5.Machine, *awsv1alpha1.AWSNodeTemplate)
		want   bool
	}{
		"one of the template's images": {func(*corev1.Node, *v1alpha5.Machine, *awsv1alpha1.AWSNodeTemplate) {}, true},
		"an image of before": {func(_ *corev1.Node, m *v1alpha5.Machine, _ *awsv1alpha1.AWSNodeTemplate) {
			m.Labels[awsv1alpha1.LabelInstanceAMIID] = "ami-0"
		}, false},
		"an image that nobody knows": {func(_ *corev1.Node, m *v1alpha5.Machine, _ *awsv1alpha1.AWSNodeTemplate) {
			delete(m.Labels, awsv1alpha1.LabelInstanceAMIID)
		}, false},
		"not registered yet": {func(n *corev1.Node, _ *v1alpha5.Machine, _ *awsv1alpha1.AWSNodeTemplate) { n.Labels = nil }, false},
		"not kerf's": {func(n *corev1.Node, _ *v1alpha5.Machine, _ *awsv1alpha1.AWSNodeTemplate) {
			n.Spec.ProviderID = "aws:///us-east-1a/i-2"
		}, false},
		"nothing said yet": {func(n *corev1.Node, _ *v1alpha5.Machine, _ *awsv1alpha1.AWSNodeTemplate) { n.Status.Capacity = nil }, false},
		"a launch template of the user's own": {func(_ *corev1.Node, _ *v1alpha5.Machine, a *awsv1alpha1.AWSNodeTemplate) {
			a.Spec.LaunchTemplate = "mine"
		}, false},
		"a template that is gone": {func(_ *corev1.Node, _ *v1alpha5.Machine, a *awsv1alpha1.AWSNodeTemplate) { a.Name = "other" }, false},
	} {
		t.Run(name, func(t *testing.T) {
			node, machine, template := objects()
			tc.change(node, machine, template)
			measured := instancetype.NewMeasured(clocktesting.NewFakePassiveClock(time.Now()))
			c := NewController(newClient(t, node, machine, template), measured)
			if _, err := c.Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: "node"}}); err != nil {
				t.Fatal(err)
			}
			got, ok := measured.Memory("m5.large", "ami-1,ami-2")
			if ok != tc.want || tc.want && got != bytes {
				t.Errorf("learned %d, %t; want it learned: %t", got, ok, tc.want)
			}
		})
	}
}

func TestANodeConfirmsWhatItSaidAsLongAsItIsThere(t *testing.T) {
	node, machine, template := objects()
	clock := clocktesting.NewFakePassiveClock(time.Now())
	measured := instancetype.NewMeasured(clock)
	c := NewController(newClient(t, node, machine, template), measured)
	for range 100 {
		result, err := c.Reconcile(t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: "node"}})
		if err != nil || result.RequeueAfter <= 0 {
			t.Fatalf("comes again after %s, %v", result.RequeueAfter, err)
		}
		clock.SetTime(clock.Now().Add(result.RequeueAfter))
	}
	if _, ok := measured.Memory("m5.large", "ami-1,ami-2"); !ok {
		t.Error("it was forgotten while the node said it")
	}
}

func TestOnlyWhatANodeSaysAnewIsLookedAt(t *testing.T) {
	node, _, template := objects()
	unregistered, larger, busy := node.DeepCopy(), node.DeepCopy(), node.DeepCopy()
	unregistered.Labels = nil
	larger.Status.Capacity[corev1.ResourceMemory] = *resource.NewQuantity(bytes+1, resource.BinarySI)
	busy.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady}}
	for name, tc := range map[string]struct {
		old, new *corev1.Node
		want     bool
	}{
		"it registers": {unregistered, node, true}, "its memory changes": {node, larger, true},
		"its kubelet is alive": {node, busy, false}, "it is nobody's": {unregistered, unregistered, false},
	} {
		if got := telling().Update(event.UpdateEvent{ObjectOld: tc.old, ObjectNew: tc.new}); got != tc.want {
			t.Errorf("%s: looked at: %t, want %t", name, got, tc.want)
		}
	}
	if !telling().Create(event.CreateEvent{Object: node}) || telling().Create(event.CreateEvent{Object: unregistered}) {
		t.Error("after a restart, the nodes that are registered tell, and no others")
	}
	renewed, reordered := template.DeepCopy(), template.DeepCopy()
	renewed.Status.AMIs[0].ID = "ami-3"
	reordered.Status.AMIs[0], reordered.Status.AMIs[1] = reordered.Status.AMIs[1], reordered.Status.AMIs[0]
	if !otherImages().Update(event.UpdateEvent{ObjectOld: template, ObjectNew: renewed}) || otherImages().Update(event.UpdateEvent{ObjectOld: template, ObjectNew: reordered}) {
		t.Error("another set of images, and only that, has nodes asked again")
	}
}

func TestNodesAreAskedAgainWhenTheirTemplateGetsOtherImages(t *testing.T) {
	node, machine, template := objects()
	booting := machine.DeepCopy()
	booting.Name, booting.Status.NodeName, booting.Status.ProviderID = "booting", "", ""
	foreign := machine.DeepCopy()
	foreign.Name, foreign.Spec.MachineTemplateRef, foreign.Status.NodeName = "foreign", &v1alpha5.TemplateReference{Name: "other"}, "other"
	got := NewController(newClient(t, node, machine, template, booting, foreign), nil).nodesOf(t.Context(), template)
	if len(got) != 1 || got[0].Name != "node" {
		t.Errorf("asked are %v, want the node of the template alone", got)
	}
}
