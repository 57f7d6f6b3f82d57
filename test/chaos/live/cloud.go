package live

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/utils/clock"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	simulated "github.com/kerf-autoscaler/kerf/test/awssim/world"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
	"github.com/kerf-autoscaler/kerf/test/chaos/line"
)

const (
	region      = "us-east-1"
	clusterName = "live"
	// bootDelay and shutdownDelay are how long instances take.
	bootDelay, shutdownDelay = 200 * time.Millisecond, 300 * time.Millisecond
)

// simulate starts the AWS of a world, behind a port.
func (w *World) simulate() error {
	described, err := awssim.DefaultWorld(region, clusterName)
	if err != nil {
		return fmt.Errorf("describing AWS: %w", err)
	}
	described.Clock, described.InstanceTypes = clock.RealClock{}, instanceTypes() // few, so that plans are made fast
	described.BootDelay, described.ShutdownDelay = bootDelay, shutdownDelay
	if w.sim, err = awssim.Start(awssim.Config{World: described, Plan: w.plan.AWS, Faults: []awssim.Hook{w.note}}); err != nil {
		return fmt.Errorf("starting the simulator: %w", err)
	}
	return nil
}

// note puts a call into the history: after all that the API server had committed when it took effect.
func (w *World) note(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
	number, err := strconv.Atoi(r.HTTP.Header.Get(processHeader))
	if err != nil {
		return next(ctx, r)
	}
	call := callOf(r.Action, r.Form)
	version := w.recorder.newest()
	if changes := !strings.HasPrefix(r.Action, "Describe"); changes {
		version = w.version(ctx)
	}
	finish := w.recorder.call(version, number, call)
	response, err := next(ctx, r)
	seen := w.observe()
	finish(func() {
		call.Made, call.Ended, call.Gone = seen.Made, seen.Ended, seen.Gone
		if err != nil {
			call.Code = apierror.From(err).Code
		}
	})
	return response, err
}

// callOf reads what a request asks for.
func callOf(action string, form url.Values) *history.Call {
	call := &history.Call{By: history.ByKerf, Action: action}
	for i := 1; form.Has("InstanceId." + strconv.Itoa(i)); i++ {
		call.IDs = append(call.IDs, form.Get("InstanceId."+strconv.Itoa(i)))
	}
	switch {
	case form.Get("DryRun") == "true": // it asks whether it may, and launches nothing
		call.Action = line.TryPrefix + action
	case action == launchAction:
		call.Token = form.Get("ClientToken")
		if size, err := strconv.Atoi(form.Get("TargetCapacitySpecification.TotalTargetCapacity")); err == nil {
			call.Size = size
		}
		call.Group, call.Attempt = tagIn(form, awsv1alpha1.TagLaunchGroup), tagIn(form, awsv1alpha1.TagLaunchAttempt)
	}
	return call
}

// tagIn returns the value of a tag that a request puts on something.
func tagIn(form url.Values, key string) string {
	for name, values := range form {
		if prefix, ok := strings.CutSuffix(name, ".Key"); ok && slices.Contains(values, key) {
			return form.Get(prefix + ".Value")
		}
	}
	return ""
}

// observe looks at which instances began and ended since the last time, whoever was the cause.
func (w *World) observe() (seen history.Call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range w.sim.World().Instances() {
		was, known := w.known[i.ID]
		w.known[i.ID] = i.State
		if !known {
			seen.Made = append(seen.Made, history.Instance{
				ID: i.ID, ClusterUID: i.Tags[awsv1alpha1.TagClusterUID], Group: i.Tags[awsv1alpha1.TagLaunchGroup],
				Attempt: i.Tags[awsv1alpha1.TagLaunchAttempt], Type: i.Type, Zone: i.Subnet.Zone,
			})
		}
		if !isLive(i.State) && (isLive(was) || !known) {
			seen.Ended = append(seen.Ended, i.ID)
		}
		if was != simulated.Terminated && i.State == simulated.Terminated {
			seen.Gone = append(seen.Gone, i.ID)
		}
	}
	return seen
}

// isLive reports whether an instance in the state costs money and may run pods.
func isLive(state simulated.State) bool {
	return state == simulated.Pending || state == simulated.Running
}

// liveInstances returns the instances that are neither ended nor about to.
func (w *World) liveInstances() []simulated.Instance {
	return slices.DeleteFunc(w.sim.World().Instances(), func(i simulated.Instance) bool { return !isLive(i.State) })
}

// instanceTypes are those that there are, all with two cores.
func instanceTypes() []string { return []string{"c5.large", "c6i.large", "m5.large", "m6i.large"} }
