// Package offline answers what AWS would sell from the catalogue alone, by the arithmetic of the real provider and without a
// call to anybody.
package offline

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/cluster"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/instancetype"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/offerings"
	"github.com/kerf-autoscaler/kerf/pkg/inline"
)

// Settings say of what the market is.
type Settings struct {
	// Region to buy in.
	Region string
	// Zones of the region that have a subnet; empty stands for all.
	Zones []string
	// Version of Kubernetes that nodes run, e.g. 1.34. It decides which images there are.
	Version string
	// MemoryOverhead is the part of the memory that firmware and kernel keep, as a fraction.
	MemoryOverhead float64
	// ReservedENIs of each instance are not for pods; PrefixDelegation says that the VPC CNI hands out prefixes of addresses.
	ReservedENIs     int
	PrefixDelegation bool
}

// Market is what can be bought where nothing is sold out. It is safe for concurrent use.
type Market struct {
	lister   *instancetype.Lister
	settings Settings
	minor    int
	// templates maps name -> template with a status as AWS would resolve it.
	templates map[string]*awsv1alpha1.AWSNodeTemplate
}

// NewMarket returns the market of a region. Selectors cannot be resolved offline: each finds a subnet in every zone, and the
// images that are published or, if it selects images, one that every instance type boots.
func NewMarket(facts *catalog.Catalog, settings Settings, templates []*awsv1alpha1.AWSNodeTemplate) (*Market, error) {
	minor, err := (cluster.Facts{Version: settings.Version}).Minor()
	if err != nil {
		return nil, err
	}
	var known []string
	for _, zone := range facts.Zones(settings.Region) {
		known = append(known, zone.Name)
	}
	if len(known) == 0 {
		return nil, fmt.Errorf("the catalogue knows nothing of region %q; it knows %s", settings.Region, strings.Join(facts.Regions(), ", "))
	}
	for _, zone := range settings.Zones {
		if !slices.Contains(known, zone) {
			return nil, fmt.Errorf("%s has no zone %q; there are %s", settings.Region, zone, strings.Join(known, ", "))
		}
	}
	if len(settings.Zones) == 0 {
		settings.Zones = known
	}
	prices := prices{facts: facts, region: settings.Region}
	m := &Market{
		lister: instancetype.NewLister(instancetype.NewCatalogued(facts, settings.Region), prices, prices, instancetype.Settings{
			Region: settings.Region, MemoryOverhead: settings.MemoryOverhead,
			Addressing: instancetype.Addressing{ReservedInterfaces: int64(settings.ReservedENIs), Prefixes: settings.PrefixDelegation},
		}),
		settings: settings, minor: minor, templates: map[string]*awsv1alpha1.AWSNodeTemplate{},
	}
	for _, template := range templates {
		m.templates[template.Name] = template
	}
	return m, nil
}

// InstanceTypes returns what may be launched from the provisioner's template. The answer is shared and must not be changed.
func (m *Market) InstanceTypes(_ context.Context, provisioner *v1alpha5.Provisioner) (cloudprovider.InstanceTypes, error) {
	template, err := m.template(provisioner)
	if err != nil {
		return nil, cloudprovider.NewNotReadyError(err)
	}
	return m.lister.List(instancetype.QuestionOf(template, provisioner.Spec.KubeletConfiguration))
}

func (m *Market) template(provisioner *v1alpha5.Provisioner) (*awsv1alpha1.AWSNodeTemplate, error) {
	template, ok := m.templates[provisioner.TemplateName()]
	switch {
	case inline.Wanted(provisioner):
		made, err := inline.Template(provisioner)
		if err != nil {
			return nil, err
		}
		template = made
	case provisioner.Spec.Provider != nil:
		return nil, errors.New(inline.Between(provisioner, nil).Message)
	case !ok:
		template = &awsv1alpha1.AWSNodeTemplate{}
	}
	return m.resolve(template)
}

// resolve returns the template with a status that stands for what its selectors would find.
func (m *Market) resolve(template *awsv1alpha1.AWSNodeTemplate) (*awsv1alpha1.AWSNodeTemplate, error) {
	out := template.DeepCopy()
	out.Status = awsv1alpha1.AWSNodeTemplateStatus{}
	for _, zone := range m.settings.Zones {
		out.Status.Subnets = append(out.Status.Subnets, awsv1alpha1.Subnet{Zone: zone})
	}
	if out.Spec.LaunchTemplate != "" {
		return out, nil // it alone knows its image
	}
	family, err := ami.FamilyFor(out.Spec.AMIFamily, m.minor)
	if err != nil {
		return nil, fmt.Errorf("AWSNodeTemplate %q: spec.amiFamily: %w", out.Name, err)
	}
	out.Status.AMIFamily = family.Name
	if len(out.Spec.AMISelector) > 0 {
		out.Status.AMIs = ami.Unstated()
		return out, nil
	}
	if err := family.Published(m.minor); err != nil {
		return nil, fmt.Errorf("AWSNodeTemplate %q: spec.amiFamily: %w", out.Name, err)
	}
	out.Status.AMIs = family.Images(m.settings.Version)
	return out, nil
}

// prices are those of the catalogue, which neither change nor run out.
type prices struct {
	facts  *catalog.Catalog
	region string
}

// Price returns US dollars per hour; false when it is not known.
func (p prices) Price(instanceType, zone, capacityType string) (float64, bool) {
	if capacityType == v1alpha5.CapacityTypeSpot {
		return p.facts.SpotPrice(zone, instanceType)
	}
	return p.facts.OnDemandPrice(p.region, instanceType)
}

// Standing is open: offline nothing is sold out.
func (p prices) Standing(_, _, _ string) offerings.Standing {
	return offerings.Standing{Available: true}
}

// Generation is always the same.
func (p prices) Generation() uint64 { return 0 }
