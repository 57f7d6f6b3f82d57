// Package pricing answers the one call of the Price List service that kerf makes: GetProducts for EC2.
package pricing

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

const (
	serviceCode   = "AmazonEC2"
	formatVersion = "aws_v1"
	maxPage       = 100
	maxFilters    = 50
	tokenPrefix   = "kerf-awssim/"
)

// Service is the Price List endpoint.
type Service struct {
	world *world.World
	// products lists every row of the price list. It is worked out once: prices do not change while a world lasts.
	products func() []product
}

// New makes the endpoint of a world.
func New(w *world.World) *Service {
	s := &Service{world: w}
	s.products = sync.OnceValue(s.allProducts)
	return s
}

type getProductsInput struct {
	ServiceCode   string
	FormatVersion string
	Filters       []filter
	MaxResults    *int
	NextToken     string
}

type filter struct{ Type, Field, Value string }

type getProductsOutput struct {
	FormatVersion string
	PriceList     []string // each is a JSON document of its own
	NextToken     string   `json:",omitempty"`
}

// Call carries out a request.
func (s *Service) Call(r *wire.Request) (*wire.Response, error) {
	if r.Action != "GetProducts" {
		return nil, apierror.New("UnknownOperationException", "%s is not an operation of this simulator", r.Action)
	}
	var in getProductsInput
	if err := wire.DecodeJSON(r, &in); err != nil {
		return nil, err
	}
	if err := in.check(); err != nil {
		return nil, err
	}
	products, next, err := in.page(in.wanted(s.products()))
	if err != nil {
		return nil, err
	}
	out := getProductsOutput{FormatVersion: formatVersion, PriceList: make([]string, 0, len(products)), NextToken: next}
	for _, p := range products {
		document, err := json.Marshal(p.document(s.world.Now()))
		if err != nil {
			return nil, fmt.Errorf("encoding the price of %s: %w", p.attributes["instanceType"], err)
		}
		out.PriceList = append(out.PriceList, string(document))
	}
	return wire.JSON11(out)
}

func (i getProductsInput) check() error {
	switch {
	case i.ServiceCode == "":
		return invalid("ServiceCode is required")
	case i.ServiceCode != serviceCode:
		return invalid("ServiceCode %s is not one that this simulator prices: %s", i.ServiceCode, serviceCode)
	case i.FormatVersion != "" && i.FormatVersion != formatVersion:
		return invalid("FormatVersion %s is not supported: %s", i.FormatVersion, formatVersion)
	case i.MaxResults != nil && (*i.MaxResults < 1 || *i.MaxResults > maxPage):
		return invalid("MaxResults must be between 1 and %d", maxPage)
	case len(i.Filters) > maxFilters:
		return invalid("at most %d filters are allowed", maxFilters)
	}
	for _, f := range i.Filters {
		if f.Type != "TERM_MATCH" {
			return invalid("filter type %s is not one that this simulator knows: TERM_MATCH", f.Type)
		}
		if !isAttribute(f.Field) {
			return invalid("%s is not an attribute of the products of %s", f.Field, serviceCode)
		}
	}
	return nil
}

func invalid(format string, args ...any) error {
	return apierror.New("InvalidParameterException", format, args...)
}

// page cuts one page out; the token holds its offset, which stays right because products do not change.
func (i getProductsInput) page(products []product) ([]product, string, error) {
	start, size := 0, maxPage
	if i.MaxResults != nil {
		size = *i.MaxResults
	}
	if i.NextToken != "" {
		decoded, err := base64.StdEncoding.DecodeString(i.NextToken)
		offset, ours := strings.CutPrefix(string(decoded), tokenPrefix)
		if err == nil {
			start, err = strconv.Atoi(offset)
		}
		if err != nil || !ours || start < 0 || start > len(products) {
			return nil, "", apierror.New("InvalidNextTokenException", "The pagination token is invalid. Try again without a pagination token.")
		}
	}
	end := min(start+size, len(products))
	next := ""
	if end < len(products) {
		next = base64.StdEncoding.EncodeToString([]byte(tokenPrefix + strconv.Itoa(end)))
	}
	return products[start:end], next, nil
}

// Refuse answers a request that could not be carried out.
func (s *Service) Refuse(_ *wire.Request, e *apierror.Error) *wire.Response {
	return wire.JSON11Error(e)
}

// BadCredentials is how JSON services refuse a key that they do not know, or a request without one.
func (s *Service) BadCredentials(missing bool) *apierror.Error {
	if missing {
		return apierror.New("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	return apierror.New("UnrecognizedClientException", "The security token included in the request is invalid.")
}

func (s *Service) allProducts() []product {
	var all []product
	for _, region := range s.regions() {
		for _, t := range s.world.Facts().InstanceTypes() {
			if price, ok := s.priceIn(region, t.Name); ok {
				all = append(all, variants(region, t, price)...)
			}
		}
	}
	return all
}

// wanted are the products that pass all filters.
func (i getProductsInput) wanted(products []product) []product {
	return slices.DeleteFunc(slices.Clone(products), func(p product) bool {
		return slices.ContainsFunc(i.Filters, func(f filter) bool { return !p.matches(f) })
	})
}

// regions are those that the price list covers: it is the same one whichever region's endpoint is asked.
func (s *Service) regions() []string { return s.world.Facts().Regions() }

// priceIn is the world's price at home and the catalogue's elsewhere.
func (s *Service) priceIn(region, instanceType string) (float64, bool) {
	if region == s.world.Region() {
		return s.world.OnDemandPrice(instanceType)
	}
	return s.world.Facts().OnDemandPrice(region, instanceType)
}

// Asks lists what IAM is asked about a call.
func (s *Service) Asks(r *wire.Request) []iam.Ask {
	return []iam.Ask{{Request: iam.Request{Action: "pricing:" + r.Action, Resource: "*"}}}
}

// Denied is how Pricing refuses what policies do not allow.
func (s *Service) Denied(principal string, r iam.Request, d iam.Decision) *apierror.Error {
	return apierror.New("AccessDeniedException", "%s", d.Because(principal, r))
}
