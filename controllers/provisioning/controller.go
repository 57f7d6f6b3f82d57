// Package provisioning turns pods that nothing can host into Machines.
package provisioning

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-logr/logr"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

const (
	// solveTimeout bounds one decision; pods that it leaves out come with the next batch.
	solveTimeout = time.Minute
	// confirmAfter is how long the watch may take to show a created Machine before the API server is asked for it.
	confirmAfter = 10 * time.Second
	// creations is how many Machines are created at a time.
	creations = 16
	// nominationFor is how long a node with pods on their way to it counts as in use: the scheduler places them within seconds.
	nominationFor = 20 * time.Second
)

// World is what decisions are made on.
type World struct {
	Client client.Client
	// Live reads past the cache.
	Live     client.Reader
	Provider cloudprovider.Provider
	Cluster  *state.Cluster
}

// Controller makes one decision a batch and writes it down as Machines.
type Controller struct {
	client   client.Client
	live     client.Reader
	provider cloudprovider.Provider
	cluster  *state.Cluster
	batcher  *Batcher[types.UID]
	synced   <-chan struct{}
	journal  journal.Journal
	// expected pods steer the next plan.
	expected expectations
	// pace bounds how often capacity is asked for that lately was not there.
	pace pace
	// inherited says that the Machines count that a process before this one made.
	inherited bool
	settings  Settings

	// turn lets one decision at a time be made and carried out.
	turn *semaphore.Weighted
	// decided counts the decisions by which pods are expected somewhere.
	decided atomic.Int64
	// surveyed is what the last survey said may be bought.
	surveyed catalogue
}

// Settings are what decisions hang on beside the world.
type Settings struct {
	// Solver is what is wanted of a plan.
	Solver solver.Settings
	// ExpendableBelow is the priority below which pods are expendable.
	ExpendableBelow int32
}

// minValuesPolicy returns the policy by which machines are launched, that of the plan.
func (s *Settings) minValuesPolicy() v1alpha5.MinValuesPolicy {
	if s.Solver.MinValuesBestEffort {
		return v1alpha5.MinValuesBestEffort
	}
	return v1alpha5.MinValuesStrict
}

// NewController returns a controller that decides for every window of batcher, once synced is closed.
func NewController(world World, batcher *Batcher[types.UID], synced <-chan struct{}, journal journal.Journal, settings Settings) *Controller {
	return &Controller{
		client: world.Client, live: world.Live, provider: world.Provider, cluster: world.Cluster,
		batcher: batcher, synced: synced, journal: journal, settings: settings, pace: pace{},
		turn: semaphore.NewWeighted(1),
	}
}

// +kubebuilder:rbac:groups=karpenter.sh,resources=machines,verbs=create;get
// +kubebuilder:rbac:groups=karpenter.sh,resources=provisioners,verbs=list;watch
// +kubebuilder:rbac:groups=karpenter.sh,resources=provisioners/status,verbs=patch

// Register adds the controller to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error { return mgr.Add(c) }

// Start decides batch after batch until ctx ends. A failed pass is not repeated by itself: its pods ask again.
func (c *Controller) Start(ctx context.Context) error {
	log := ctrl.LoggerFrom(ctx).WithName("provisioning")
	c.journal.Pulse.Await("the decision on pods that wait", c.batcher.Since)
	select {
	case <-c.synced:
	case <-ctx.Done():
		return nil
	}
	for c.batcher.Wait(ctx) {
		if err := c.Provision(ctrl.LoggerInto(ctx, log)); err != nil {
			log.Error(err, "provisioning pass ended early")
		}
	}
	return nil
}

// Provision makes one decision for all pods that nothing can host, and creates its Machines.
func (c *Controller) Provision(ctx context.Context) error {
	if err := c.turn.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("waiting for another decision: %w", err)
	}
	defer c.turn.Release(1)
	defer c.journal.Pulse.Begin("deciding on pods")()
	log := ctrl.LoggerFrom(ctx)
	now := c.journal.Clock.Now()
	snapshot, offers, err := c.look(ctx, now)
	if err != nil {
		return err
	}
	steered, waiting := offers.steer(snapshot, now)
	asked := problem.Build(problem.Facts{
		Snapshot: steered, Offers: offers.offers, ExpendableBelow: c.settings.ExpendableBelow, Settings: c.settings.Solver,
	})
	asked.Planned = c.expected.planned(snapshot, &asked)
	if len(asked.Pods) == 0 {
		c.batcher.Decided(false)
		return nil
	}
	plan := c.solve(ctx, asked)
	verbosity := 0
	if len(plan.Machines)+len(plan.Placements) == 0 && !plan.CutShort {
		verbosity = 1 // pods that stay where they are have their event; the log tells of changes
	}
	log.V(verbosity).Info("decided on pending pods", "pods", len(asked.Pods), "machines", len(plan.Machines),
		"placedOnNodes", len(plan.Placements), "unplaced", len(plan.Unplaced), "costPerHour", plan.CostPerHour,
		"timesLowerBound", plan.Ratio(), "cutShort", plan.CutShort)
	if len(plan.Machines)+len(plan.Placements) > 0 {
		c.decided.Add(1)
	}
	c.nominate(plan.Placements)
	c.reportUnplaced(plan.Unplaced, offers, waiting)
	admitted, held := offers.admit(withoutUndecided(plan.Machines, snapshot), c.pace, now)
	c.batcher.Decided(len(admitted) > 0)
	c.hold(ctx, held)
	return c.create(ctx, log, admitted, offers)
}

// look returns what a decision is made on.
func (c *Controller) look(ctx context.Context, now time.Time) (state.Snapshot, catalogue, error) {
	if err := c.inherit(ctx); err != nil {
		return state.Snapshot{}, catalogue{}, err
	}
	if err := c.confirm(ctx); err != nil {
		return state.Snapshot{}, catalogue{}, err
	}
	// Nodes are looked at before provisioners: what changes meanwhile makes kerf buy too little rather than too much.
	snapshot := c.cluster.Snapshot(now)
	offers, err := c.gatherCatalogue(ctx, snapshot, now)
	if err != nil {
		return state.Snapshot{}, catalogue{}, err
	}
	return snapshot, offers, c.restrain(ctx, snapshot, &offers, now)
}

// hold has the pods of machines planned for anew that are not made now: the next plan knows what else is left for them.
func (c *Controller) hold(ctx context.Context, held []solver.Machine) {
	if len(held) == 0 {
		return
	}
	ctrl.LoggerFrom(ctx).V(1).Info("holding machines back until it shows that there is capacity for them", "machines", len(held))
	for i := range held {
		for _, pod := range held[i].Pods {
			c.batcher.Trigger(pod.UID)
		}
	}
}

func (c *Controller) solve(ctx context.Context, asked solver.Problem) solver.Plan {
	ctx, cancel := context.WithTimeout(ctx, solveTimeout)
	defer cancel()
	start := c.journal.Clock.Now()
	plan := solver.Solve(ctx, asked)
	c.journal.Metrics.SchedulingDuration.Observe(c.journal.Clock.Since(start).Seconds())
	c.measure(&plan)
	return plan
}

func (c *Controller) measure(plan *solver.Plan) {
	c.journal.Metrics.UnplacedPods.Set(float64(len(plan.Unplaced)))
	c.journal.Metrics.PlanCost.Set(plan.CostPerHour)
	c.journal.Metrics.PlanLowerBound.Set(plan.LowerBoundPerHour)
	if plan.CutShort {
		c.journal.Metrics.PlansCutShort.Inc()
	}
}

func (c *Controller) nominate(placements []solver.Placement) {
	until := c.journal.Clock.Now().Add(nominationFor)
	for _, placement := range placements {
		c.cluster.Nominate(placement.Node, until)
		c.expected.expect(placement.Node, placement.Pod.UID)
		c.journal.Events.Publish(events.Event{
			Object: placement.Pod, Reason: events.ReasonNominated, Message: fmt.Sprintf("Pod should fit on node %s", placement.Node),
		})
	}
}

// reportUnplaced tells each pod that nothing can be bought for why, and which provisioners could not be asked. Waiting says of a pod
// why a provisioner buys nothing for it yet.
func (c *Controller) reportUnplaced(unplaced []solver.Unplaced, offers catalogue, waiting map[types.UID]string) {
	for _, u := range unplaced {
		reasons := append([]string{u.Reason}, offers.leftOut...)
		if why, waits := waiting[u.Pod.UID]; waits {
			reasons = append([]string{why}, reasons...)
		}
		if len(offers.offers) == 0 && len(offers.leftOut) > 0 {
			reasons = offers.leftOut // there are provisioners, and all the solver knows is that it was given none
		}
		c.journal.Events.Publish(events.Event{
			Object: u.Pod, Warning: true, Reason: events.ReasonFailedScheduling, Message: strings.Join(reasons, "; "),
		})
	}
}

func (c *Controller) create(ctx context.Context, log logr.Logger, planned []solver.Machine, offers catalogue) error {
	list, err := buildMachines(planned, offers, c.settings.minValuesPolicy())
	if err != nil {
		return err
	}
	return c.createAll(ctx, log, list, planned)
}

func (c *Controller) createAll(ctx context.Context, log logr.Logger, list []*v1alpha5.Machine, planned []solver.Machine) error {
	var group errgroup.Group
	group.SetLimit(creations)
	for i, machine := range list {
		group.Go(func() error { return c.createOne(ctx, log, machine, &planned[i]) })
	}
	err := group.Wait()
	if err != nil { // it may have been made all the same: the next decision counts what there is
		c.inherited = false
	}
	return err
}

func (c *Controller) createOne(ctx context.Context, log logr.Logger, machine *v1alpha5.Machine, planned *solver.Machine) error {
	if err := c.ensure(ctx, machine); err != nil {
		return fmt.Errorf("creating machine for provisioner %s: %w", planned.Provisioner, err)
	}
	now := c.journal.Clock.Now()
	c.cluster.Assume(machine, now)
	c.cluster.Nominate(machine.Name, now.Add(nominationFor)) // until its pods ask again: a ttlSecondsAfterEmpty of 0 must not take it from them
	c.journal.Metrics.MachinesCreated.WithLabelValues(planned.Provisioner).Inc()
	log.Info("created machine", "machine", machine.Name, "provisioner", planned.Provisioner, "pods", len(planned.Pods),
		"instanceType", planned.InstanceTypes[0], "alternatives", len(planned.InstanceTypes)-1, "zone", planned.Zone,
		"capacityType", planned.CapacityType, "pricePerHour", planned.PricePerHour)
	message := fmt.Sprintf("Planned %s %s at $%.4f/h for %d pods, or one of %d alternatives",
		planned.CapacityType, planned.InstanceTypes[0], planned.PricePerHour, len(planned.Pods), len(planned.InstanceTypes)-1)
	c.journal.Events.Publish(events.Event{Object: machine, Reason: events.ReasonMachineCreated, Message: message})
	for _, pod := range planned.Pods {
		c.expected.expect(machine.Name, pod.UID)
		c.journal.Events.Publish(events.Event{
			Object: pod, Reason: events.ReasonNominated, Message: fmt.Sprintf("Pod should fit on machine %s", machine.Name),
		})
	}
	return nil
}
