package kubelets

import (
	"context"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/kerf-autoscaler/kerf/test/cluster"
)

// world is a bridge between a list of instances and a cluster, both in memory, with a clock that is set by hand.
type world struct {
	t         *testing.T
	client    client.Client
	bridge    *Bridge
	instances map[string]Instance // id -> instance
	listErr   error
	now       time.Time
}

func newWorld(t *testing.T, change func(*Options)) *world {
	t.Helper()
	w := &world{
		t: t, instances: map[string]Instance{}, now: time.Unix(1_700_000_000, 0),
		client: fake.NewClientBuilder().WithStatusSubresource(&corev1.Node{}).Build(),
	}
	options := Options{Cluster: testIdentity(t), KubeletVersion: "v1.36.3"}
	if change != nil {
		change(&options)
	}
	bridge, err := New(w.client, SourceFunc(func(context.Context) ([]Instance, error) {
		return slices.Collect(maps.Values(w.instances)), w.listErr
	}), options)
	if err != nil {
		t.Fatal(err)
	}
	w.bridge = bridge
	return w
}

func (w *world) run(instanceType string) Instance {
	i := Instance{
		ID: "i-1", Type: instanceType, Zone: "us-east-1b", Region: "us-east-1", State: "running",
		PrivateDNSName: "ip-10-0-0-7.ec2.internal", PrivateIP: "10.0.0.7", UserData: testdata(w.t, "al2.mime"),
	}
	w.instances[i.ID] = i
	return i
}

func (w *world) setState(state string) {
	i := w.instances["i-1"]
	i.State = state
	w.instances[i.ID] = i
}

func (w *world) pass(d time.Duration) {
	w.now = w.now.Add(d)
	w.bridge.poll(w.t.Context(), w.now)
}

// node returns the only Node, or nil.
func (w *world) node() *corev1.Node {
	w.t.Helper()
	var nodes corev1.NodeList
	if err := w.client.List(w.t.Context(), &nodes); err != nil {
		w.t.Fatal(err)
	}
	switch len(nodes.Items) {
	case 0:
		return nil
	case 1:
		return &nodes.Items[0]
	default:
		w.t.Fatalf("there are %d nodes", len(nodes.Items))
		return nil
	}
}

func (w *world) wantAlive(want bool) {
	w.t.Helper()
	node := w.node()
	if got := node != nil && node.Labels[cluster.ManagedLabel] == cluster.ManagedValue; got != want {
		w.t.Errorf("heartbeat: %t, want %t", got, want)
	}
}

func TestARunningInstanceBecomesANodeLikeARealOne(t *testing.T) {
	w := newWorld(t, nil)
	i := w.run("m5.large")
	w.pass(0)
	node := w.node()
	if node == nil {
		t.Fatal("no node joined")
	}
	wantLabels := map[string]string{
		"kubernetes.io/hostname":                   i.PrivateDNSName,
		"kubernetes.io/arch":                       "amd64",
		"kubernetes.io/os":                         "linux",
		"beta.kubernetes.io/arch":                  "amd64",
		"beta.kubernetes.io/os":                    "linux",
		"node.kubernetes.io/instance-type":         "m5.large",
		"beta.kubernetes.io/instance-type":         "m5.large",
		"topology.kubernetes.io/zone":              "us-east-1b",
		"topology.kubernetes.io/region":            "us-east-1",
		"failure-domain.beta.kubernetes.io/zone":   "us-east-1b",
		"failure-domain.beta.kubernetes.io/region": "us-east-1",
		"karpenter.sh/provisioner-name":            "default",
		"karpenter.sh/capacity-type":               "spot",
		cluster.ManagedLabel:                       cluster.ManagedValue,
	}
	if diff := cmp.Diff(wantLabels, node.Labels); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	var taints []string
	for _, taint := range node.Spec.Taints {
		taints = append(taints, taint.ToString())
	}
	if diff := cmp.Diff([]string{"dedicated=web:NoSchedule", "boot:NoExecute", "node.kubernetes.io/not-ready:NoSchedule"}, taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
	if node.Name != i.PrivateDNSName || node.Spec.ProviderID != "aws:///us-east-1b/i-1" {
		t.Errorf("node %s has provider id %s", node.Name, node.Spec.ProviderID)
	}
	wantAddresses := []corev1.NodeAddress{
		{Type: "InternalIP", Address: "10.0.0.7"}, {Type: "InternalDNS", Address: i.PrivateDNSName}, {Type: "Hostname", Address: i.PrivateDNSName},
	}
	if diff := cmp.Diff(wantAddresses, node.Status.Addresses); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
}

func TestAPendingInstanceHasNoNode(t *testing.T) {
	w := newWorld(t, nil)
	w.run("m5.large")
	w.setState("pending")
	w.pass(time.Hour)
	if w.node() != nil {
		t.Error("a node joined")
	}
}

func TestJoiningReadinessAndDevicesTakeTheirTime(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.JoinDelay, o.ReadyDelay, o.DeviceDelay = 10*time.Second, 5*time.Second, 3*time.Second
	})
	w.run("p4d.24xlarge")
	w.pass(0)
	w.pass(9 * time.Second)
	if w.node() != nil {
		t.Fatal("the node is there before its time")
	}
	w.pass(time.Second)
	w.wantAlive(false)
	if w.node() == nil {
		t.Fatal("the node is late")
	}
	w.pass(5 * time.Second)
	w.wantAlive(true)
	if _, ok := w.node().Status.Allocatable["nvidia.com/gpu"]; ok {
		t.Error("GPUs are there before their time")
	}
	w.pass(3 * time.Second)
	if got := w.node().Status.Allocatable["nvidia.com/gpu"]; got.Value() != 8 {
		t.Errorf("%s GPUs, want 8", got.String())
	}
}

func TestTheHeartbeatEndsWithTheInstance(t *testing.T) {
	for name, end := range map[string]func(*world){
		"shutting down":    func(w *world) { w.setState("shutting-down") },
		"stopped":          func(w *world) { w.setState("stopped") },
		"terminated":       func(w *world) { w.setState("terminated") },
		"no longer listed": func(w *world) { delete(w.instances, "i-1") },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.run("m5.large")
			w.pass(0)
			w.wantAlive(true)
			end(w)
			w.pass(time.Second)
			w.wantAlive(false)
			if w.node() == nil {
				t.Error("the node was deleted without being asked to")
			}
		})
	}
}

func TestASourceThatDoesNotAnswerEndsNothing(t *testing.T) {
	w := newWorld(t, nil)
	w.run("m5.large")
	w.pass(0)
	w.listErr = errors.New("connection refused")
	w.instances = nil
	w.pass(time.Hour)
	w.wantAlive(true)
}

func TestNodesOfDeadMachinesAreRemovedOnlyWhenAsked(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.RemoveDeadNodes = true })
	w.run("m5.large")
	w.pass(0)
	w.setState("shutting-down")
	w.pass(time.Second)
	if w.node() == nil {
		t.Fatal("the node went before its instance had ended")
	}
	w.setState("terminated")
	w.pass(time.Second)
	if w.node() != nil {
		t.Error("the node is still there")
	}
}

func TestAWithheldInstanceJoinsOnceItIsLetGo(t *testing.T) {
	w := newWorld(t, nil)
	w.run("m5.large")
	w.bridge.Withhold(func(_ Instance, b Bootstrap) bool {
		return b.Kubelet.Labels["karpenter.sh/provisioner-name"] == "default"
	})
	w.pass(time.Hour)
	if w.node() != nil {
		t.Fatal("it joined")
	}
	w.bridge.Withhold(nil)
	w.pass(time.Second)
	w.wantAlive(true)
}

func TestAMachineOfAnotherClusterNeverJoins(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Cluster.Name = "pier" })
	w.run("m5.large")
	w.pass(0)
	w.pass(time.Hour)
	if w.node() != nil {
		t.Error("it joined")
	}
}

func TestANodeThatWasDeletedStaysDeleted(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.ReadyDelay = time.Minute })
	w.run("m5.large")
	w.pass(0)
	if err := w.client.Delete(t.Context(), w.node()); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Hour)
	w.pass(time.Second)
	if w.node() != nil {
		t.Error("it came back")
	}
}

func TestARestartedBridgeAdoptsTheNodesThatAreThere(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.ReadyDelay = time.Minute })
	w.run("m5.large")
	w.pass(0)
	w.bridge.kubelets = map[string]*kubelet{}
	w.pass(0)
	w.pass(time.Minute)
	w.wantAlive(true)
}

func TestANameThatIsTakenIsWaitedFor(t *testing.T) {
	w := newWorld(t, nil)
	i := w.run("m5.large")
	old := &corev1.Node{Spec: corev1.NodeSpec{ProviderID: "aws:///us-east-1b/i-0"}}
	old.Name = i.PrivateDNSName
	if err := w.client.Create(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	w.pass(0)
	if got := w.node().Spec.ProviderID; got != "aws:///us-east-1b/i-0" {
		t.Fatalf("the node was taken over by %s", got)
	}
	if err := w.client.Delete(t.Context(), old); err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	w.pass(time.Second)
	if got := w.node(); got == nil || got.Spec.ProviderID != i.ProviderID() {
		t.Errorf("got %v", got)
	}
}
