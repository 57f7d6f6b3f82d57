// Package fake is a cloud in memory that keeps the port's promises; controllers are tested against it.
package fake

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
)

var _ cloudprovider.Provider = (*Provider)(nil)

// Options of a Provider; the zero value is usable.
type Options struct {
	// InstanceTypes on offer, in order of name. Default: InstanceTypes().
	InstanceTypes cloudprovider.InstanceTypes
	// Clock that launch times and terminations follow. Default: the real one.
	Clock clock.PassiveClock
	// TerminationTime is how long a deleted instance goes on shutting down. With 0 it is gone at once.
	TerminationTime time.Duration
}

// Provider is a cloud in memory. It is safe for concurrent use.
type Provider struct {
	instanceTypes   cloudprovider.InstanceTypes
	clock           clock.PassiveClock
	terminationTime time.Duration

	mu        sync.Mutex
	instances map[string]*Instance // provider id -> instance, terminated ones included
	answers   map[string]answer    // token -> the answer that every repeat of the request gets
	capacity  map[Offering]int     // offering -> instances left; one that is not there has no bound
	faults    map[Operation]error  // operation -> the error that it answers with
	lost      int                  // answers to launches that are still to be lost
	obscured  bool                 // answers leave open whether an instance is there
	calls     map[Operation]int    // operation -> how often it was called
	launches  int                  // requests that were served, repeats left out
	made      int                  // instances ever made
	frozen    *time.Time           // when the cloud last told what is on offer; nil is now
	outdated  []drift.Finding      // what was changed since the first edition of what instances are made from
}

// answer is what one launch request got.
type answer struct {
	request     string   // what was asked, comparable
	providerIDs []string // in order
}

// New returns a Provider without instances.
func New(o Options) *Provider {
	if o.InstanceTypes == nil {
		o.InstanceTypes = InstanceTypes()
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	return &Provider{
		instanceTypes:   o.InstanceTypes,
		clock:           o.Clock,
		terminationTime: o.TerminationTime,
		instances:       map[string]*Instance{},
		answers:         map[string]answer{},
		capacity:        map[Offering]int{},
		faults:          map[Operation]error{},
		calls:           map[Operation]int{},
	}
}

// Create launches the whole group on the first call with a token, and hands every call the instance of its index.
func (p *Provider) Create(_ context.Context, machine *v1alpha5.Machine) (*v1alpha5.Machine, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(OperationCreate); err != nil {
		return nil, err
	}
	launch := machine.Status.Launch
	if launch == nil || launch.Token == "" || launch.Size < 1 || launch.Index < 0 {
		return nil, fmt.Errorf("machine %q has no written intent to launch", machine.Name)
	}
	got, err := p.answer(machine)
	if err != nil {
		return nil, err
	}
	if p.lost > 0 {
		p.lost--
		return nil, errors.New("the answer was lost")
	}
	if int(launch.Index) >= len(got) {
		return nil, cloudprovider.NewInsufficientCapacityError(
			fmt.Errorf("launch group %q got %d of %d instances", launch.Group, len(got), launch.Size))
	}
	out := p.instances[got[launch.Index]].machine(p.now())
	out.Name, out.UID = machine.Name, machine.UID
	labels := maps.Clone(machine.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, out.Labels)
	out.Labels = labels
	return out, nil
}

// Delete starts the termination of the machine's instance.
func (p *Provider) Delete(ctx context.Context, machine *v1alpha5.Machine, all ...cloudprovider.Agreement) error {
	if err := p.deletable(machine.Status.ProviderID); err != nil {
		return err
	}
	for _, agreed := range all {
		if err := agreed(ctx); err != nil {
			return err
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	instance, err := p.find(machine.Status.ProviderID)
	if err != nil {
		return err
	}
	if instance.deletedAt.IsZero() {
		instance.deletedAt = p.now()
		instance.goneAt = p.now().Add(p.terminationTime)
	}
	return nil
}

func (p *Provider) deletable(providerID string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(OperationDelete); err != nil {
		return err
	}
	_, err := p.find(providerID)
	return err
}

// Get returns the machine of an instance that is there.
func (p *Provider) Get(_ context.Context, providerID string) (*v1alpha5.Machine, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(OperationGet); err != nil {
		return nil, err
	}
	instance, err := p.find(providerID)
	if err != nil {
		return nil, err
	}
	return instance.machine(p.now()), nil
}

// List returns the machines of all instances that are there, in order of provider id.
func (p *Provider) List(context.Context) ([]*v1alpha5.Machine, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(OperationList); err != nil {
		return nil, err
	}
	var out []*v1alpha5.Machine
	for _, id := range slices.Sorted(maps.Keys(p.instances)) {
		if i := p.instances[id]; !i.Foreign && !i.gone(p.now()) {
			out = append(out, i.machine(p.now()))
		}
	}
	return out, nil
}

// InstanceTypes returns what is on offer; offerings without capacity are not available.
func (p *Provider) InstanceTypes(context.Context, *v1alpha5.Provisioner) (cloudprovider.InstanceTypes, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(OperationInstanceTypes); err != nil {
		return nil, err
	}
	out := make(cloudprovider.InstanceTypes, 0, len(p.instanceTypes))
	for _, t := range p.instanceTypes {
		copied := *t
		copied.Offerings = slices.Clone(t.Offerings)
		for i, o := range copied.Offerings {
			copied.Offerings[i].Available = o.Available && p.left(Offering{t.Name, o.Zone, o.CapacityType})
		}
		out = append(out, &copied)
	}
	return out, nil
}

// Surveyed returns the present time, unless InstanceTypes fails or the catalogue is Frozen.
func (p *Provider) Surveyed() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.faults[OperationInstanceTypes] != nil {
		return time.Time{}
	}
	if p.frozen != nil {
		return *p.frozen
	}
	return p.now()
}

// Drifted returns what was changed first since the machine's edition.
func (p *Provider) Drifted(_ context.Context, machine *v1alpha5.Machine) (drift.Finding, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := p.enter(OperationDrifted); err != nil {
		return drift.Finding{}, err
	}
	edition, err := strconv.Atoi(machine.Annotations[EditionAnnotation])
	if machine.Status.ProviderID == "" || err != nil || edition < 0 || edition >= len(p.outdated) {
		return drift.Finding{}, nil // not launched, not on record, or of the last edition
	}
	return p.outdated[edition], nil
}

// enter counts a call and returns the fault that the operation is to answer with.
func (p *Provider) enter(operation Operation) error {
	p.calls[operation]++
	return p.faults[operation]
}

func (p *Provider) find(providerID string) (*Instance, error) {
	if p.obscured {
		return nil, fmt.Errorf("the answer leaves open whether %q is there", providerID)
	}
	instance, ok := p.instances[providerID]
	if ok && !instance.Foreign && instance.gone(p.now()) && !instance.vanished {
		if instance.failed {
			return nil, cloudprovider.NewTerminatedError(fmt.Errorf("provider id %q", providerID))
		}
		return nil, cloudprovider.NewTakenAwayError(fmt.Errorf("provider id %q", providerID))
	}
	if !ok || instance.Foreign || instance.gone(p.now()) {
		return nil, cloudprovider.NewNotFoundError(fmt.Errorf("provider id %q", providerID))
	}
	return instance, nil
}

func (p *Provider) now() time.Time { return p.clock.Now() }
