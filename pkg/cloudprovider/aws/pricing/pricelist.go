package pricing

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	pricingtypes "github.com/aws/aws-sdk-go-v2/service/pricing/types"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
)

// ProductAPI is what is asked of the Price List service.
type ProductAPI interface {
	GetProducts(context.Context, *pricing.GetProductsInput, ...func(*pricing.Options)) (*pricing.GetProductsOutput, error)
}

// Endpoint returns the region whose Price List service answers for a region; only a few have one.
func Endpoint(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "cn-northwest-1"
	case strings.HasPrefix(region, "ap-"):
		return "ap-south-1"
	case strings.HasPrefix(region, "eu-"), strings.HasPrefix(region, "me-"), strings.HasPrefix(region, "af-"), strings.HasPrefix(region, "il-"):
		return "eu-central-1"
	default:
		return "us-east-1"
	}
}

// PriceList reads the published on-demand prices of a region.
type PriceList struct {
	api    ProductAPI
	region string
}

// NewPriceList returns the price list of a region.
func NewPriceList(api ProductAPI, region string) *PriceList {
	return &PriceList{api: api, region: region}
}

// OnDemand maps an instance type -> what it costs with Linux, nothing pre-installed, US dollars per hour. Bare metal is
// sold with dedicated tenancy only, all else is shared.
func (l *PriceList) OnDemand(ctx context.Context) (map[string]float64, error) {
	out := map[string]float64{}
	for _, kind := range []struct{ tenancy, family string }{
		{"Shared", "Compute Instance"}, {"Dedicated", "Compute Instance (bare metal)"},
	} {
		if err := l.read(ctx, kind.tenancy, kind.family, out); err != nil {
			return nil, err
		}
	}
	if len(out) == 0 {
		return nil, errors.New("calling pricing:GetProducts: the answer holds no price")
	}
	return out, nil
}

func (l *PriceList) read(ctx context.Context, tenancy, family string, into map[string]float64) error {
	input := &pricing.GetProductsInput{ServiceCode: awssdk.String("AmazonEC2")}
	for _, f := range []struct{ field, value string }{
		{"regionCode", l.region}, {"operatingSystem", "Linux"}, {"preInstalledSw", "NA"}, {"capacitystatus", "Used"},
		{"marketoption", "OnDemand"}, {"tenancy", tenancy}, {"productFamily", family},
	} {
		input.Filters = append(input.Filters, pricingtypes.Filter{
			Type: pricingtypes.FilterTypeTermMatch, Field: awssdk.String(f.field), Value: awssdk.String(f.value),
		})
	}
	pages := pricing.NewGetProductsPaginator(l.api, input)
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return awserr.Explain("pricing:GetProducts", err)
		}
		for _, document := range page.PriceList {
			name, price, err := priceOf(document)
			if err != nil {
				return fmt.Errorf("reading an answer of pricing:GetProducts: %w", err)
			}
			if price > 0 {
				into[name] = price
			}
		}
	}
	return nil
}

// product is the part of a price list's row that matters.
type product struct {
	Product struct {
		Attributes struct {
			InstanceType string `json:"instanceType"`
		} `json:"attributes"`
	} `json:"product"`
	Terms struct {
		OnDemand map[string]struct {
			PriceDimensions map[string]struct {
				PricePerUnit map[string]string `json:"pricePerUnit"`
			} `json:"priceDimensions"`
		} `json:"OnDemand"`
	} `json:"terms"`
}

// priceOf returns instance type and price of a row; 0 when it has none in US dollars.
func priceOf(document string) (string, float64, error) {
	var p product
	if err := json.Unmarshal([]byte(document), &p); err != nil {
		return "", 0, err
	}
	for _, term := range p.Terms.OnDemand {
		for _, dimension := range term.PriceDimensions {
			if text, ok := dimension.PricePerUnit["USD"]; ok {
				price, err := strconv.ParseFloat(text, 64)
				if err != nil {
					return "", 0, fmt.Errorf("price of %s: %w", p.Product.Attributes.InstanceType, err)
				}
				return p.Product.Attributes.InstanceType, price, nil
			}
		}
	}
	return p.Product.Attributes.InstanceType, 0, nil
}
