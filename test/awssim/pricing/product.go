package pricing

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
)

// The codes that the real price list uses for an on-demand term and for its price per hour.
const (
	onDemandTerm = "JRTCKXETXF"
	hourlyRate   = "6YS6EN2CT7"
)

// product is one row of the price list.
type product struct {
	family     string
	attributes map[string]string
	market     string
	price      float64 // USD per hour
}

// variants are the rows of a type in a region. Besides the price of running it there are rows for reserved capacity, as in the real list: unused it
// costs as much as used, and what is allocated but paid for elsewhere costs nothing. A client that does not ask for Used mixes them up.
func variants(region string, t catalog.InstanceType, price float64) []product {
	var all []product
	for _, status := range []struct {
		name, usage string
		price       float64
	}{
		{"Used", "BoxUsage", price}, {"UnusedCapacityReservation", "UnusedBox", price}, {"AllocatedCapacityReservation", "Reservation", 0},
	} {
		attributes := attributesOf(region, t)
		attributes["capacitystatus"] = status.name
		attributes["usagetype"] = status.usage + ":" + t.Name
		family := "Compute Instance"
		if t.BareMetal {
			family = "Compute Instance (bare metal)"
		}
		all = append(all, product{family: family, attributes: attributes, market: "OnDemand", price: status.price})
	}
	return all
}

func attributesOf(region string, t catalog.InstanceType) map[string]string {
	tenancy := "Shared"
	if t.BareMetal {
		tenancy = "Dedicated"
	}
	generation := "No"
	if t.CurrentGeneration {
		generation = "Yes"
	}
	return map[string]string{
		"servicecode":        serviceCode,
		"servicename":        "Amazon Elastic Compute Cloud",
		"regionCode":         region,
		"locationType":       "AWS Region",
		"instanceType":       t.Name,
		"currentGeneration":  generation,
		"vcpu":               strconv.Itoa(t.CPU.VCPUs),
		"memory":             strconv.FormatFloat(float64(t.MemoryMiB)/1024, 'f', -1, 64) + " GiB",
		"networkPerformance": t.Network.Performance,
		"tenancy":            tenancy,
		"operatingSystem":    "Linux",
		"licenseModel":       "No License required",
		"preInstalledSw":     "NA",
		"operation":          "RunInstances",
		"marketoption":       "OnDemand",
	}
}

// isAttribute says whether products can be asked for by the field. Field names are compared without regard to case, as the service does.
func isAttribute(field string) bool {
	switch strings.ToLower(field) {
	case "servicecode", "servicename", "regioncode", "locationtype", "instancetype", "currentgeneration", "vcpu", "memory", "networkperformance",
		"tenancy", "operatingsystem", "licensemodel", "preinstalledsw", "operation", "marketoption", "capacitystatus", "usagetype",
		"productfamily", "sku":
		return true
	}
	return false
}

func (p product) matches(f filter) bool {
	switch strings.ToLower(f.Field) {
	case "productfamily":
		return p.family == f.Value
	case "sku":
		return p.sku() == f.Value
	}
	for name, value := range p.attributes {
		if strings.EqualFold(name, f.Field) {
			return value == f.Value
		}
	}
	return false
}

// sku is a stable made-up stock keeping unit.
func (p product) sku() string {
	sum := sha256.Sum256([]byte(p.attributes["regionCode"] + p.attributes["usagetype"]))
	return base32.StdEncoding.EncodeToString(sum[:])[:16]
}

type document struct {
	Product         documentProduct            `json:"product"`
	ServiceCode     string                     `json:"serviceCode"`
	Terms           map[string]map[string]term `json:"terms"` // market -> sku.term -> term
	Version         string                     `json:"version"`
	PublicationDate string                     `json:"publicationDate"`
}

type documentProduct struct {
	Family     string            `json:"productFamily"`
	Attributes map[string]string `json:"attributes"`
	SKU        string            `json:"sku"`
}

type term struct {
	PriceDimensions map[string]dimension `json:"priceDimensions"`
	SKU             string               `json:"sku"`
	EffectiveDate   string               `json:"effectiveDate"`
	OfferTermCode   string               `json:"offerTermCode"`
	TermAttributes  map[string]string    `json:"termAttributes"`
}

type dimension struct {
	Unit         string            `json:"unit"`
	EndRange     string            `json:"endRange"`
	BeginRange   string            `json:"beginRange"`
	Description  string            `json:"description"`
	AppliesTo    []string          `json:"appliesTo"`
	RateCode     string            `json:"rateCode"`
	PricePerUnit map[string]string `json:"pricePerUnit"`
}

func (p product) document(now time.Time) document {
	sku := p.sku()
	code := sku + "." + onDemandTerm
	rate := code + "." + hourlyRate
	return document{
		Product:     documentProduct{Family: p.family, Attributes: p.attributes, SKU: sku},
		ServiceCode: serviceCode,
		Terms: map[string]map[string]term{p.market: {code: {
			PriceDimensions: map[string]dimension{rate: {
				Unit: "Hrs", BeginRange: "0", EndRange: "Inf", AppliesTo: []string{}, RateCode: rate,
				Description:  fmt.Sprintf("$%v per On Demand Linux %s Instance Hour", p.price, p.attributes["instanceType"]),
				PricePerUnit: map[string]string{"USD": strconv.FormatFloat(p.price, 'f', 10, 64)},
			}},
			SKU: sku, EffectiveDate: now.UTC().Format("2006-01-02T00:00:00Z"), OfferTermCode: onDemandTerm, TermAttributes: map[string]string{},
		}}},
		Version:         now.UTC().Format("20060102000000"),
		PublicationDate: now.UTC().Format("2006-01-02T00:00:00Z"),
	}
}
