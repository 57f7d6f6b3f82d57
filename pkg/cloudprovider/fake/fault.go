package fake

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
)

// Operation is a method of the port.
type Operation string

// Operations that can be counted and made to fail.
const (
	OperationCreate        Operation = "Create"
	OperationDelete        Operation = "Delete"
	OperationGet           Operation = "Get"
	OperationList          Operation = "List"
	OperationInstanceTypes Operation = "InstanceTypes"
	OperationDrifted       Operation = "Drifted"
)

// Offering is a place and a way in which one instance type can be bought.
type Offering struct{ InstanceType, Zone, CapacityType string }

// SetCapacity bounds how many more instances of an offering can be launched; 0 exhausts it.
func (p *Provider) SetCapacity(o Offering, left int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.capacity[o] = left
}

// Restore lifts every bound on capacity.
func (p *Provider) Restore() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.capacity)
}

// Exhaust leaves no capacity in any offering of the given instance types; without names, in none at all.
func (p *Provider) Exhaust(instanceTypes ...string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.instanceTypes {
		if len(instanceTypes) > 0 && !slices.Contains(instanceTypes, t.Name) {
			continue
		}
		for _, o := range t.Offerings {
			p.capacity[Offering{t.Name, o.Zone, o.CapacityType}] = 0
		}
	}
}

// Fail makes an operation answer with err and do nothing, until Fail is called with nil.
func (p *Provider) Fail(operation Operation, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults[operation] = err
}

// Outdate changes what instances are made from: those that there are have drifted from now on, for the reason.
func (p *Provider) Outdate(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outdated = append(p.outdated, drift.Finding{Reason: reason, Message: fmt.Sprintf(
		"the instance is of edition %d, which is past", len(p.outdated))})
}

// Renew takes back all that Outdate changed.
func (p *Provider) Renew() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.outdated = nil
}

// Offer replaces what is on offer.
func (p *Provider) Offer(instanceTypes cloudprovider.InstanceTypes) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.instanceTypes = instanceTypes
}

// Freeze makes what is on offer known from a time, and from no later one: zero is that the cloud does not answer since.
func (p *Provider) Freeze(at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = &at
}

// Thaw takes Freeze back.
func (p *Provider) Thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frozen = nil
}

// LoseAnswers makes the next n calls of Create do their work and then return an error, as when a connection breaks.
func (p *Provider) LoseAnswers(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost = n
}

// Vanish takes an instance away as if someone had terminated it by hand, so long ago that the cloud no longer knows it.
func (p *Provider) Vanish(providerID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i, ok := p.instances[providerID]; ok {
		i.deletedAt, i.goneAt, i.vanished = p.now(), p.now(), true
	}
}

// Break has an instance end by itself, as one whose disk cannot be made.
func (p *Provider) Break(providerID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i, ok := p.instances[providerID]; ok && i.deletedAt.IsZero() {
		i.deletedAt, i.goneAt, i.failed = p.now(), p.now().Add(p.terminationTime), true
	}
}

// Stop switches an instance off as if someone had done so by hand.
func (p *Provider) Stop(providerID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i, ok := p.instances[providerID]; ok {
		i.stopped = true
	}
}

// Obscure makes answers leave open whether an instance is there, as a cloud's do at times, until it is called with false.
func (p *Provider) Obscure(obscured bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.obscured = obscured
}

// AddForeign adds an instance of another cluster and returns its provider id.
func (p *Provider) AddForeign() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	id := fmt.Sprintf("fake:///elsewhere/i-f%016x", len(p.instances))
	p.instances[id] = &Instance{ProviderID: id, Foreign: true, Launched: p.now()}
	return id
}

// AddOrphan adds an instance of this cluster that no Machine asked for and returns its provider id.
func (p *Provider) AddOrphan(provisioner string) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	orphan := &v1alpha5.Machine{}
	orphan.Labels = map[string]string{v1alpha5.ProvisionerNameLabel: provisioner}
	orphan.Status.Launch = &v1alpha5.Launch{Group: "orphan", Attempt: 1}
	c, ok := p.choose(nil)
	if !ok {
		return "", fmt.Errorf("no offering has capacity for an orphan of %q", provisioner)
	}
	return p.make(orphan, c), nil
}

// Calls returns how often an operation was called.
func (p *Provider) Calls(operation Operation) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.calls[operation]
}

// Launches returns how many launch requests were served; repeats with the same token do not count.
func (p *Provider) Launches() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.launches
}

// Instances returns all instances that are not gone, in order of provider id.
func (p *Provider) Instances() []Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []Instance
	for _, id := range slices.Sorted(maps.Keys(p.instances)) {
		if i := *p.instances[id]; !i.gone(p.now()) {
			i.ShuttingDown = !i.deletedAt.IsZero()
			out = append(out, i)
		}
	}
	return out
}

func (p *Provider) left(o Offering) bool {
	n, bounded := p.capacity[o]
	return !bounded || n > 0
}

func (p *Provider) take(o Offering) {
	if n, bounded := p.capacity[o]; bounded {
		p.capacity[o] = n - 1
	}
}
