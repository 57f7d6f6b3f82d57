// Package consolidation gives back what is not needed: it decides by package disruption which machines go, records the decision
// on them, and carries it out.
package consolidation

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// nominationRecheck is how soon a machine is looked at again that only expected pods keep.
const nominationRecheck = 5 * time.Second

// Nominations says where pods are expected.
type Nominations interface {
	Nominated(name string, now time.Time) bool
}

// Settings are what a user sets of the controller.
type Settings struct {
	// Drain is about pods that say nothing for themselves.
	Drain drain.Policy
	// PauseDisruption keeps every machine that could stay.
	PauseDisruption bool
	// Brake says when so much is amiss that machines are kept.
	Brake BrakeSettings
	// Disruption says what a move has to be worth.
	Disruption disruption.Settings
	// SettleFor is how long no pod has to come to a node, or leave it, before the machine may go to save money.
	SettleFor time.Duration
	// SteerNewPods has new pods go last to nodes that are best left to empty by themselves.
	SteerNewPods bool
	// ExpendableBelow is the priority below which nothing is bought for pods.
	ExpendableBelow int32
	// ReplacementPatience is how long a machine may take to be ready that takes the place of another.
	ReplacementPatience time.Duration
	// EmptyWindow is the time in which at most a tenth of all machines go for being empty, or ten of them; 0 lets any number go.
	EmptyWindow time.Duration
}

// Controller decides over one Machine at a time.
type Controller struct {
	client      client.Client
	nominations Nominations
	policy      drain.Policy
	executor    *executor
	rations     *rations
	stirs       *stirs
	settler     *machines.Settler
	journal     journal.Journal
	pass        *pass
}

// World is what decisions are made on.
type World struct {
	Client client.Client
	// Live reads past the cache.
	Live        client.Reader
	Nominations Nominations
	Market      Market
}

// NewController returns a controller.
func NewController(world World, settings Settings, journal journal.Journal) *Controller {
	rations, stirs := newRations(world.Client, settings), newStirs(journal.Clock)
	ledger := newLedger(journal.Clock.Now())
	executor := &executor{
		client: world.Client, live: world.Live, policy: settings.Drain, journal: journal, held: rations.held, market: world.Market,
		ledger: ledger, patience: settings.ReplacementPatience, expendableBelow: settings.ExpendableBelow, purchases: newPurchases(), stirs: stirs,
	}
	return &Controller{
		client: world.Client, nominations: world.Nominations, policy: settings.Drain, settler: machines.NewSettler(), journal: journal,
		rations: rations, executor: executor, stirs: stirs,
		pass: &pass{
			client: world.Client, market: world.Market, nominations: world.Nominations, policy: settings.Drain, settings: settings.Disruption,
			steering: settings.SteerNewPods, settling: settling{lasting: settings.SettleFor}, ledger: ledger, rations: rations, executor: executor, journal: journal,
			said: map[string]time.Time{},
		},
	}
}

// +kubebuilder:rbac:groups=karpenter.sh,resources=machines,verbs=get;list;watch;delete
// +kubebuilder:rbac:groups=karpenter.sh,resources=machines/status,verbs=patch
// +kubebuilder:rbac:groups=karpenter.sh,resources=provisioners,verbs=list;watch
// +kubebuilder:rbac:groups="",resources=nodes,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups="",resources=pods;namespaces,verbs=list;watch
// +kubebuilder:rbac:groups=policy,resources=poddisruptionbudgets,verbs=list;watch

// Register adds the controller to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error {
	if err := mgr.Add(c.pass); err != nil {
		return fmt.Errorf("adding the pass over all machines: %w", err)
	}
	return ctrl.NewControllerManagedBy(mgr).Named("consolidation").
		For(&v1alpha5.Machine{}, builder.WithPredicates(machines.Woken())).
		Watches(&v1alpha5.Machine{}, handler.EnqueueRequestsFromMapFunc(concerned)).
		Watches(&v1alpha5.Provisioner{}, handler.EnqueueRequestsFromMapFunc(c.machinesOf),
																	builder.WithPredicates(predicate.GenerationChangedPredicate{})). // its status counts what it has, at each launch and removal
		Watches(&corev1.Node{}, machines.EnqueueForNode(mgr.GetClient()), builder.WithPredicates(machines.NodeWoken())). // its do-not-disrupt comes and goes
		Watches(&corev1.Node{}, c.stirs.nodes()).
		Watches(&corev1.Pod{}, c.stirs.pods()).
		Watches(&corev1.Namespace{}, handler.EnqueueRequestsFromMapFunc(c.everything), builder.WithPredicates(pauses())).
		WithOptions(controller.Options{MaxConcurrentReconciles: 10}).
		Complete(c)
}

// machinesOf maps a Provisioner to its Machines: a changed ttlSecondsAfterEmpty, or budget, holds for all of them at once.
func (c *Controller) machinesOf(ctx context.Context, object client.Object) []reconcile.Request {
	return c.requests(ctx, client.MatchingLabels{v1alpha5.ProvisionerNameLabel: object.GetName()})
}

// concerned maps a Machine to those that a command takes with it, or in whose place it was made.
func concerned(_ context.Context, object client.Object) []reconcile.Request {
	machine, ok := object.(*v1alpha5.Machine)
	if !ok {
		return nil
	}
	var names []string
	if lead := machine.Annotations[v1alpha5.ReplacesAnnotation]; lead != "" {
		names = append(names, lead)
	}
	if record := machine.Status.Disruption; record.Leads() {
		for _, of := range record.Machines {
			names = append(names, of.Name)
		}
	}
	return lo.FilterMap(names, func(name string, _ int) (reconcile.Request, bool) {
		return reconcile.Request{NamespacedName: types.NamespacedName{Name: name}}, name != machine.Name
	})
}

func (c *Controller) requests(ctx context.Context, of ...client.ListOption) []reconcile.Request {
	var list v1alpha5.MachineList
	if err := c.client.List(ctx, &list, of...); err != nil {
		return nil // the cache is not there any more: neither is this controller
	}
	return lo.Map(list.Items, func(m v1alpha5.Machine, _ int) reconcile.Request {
		return reconcile.Request{NamespacedName: types.NamespacedName{Name: m.Name}}
	})
}

// Reconcile carries out what is decided for a Machine, or decides.
func (c *Controller) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	machine := &v1alpha5.Machine{}
	if err := c.client.Get(ctx, request.NamespacedName, machine); err != nil {
		c.settler.Gone(request)
		c.rations.gone(request.Name)
		c.executor.purchases.forget(request.Name)
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	conditions := machines.Conditions(machine)
	if machine.DeletionTimestamp.IsZero() && machine.Status.Disruption != nil {
		result, err := c.executor.drive(ctx, machine)
		return c.settler.Settle(request, result, err)
	}
	if !machine.DeletionTimestamp.IsZero() || !conditions.IsTrue(v1alpha5.ConditionInitialized) {
		return c.settler.Settle(request, reconcile.Result{})
	}
	if conditions.IsTrue(v1alpha5.ConditionDisrupting) {
		wait, err := c.executor.carryOut(ctx, machine)
		return c.settler.Settle(request, reconcile.Result{RequeueAfter: wait}, err)
	}
	candidate, err := c.candidate(ctx, machine)
	if err != nil {
		return reconcile.Result{}, err
	}
	now := c.journal.Clock.Now()
	decision := disruption.Decide(ctx, &disruption.Input{Now: now, Candidates: []disruption.Candidate{candidate}}, disruption.Emptiness)
	if len(decision.Commands) == 0 {
		return c.settler.Settle(request, again(&candidate, now), c.stays(ctx, machine, whyEmptyStays(decision.Refusals)))
	}
	result, err := c.record(ctx, machine, decision.Commands[0], now)
	return c.settler.Settle(request, result, err)
}

// record writes a decision down, or tells what holds it and when it is looked at again.
func (c *Controller) record(ctx context.Context, machine *v1alpha5.Machine, command disruption.Command, now time.Time) (reconcile.Result, error) {
	provisioner := &v1alpha5.Provisioner{}
	if err := c.client.Get(ctx, client.ObjectKey{Name: machine.ProvisionerName()}, provisioner); err != nil {
		return reconcile.Result{}, fmt.Errorf("getting provisioner %s: %w", machine.ProvisionerName(), err)
	}
	hold, err := c.rations.record(ctx, machine, provisioner.Budgets(), command, now, func() error {
		ctrl.LoggerFrom(ctx).Info("decided to remove machine", "machine", klog.KObj(machine), "node", machine.Status.NodeName,
			"reason", command.Reason, "why", command.Message)
		return c.executor.record(ctx, machine, command)
	})
	if hold == nil {
		return reconcile.Result{}, err
	}
	c.journal.Events.Publish(events.Event{Object: provisioner, Reason: events.ReasonDisruptionHeld, Message: hold.Why})
	return reconcile.Result{RequeueAfter: recheck(hold, now)}, c.stays(ctx, machine, hold.Why)
}

// again says when a machine that stays is looked at next: when it will have been empty for long enough.
func again(candidate *disruption.Candidate, now time.Time) reconcile.Result {
	due, ok := disruption.EmptyAt(candidate)
	switch {
	case !ok || candidate.Protected:
		return reconcile.Result{}
	case now.Before(due):
		return reconcile.Result{RequeueAfter: due.Sub(now)}
	default:
		return reconcile.Result{RequeueAfter: nominationRecheck}
	}
}

func (c *Controller) candidate(ctx context.Context, machine *v1alpha5.Machine) (disruption.Candidate, error) {
	now := c.journal.Clock.Now()
	candidate := disruption.Candidate{
		Machine: machine.Name, Node: machine.Status.NodeName, Provisioner: machine.ProvisionerName(),
		Nominated: c.nominations.Nominated(machine.Name, now) || c.nominations.Nominated(machine.Status.NodeName, now),
	}
	if price, err := strconv.ParseFloat(machine.Annotations[v1alpha5.PriceAnnotation], 64); err == nil {
		candidate.PricePerHour = price
	}
	if lead := machine.Annotations[v1alpha5.ReplacesAnnotation]; lead != "" {
		var other v1alpha5.Machine
		if err := c.client.Get(ctx, client.ObjectKey{Name: lead}, &other); client.IgnoreNotFound(err) != nil {
			return candidate, fmt.Errorf("getting machine %s: %w", lead, err)
		}
		candidate.Nominated = candidate.Nominated || other.Status.Disruption.Replaces(machine.Name)
	}
	onNode, err := machines.Pods(ctx, c.client, machine.Status.NodeName)
	if err != nil {
		return candidate, err
	}
	budgets, err := machines.Budgets(ctx, c.client, onNode)
	if err != nil {
		return candidate, err
	}
	// The mark that says empty may be older than its pods, and pods that leave with a node may ask to keep it.
	candidate.Nominated = candidate.Nominated || slices.ContainsFunc(onNode, pods.IsReschedulable)
	candidate.Held, candidate.HeldUntil = heldBy(drain.Holding(onNode, drain.NewBudgets(budgets), c.policy, now))
	var node corev1.Node
	if err := c.client.Get(ctx, client.ObjectKey{Name: machine.Status.NodeName}, &node); client.IgnoreNotFound(err) != nil {
		return candidate, fmt.Errorf("getting node %s: %w", machine.Status.NodeName, err)
	}
	candidate.Protected = protected(machine, &node)
	var provisioner v1alpha5.Provisioner
	if err := c.client.Get(ctx, client.ObjectKey{Name: machine.ProvisionerName()}, &provisioner); client.IgnoreNotFound(err) != nil {
		return candidate, fmt.Errorf("getting provisioner %s: %w", machine.ProvisionerName(), err)
	}
	ttl, ok := provisioner.TTLAfterEmpty()
	if ok {
		candidate.TTLAfterEmpty = &ttl
	}
	candidate.EmptySince = emptySince(machine, c.stirs.last(machine.Status.NodeName), ttl)
	return candidate, nil
}

// protected reports whether somebody asks for a machine or its Node to stay.
func protected(machine *v1alpha5.Machine, node *corev1.Node) bool {
	return node.Annotations[v1alpha5.DoNotDisruptAnnotation] == "true" || machine.Annotations[v1alpha5.DoNotDisruptAnnotation] == "true"
}

// restsFor is how long a node that was given back is left alone. The API server has shown what a cache did not: decided upon at once, again
// and again, it would be given back for as long as the cache lags.
const restsFor = 10 * time.Second

// emptySince returns when the machine emptied, or was last stirred by pods that came and went so soon that nobody has written it down; zero
// while it is not empty. A node that was given back starts anew, and does not go before it has rested, however short its time to live.
func emptySince(machine *v1alpha5.Machine, stirred time.Time, ttl time.Duration) time.Time {
	conditions := machines.Conditions(machine)
	if !conditions.IsTrue(v1alpha5.ConditionEmpty) || machine.Status.LastPodEventTime == nil {
		return time.Time{}
	}
	since := []time.Time{machine.Status.LastPodEventTime.Time, stirred}
	if back := conditions.Get(v1alpha5.ConditionDisrupting); back != nil {
		since = append(since, back.LastTransitionTime.Time, back.LastTransitionTime.Add(restsFor-ttl))
	}
	return slices.MaxFunc(since, time.Time.Compare)
}
