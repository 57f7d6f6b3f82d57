package instancetype

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/memo"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/offerings"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// listsKept bounds the lists in memory; each takes some megabytes. There is one per template and kubelet configuration in use.
const listsKept = 8

// Prices tell what offerings cost.
type Prices interface {
	// Price returns US dollars per hour; false when it is not known.
	Price(instanceType, zone, capacityType string) (float64, bool)
	// Generation changes with the prices.
	Generation() uint64
}

// Capacity tells which offerings the cloud has lately had nothing of.
type Capacity interface {
	Standing(instanceType, zone, capacityType string) offerings.Standing
	// Generation changes with the answers.
	Generation() uint64
}

// Source tells which instance types there are and where they are offered.
type Source interface {
	Snapshot() (Snapshot, error)
}

// Settings of a Lister.
type Settings struct {
	Region string
	// MemoryOverhead is the part of the memory that firmware and kernel keep, as a fraction.
	MemoryOverhead float64
	// Addressing of the cluster's pods.
	Addressing Addressing
	// Measured is what is known better than by that overhead; nil is nothing.
	Measured *Measured
}

// Lister answers what may be launched. Answers are shared: the same list is returned until something changes.
type Lister struct {
	source   Source
	prices   Prices
	capacity Capacity
	settings Settings
	bases    *memo.Table[string, base]
	lists    *memo.Table[string, list]
}

// base is the part of an answer that prices and capacity do not change; its types have no offerings yet.
type base struct {
	generation    [2]uint64 // of the facts and of the measurements
	instanceTypes []*cloudprovider.InstanceType
	offered       [][]place // by index of instanceTypes
}

// place is a zone and a way to buy in it.
type place struct{ zone, capacityType string }

type list struct {
	base             [2]uint64 // generation
	prices, capacity uint64    // generations
	instanceTypes    cloudprovider.InstanceTypes
}

// NewLister returns a lister.
func NewLister(source Source, prices Prices, capacity Capacity, settings Settings) *Lister {
	return &Lister{
		source: source, prices: prices, capacity: capacity, settings: settings,
		bases: memo.NewTable[string, base](listsKept), lists: memo.NewTable[string, list](listsKept),
	}
}

// List returns the instance types that have an image to boot and an offering in the zones, in order of name. The answer
// is shared and must not be changed.
func (l *Lister) List(q Question) (cloudprovider.InstanceTypes, error) {
	snapshot, err := l.source.Snapshot()
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(q)
	if err != nil {
		return nil, fmt.Errorf("encoding the question: %w", err)
	}
	key := string(encoded)
	// The generations are read before the facts: a change in between makes the answer stale, never wrongly fresh.
	current := [2]uint64{snapshot.Generation, l.settings.Measured.Generation()}
	fresh := list{base: current, prices: l.prices.Generation(), capacity: l.capacity.Generation()}
	if known, ok := l.lists.Get(key); ok && known.base == fresh.base && known.prices == fresh.prices && known.capacity == fresh.capacity {
		return known.instanceTypes, nil
	}
	b, ok := l.bases.Get(key)
	if !ok || b.generation != current {
		b = l.newBase(snapshot, q)
		b.generation = current
		l.bases.Put(key, b)
	}
	fresh.instanceTypes = l.priced(b)
	l.lists.Put(key, fresh)
	return fresh.instanceTypes, nil
}

// Describe returns a type without zones and offerings, as a node that is set up so has it.
func (l *Lister) Describe(name string, setup Setup) (*cloudprovider.InstanceType, error) {
	snapshot, err := l.source.Snapshot()
	if err != nil {
		return nil, err
	}
	info, ok := snapshot.Info(name)
	if !ok {
		return nil, fmt.Errorf("EC2 has not described instance type %q", name)
	}
	return l.describe(newLabelMaker(l.settings.Region), info, setup), nil
}

// AddressedPods returns how many pods an instance of the type has addresses for.
func (l *Lister) AddressedPods(i Info) int64 { return l.settings.Addressing.pods(i) }

func (l *Lister) describe(maker *labelMaker, i Info, setup Setup) *cloudprovider.InstanceType {
	all := capacity(i, setup, l.settings.MemoryOverhead, l.settings.Addressing)
	if bytes, ok := l.settings.Measured.Memory(i.Name, setup.Images); ok && plausible(bytes, i.MemoryMiB) {
		all[corev1.ResourceMemory] = *resource.NewQuantity(bytes, resource.BinarySI)
	}
	pods := all[corev1.ResourcePods]
	return &cloudprovider.InstanceType{
		Name: i.Name, Requirements: maker.labels(i, pods.Value(), setup.Kubelet.Family), Capacity: all, Overhead: overhead(i, setup.Kubelet, all),
		Special: i.Special(),
	}
}

func (l *Lister) newBase(snapshot Snapshot, q Question) base {
	var out base
	maker := newLabelMaker(l.settings.Region)
	images := ami.ImagesOf(q.Images)
	sets := map[string]scheduling.Requirement{} // printed values -> the one copy of a requirement on zones or capacity types
	shared := func(key string, values []string) scheduling.Requirement {
		name := fmt.Sprint(key, values)
		if _, ok := sets[name]; !ok {
			sets[name] = scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, values...)
		}
		return sets[name]
	}
	for _, info := range snapshot.Infos {
		zones := slices.DeleteFunc(slices.Clone(snapshot.Zones(info.Name)), func(z string) bool { return !slices.Contains(q.Zones, z) })
		if len(zones) == 0 {
			continue
		}
		instanceType := l.describe(maker, info, q.Setup)
		if _, bootable := images.For(instanceType.Requirements); !bootable {
			continue
		}
		ways := capacityTypes(info)
		instanceType.Requirements[corev1.LabelTopologyZone] = shared(corev1.LabelTopologyZone, zones)
		instanceType.Requirements[v1alpha5.CapacityTypeLabel] = shared(v1alpha5.CapacityTypeLabel, ways)
		places := make([]place, 0, len(zones)*len(ways))
		for _, zone := range zones {
			for _, way := range ways {
				places = append(places, place{zone, way})
			}
		}
		out.instanceTypes = append(out.instanceTypes, instanceType)
		out.offered = append(out.offered, places)
	}
	return out
}

// capacityTypes returns the ways in which a type can be bought, in order of name.
func capacityTypes(i Info) []string {
	var out []string
	if i.OnDemand {
		out = append(out, v1alpha5.CapacityTypeOnDemand)
	}
	if i.Spot {
		out = append(out, v1alpha5.CapacityTypeSpot)
	}
	return out
}

// priced returns the types with their offerings; all else is shared with the base.
func (l *Lister) priced(b base) cloudprovider.InstanceTypes {
	out := make(cloudprovider.InstanceTypes, 0, len(b.instanceTypes))
	for i, t := range b.instanceTypes {
		copied := *t
		copied.Offerings = make(cloudprovider.Offerings, 0, len(b.offered[i]))
		for _, p := range b.offered[i] {
			price, known := l.prices.Price(t.Name, p.zone, p.capacityType)
			standing := l.capacity.Standing(t.Name, p.zone, p.capacityType)
			copied.Offerings = append(copied.Offerings, cloudprovider.Offering{
				Zone: p.zone, CapacityType: p.capacityType, Price: price, Available: known && standing.Available, Trial: standing.Trial,
			})
		}
		out = append(out, &copied)
	}
	return out
}

// Labels returns the labels of a node of the type.
func Labels(t *cloudprovider.InstanceType, zone, capacityType string) map[string]string {
	out := maps.Clone(t.Requirements.Labels())
	out[corev1.LabelTopologyZone] = zone
	out[v1alpha5.CapacityTypeLabel] = capacityType
	return out
}
