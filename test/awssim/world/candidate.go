package world

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

// candidate is one way in which a fleet may be launched: a template's data with an override applied, in one subnet.
type candidate struct {
	template TemplateReference // by id and number, as answers show it
	name     string            // of the template
	override FleetOverride
	data     LaunchTemplateData
	subnet   Subnet
	image    Image
	groups   []SecurityGroup
	volumes  []AttachedVolume // without ids
	facts    catalog.InstanceType
	err      error // why it can never work
}

// pool is a candidate with its price under one capacity type.
type pool struct {
	candidate
	price float64 // USD per hour
	depth int
}

func (c candidate) choice(capacityType string) Choice {
	return Choice{
		Template: c.template, Override: c.override, InstanceType: c.data.InstanceType, CapacityType: capacityType, Platform: c.image.Platform,
	}
}

// candidates expands the configurations of a fleet. An unknown template refuses the whole request, as EC2 does; whatever is wrong with one
// candidate stays with it. The caller holds the lock.
func (w *World) candidates(configs []FleetTemplateConfig) ([]candidate, error) {
	var all []candidate
	for _, config := range configs {
		template, err := w.findTemplate(config.Template.ID, config.Template.Name)
		if err != nil {
			return nil, err
		}
		if err := template.CheckVersion(config.Template.Version); err != nil {
			return nil, err
		}
		overrides := config.Overrides
		if len(overrides) == 0 {
			overrides = []FleetOverride{{}}
		}
		for _, override := range overrides {
			if template.Data.ImageID == "" && override.ImageID == "" {
				return nil, apierror.New("InvalidParameterValue", "Parameter 'amiIdList' cannot be empty.")
			}
			if _, err := maxPrice(override); err != nil {
				return nil, err
			}
			all = append(all, w.expand(template, override)...)
		}
	}
	return all, checkPools(all)
}

// checkPools refuses what EC2 refuses most surprisingly: a type twice in one zone, be it in different subnets.
func checkPools(candidates []candidate) error {
	seen := map[SpotPool]bool{}
	for _, c := range candidates {
		pool := SpotPool{Zone: c.subnet.Zone, InstanceType: c.data.InstanceType}
		if pool.Zone == "" {
			continue
		}
		if seen[pool] {
			return apierror.New("InvalidFleetConfig", "The fleet configuration contains duplicate instance pools.")
		}
		seen[pool] = true
	}
	return nil
}

// expand makes one candidate for each subnet that an override allows: those it names; or the roomiest of the zone it names; or that of every zone.
func (w *World) expand(template *LaunchTemplate, override FleetOverride) []candidate {
	base := candidate{
		template: TemplateReference{ID: template.ID, Version: "1"}, name: template.Name, override: override, data: template.Data,
	}
	base.data.InstanceType = cmp.Or(override.InstanceType, template.Data.InstanceType)
	base.data.ImageID = cmp.Or(override.ImageID, template.Data.ImageID)
	var all []candidate
	if override.SubnetID == "" {
		for _, subnet := range w.roomiest(override.AvailabilityZone) {
			all = append(all, w.resolve(base, subnet))
		}
		if len(all) == 0 {
			base.err = apierror.New("MissingInput", "No subnets found in the zone '%s'. Please specify a subnet.", override.AvailabilityZone)
			all = []candidate{base}
		}
		return all
	}
	for id := range strings.SplitSeq(override.SubnetID, ",") {
		c := base
		subnet, err := w.findSubnet(strings.TrimSpace(id))
		switch {
		case err != nil:
			c.err = err
		case override.AvailabilityZone != "" && override.AvailabilityZone != subnet.Zone:
			c.err = apierror.Combination("The subnet '%s' is in %s, not in the specified Availability Zone %s", subnet.ID, subnet.Zone, override.AvailabilityZone)
		default:
			c = w.resolve(base, subnet)
		}
		all = append(all, c)
	}
	return all
}

// roomiest finds the subnet with the most free addresses of each zone, or of the one zone.
func (w *World) roomiest(zone string) []Subnet {
	best := map[string]Subnet{}
	for _, subnet := range w.config.Subnets {
		if zone != "" && zone != subnet.Zone {
			continue
		}
		if other, ok := best[subnet.Zone]; !ok || w.subnets[subnet.ID].free() > w.subnets[other.ID].free() {
			best[subnet.Zone] = subnet
		}
	}
	var all []Subnet
	for _, z := range w.Zones() {
		if subnet, ok := best[z.Name]; ok {
			all = append(all, subnet)
		}
	}
	return all
}

// resolve looks up what the candidate's data names.
func (w *World) resolve(c candidate, subnet Subnet) candidate {
	c.subnet = subnet
	facts, ok := w.instanceType(c.data.InstanceType)
	if !ok || !w.facts.OffersInZone(subnet.Zone, c.data.InstanceType) {
		c.err = errNotOffered(cmp.Or(c.data.InstanceType, "null"), subnet.Zone)
		return c
	}
	c.facts = facts
	i := slices.IndexFunc(w.config.Images, func(image Image) bool { return image.ID == c.data.ImageID })
	if i < 0 {
		c.err = apierror.New("InvalidAMIID.NotFound", "The image id '[%s]' does not exist", c.data.ImageID)
		return c
	}
	c.image = w.config.Images[i]
	if arch := EC2Architecture(facts); arch != c.image.Architecture {
		c.err = apierror.New("InvalidParameterValue",
			"The architecture '%s' of the specified instance type does not match the architecture '%s' of the specified AMI.", arch, c.image.Architecture)
		return c
	}
	if name := c.data.ProfileName(); name != "" && w.config.InstanceProfiles != nil && !slices.Contains(w.config.InstanceProfiles, name) {
		c.err = apierror.New("InvalidParameterValue",
			"Value (%s) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name", name)
		return c
	}
	if c.volumes, c.err = attach(c.data.BlockDeviceMappings, c.image); c.err != nil {
		return c
	}
	if c.err = checkInterfaces(c.data.NetworkInterfaces, facts); c.err != nil {
		return c
	}
	c.groups, c.err = w.findGroups(c.data.groups())
	return c
}

// findGroups looks security groups up; without any the VPC's own group applies.
func (w *World) findGroups(ids []string) ([]SecurityGroup, error) {
	var groups []SecurityGroup
	for _, group := range w.config.SecurityGroups {
		if len(ids) == 0 && group.Name == "default" || slices.Contains(ids, group.ID) {
			groups = append(groups, group)
		}
	}
	for _, id := range ids {
		if !slices.ContainsFunc(groups, func(g SecurityGroup) bool { return g.ID == id }) {
			return nil, apierror.New("InvalidGroup.NotFound", "The security group '%s' does not exist", id)
		}
	}
	return groups, nil
}

// EC2Architecture is the architecture of a type in EC2's words.
func EC2Architecture(t catalog.InstanceType) string {
	if t.Architecture == "amd64" {
		return x86_64
	}
	return t.Architecture
}

func errNotOffered(instanceType, zone string) error {
	return apierror.New("InvalidFleetConfiguration",
		"Your requested instance type (%s) is not supported in your requested Availability Zone (%s).", instanceType, zone)
}

// maxPrice is the most that an override pays; negative means any price.
func maxPrice(o FleetOverride) (float64, error) {
	if o.MaxPrice == "" {
		return -1, nil
	}
	price, err := strconv.ParseFloat(o.MaxPrice, 64)
	if err != nil || price <= 0 {
		return 0, apierror.InvalidValue("MaxPrice", o.MaxPrice, "A price in US dollars is expected.")
	}
	return price, nil
}

// pools prices the candidates for a part of a fleet and puts them in the order of its strategy. Those that can never work come back as errors.
func (w *World) pools(p part, candidates []candidate) ([]pool, []FleetError) {
	var fit []pool
	var unfit []FleetError
	for _, c := range candidates {
		price, err := w.price(p.capacityType, c)
		if err != nil {
			refusal := apierror.From(err)
			unfit = append(unfit, FleetError{Choice: c.choice(p.capacityType), Code: refusal.Code, Message: refusal.Message})
			continue
		}
		fit = append(fit, pool{candidate: c, price: price, depth: w.depth(poolKey{c.facts.Name, c.subnet.Zone, p.capacityType})})
	}
	slices.SortStableFunc(fit, func(a, b pool) int {
		return cmp.Or(byStrategy(p, a, b), cmp.Compare(a.price, b.price), strings.Compare(a.facts.Name, b.facts.Name),
			strings.Compare(a.subnet.Zone, b.subnet.Zone))
	})
	return fit, unfit
}

// byStrategy compares two pools by what the strategy looks at before the price.
func byStrategy(p part, a, b pool) int {
	switch p.strategy {
	case prioritized:
		return comparePriority(a, b)
	case capacityOptimized:
		return cmp.Compare(b.depth, a.depth)
	case capacityOptimizedPrioritized:
		return cmp.Or(compareShort(p, a, b), comparePriority(a, b), cmp.Compare(b.depth, a.depth))
	case priceCapacityOptimized:
		return compareShort(p, a, b)
	}
	return 0
}

// compareShort puts pools that can give all that is wanted before those that cannot.
func compareShort(p part, a, b pool) int {
	return cmp.Compare(max(p.wanted-a.depth, 0), max(p.wanted-b.depth, 0))
}

// comparePriority puts the lower number first and overrides without one last.
func comparePriority(a, b pool) int {
	switch {
	case a.override.Priority == nil && b.override.Priority == nil:
		return 0
	case a.override.Priority == nil:
		return 1
	case b.override.Priority == nil:
		return -1
	}
	return cmp.Compare(*a.override.Priority, *b.override.Priority)
}

func (w *World) price(capacityType string, c candidate) (float64, error) {
	if c.err != nil {
		return 0, c.err
	}
	if capacityType == OnDemand {
		price, ok := w.OnDemandPrice(c.facts.Name)
		if !ok {
			return 0, errNotOffered(c.facts.Name, c.subnet.Zone)
		}
		return price, nil
	}
	price, ok := w.SpotPrice(c.subnet.Zone, c.facts.Name)
	if !ok {
		return 0, errNotOffered(c.facts.Name, c.subnet.Zone)
	}
	most, err := maxPrice(c.override)
	if err != nil {
		return 0, err
	}
	if most >= 0 && most < price {
		return 0, apierror.New("SpotMaxPriceTooLow",
			"Your Spot request price of %v is lower than the minimum required Spot request fulfillment price of %v.", most, price)
	}
	return price, nil
}
