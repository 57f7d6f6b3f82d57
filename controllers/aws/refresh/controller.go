// Package refresh runs what the AWS provider has to do again and again: it is the only clockwork of AWS land.
package refresh

import (
	"context"
	"fmt"
	"time"

	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
)

var (
	_ manager.Runnable               = (*Controller)(nil)
	_ manager.LeaderElectionRunnable = (*Controller)(nil)
)

// Controller runs tasks one after the other, each when it is due. A task that fails delays no other and ends nothing.
type Controller struct {
	tasks  []aws.Task
	clock  clock.Clock
	leader bool
}

// NewController returns a controller for those of the tasks that run on the leader alone, or for those that run everywhere.
func NewController(tasks []aws.Task, clock clock.Clock, leader bool) *Controller {
	c := &Controller{clock: clock, leader: leader}
	for _, t := range tasks {
		if t.Leader == leader {
			c.tasks = append(c.tasks, t)
		}
	}
	return c
}

// Register adds the tasks to a manager: those that only read to every replica, so that the next leader is ready at once.
func Register(mgr ctrl.Manager, tasks []aws.Task, clock clock.Clock) error {
	for _, leader := range []bool{false, true} {
		if err := NewController(tasks, clock, leader).Register(mgr); err != nil {
			return err
		}
	}
	return nil
}

// Register adds the controller to a manager.
func (c *Controller) Register(mgr ctrl.Manager) error {
	if err := mgr.Add(c); err != nil {
		return fmt.Errorf("adding refresh: %w", err)
	}
	return nil
}

// NeedLeaderElection says whether the tasks wait for the leader's lease.
func (c *Controller) NeedLeaderElection() bool { return c.leader }

// Start runs the tasks until ctx ends.
func (c *Controller) Start(ctx context.Context) error {
	if len(c.tasks) == 0 {
		return nil
	}
	intervals := make([]time.Duration, 0, len(c.tasks))
	for _, t := range c.tasks {
		intervals = append(intervals, t.Interval)
	}
	plan := newSchedule(intervals, c.clock.Now())
	for {
		due, wait := plan.next(c.clock.Now())
		for _, i := range due {
			c.run(ctx, plan, i)
		}
		if len(due) > 0 {
			continue // running took time, in which others may have become due
		}
		timer := c.clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C():
		}
	}
}

// run runs a task. Only changes are told: the first failure of a row, and the success that ends it.
func (c *Controller) run(ctx context.Context, plan *schedule, i int) {
	if ctx.Err() != nil {
		plan.done(i, c.clock.Now(), nil)
		return
	}
	logger, failed := ctrl.LoggerFrom(ctx).WithName("aws.refresh"), plan.failures[i]
	err := c.tasks[i].Run(ctx)
	plan.done(i, c.clock.Now(), err)
	switch {
	case ctx.Err() != nil:
	case err != nil && failed == 0:
		logger.Error(err, "task failed and will be tried again", "task", c.tasks[i].Name)
	case err != nil:
		logger.V(1).Info("task failed again", "task", c.tasks[i].Name, "failures", failed+1, "error", err.Error())
	case failed > 0:
		logger.Info("task succeeded again", "task", c.tasks[i].Name, "failures", failed)
	}
}
