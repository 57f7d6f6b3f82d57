package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/controllers/machine/garbagecollection"
	"github.com/kerf-autoscaler/kerf/controllers/machine/lifecycle"
	"github.com/kerf-autoscaler/kerf/controllers/machine/termination"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// queue is when a controller looks at which Machine next: at its changes, when it asked for it, and after failures ever later.
type queue struct {
	controller reconcile.Reconciler
	limiter    workqueue.TypedRateLimiter[reconcile.Request]
	due        map[string]time.Time // name -> when
}

func newQueue(controller reconcile.Reconciler) *queue {
	return &queue{
		controller: controller, due: map[string]time.Time{},
		limiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](500*time.Millisecond, time.Minute), // as the controllers have it
	}
}

// loop is the life of a cluster's machines, second by second: kerf's controllers, and kubelets that join and fall silent.
type loop struct {
	*tenant
	queues []*queue
	nodes  *termination.NodeController
	gc     *garbagecollection.Controller
	tasks  []aws.Task
	seen   map[string]*v1alpha5.Machine // name -> as it was last seen
	quiet  map[string]time.Time         // name of a Node -> since when its instance has not run
	second int
}

func (c *tenant) loop() *loop {
	l := &loop{tenant: c, seen: map[string]*v1alpha5.Machine{}, quiet: map[string]time.Time{}}
	settings := lifecycle.Settings{ClusterUID: c.uid, LaunchTimeout: 5 * time.Minute, RegistrationTimeout: 15 * time.Minute, VisibilityWindow: visibilityWindow}
	l.queues = []*queue{
		newQueue(lifecycle.NewController(c.kube, c.kube, c.provider, settings, c.journal)),
		newQueue(termination.NewController(c.kube, c.kube, c.provider, deleter{c.kube}, termination.Settings{VisibilityWindow: visibilityWindow}, c.journal)),
	}
	l.nodes = termination.NewNodeController(c.kube, c.kube, c.provider, c.journal)
	l.gc = garbagecollection.NewController(c.kube, c.kube, c.provider, c.journal)
	for _, task := range c.provider.Tasks() {
		if task.Leader {
			l.tasks = append(l.tasks, task)
		}
	}
	return l
}

// deleter evicts pods at once.
type deleter struct{ kube client.Client }

func (d deleter) Add(pods ...*corev1.Pod) {
	for _, pod := range pods {
		_ = d.kube.Delete(context.Background(), pod) // who is gone needs no eviction
	}
}
func (deleter) Withdraw(...*corev1.Pod) {}
func (d deleter) Delete(ctx context.Context, pod *corev1.Pod, _ time.Duration) error {
	return d.kube.Delete(ctx, pod)
}

// run lets time pass until done, or the time is over, and returns how long it took.
func (l *loop) run(d time.Duration, done func() bool) time.Duration {
	l.t.Helper()
	for took := time.Duration(0); took < d; took += time.Second {
		if done() {
			return took
		}
		l.kubelets()
		l.reconcile()
		if l.second%int(sweepEvery/time.Second) == 0 {
			_ = l.gc.Sweep(l.t.Context()) // what fails is tried again
			for _, task := range l.tasks {
				_ = task.Run(l.t.Context())
			}
		}
		l.second++
		l.step(time.Second)
	}
	return d
}

func (l *loop) machines() []v1alpha5.Machine {
	l.t.Helper()
	var list v1alpha5.MachineList
	if err := l.kube.List(l.t.Context(), &list); err != nil {
		l.t.Fatal(err)
	}
	return list.Items
}

// reconcile has the controllers look at the Machines that are due.
func (l *loop) reconcile() {
	l.t.Helper()
	now, woken := l.clock.Now(), machines.Woken()
	list := l.machines()
	for _, q := range l.queues {
		var group errgroup.Group
		var mu sync.Mutex
		for i := range list {
			machine := &list[i]
			before, known := l.seen[machine.Name]
			mu.Lock() // those that have begun write down when they are due again
			at, due := q.due[machine.Name]
			mu.Unlock()
			changed := !known || (before.ResourceVersion != machine.ResourceVersion && woken.Update(event.UpdateEvent{ObjectOld: before, ObjectNew: machine}))
			if !changed && (!due || now.Before(at)) {
				continue
			}
			group.Go(func() error {
				request := reconcile.Request{NamespacedName: types.NamespacedName{Name: machine.Name}}
				result, err := q.controller.Reconcile(l.t.Context(), request)
				mu.Lock()
				defer mu.Unlock()
				delete(q.due, machine.Name)
				switch {
				case err != nil:
					q.due[machine.Name] = now.Add(q.limiter.When(request))
				case result.RequeueAfter > 0:
					q.limiter.Forget(request)
					q.due[machine.Name] = now.Add(result.RequeueAfter)
				default:
					q.limiter.Forget(request)
				}
				return nil
			})
		}
		_ = group.Wait() // none of them fails
	}
	for i := range list {
		l.seen[list[i].Name] = &list[i]
	}
}

// kubelets join with instances that run, and fall silent some time after their instance has ended.
func (l *loop) kubelets() {
	l.t.Helper()
	const silentAfter = 40 * time.Second
	instances := map[string]world.Instance{}
	for _, i := range l.sim.World().Instances() {
		instances[i.ID] = i
	}
	var nodes corev1.NodeList
	if err := l.kube.List(l.t.Context(), &nodes); err != nil {
		l.t.Fatal(err)
	}
	joined := map[string]bool{}
	for i := range nodes.Items {
		node := &nodes.Items[i]
		joined[node.Name] = true
		if !node.DeletionTimestamp.IsZero() {
			_, _ = l.nodes.Reconcile(l.t.Context(), reconcile.Request{NamespacedName: types.NamespacedName{Name: node.Name}})
		}
		if instances[machines.InstanceID(node.Spec.ProviderID)].State == world.Running {
			continue
		}
		if _, ok := l.quiet[node.Name]; !ok {
			l.quiet[node.Name] = l.clock.Now()
		}
		if machines.NodeIsReady(node) && l.clock.Since(l.quiet[node.Name]) >= silentAfter {
			builders.NotReady()(node)
			_ = l.kube.Status().Update(l.t.Context(), node)
			l.wake(node.Spec.ProviderID)
		}
	}
	for _, i := range instances {
		name := strings.TrimSuffix(i.DNSName, ".ec2.internal")
		if i.State != world.Running || joined[name] || i.Tags["karpenter.sh/cluster-uid"] != l.uid {
			continue
		}
		node := builders.Node(name, builders.ProviderID("aws:///"+i.Subnet.Zone+"/"+i.ID))
		status := node.Status.DeepCopy()
		if err := l.kube.Create(l.t.Context(), node); err != nil {
			l.t.Fatal(err)
		}
		node.Status = *status
		_ = l.kube.Status().Update(l.t.Context(), node)
		l.wake(node.Spec.ProviderID)
	}
}

// wake has the controllers look at the Machine of a Node that has changed.
func (l *loop) wake(providerID string) {
	for name, machine := range l.seen {
		if machine.Status.ProviderID == providerID {
			delete(l.seen, name)
		}
	}
}

// ready reports whether so many machines are initialized and none is on its way in or out.
func (l *loop) ready(n int) bool {
	l.t.Helper()
	for _, m := range l.machines() {
		if !m.DeletionTimestamp.IsZero() || !machines.Conditions(&m).IsTrue(v1alpha5.ConditionInitialized) {
			return false
		}
		n--
	}
	return n == 0
}
