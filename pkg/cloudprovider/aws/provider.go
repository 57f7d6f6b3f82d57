// Package aws is kerf's cloud on AWS: it translates between Machines and EC2 instances.
package aws

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	awspricing "github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/batch"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/cluster"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/fleet"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/instancetype"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/launchtemplate"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/memo"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/offerings"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/outage"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/permission"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/pricing"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/queue"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/securitygroup"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/subnet"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/throttle"
	"github.com/kerf-autoscaler/kerf/pkg/inline"
)

var _ cloudprovider.Provider = (*Provider)(nil)

const (
	// answersKept bounds the answers of CreateFleet in memory. They only save calls: EC2 repeats an answer by its token.
	answersKept = 512
	// instancesKept bounds the instance ids that EC2 is known to have made or shown.
	instancesKept = 4096
)

// Provider is AWS as kerf's cloud. It is safe for concurrent use. It knows nothing until its Tasks have run.
type Provider struct {
	settings Settings
	region   string
	clock    clock.PassiveClock
	reader   client.Reader
	ec2      *ec2.Client

	cluster         *cluster.Source
	types           *instancetype.Store
	lister          *instancetype.Lister
	measured        *instancetype.Measured
	permissions     *Permissions
	prices          *pricing.Book
	capacity        *offerings.Memory
	refusals        *offerings.Refusals
	interruptions   *queue.Queue // nil for none
	launchTemplates *launchtemplate.Store
	subnets         *subnet.Finder
	rooms           *subnet.Rooms
	securityGroups  *securitygroup.Finder
	images          *ami.Finder
	health          *health
	throttle        *throttle.Throttle
	outages         *outage.Gate
	descriptions    *batch.Batcher[string, instance]
	terminations    *batch.Batcher[string, struct{}]
	listings        *batch.Batcher[everything, []*v1alpha5.Machine]
	batches         *batch.Metrics
	searches        atomic.Uint64 // merged calls so far: each looks for instances that fail it in an order of its own

	flights singleflight.Group
	answers *memo.Table[string, fleet.Answer]               // token -> answer
	asked   *memo.Table[string, time.Time]                  // id of an instance that EC2 has made -> when it told
	shown   *memo.Table[string, ec2types.InstanceStateName] // id of an instance that EC2 has shown -> its last state
	lost    *memo.Table[string, time.Time]                  // token -> when it first showed that its answer cannot be had
}

// New returns a provider that reads AWSNodeTemplates through the reader.
func New(cfg awssdk.Config, reader client.Reader, settings Settings, now clock.PassiveClock) (*Provider, error) {
	if err := settings.validate(cfg.Region); err != nil {
		return nil, fmt.Errorf("checking AWS settings: %w", err)
	}
	facts, err := catalog.Load()
	if err != nil {
		return nil, fmt.Errorf("loading the EC2 catalogue: %w", err)
	}
	settings, cfg = settings.withDefaults(), bounded(cfg)
	// What EC2 allows in a second it counts by its own clock, whatever time it is to the provider.
	calls := throttle.New(clock.RealClock{}, settings.APIShare)
	gate := outage.New(now)
	cfg.APIOptions = append(slices.Clone(cfg.APIOptions), calls.Middleware, gate.Middleware)
	rooms := subnet.NewRooms()
	ec2Client := ec2.NewFromConfig(cfg)
	priceClient := awspricing.NewFromConfig(cfg, func(o *awspricing.Options) { o.Region = pricing.Endpoint(cfg.Region) })
	p := &Provider{
		settings: settings, region: cfg.Region, clock: now, reader: reader, ec2: ec2Client,
		cluster: cluster.NewSource(eks.NewFromConfig(cfg), cluster.Facts{
			Name: settings.ClusterName, Endpoint: settings.ClusterEndpoint, CA: settings.ClusterCA,
			Version: settings.ClusterVersion, ServiceCIDR: settings.ServiceCIDR,
		}),
		types: instancetype.NewStore(ec2Client, publishedLimits(facts)),
		prices: pricing.NewBook(pricing.NewPriceList(priceClient, cfg.Region), ec2Client, now, func(instanceType string) (float64, bool) {
			return facts.OnDemandPrice(cfg.Region, instanceType)
		}),
		capacity:        offerings.NewMemory(now, settings.CapacityBackoffMax),
		refusals:        offerings.NewRefusals(now, settings.CapacityBackoffMax),
		launchTemplates: launchtemplate.NewStore(ec2Client, now, settings.ClusterUID, settings.LaunchTemplateTTL),
		subnets:         subnet.NewFinder(ec2Client, rooms),
		rooms:           rooms,
		securityGroups:  securitygroup.NewFinder(ec2Client),
		images:          ami.NewFinder(ssm.NewFromConfig(cfg), ec2Client, now),
		health:          newHealth(),
		measured:        instancetype.NewMeasured(now),
		throttle:        calls,
		outages:         gate,
		answers:         memo.NewTable[string, fleet.Answer](answersKept),
		asked:           memo.NewTable[string, time.Time](instancesKept),
		shown:           memo.NewTable[string, ec2types.InstanceStateName](instancesKept),
		batches:         batch.NewMetrics(),
		lost:            memo.NewTable[string, time.Time](answersKept),
	}
	if settings.InterruptionQueue != "" {
		p.interruptions = queue.New(sqs.NewFromConfig(cfg), settings.InterruptionQueue)
	}
	p.permissions = &Permissions{
		p: p, ledger: permission.NewLedger(now), ssm: ssm.NewFromConfig(cfg), eks: eks.NewFromConfig(cfg), pricing: priceClient,
		turn: make(chan struct{}, 1),
	}
	p.batchCalls()
	p.lister = instancetype.NewLister(p.types, p.prices, p.capacity, instancetype.Settings{
		Region: cfg.Region, MemoryOverhead: settings.VMMemoryOverheadPercent, Measured: p.measured,
		Addressing: instancetype.Addressing{ReservedInterfaces: int64(settings.ReservedENIs), Prefixes: settings.PrefixDelegation},
	})
	return p, nil
}

// Collectors returns what the provider measures of itself.
func (p *Provider) Collectors() []prometheus.Collector {
	return []prometheus.Collector{p.throttle.Collector(), p.outages.Collector(), offerings.NewCollector(p.capacity), instancetype.NewCollector(p.lister), p.batches}
}

// publishedLimits looks up what AWS publishes of a type without telling it through its API.
func publishedLimits(facts *catalog.Catalog) func(string) *instancetype.Limits {
	return func(name string) *instancetype.Limits {
		t, ok := facts.InstanceType(name)
		if !ok {
			return nil
		}
		return new(instancetype.LimitsOf(t))
	}
}

// InstanceTypes returns what may be launched from the provisioner's template. The answer is shared and must not be changed.
func (p *Provider) InstanceTypes(ctx context.Context, provisioner *v1alpha5.Provisioner) (cloudprovider.InstanceTypes, error) {
	template, err := p.template(ctx, provisioner.TemplateName(), fmt.Sprintf("Provisioner %q", provisioner.Name))
	if err != nil {
		return nil, err
	}
	if between := inline.Between(provisioner, template); between.Reason != "" {
		return nil, cloudprovider.NewNotReadyError(errors.New(between.Message))
	}
	if err := p.rehearse(provisioner, template); err != nil {
		return nil, err
	}
	list, err := p.lister.List(instancetype.QuestionOf(template, provisioner.Spec.KubeletConfiguration))
	if err != nil {
		return nil, err
	}
	return p.refusals.Open(askedBy(template), list), nil
}

// Measured returns what nodes turned out to have, for who sees nodes to fill.
func (p *Provider) Measured() *instancetype.Measured { return p.measured }

// Interruptions returns the queue that tells of the ends of instances, nil for none.
func (p *Provider) Interruptions() *queue.Queue { return p.interruptions }

// MarkUnavailable notes that EC2 has too little of an offering to let those keep theirs who have it.
func (p *Provider) MarkUnavailable(instanceType, zone, capacityType string) {
	p.capacity.MarkUnavailable(offerings.Offering{InstanceType: instanceType, Zone: zone, CapacityType: capacityType})
}

// Discovery is what resolves the selectors of an AWSNodeTemplate.
type Discovery struct {
	Region string
	// InstanceProfile of templates that name none; may be "".
	InstanceProfile string
	Subnets         *subnet.Finder
	SecurityGroups  *securitygroup.Finder
	Images          *ami.Finder
	LaunchTemplates *launchtemplate.Store
	Cluster         *cluster.Source
	Permissions     *Permissions
}

// Discovery returns the provider's own.
func (p *Provider) Discovery() Discovery {
	return Discovery{
		Region: p.region, InstanceProfile: p.settings.DefaultInstanceProfile,
		Subnets: p.subnets, SecurityGroups: p.securityGroups, Images: p.images,
		LaunchTemplates: p.launchTemplates, Cluster: p.cluster, Permissions: p.permissions,
	}
}
