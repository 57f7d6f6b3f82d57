package state

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// watches is a cache whose informers deliver what the test says.
type watches struct {
	cache.Cache
	handlers []toolscache.ResourceEventHandler
	synced   atomic.Bool
	fail     error
}

func (w *watches) GetInformer(context.Context, client.Object, ...cache.InformerGetOption) (cache.Informer, error) {
	return &informer{watches: w}, w.fail
}

type informer struct {
	cache.Informer
	watches *watches
}

func (i *informer) AddEventHandler(handler toolscache.ResourceEventHandler) (toolscache.ResourceEventHandlerRegistration, error) {
	i.watches.handlers = append(i.watches.handlers, handler)
	return &registration{watches: i.watches}, nil
}

type registration struct {
	toolscache.ResourceEventHandlerRegistration
	watches *watches
}

func (r *registration) HasSynced() bool { return r.watches.synced.Load() }

// deliver hands an event to every handler; each takes what is of its kind.
func (w *watches) deliver(event func(toolscache.ResourceEventHandler)) {
	for _, handler := range w.handlers {
		event(handler)
	}
}

func added(object any) func(toolscache.ResourceEventHandler) {
	return func(h toolscache.ResourceEventHandler) { h.OnAdd(object, true) }
}

func updated(object any) func(toolscache.ResourceEventHandler) {
	return func(h toolscache.ResourceEventHandler) { h.OnUpdate(nil, object) }
}

func deleted(object any) func(toolscache.ResourceEventHandler) {
	return func(h toolscache.ResourceEventHandler) { h.OnDelete(object) }
}

// content lists what the model holds.
func content(cluster *state.Cluster) string {
	snapshot := cluster.Snapshot(time.Unix(0, 0))
	var out []string
	for _, entry := range snapshot.Entries {
		out = append(out, entry.Name())
		for uid := range entry.Pods {
			out = append(out, string(uid))
		}
	}
	for _, pod := range snapshot.Pending {
		out = append(out, "pending "+string(pod.UID))
	}
	for _, daemonSet := range snapshot.DaemonSets {
		out = append(out, "daemonset "+string(daemonSet.UID))
	}
	for name := range snapshot.Namespaces {
		out = append(out, "namespace "+name)
	}
	for key := range snapshot.Storage.Claims {
		out = append(out, "claim "+key.String())
	}
	for name := range snapshot.Storage.Volumes {
		out = append(out, "volume "+name)
	}
	for name := range snapshot.Storage.Classes {
		out = append(out, "class "+name)
	}
	for name := range snapshot.Storage.Drivers {
		out = append(out, "drivers of "+name)
	}
	for name := range snapshot.Storage.Attachments {
		out = append(out, "attachment "+name)
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

func TestEventsReachTheModel(t *testing.T) {
	cluster, w := state.NewCluster(), &watches{}
	informers := NewInformers(w, cluster, journal.Journal{})
	for _, s := range append(informers.subscriptions(), informers.storage()...) {
		w.handlers = append(w.handlers, s.handler)
	}
	node, machine := builders.Node("node"), builders.Machine("machine", "p")
	pod, bound := builders.Pod(), builders.Pod(builders.OnNode("node"))
	daemonSet := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{UID: "ds"}}
	steps := []struct {
		what  string
		event func(toolscache.ResourceEventHandler)
		want  string
	}{
		{"a node", added(node), "node"},
		{"a machine", added(machine), "machine, node"},
		{"a pod", added(pod), "machine, node, pending default/pod"},
		{"a daemonset", added(daemonSet), "daemonset ds, machine, node, pending default/pod"},
		{"the pod is bound", updated(bound), "daemonset ds, default/pod, machine, node"},
		{"the machine joins", updated(builders.Machine("machine", "p", builders.LaunchedAs("i-1", "1", "1Gi", 1))), "daemonset ds, default/pod, machine, node"},
		{"its node says so", updated(builders.Node("node", builders.ProviderID("i-1"))), "daemonset ds, default/pod, node"},
		{"the daemonset is gone", deleted(daemonSet), "default/pod, node"},
		{"the pod is gone, seen late", deleted(toolscache.DeletedFinalStateUnknown{Key: "default/pod", Obj: bound}), "node"},
		{"the node is gone", deleted(node), "machine"},
		{"something else is gone", deleted(toolscache.DeletedFinalStateUnknown{Key: "x"}), "machine"},
		{"the machine is gone", deleted(machine), ""},
	}
	for _, step := range steps {
		w.deliver(step.event)
		if got := content(cluster); got != step.want {
			t.Errorf("%s: the model holds %q, want %q", step.what, got, step.want)
		}
	}
}

func TestStorageAndNamespacesReachTheModel(t *testing.T) {
	cluster, w := state.NewCluster(), &watches{}
	informers := NewInformers(w, cluster, journal.Journal{})
	for _, s := range append(informers.subscriptions(), informers.storage()...) {
		w.handlers = append(w.handlers, s.handler)
	}
	for want, object := range map[string]client.Object{
		"namespace shop":     &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}},
		"claim default/data": builders.VolumeClaim("data"),
		"volume v":           builders.PersistentVolume("v"),
		"class gp3":          builders.StorageClass("gp3"),
		"drivers of node":    builders.CSINode("node", builders.EBSDriver, 25),
		"attachment a":       &storagev1.VolumeAttachment{ObjectMeta: metav1.ObjectMeta{Name: "a"}},
	} {
		w.deliver(added(object))
		if got := content(cluster); got != want {
			t.Errorf("the model holds %q, want %q", got, want)
		}
		w.deliver(deleted(object))
		if got := content(cluster); got != "" {
			t.Errorf("the model holds %q after %s is gone", got, want)
		}
	}
}

func TestTheStateIsThereOnceAllHandlersHaveSeenTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &watches{}
		informers := NewInformers(w, state.NewCluster(), journal.Journal{})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- informers.Start(ctx) }()
		synctest.Wait()
		select {
		case <-informers.Synced():
			t.Fatal("the state counts as there before the watches have delivered it")
		default:
		}
		if len(w.handlers) != 10 {
			t.Errorf("%d kinds are watched, want 10", len(w.handlers))
		}
		w.synced.Store(true)
		<-informers.Synced()
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the informers ended with %v", err)
		}
	})
}

func TestAnEndBeforeTheStateIsThereIsNoError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	informers := NewInformers(&watches{}, state.NewCluster(), journal.Journal{})
	if err := informers.Start(ctx); err != nil {
		t.Errorf("got %v", err)
	}
	select {
	case <-informers.Synced():
		t.Error("the state counts as there")
	default:
	}
}

func TestAWatchThatCannotBeStartedIsNamed(t *testing.T) {
	refused := errors.New("no such kind")
	err := NewInformers(&watches{fail: refused}, state.NewCluster(), journal.Journal{}).Start(t.Context())
	if !errors.Is(err, refused) || !strings.Contains(err.Error(), "Node") {
		t.Errorf("got %v", err)
	}
}

func TestEveryReplicaKeepsItsModelWarm(t *testing.T) {
	if NewInformers(&watches{}, state.NewCluster(), journal.Journal{}).NeedLeaderElection() {
		t.Error("only the leader would know the state")
	}
}
