package lease

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

func leaseOf(b *workbench.Bench, name string, owners ...metav1.OwnerReference) *coordinationv1.Lease {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: corev1.NamespaceNodeLease, Name: name, OwnerReferences: owners}}
	b.Create(lease)
	return lease
}

func renew(t *testing.T, b *workbench.Bench, lease *coordinationv1.Lease) {
	t.Helper()
	b.Reload(lease)
	lease.Spec.RenewTime = &metav1.MicroTime{Time: time.Now()}
	if err := b.Client.Update(t.Context(), lease); err != nil {
		t.Fatal(err)
	}
}

func sweep(t *testing.T, c *Controller) {
	t.Helper()
	if err := c.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestLeasesThatNobodyHoldsGo(t *testing.T) {
	b := workbench.New(t)
	node := builders.Node(b.Name("there"))
	b.Create(node)
	left, renewed, of := leaseOf(b, b.Name("left")), leaseOf(b, b.Name("renewed")), leaseOf(b, node.Name)
	owned := leaseOf(b, b.Name("owned"), metav1.OwnerReference{APIVersion: "v1", Kind: "Node", Name: "gone", UID: "gone"})
	elsewhere := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: b.Namespace(), Name: b.Name("elsewhere")}}
	b.Create(elsewhere)
	c := NewController(b.Client, b.Client, b.Journal)

	sweep(t, c)
	for name, lease := range map[string]*coordinationv1.Lease{"left": left, "renewed": renewed} {
		if b.Gone(lease) {
			t.Fatalf("the lease %s went at first sight, when nobody can know whether it is renewed", name)
		}
	}
	for range 3 {
		renew(t, b, renewed)
		sweep(t, c)
	}
	if !b.Gone(left) {
		t.Error("the lease of a node that is gone, which nobody renews, is still there")
	}
	for name, lease := range map[string]*coordinationv1.Lease{
		"that a kubelet renews": renewed, "of a node": of, "that a node owns": owned, "in another namespace": elsewhere,
	} {
		if b.Gone(lease) {
			t.Errorf("the lease %s went", name)
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(b.Journal.Metrics.LeasesDeleted)
	families, err := registry.Gather()
	if err != nil || len(families) != 1 || families[0].GetMetric()[0].GetCounter().GetValue() != 1 {
		t.Errorf("the metrics are %v (%v), want one lease deleted", families, err)
	}
}

// blind is a cache that has not seen a Node.
type blind struct{ client.Client }

func (b blind) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	return b.Client.Get(ctx, client.ObjectKey{Namespace: key.Namespace, Name: key.Name + "-unseen"}, object, options...)
}

func TestALeaseOfANodeThatHasJustComeStays(t *testing.T) {
	b := workbench.New(t)
	node := builders.Node(b.Name("just-come"))
	b.Create(node)
	lease := leaseOf(b, node.Name)
	c := NewController(blind{b.Client}, b.Client, b.Journal)
	sweep(t, c)
	sweep(t, c)
	if b.Gone(lease) {
		t.Error("the lease of a node went, which the API server knows and the cache does not yet")
	}
}

// late is an API server whose lists are old when they arrive: a kubelet renews its lease in between.
type late struct {
	client.Reader
	meanwhile func()
}

func (l late) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	err := l.Reader.List(ctx, list, options...)
	l.meanwhile()
	return err
}

func TestALeaseThatIsRenewedInTheLastMomentStays(t *testing.T) {
	b := workbench.New(t)
	lease := leaseOf(b, b.Name("renewed-late"))
	meanwhile := func() {}
	c := NewController(b.Client, late{b.Client, func() { meanwhile() }}, b.Journal)
	sweep(t, c)
	meanwhile = func() { renew(t, b, lease) }
	sweep(t, c)
	if b.Gone(lease) {
		t.Error("a lease went that a kubelet had just renewed")
	}
}

func TestMoreLeasesThanFitInAPageAreSwept(t *testing.T) {
	b := workbench.New(t)
	var all []*coordinationv1.Lease
	for range page + 3 {
		all = append(all, leaseOf(b, b.Name("many")))
	}
	c := NewController(b.Client, b.Client, b.Journal)
	sweep(t, c)
	sweep(t, c)
	for _, lease := range all {
		if !b.Gone(lease) {
			t.Fatalf("the lease %s is still there after two sweeps", lease.Name)
		}
	}
}
