// Package interruption acts on what EventBridge tells of the end of instances: a machine whose instance is going to be taken away is
// deleted while there is time to drain its node and to replace it.
package interruption

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/messages"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/queue"
	"github.com/kerf-autoscaler/kerf/pkg/journal"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
)

const (
	// helpers is how many more receivers there are at most while messages come faster than one handles them, and helperWait how long
	// each of them waits for another message before it goes.
	helpers    = 9
	helperWait = time.Second
	// mostDeliveries is how often a message is tried that cannot be handled, about three minutes: what it announces is over by then.
	mostDeliveries = 10
	// firstRetry and longestRetry bound the time after which a queue that cannot be read is tried again.
	firstRetry, longestRetry = time.Second, 30 * time.Second
)

// Reasons why a message is dropped, besides those of package messages.
const (
	droppedStale     = "stale"
	droppedUnhandled = "unhandled"
	// droppedUnclaimed is of messages about instances that no Machine came to have in all that time.
	droppedUnclaimed = "unclaimed"
)

// Queue is where messages come from.
type Queue interface {
	Name() string
	// Home returns what messages have to be about.
	Home(ctx context.Context) (messages.Home, error)
	// Receive waits until there are messages, or for a time.
	Receive(ctx context.Context, wait time.Duration) ([]queue.Message, error)
	// Delete deletes messages and returns how many.
	Delete(ctx context.Context, list []queue.Message) (int, error)
}

// Offerings are what the cloud sells.
type Offerings interface {
	// MarkUnavailable notes that the cloud has too little of an offering.
	MarkUnavailable(instanceType, zone, capacityType string)
}

// Settings are what a user decides.
type Settings struct {
	// ReplaceOnRebalance has machines replaced that are only likely to be taken away.
	ReplaceOnRebalance bool
	// PauseDisruption keeps every machine that could stay.
	PauseDisruption bool
}

var (
	_ Queue                          = (*queue.Queue)(nil)
	_ manager.Runnable               = (*Controller)(nil)
	_ manager.LeaderElectionRunnable = (*Controller)(nil)
)

// Controller handles messages. What it knows of a machine it reads from the machine.
type Controller struct {
	client    client.Client
	live      client.Reader
	queue     Queue
	offerings Offerings
	instances Instances
	settings  Settings
	journal   journal.Journal
	turns     *turns
}

// World is what the controller reads and changes.
type World struct {
	Client client.Client
	// Live reads past the cache.
	Live      client.Reader
	Queue     Queue
	Offerings Offerings
	Instances Instances
}

// NewController returns a controller that handles the messages of a queue.
func NewController(world World, settings Settings, journal journal.Journal) *Controller {
	return &Controller{
		client: world.Client, live: world.Live, queue: world.Queue, offerings: world.Offerings, instances: world.Instances,
		settings: settings, journal: journal, turns: newTurns(),
	}
}

// +kubebuilder:rbac:groups=karpenter.sh,resources=machines,verbs=get;list;watch;patch;delete
// +kubebuilder:rbac:groups="",resources=nodes;namespaces,verbs=list;watch

// Register adds the controller to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error {
	if err := mgr.Add(c); err != nil {
		return fmt.Errorf("adding interruption: %w", err)
	}
	return nil
}

// NeedLeaderElection says that only the acting replica reads the queue.
func (c *Controller) NeedLeaderElection() bool { return true }

// Start handles messages until ctx ends. A queue that is missing or may not be read is tried again, ever more seldom; it concerns nothing else.
func (c *Controller) Start(ctx context.Context) error {
	logger := ctrl.LoggerFrom(ctx).WithName("aws.interruption").WithValues("queue", c.queue.Name())
	c.listen(ctrl.LoggerInto(ctx, logger))
	return nil
}

func (c *Controller) listen(ctx context.Context) {
	logger, retry := ctrl.LoggerFrom(ctx), time.Duration(0)
	for ctx.Err() == nil {
		full, err := c.receive(ctx, queue.LongestWait)
		if ctx.Err() != nil {
			return // that the call was cut off is no news
		}
		switch {
		case err != nil:
			c.journal.Metrics.QueueUnavailable.Set(1)
			if retry == 0 {
				logger.Error(err, "queue of interruptions cannot be read and will be tried again: nodes are not drained before their instances are taken away")
			}
			retry = min(max(2*retry, firstRetry), longestRetry)
			c.pause(ctx, retry)
			continue
		case retry > 0:
			logger.Info("queue of interruptions is read again")
		}
		retry = 0
		c.journal.Metrics.QueueUnavailable.Set(0)
		if full {
			c.help(ctx)
		}
	}
}

// pause lets time pass.
func (c *Controller) pause(ctx context.Context, d time.Duration) {
	timer := c.journal.Clock.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
	case <-ctx.Done():
	}
}

// help has several receivers handle what there is, until each finds nothing more.
func (c *Controller) help(ctx context.Context) {
	var group sync.WaitGroup
	for range helpers + 1 {
		group.Go(func() {
			for ctx.Err() == nil {
				if more, err := c.receive(ctx, helperWait); !more || err != nil { // an error shows again in the loop that waits
					return
				}
			}
		})
	}
	group.Wait()
}

// receive handles the messages that come within a time. It reports whether there may be more.
func (c *Controller) receive(ctx context.Context, wait time.Duration) (more bool, err error) {
	home, err := c.queue.Home(ctx)
	if err != nil {
		return false, err
	}
	list, err := c.queue.Receive(ctx, wait)
	if err != nil || len(list) == 0 {
		return false, err
	}
	defer c.journal.Pulse.Begin("handling messages of interruptions")()
	done := make([]bool, len(list))
	var group sync.WaitGroup
	for i := range list {
		group.Go(func() { done[i] = c.handle(ctx, home, &list[i]) })
	}
	group.Wait()
	var worn []queue.Message
	for i := range list {
		if done[i] {
			worn = append(worn, list[i])
		}
	}
	deleted, err := c.queue.Delete(ctx, worn)
	c.journal.Metrics.MessagesDeleted.Add(float64(deleted))
	if err != nil && ctx.Err() == nil { // they come again, and nothing is done about them then
		ctrl.LoggerFrom(ctx).Error(err, "messages stay in the queue", "messages", len(worn)-deleted)
	}
	return len(list) == queue.AtOnce || wait < queue.LongestWait, nil
}

// handle does what a message asks for. It reports whether the message is of no more use.
func (c *Controller) handle(ctx context.Context, home messages.Home, delivered *queue.Message) bool {
	recorded, now := c.journal.Metrics, c.journal.Clock.Now()
	logger := ctrl.LoggerFrom(ctx).WithValues("message", delivered.ID)
	message, err := messages.Parse(delivered.Body, home)
	if worthless, ok := errors.AsType[*messages.WorthlessError](err); ok {
		recorded.MessagesReceived.WithLabelValues(metrics.TypeWorthless).Inc()
		recorded.MessagesDropped.WithLabelValues(string(worthless.Reason)).Inc()
		logger.V(1).Info("dropping message", "reason", worthless.Reason, "detail", worthless.Detail)
		return true
	}
	recorded.MessagesReceived.WithLabelValues(string(message.Kind)).Inc()
	if message.Kind == messages.Other {
		return true
	}
	if stale(&message, now) {
		recorded.MessagesDropped.WithLabelValues(droppedStale).Inc()
		logger.V(1).Info("dropping message", "reason", droppedStale, "kind", message.Kind, "time", message.Time)
		return true
	}
	unclaimed, err := c.actOnAll(ctx, &message)
	switch {
	case err == nil && unclaimed && delivered.Deliveries < mostDeliveries:
		logger.V(1).Info("message waits for machines whose instances are not known yet", "kind", message.Kind, "deliveries", delivered.Deliveries)
		return false
	case err == nil && unclaimed:
		recorded.MessagesDropped.WithLabelValues(droppedUnclaimed).Inc()
		return true
	case err == nil:
		recorded.MessageLatency.Observe(max(c.journal.Clock.Since(message.Time), 0).Seconds())
		return true
	case ctx.Err() != nil:
		return false
	case delivered.Deliveries >= mostDeliveries:
		recorded.MessagesDropped.WithLabelValues(droppedUnhandled).Inc()
		logger.Error(err, "giving a message up", "kind", message.Kind, "deliveries", delivered.Deliveries)
		return true
	}
	logger.Error(err, "message could not be handled and will come again", "kind", message.Kind, "deliveries", delivered.Deliveries)
	return false
}
