// Package pricing knows what offerings cost.
package pricing

import (
	"context"
	"errors"
	"maps"
	"strconv"
	"sync"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
)

// SpotAPI is what is asked of EC2.
type SpotAPI interface {
	DescribeSpotPriceHistory(context.Context, *ec2.DescribeSpotPriceHistoryInput, ...func(*ec2.Options)) (*ec2.DescribeSpotPriceHistoryOutput, error)
}

// spotPageSize is the largest page that EC2 gives of spot prices.
const spotPageSize = 1000

// Book holds prices in US dollars per hour. It is safe for concurrent use.
type Book struct {
	list     *PriceList
	history  SpotAPI
	clock    clock.PassiveClock
	fallback func(instanceType string) (float64, bool)

	mu         sync.RWMutex
	generation uint64                        // changes with the prices
	onDemand   map[string]float64            // instance type -> price; nil until loaded
	spot       map[string]map[string]float64 // zone -> instance type -> price; nil until loaded
}

// NewBook returns a book that has only the fallback for on-demand prices until it is loaded.
func NewBook(list *PriceList, history SpotAPI, clock clock.PassiveClock, fallback func(instanceType string) (float64, bool)) *Book {
	return &Book{list: list, history: history, clock: clock, fallback: fallback}
}

// Generation changes with the prices.
func (b *Book) Generation() uint64 {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.generation
}

// Price returns what an offering costs; false when that is not known. Until spot prices have been read for the first time,
// spot is taken to cost what on-demand does.
func (b *Book) Price(instanceType, zone, capacityType string) (float64, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if capacityType == v1alpha5.CapacityTypeSpot && b.spot != nil {
		price, ok := b.spot[zone][instanceType]
		return price, ok
	}
	if price, ok := b.onDemand[instanceType]; ok {
		return price, true
	}
	return b.fallback(instanceType)
}

// LoadOnDemand reads on-demand prices.
func (b *Book) LoadOnDemand(ctx context.Context) error {
	prices, err := b.list.OnDemand(ctx)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !maps.Equal(b.onDemand, prices) {
		b.onDemand = prices
		b.generation++
	}
	return nil
}

// LoadSpot reads the spot prices of now.
func (b *Book) LoadSpot(ctx context.Context) error {
	prices := map[string]map[string]float64{}
	names := map[string]string{} // instance type -> the one copy of its name
	pages := ec2.NewDescribeSpotPriceHistoryPaginator(b.history, &ec2.DescribeSpotPriceHistoryInput{
		StartTime:           awssdk.Time(b.clock.Now()),
		ProductDescriptions: []string{"Linux/UNIX", "Linux/UNIX (Amazon VPC)"},
		MaxResults:          awssdk.Int32(spotPageSize),
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return awserr.Explain("ec2:DescribeSpotPriceHistory", err)
		}
		for i := range page.SpotPriceHistory {
			addSpot(prices, names, &page.SpotPriceHistory[i])
		}
	}
	if len(prices) == 0 {
		return errors.New("calling ec2:DescribeSpotPriceHistory: the answer holds no price")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !maps.EqualFunc(b.spot, prices, maps.Equal[map[string]float64, map[string]float64]) {
		b.spot = prices
		b.generation++
	}
	return nil
}

// addSpot keeps a price; prices that cannot be read are left out. History is told latest first, so the first of a pool counts.
func addSpot(prices map[string]map[string]float64, names map[string]string, p *ec2types.SpotPrice) {
	price, err := strconv.ParseFloat(awssdk.ToString(p.SpotPrice), 64)
	if err != nil || price <= 0 {
		return
	}
	name, zone := string(p.InstanceType), awssdk.ToString(p.AvailabilityZone)
	if _, ok := names[name]; !ok {
		names[name] = name
	}
	if prices[zone] == nil {
		prices[zone] = map[string]float64{}
	}
	if _, ok := prices[zone][names[name]]; !ok {
		prices[zone][names[name]] = price
	}
}
