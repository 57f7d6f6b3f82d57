package world

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// maxTemplateConfigs is the bound on launch template configurations of one fleet.
const maxTemplateConfigs = 50

// The strategies by which pools are chosen.
const (
	lowestPrice                  = "lowest-price"
	prioritized                  = "prioritized"
	diversified                  = "diversified"
	capacityOptimized            = "capacity-optimized"
	capacityOptimizedPrioritized = "capacity-optimized-prioritized"
	priceCapacityOptimized       = "price-capacity-optimized"
)

// FleetRequest is a CreateFleet call. Its members are named as on the wire.
type FleetRequest struct {
	DryRun                bool                  `query:"DryRun"`
	ClientToken           string                `query:"ClientToken"`
	Type                  string                `query:"Type"`
	Context               string                `query:"Context"` // kept; nothing follows from it
	SpotOptions           SpotOptions           `query:"SpotOptions"`
	OnDemandOptions       OnDemandOptions       `query:"OnDemandOptions"`
	LaunchTemplateConfigs []FleetTemplateConfig `query:"LaunchTemplateConfigs,required"`
	Target                TargetCapacity        `query:"TargetCapacitySpecification,required"`
	TagSpecifications     []TagSpecification    `query:"TagSpecification"`

	// Fingerprint stands for all parameters but the token.
	Fingerprint string
	// Refused says why none of the instances may be launched; nil if they may.
	Refused *apierror.Error
}

// SpotOptions govern the spot part of a fleet.
type SpotOptions struct {
	AllocationStrategy           string `query:"AllocationStrategy"`
	InstanceInterruptionBehavior string `query:"InstanceInterruptionBehavior"`
	InstancePoolsToUseCount      int    `query:"InstancePoolsToUseCount"`
	MinTargetCapacity            int    `query:"MinTargetCapacity"`
}

// OnDemandOptions govern the on-demand part of a fleet.
type OnDemandOptions struct {
	AllocationStrategy string `query:"AllocationStrategy"`
	MinTargetCapacity  int    `query:"MinTargetCapacity"`
}

// TargetCapacity is how many instances are wanted.
type TargetCapacity struct {
	Total       int    `query:"TotalTargetCapacity,required"`
	OnDemand    int    `query:"OnDemandTargetCapacity"`
	Spot        int    `query:"SpotTargetCapacity"`
	DefaultType string `query:"DefaultTargetCapacityType"`
}

// FleetTemplateConfig is a launch template with the variations in which it may be launched.
type FleetTemplateConfig struct {
	Template  TemplateReference `query:"LaunchTemplateSpecification,required"`
	Overrides []FleetOverride   `query:"Overrides"`
}

// TemplateReference names a version of a launch template, by id or by name.
type TemplateReference struct {
	ID      string `query:"LaunchTemplateId" xml:"launchTemplateId,omitempty"`
	Name    string `query:"LaunchTemplateName" xml:"launchTemplateName,omitempty"`
	Version string `query:"Version" xml:"version,omitempty"`
}

// FleetOverride is one variation of a launch template.
type FleetOverride struct {
	InstanceType     string   `query:"InstanceType" xml:"instanceType,omitempty"`
	MaxPrice         string   `query:"MaxPrice" xml:"maxPrice,omitempty"`
	SubnetID         string   `query:"SubnetId" xml:"subnetId,omitempty"` // several are joined by commas
	AvailabilityZone string   `query:"AvailabilityZone" xml:"availabilityZone,omitempty"`
	Priority         *float64 `query:"Priority" xml:"priority,omitempty"`
	ImageID          string   `query:"ImageId" xml:"imageId,omitempty"`
}

// part is the share of a fleet that one capacity type has to fill.
type part struct {
	capacityType string
	strategy     string
	spread       int // pools to use side by side
	wanted       int
	least        int // launch this many or none
}

func (r FleetRequest) check() error {
	switch r.Type {
	case "instant":
	case "request", "maintain", "":
		return apierror.New("UnsupportedOperation", "This simulator keeps no fleets: only Type=instant is supported.")
	default:
		return apierror.InvalidValue("Type", r.Type, "Expecting instant.")
	}
	if n := len(r.LaunchTemplateConfigs); n > maxTemplateConfigs {
		return apierror.InvalidValue("LaunchTemplateConfigs", n, "At most 50 launch template configurations are allowed.")
	}
	for i, config := range r.LaunchTemplateConfigs {
		if config.Template.Version == "" {
			return apierror.Missing("LaunchTemplateConfigs." + strconv.Itoa(i+1) + ".LaunchTemplateSpecification.Version")
		}
	}
	if err := r.checkTarget(); err != nil {
		return err
	}
	return r.checkStrategies()
}

func (r FleetRequest) checkTarget() error {
	t := r.Target
	switch {
	case t.Total < 1:
		return apierror.InvalidValue("TotalTargetCapacity", t.Total, "The target capacity must be at least 1.")
	case t.OnDemand < 0 || t.Spot < 0 || t.OnDemand+t.Spot > t.Total:
		return apierror.Combination("The on-demand and spot target capacities must not be more than the total target capacity.")
	case t.DefaultType != "" && t.DefaultType != Spot && t.DefaultType != OnDemand:
		return apierror.InvalidValue("DefaultTargetCapacityType", t.DefaultType, "This simulator knows spot and on-demand.")
	case t.DefaultType == "" && t.OnDemand+t.Spot < t.Total:
		return apierror.Missing("TargetCapacitySpecification.DefaultTargetCapacityType")
	case r.SpotOptions.MinTargetCapacity > t.Total || r.OnDemandOptions.MinTargetCapacity > t.Total:
		return apierror.Combination("The minimum target capacity must not be more than the total target capacity.")
	}
	return nil
}

func (r FleetRequest) checkStrategies() error {
	spot := []string{"", lowestPrice, diversified, capacityOptimized, capacityOptimizedPrioritized, priceCapacityOptimized}
	if s := r.SpotOptions.AllocationStrategy; !slices.Contains(spot, s) {
		return apierror.InvalidValue("SpotOptions.AllocationStrategy", s, "It is not an allocation strategy for spot.")
	}
	if s := r.OnDemandOptions.AllocationStrategy; !slices.Contains([]string{"", lowestPrice, prioritized}, s) {
		return apierror.InvalidValue("OnDemandOptions.AllocationStrategy", s, "It is not an allocation strategy for on-demand.")
	}
	if r.SpotOptions.InstancePoolsToUseCount != 0 && r.SpotOptions.AllocationStrategy != lowestPrice {
		return apierror.Combination("InstancePoolsToUseCount is only valid with the lowest-price allocation strategy.")
	}
	return nil
}

// parts divides the target: on-demand is filled first, as EC2 does. Faults may have fewer instances launched, or more.
func (r FleetRequest) parts(odd faults.Fleet) []part {
	onDemand := part{
		capacityType: OnDemand, strategy: cmp.Or(r.OnDemandOptions.AllocationStrategy, lowestPrice), spread: 1,
		wanted: r.Target.OnDemand, least: r.OnDemandOptions.MinTargetCapacity,
	}
	spot := part{
		capacityType: Spot, strategy: cmp.Or(r.SpotOptions.AllocationStrategy, lowestPrice), spread: max(r.SpotOptions.InstancePoolsToUseCount, 1),
		wanted: r.Target.Spot, least: r.SpotOptions.MinTargetCapacity,
	}
	rest := r.Target.Total - r.Target.OnDemand - r.Target.Spot
	if r.Target.DefaultType == Spot {
		spot.wanted += rest
	} else {
		onDemand.wanted += rest
	}
	more := max(odd.Launch-r.Target.Total, 0)
	if r.Target.DefaultType == Spot || onDemand.wanted == 0 {
		spot.wanted += more
	} else {
		onDemand.wanted += more
	}
	onDemand.wanted = min(onDemand.wanted, odd.Launch)
	spot.wanted = min(spot.wanted, odd.Launch-onDemand.wanted)
	return slices.DeleteFunc([]part{onDemand, spot}, func(p part) bool { return p.wanted == 0 })
}
