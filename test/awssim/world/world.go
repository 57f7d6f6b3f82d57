package world

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// World is the account's state. It is safe for concurrent use. There is no background work: what time changes is worked out when asked.
type World struct {
	facts *catalog.Catalog
	types []catalog.InstanceType // on offer, sorted by name
	seed  string                 // makes ids differ between worlds made at different times

	mu sync.Mutex
	// config is read without the lock, but for what Configure, SetCapacity and CreateTags change: the delays, the keys, the limits, and tags.
	config        Config
	sequence      int
	launches      int
	subnets       map[string]*subnetState // id -> addresses in use
	instances     map[string]*Instance
	templates     map[string]*LaunchTemplate // id -> template
	templateNames map[string]string          // name -> id
	fleets        []*Fleet
	tokens        map[string]remembered // action and client token -> first answer
}

// spotNotice is how long AWS gives a spot instance from its warning on.
const spotNotice = 2 * time.Minute

// New makes a world that has no instances yet.
func New(config Config) (*World, error) {
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("checking the world: %w", err)
	}
	facts, err := catalog.Load()
	if err != nil {
		return nil, fmt.Errorf("loading the catalogue: %w", err)
	}
	if config.Faults == nil {
		config.Faults = faults.NewInjector()
	}
	if config.SpotNotice == 0 {
		config.SpotNotice = spotNotice
	}
	w := &World{
		facts:         facts,
		seed:          config.Region + config.AccountID + config.Clock.Now().UTC().Format(time.RFC3339Nano),
		config:        config.clone(),
		subnets:       map[string]*subnetState{},
		instances:     map[string]*Instance{},
		templates:     map[string]*LaunchTemplate{},
		templateNames: map[string]string{},
		tokens:        map[string]remembered{},
	}
	w.types = slices.DeleteFunc(facts.InstanceTypesIn(config.Region), func(t catalog.InstanceType) bool {
		return config.InstanceTypes != nil && !slices.Contains(config.InstanceTypes, t.Name)
	})
	for _, subnet := range config.Subnets {
		prefix, err := netip.ParsePrefix(subnet.CIDR)
		if err != nil {
			return nil, fmt.Errorf("subnet %s: %w", subnet.ID, err)
		}
		w.subnets[subnet.ID] = newSubnetState(prefix.Masked())
	}
	return w, nil
}

// Region is the one region of the world.
func (w *World) Region() string { return w.config.Region }

// AccountID is the one account of the world.
func (w *World) AccountID() string { return w.config.AccountID }

// Cluster is what EKS knows.
func (w *World) Cluster() Cluster { return w.config.Cluster }

// VPC is the one network.
func (w *World) VPC() VPC { return w.config.VPC }

// Facts are the EC2 facts that the world is made of.
func (w *World) Facts() *catalog.Catalog { return w.facts }

// Now is the world's time.
func (w *World) Now() time.Time { return w.config.Clock.Now() }

// Faults decides what goes wrong.
func (w *World) Faults() *faults.Injector { return w.config.Faults }

// Told is a moment as AWS tells of it, whose clock may be off.
func (w *World) Told(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return t.Add(w.config.Faults.ClockOffset())
}

// Wait lets time pass by the world's clock; false if the context ended before. A clock that cannot wake anybody lets no time pass.
func (w *World) Wait(ctx context.Context, d time.Duration) bool {
	timers, ok := w.config.Clock.(clock.Clock)
	if !ok {
		return ctx.Err() == nil
	}
	timer := timers.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C():
		return true
	case <-ctx.Done():
		return false
	}
}

// SecurityGroups lists the groups sorted by id.
func (w *World) SecurityGroups() []SecurityGroup {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.SortedFunc(slices.Values(w.config.SecurityGroups), func(a, b SecurityGroup) int { return strings.Compare(a.ID, b.ID) })
}

// Images lists the images sorted by id.
func (w *World) Images() []Image {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.config.Images)
}

// Publish gives the parameter of an existing name a new value, as AWS does with a new release of an image.
func (w *World) Publish(name, value string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.config.Parameters, func(p Parameter) bool { return p.Name == name })
	if i < 0 {
		return fmt.Errorf("no parameter is named %s", name)
	}
	p := &w.config.Parameters[i]
	p.Value, p.Version, p.Modified = value, p.Version+1, w.config.Clock.Now()
	return nil
}

// Parameter looks a public parameter up by its full name.
func (w *World) Parameter(name string) (Parameter, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.config.Parameters, func(p Parameter) bool { return p.Name == name })
	if i < 0 {
		return Parameter{}, false
	}
	return w.config.Parameters[i], true
}

// KnowsAccessKey says whether calls may be signed with the key.
func (w *World) KnowsAccessKey(id string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.config.AccessKeyIDs, id)
}

// InstanceTypes lists the types on offer in the region, sorted by name.
func (w *World) InstanceTypes() []catalog.InstanceType {
	return slices.Clone(w.types)
}

// instanceType finds a type that is on offer.
func (w *World) instanceType(name string) (catalog.InstanceType, bool) {
	i, found := slices.BinarySearchFunc(w.types, name, func(t catalog.InstanceType, name string) int { return strings.Compare(t.Name, name) })
	if !found {
		return catalog.InstanceType{}, false
	}
	return w.types[i], true
}

// Zones lists the zones of the region.
func (w *World) Zones() []catalog.Zone { return w.facts.Zones(w.config.Region) }

// OnDemandPrice is the price in USD per hour that the world charges.
func (w *World) OnDemandPrice(instanceType string) (float64, bool) {
	if price, ok := w.config.OnDemandPrices[instanceType]; ok {
		return price, true
	}
	return w.facts.OnDemandPrice(w.config.Region, instanceType)
}

// SpotPrice is the spot price in USD per hour that the world charges.
func (w *World) SpotPrice(zone, instanceType string) (float64, bool) {
	if price, ok := w.config.SpotPrices[SpotPool{Zone: zone, InstanceType: instanceType}]; ok {
		return price, true
	}
	return w.facts.SpotPrice(zone, instanceType)
}

// Settings are the parts of a world that a test may change while it runs. A nil field stays as it is.
type Settings struct {
	BootDelay           *time.Duration
	ShutdownDelay       *time.Duration
	TerminatedRetention *time.Duration
	SpotNotice          *time.Duration
	AccessKeyIDs        *[]string
}

// Configure changes settings. Delays count for what happens from now on: an instance keeps the boot delay it was launched with.
func (w *World) Configure(s Settings) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	changed := w.config
	set(&changed.BootDelay, s.BootDelay)
	set(&changed.ShutdownDelay, s.ShutdownDelay)
	set(&changed.TerminatedRetention, s.TerminatedRetention)
	set(&changed.SpotNotice, s.SpotNotice)
	set(&changed.AccessKeyIDs, s.AccessKeyIDs)
	if err := changed.validate(); err != nil {
		return err
	}
	w.config.BootDelay, w.config.ShutdownDelay = changed.BootDelay, changed.ShutdownDelay
	w.config.TerminatedRetention, w.config.AccessKeyIDs = changed.TerminatedRetention, slices.Clone(changed.AccessKeyIDs)
	w.config.SpotNotice = changed.SpotNotice
	return nil
}

func set[T any](into *T, value *T) {
	if value != nil {
		*into = *value
	}
}

// CreateTags adds tags to resources, all or none.
func (w *World) CreateTags(ids []string, tags Tags, dryRun bool) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.sweep()
	places := make([]*Tags, len(ids))
	for i, id := range ids {
		place, err := w.tagsOf(id)
		if err != nil {
			return err
		}
		if err := checkTagCount(place.Merge(tags)); err != nil {
			return err
		}
		places[i] = place
	}
	if dryRun {
		return errDryRun()
	}
	for _, place := range places {
		*place = place.Merge(tags)
	}
	return nil
}

// tagsOf finds where the tags of a resource are kept. The caller holds the lock.
func (w *World) tagsOf(id string) (*Tags, error) {
	kind, _, _ := strings.Cut(id, "-")
	switch kind {
	case "i":
		instance, err := w.knownInstance(id)
		if err != nil {
			return nil, err
		}
		return &instance.Tags, nil
	case "lt":
		if template, ok := w.templates[id]; ok {
			return &template.Tags, nil
		}
	case "subnet":
		if i := slices.IndexFunc(w.config.Subnets, func(s Subnet) bool { return s.ID == id }); i >= 0 {
			return &w.config.Subnets[i].Tags, nil
		}
	case "sg":
		if i := slices.IndexFunc(w.config.SecurityGroups, func(g SecurityGroup) bool { return g.ID == id }); i >= 0 {
			return &w.config.SecurityGroups[i].Tags, nil
		}
	case "ami":
		mine := func(i Image) bool { return i.ID == id && i.OwnerID == w.config.AccountID }
		if i := slices.IndexFunc(w.config.Images, mine); i >= 0 {
			return &w.config.Images[i].Tags, nil
		}
	case "fleet":
		if i := slices.IndexFunc(w.fleets, func(f *Fleet) bool { return f.ID == id }); i >= 0 {
			return &w.fleets[i].Tags, nil
		}
	}
	return nil, errNoSuchResource(id)
}

// clone shields the lists that a world was made of from the one who made it.
func (c Config) clone() Config {
	c.Subnets = slices.Clone(c.Subnets)
	c.SecurityGroups = slices.Clone(c.SecurityGroups)
	c.Images = slices.SortedFunc(slices.Values(c.Images), func(a, b Image) int { return strings.Compare(a.ID, b.ID) })
	c.Parameters = slices.Clone(c.Parameters)
	c.Limits = slices.Clone(c.Limits)
	c.AccessKeyIDs = slices.Clone(c.AccessKeyIDs)
	c.InstanceTypes = slices.Clone(c.InstanceTypes)
	c.OnDemandPrices = maps.Clone(c.OnDemandPrices)
	c.SpotPrices = maps.Clone(c.SpotPrices)
	c.Roles = maps.Clone(c.Roles)
	return c
}
