package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// The workloads of the second act, and how many pods of them there are in the end.
const (
	shop     = "shop"
	till     = "till"
	fewShops = 3
	tills    = 3
)

// The images of the second act, as their names begin: the one that machines are made from at first, and the next one.
const (
	oldRelease = "v20260318"
	newRelease = "v20260520"
)

// secondAct is about what is there already: a spread-out workload consolidates, a spot interruption is survived, and machines get a new image
// one after the other.
func (d *show) secondAct(ctx context.Context) error {
	for _, scene := range []struct {
		name string
		run  func(context.Context) error
	}{
		{"a spread-out workload consolidates", d.consolidate},
		{"a spot interruption is survived", d.interrupt},
		{"a new image is rolled out", d.rollOut},
		{"what is not needed goes", d.close},
		{"nothing is left", d.awaitNothing},
	} {
		if err := scene.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", scene.name, err)
		}
	}
	authorized := d.env.AWS().Authorizations()
	d.checks.expect(len(authorized.Denied) == 0, "the IAM policy that kerf ships allows all that it did in the second act",
		"%d requests judged, denied: %v", authorized.Requests, authorized.Denied)
	return nil
}

// imageOf has the template use images of a release.
func (d *show) imageOf(ctx context.Context, release string) error {
	_, err := d.kubectl(ctx, "patch", "awsnodetemplate", "consolidated", "--type=merge", "--patch",
		fmt.Sprintf(`{"spec":{"amiSelector":{"aws::name":"amazon-eks-node-al2023-x86_64-standard-*-%s"}}}`, release))
	return err
}

func (d *show) consolidate(ctx context.Context) error {
	if err := d.apply(ctx, "consolidation.yaml"); err != nil {
		return err
	}
	if err := d.imageOf(ctx, oldRelease); err != nil {
		return err
	}
	if err := d.load(ctx, "shop 0 -> 12", shop, 12, func(ctx context.Context) error { return d.apply(ctx, "shop.yaml") }); err != nil {
		return err
	}
	if err := d.awaitRunning(ctx, shop, 12, till, tills); err != nil {
		return err
	}
	if _, err := d.kubectl(ctx, "scale", "deployment", shop, fmt.Sprintf("--replicas=%d", fewShops)); err != nil {
		return err
	}
	if err := d.awaitRunning(ctx, shop, fewShops, till, tills); err != nil {
		return err
	}
	before := d.cost()
	d.timeline.now("pods", "12 pods of shop have become %d; the nodes cost $%.4f an hour", fewShops, before)
	if err := d.awaitCalm(ctx, func() bool { return d.cost() < before*2/3 }); err != nil {
		return err
	}
	after := d.cost()
	d.checks.expect(after < before*2/3 && d.complete(), "a spread-out workload consolidates",
		"$%.4f an hour became $%.4f, and all pods run", before, after)
	return nil
}

// interrupt has EC2 take a spot instance away that pods run on, if there is one.
func (d *show) interrupt(ctx context.Context) error {
	victims := d.consolidated()
	at := slices.IndexFunc(victims, func(i admin.Instance) bool { return i.CapacityType == v1alpha5.CapacityTypeSpot })
	if at < 0 {
		d.checks.expect(false, "a spot interruption is survived", "no instance is a spot one")
		return nil
	}
	victim := victims[at]
	d.timeline.now("AWS", "warns that it takes spot instance %s away in two minutes", victim.ID)
	warned := time.Now()
	if err := d.env.AWS().Befall(victim.ID, faults.Interrupt); err != nil {
		return err
	}
	gone := func() bool {
		i := slices.IndexFunc(d.env.AWS().Instances(), func(i admin.Instance) bool { return i.ID == victim.ID && !alive(i) })
		return i >= 0
	}
	if err := d.awaitCalm(ctx, gone); err != nil {
		return err
	}
	took, by := time.Since(warned), ""
	for _, i := range d.env.AWS().Instances() {
		if i.ID == victim.ID {
			by = i.StateReason
		}
	}
	d.checks.expect(took < 2*time.Minute && by == "Client.UserInitiatedShutdown", "a spot interruption is survived",
		"%s after the warning all pods ran elsewhere; the instance ended by %s", seconds(took), by)
	return nil
}

// rollOut gives the template another image. The first machine that has it is the canary for all others.
func (d *show) rollOut(ctx context.Context) error {
	began, count := time.Now(), len(d.consolidated())
	images := map[string]bool{}
	for _, i := range d.consolidated() {
		images[i.ImageID] = true
	}
	if err := d.imageOf(ctx, newRelease); err != nil {
		return err
	}
	renewed := func() bool {
		return !slices.ContainsFunc(d.consolidated(), func(i admin.Instance) bool { return images[i.ImageID] })
	}
	if err := d.awaitCalm(ctx, renewed); err != nil {
		return err
	}
	canary, early := d.canary(began)
	d.checks.expect(renewed() && canary && early == 0 && d.complete(), "a new image is rolled out behind a canary",
		"%d machines of the old image became %d of the new one; %d were decided on before the first new one was ready", count, len(d.consolidated()), early)
	return nil
}

// canary reports whether a machine took the place of another one since a time, and how many more were made to before that one was ready.
func (d *show) canary(since time.Time) (made bool, early int) {
	d.observer.mu.Lock()
	defer d.observer.mu.Unlock()
	var first *machine
	replacing := func(m *machine) bool {
		return m.created.After(since) && m.object.Annotations[v1alpha5.ReplacesAnnotation] != ""
	}
	for _, m := range d.observer.machines {
		if replacing(m) && (first == nil || m.created.Before(first.created)) {
			first = m
		}
	}
	if first == nil {
		return false, 0
	}
	for _, m := range d.observer.machines {
		if m != first && replacing(m) && m.created.Before(first.initialized) {
			early++
		}
	}
	return true, early
}

// close takes the load away. Consolidation removes empty nodes as well.
func (d *show) close(ctx context.Context) error {
	if _, err := d.kubectl(ctx, "delete", "--wait=false", "deployment/"+shop, "deployment/"+till, "pdb/"+shop, "pdb/"+till); err != nil {
		return err
	}
	return d.awaitPods(ctx, shop, till)
}

// awaitRunning waits until so many pods of each workload run, and no more are there.
func (d *show) awaitRunning(ctx context.Context, one string, ones int, other string, others int) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it took longer than %s", patience))
	defer cancel()
	return d.observer.await(ctx, fmt.Sprintf("%d pods of %s and %d of %s run", ones, one, others, other), func() bool {
		return d.observer.running(one) == ones && d.observer.running(other) == others
	})
}

// awaitCalm waits until a condition holds, all pods of the second act run and no machine comes or goes. AWS cannot be watched, so it is polled.
func (d *show) awaitCalm(ctx context.Context, holds func() bool) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("it took longer than %s", patience))
	defer cancel()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for {
		if holds() && d.complete() && d.calm() {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until machines neither come nor go: %w", context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// calm reports whether all machines that are there are ready, and none is on its way out.
func (d *show) calm() bool {
	d.observer.mu.Lock()
	defer d.observer.mu.Unlock()
	for _, m := range d.observer.machines {
		if m.gone.IsZero() && (m.initialized.IsZero() || !m.deleting.IsZero() || m.object.Status.Disruption != nil) {
			return false
		}
	}
	return true
}

// complete reports whether all pods of the second act run.
func (d *show) complete() bool {
	d.observer.mu.Lock()
	defer d.observer.mu.Unlock()
	return d.observer.running(shop) == fewShops && d.observer.running(till) == tills
}

// running counts the pods of a workload that run. It is called with the lock held.
func (o *observer) running(workload string) int {
	count := 0
	for _, p := range o.pods {
		if p.workload == workload && p.gone.IsZero() && !p.running.IsZero() {
			count++
		}
	}
	return count
}

// cost returns what the instances cost, US dollars per hour.
func (d *show) cost() float64 {
	cost := 0.0
	for _, i := range d.consolidated() {
		cost += i.PricePerHour
	}
	return cost
}

// consolidated returns the living instances of the second act.
func (d *show) consolidated() []admin.Instance {
	return slices.DeleteFunc(d.env.AWS().Instances(), func(i admin.Instance) bool {
		return !alive(i) || i.Tags[v1alpha5.ProvisionerNameLabel] != "consolidated"
	})
}
