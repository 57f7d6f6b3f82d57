package awssim_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	pricingtypes "github.com/aws/aws-sdk-go-v2/service/pricing/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

func TestParametersNameImagesThatExist(t *testing.T) {
	s := start(t)
	client := ssm.NewFromConfig(s.aws)
	images := map[string]world.Image{}
	for _, i := range s.World().Images() {
		images[i.ID] = i
	}
	for name, arch := range map[string]string{
		"/aws/service/eks/optimized-ami/1.32/amazon-linux-2/recommended/image_id":                                                            "x86_64",
		"/aws/service/eks/optimized-ami/1.32/amazon-linux-2-arm64/recommended/image_id":                                                      "arm64",
		"/aws/service/eks/optimized-ami/1.32/amazon-linux-2-gpu/recommended/image_id":                                                        "x86_64",
		"/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/x86_64/nvidia/recommended/image_id":                                           "x86_64",
		"/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/x86_64/neuron/recommended/image_id":                                           "x86_64",
		"/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/arm64/nvidia/recommended/image_id":                                            "arm64",
		"/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/arm64/standard/amazon-eks-node-al2023-arm64-standard-1.34-v20260520/image_id": "arm64",
		"/aws/service/bottlerocket/aws-k8s-1.33/x86_64/latest/image_id":                                                                      "x86_64",
		"/aws/service/bottlerocket/aws-k8s-1.33-nvidia/arm64/latest/image_id":                                                                "arm64",
		"/aws/service/bottlerocket/aws-k8s-1.33/arm64/1.58.0/image_id":                                                                       "arm64",
		"/aws/service/ami-windows-latest/Windows_Server-2025-English-Core-EKS_Optimized-1.35/image_id":                                       "x86_64",
		"/aws/service/canonical/ubuntu/eks/20.04/1.29/stable/current/arm64/hvm/ebs-gp2/ami-id":                                               "arm64",
	} {
		out, err := client.GetParameter(s.ctx(), &ssm.GetParameterInput{Name: aws.String(name)})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if i, ok := images[*out.Parameter.Value]; !ok || i.Architecture != arch {
			t.Errorf("%s names %s, an image of %q; want one of %s", name, *out.Parameter.Value, i.Architecture, arch)
		}
	}
	for name, want := range map[string]string{
		"/aws/service/eks/optimized-ami/1.33/amazon-linux-2/recommended/image_id":                      "ParameterNotFound",
		"/aws/service/ami-windows-latest/Windows_Server-2025-English-Core-EKS_Optimized-1.34/image_id": "ParameterNotFound",
		x86Image + ":9": "ParameterVersionNotFound",
	} {
		if _, err := client.GetParameter(s.ctx(), &ssm.GetParameterInput{Name: aws.String(name)}); code(err) != want {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
}

// priceDocument is the part of a price list row that a client reads.
type priceDocument struct {
	Product struct {
		Family     string            `json:"productFamily"`
		Attributes map[string]string `json:"attributes"`
	} `json:"product"`
	Terms struct {
		OnDemand map[string]struct {
			PriceDimensions map[string]struct {
				PricePerUnit map[string]string `json:"pricePerUnit"`
				Unit         string            `json:"unit"`
			} `json:"priceDimensions"`
		}
	} `json:"terms"`
}

func match(field, value string) pricingtypes.Filter {
	return pricingtypes.Filter{Type: pricingtypes.FilterTypeTermMatch, Field: aws.String(field), Value: aws.String(value)}
}

func TestThePriceListPricesEveryType(t *testing.T) {
	s := start(t)
	client := pricing.NewFromConfig(s.aws)
	prices := map[string]string{}
	for tenancy, family := range map[string]string{"Shared": "Compute Instance", "Dedicated": "Compute Instance (bare metal)"} {
		pages := pricing.NewGetProductsPaginator(client, &pricing.GetProductsInput{ServiceCode: aws.String("AmazonEC2"), Filters: []pricingtypes.Filter{
			match("regionCode", region), match("serviceCode", "AmazonEC2"), match("preInstalledSw", "NA"), match("operatingSystem", "Linux"),
			match("capacitystatus", "Used"), match("marketoption", "OnDemand"), match("tenancy", tenancy), match("productFamily", family),
		}})
		for pages.HasMorePages() {
			out, err := pages.NextPage(s.ctx())
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range out.PriceList {
				var document priceDocument
				if err := json.Unmarshal([]byte(row), &document); err != nil {
					t.Fatal(err)
				}
				name := document.Product.Attributes["instanceType"]
				if _, twice := prices[name]; twice {
					t.Errorf("%s is priced twice", name)
				}
				for _, term := range document.Terms.OnDemand {
					for _, dimension := range term.PriceDimensions {
						prices[name] = dimension.PricePerUnit["USD"]
					}
				}
			}
		}
	}
	if len(prices) != 1353 || prices["m5.large"] != "0.0960000000" || prices["c5.metal"] != "4.0800000000" {
		t.Errorf("%d prices, m5.large %s, c5.metal %s", len(prices), prices["m5.large"], prices["c5.metal"])
	}
}

func TestThePriceListMixesUpWhatIsNotAskedFor(t *testing.T) {
	s := start(t)
	client := pricing.NewFromConfig(s.aws)
	ask := func(filters ...pricingtypes.Filter) ([]string, error) {
		out, err := client.GetProducts(s.ctx(), &pricing.GetProductsInput{ServiceCode: aws.String("AmazonEC2"), Filters: filters})
		if err != nil {
			return nil, err
		}
		return out.PriceList, nil
	}
	rows, err := ask(match("regionCode", region), match("instanceType", "m5.large"))
	if err != nil || len(rows) != 3 {
		t.Errorf("%d rows without a capacity status (%v), want 3", len(rows), err)
	}
	if !strings.Contains(strings.Join(rows, ""), `"capacitystatus":"AllocatedCapacityReservation"`) {
		t.Error("capacity that is paid for elsewhere is not among them")
	}
	if rows, err = ask(match("instanceType", "m5.large"), match("capacitystatus", "Used")); err != nil || len(rows) != 4 {
		t.Errorf("%d rows without a region (%v), want one for each of four", len(rows), err)
	}
	if _, err = ask(match("colour", "red")); code(err) != "InvalidParameterException" {
		t.Errorf("an unknown attribute: %v", err)
	}
	if _, err := client.GetProducts(s.ctx(), &pricing.GetProductsInput{ServiceCode: aws.String("AmazonS3")}); code(err) != "InvalidParameterException" {
		t.Errorf("another service: %v", err)
	}
	if _, err := client.GetProducts(s.ctx(), &pricing.GetProductsInput{ServiceCode: aws.String("AmazonEC2"), NextToken: aws.String("eA==")}); code(err) != "InvalidNextTokenException" {
		t.Errorf("somebody else's token: %v", err)
	}
}

func TestTheClusterIsDescribed(t *testing.T) {
	s := start(t, func(c *world.Config) { c.Cluster.Endpoint, c.Cluster.Version = "https://127.0.0.1:6443", "1.34" })
	client := eks.NewFromConfig(s.aws)
	out, err := client.DescribeCluster(s.ctx(), &eks.DescribeClusterInput{Name: aws.String(cluster)})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Cluster
	if *c.Endpoint != "https://127.0.0.1:6443" || *c.Version != "1.34" || *c.KubernetesNetworkConfig.ServiceIpv4Cidr != "172.20.0.0/16" ||
		*c.CertificateAuthority.Data == "" || c.Status != "ACTIVE" || *c.ResourcesVpcConfig.VpcId != s.World().VPC().ID {
		t.Errorf("cluster %+v", c)
	}
	if _, err := client.DescribeCluster(s.ctx(), &eks.DescribeClusterInput{Name: aws.String("other")}); code(err) != "ResourceNotFoundException" {
		t.Errorf("another cluster: %v", err)
	}
}

func TestTheCallerIsKnown(t *testing.T) {
	s := start(t)
	out, err := sts.NewFromConfig(s.aws).GetCallerIdentity(s.ctx(), &sts.GetCallerIdentityInput{})
	if err != nil || *out.Account != "123456789012" || !strings.HasPrefix(*out.Arn, "arn:aws:iam::123456789012:") {
		t.Errorf("caller %+v (%v)", out, err)
	}
}
