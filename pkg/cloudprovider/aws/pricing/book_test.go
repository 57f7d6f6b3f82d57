package pricing

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	clocktesting "k8s.io/utils/clock/testing"
)

// market answers with what is set; its pages hold one entry each.
type market struct {
	documents map[string][]string // tenancy -> documents
	spot      []ec2types.SpotPrice
	err       error
}

func (m *market) GetProducts(_ context.Context, in *pricing.GetProductsInput, _ ...func(*pricing.Options)) (*pricing.GetProductsOutput, error) {
	if m.err != nil {
		return nil, m.err
	}
	tenancy := ""
	for _, f := range in.Filters {
		if *f.Field == "tenancy" {
			tenancy = *f.Value
		}
	}
	var page int
	if in.NextToken != nil {
		if _, err := fmt.Sscan(*in.NextToken, &page); err != nil {
			return nil, err
		}
	}
	list := m.documents[tenancy]
	if page >= len(list) {
		return &pricing.GetProductsOutput{}, nil
	}
	out := &pricing.GetProductsOutput{PriceList: list[page : page+1]}
	if page+1 < len(list) {
		out.NextToken = awssdk.String(fmt.Sprint(page + 1))
	}
	return out, nil
}

func (m *market) DescribeSpotPriceHistory(context.Context, *ec2.DescribeSpotPriceHistoryInput, ...func(*ec2.Options)) (*ec2.DescribeSpotPriceHistoryOutput, error) {
	return &ec2.DescribeSpotPriceHistoryOutput{SpotPriceHistory: m.spot}, m.err
}

func document(instanceType, currency, price string) string {
	return fmt.Sprintf(`{"product":{"attributes":{"instanceType":%q,"vcpu":"2"}},"terms":{"OnDemand":{"A.B":{"priceDimensions":{"A.B.C":{"unit":"Hrs","pricePerUnit":{%q:%q}}}}}}}`,
		instanceType, currency, price)
}

func spotPrice(instanceType, zone, price string) ec2types.SpotPrice {
	return ec2types.SpotPrice{InstanceType: ec2types.InstanceType(instanceType), AvailabilityZone: awssdk.String(zone), SpotPrice: awssdk.String(price)}
}

func newBook(m *market) *Book {
	return NewBook(NewPriceList(m, "us-east-1"), m, clocktesting.NewFakePassiveClock(time.Unix(0, 0)), func(instanceType string) (float64, bool) {
		if instanceType == "unheard.of" {
			return 0, false
		}
		return 9, true
	})
}

func wantPrice(t *testing.T, b *Book, instanceType, zone, capacityType string, want float64) {
	t.Helper()
	if got, ok := b.Price(instanceType, zone, capacityType); got != want || ok != (want > 0) {
		t.Errorf("%s as %s in %s costs %g (known: %t), want %g", instanceType, capacityType, zone, got, ok, want)
	}
}

func TestPricesFallBackUntilTheyAreRead(t *testing.T) {
	m := &market{
		documents: map[string][]string{
			"Shared":    {document("m5.large", "USD", "0.0960000000"), document("c5.large", "USD", "0.085"), document("free", "USD", "0"), document("yuan", "CNY", "3")},
			"Dedicated": {document("m5.metal", "USD", "4.608")},
		},
		spot: []ec2types.SpotPrice{
			spotPrice("m5.large", "a", "0.04"), spotPrice("m5.large", "a", "0.05"), spotPrice("m5.large", "b", "0.03"), spotPrice("c5.large", "b", "nonsense"),
		},
	}
	b := newBook(m)
	wantPrice(t, b, "m5.large", "a", "on-demand", 9)
	wantPrice(t, b, "m5.large", "a", "spot", 9) // until spot prices are read
	wantPrice(t, b, "unheard.of", "a", "on-demand", 0)
	if err := b.LoadOnDemand(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantPrice(t, b, "m5.large", "a", "on-demand", 0.096)
	wantPrice(t, b, "m5.metal", "a", "on-demand", 4.608)
	wantPrice(t, b, "free", "a", "on-demand", 9) // no price is read
	wantPrice(t, b, "m5.large", "a", "spot", 0.096)
	if err := b.LoadSpot(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantPrice(t, b, "m5.large", "a", "spot", 0.04) // the latest comes first
	wantPrice(t, b, "m5.large", "b", "spot", 0.03)
	wantPrice(t, b, "m5.large", "c", "spot", 0) // not sold there
	wantPrice(t, b, "c5.large", "b", "spot", 0)
	wantPrice(t, b, "c5.large", "b", "on-demand", 0.085)
}

func TestTheGenerationChangesOnlyWithPrices(t *testing.T) {
	m := &market{documents: map[string][]string{"Shared": {document("m5.large", "USD", "0.096")}}, spot: []ec2types.SpotPrice{spotPrice("m5.large", "a", "0.04")}}
	b := newBook(m)
	load := func() uint64 {
		t.Helper()
		for _, f := range []func(context.Context) error{b.LoadOnDemand, b.LoadSpot} {
			if err := f(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		return b.Generation()
	}
	first := load()
	if again := load(); again != first {
		t.Error("the generation changed although no price did")
	}
	m.spot[0] = spotPrice("m5.large", "a", "0.05")
	if changed := load(); changed == first {
		t.Error("the generation stayed although a price changed")
	}
}

func TestAFailureKeepsThePricesOfBefore(t *testing.T) {
	m := &market{documents: map[string][]string{"Shared": {document("m5.large", "USD", "0.096")}}, spot: []ec2types.SpotPrice{spotPrice("m5.large", "a", "0.04")}}
	b := newBook(m)
	if err := errors.Join(b.LoadOnDemand(t.Context()), b.LoadSpot(t.Context())); err != nil {
		t.Fatal(err)
	}
	for name, broken := range map[string]*market{
		"AWS is down":         {err: errors.New("down")},
		"the answer is empty": {},
		"the answer is odd":   {documents: map[string][]string{"Shared": {"{"}}},
	} {
		*m = *broken
		if err := b.LoadOnDemand(t.Context()); err == nil || !strings.Contains(err.Error(), "pricing:GetProducts") {
			t.Errorf("%s: error = %v, want one that names the call", name, err)
		}
		if err := b.LoadSpot(t.Context()); err == nil || !strings.Contains(err.Error(), "ec2:DescribeSpotPriceHistory") {
			t.Errorf("%s: error = %v, want one that names the call", name, err)
		}
		wantPrice(t, b, "m5.large", "a", "on-demand", 0.096)
		wantPrice(t, b, "m5.large", "a", "spot", 0.04)
	}
}

func TestEachRegionAsksAnEndpointThatExists(t *testing.T) {
	for region, want := range map[string]string{
		"us-west-2": "us-east-1", "sa-east-1": "us-east-1", "eu-west-1": "eu-central-1", "ap-northeast-2": "ap-south-1", "cn-north-1": "cn-northwest-1",
	} {
		if got := Endpoint(region); got != want {
			t.Errorf("%s asks %s, want %s", region, got, want)
		}
	}
}
