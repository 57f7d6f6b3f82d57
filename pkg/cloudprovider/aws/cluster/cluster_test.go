package cluster

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/smithy-go"
)

type eksAnswer struct {
	cluster *ekstypes.Cluster
	err     error
}

func (a eksAnswer) DescribeCluster(context.Context, *eks.DescribeClusterInput, ...func(*eks.Options)) (*eks.DescribeClusterOutput, error) {
	return &eks.DescribeClusterOutput{Cluster: a.cluster}, a.err
}

func found() *ekstypes.Cluster {
	return &ekstypes.Cluster{
		Endpoint: awssdk.String("https://eks"), Version: awssdk.String("1.34"),
		CertificateAuthority:    &ekstypes.Certificate{Data: awssdk.String(base64.StdEncoding.EncodeToString([]byte("PEM")))},
		KubernetesNetworkConfig: &ekstypes.KubernetesNetworkConfigResponse{ServiceIpv4Cidr: awssdk.String("172.20.0.0/16")},
	}
}

// ipv6 is a cluster whose pods and services have addresses of IPv6.
func ipv6() *ekstypes.Cluster {
	c := found()
	c.KubernetesNetworkConfig = &ekstypes.KubernetesNetworkConfigResponse{IpFamily: ekstypes.IpFamilyIpv6, ServiceIpv6Cidr: awssdk.String("fd12:3456::/108")}
	return c
}

func TestFactsComeFromSettingsAndEKS(t *testing.T) {
	denied := &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}
	for name, tc := range map[string]struct {
		set     Facts
		answer  eksAnswer
		want    Facts
		wantErr []string
	}{
		"EKS tells all": {
			set: Facts{Name: "demo"}, answer: eksAnswer{cluster: found()},
			want: Facts{Name: "demo", Endpoint: "https://eks", CA: "PEM", Version: "1.34", ServiceCIDR: "172.20.0.0/16"},
		},
		"EKS tells of IPv6": {
			set: Facts{Name: "demo"}, answer: eksAnswer{cluster: ipv6()},
			want: Facts{Name: "demo", Endpoint: "https://eks", CA: "PEM", Version: "1.34", ServiceCIDR: "fd12:3456::/108"},
		},
		"settings count, the version aside": {
			set:    Facts{Name: "demo", Endpoint: "https://set", CA: "MINE", Version: "1.30"},
			answer: eksAnswer{cluster: found()},
			want:   Facts{Name: "demo", Endpoint: "https://set", CA: "MINE", Version: "1.34", ServiceCIDR: "172.20.0.0/16"},
		},
		"settings suffice where EKS refuses": {
			set:    Facts{Name: "demo", Endpoint: "https://set", CA: "MINE", Version: "1.33"},
			answer: eksAnswer{err: denied},
			want:   Facts{Name: "demo", Endpoint: "https://set", CA: "MINE", Version: "1.33"},
		},
		"a refusal without settings is told with all that is missing": {
			set: Facts{Name: "demo"}, answer: eksAnswer{err: denied},
			wantErr: []string{"credentials refused by eks:DescribeCluster", "the endpoint", "--cluster-endpoint", "the certificate authority", "--cluster-ca-bundle", "the Kubernetes version", "--cluster-version"},
		},
		"an outage is no reason to go by settings": {
			set: Facts{Name: "demo", Endpoint: "https://set", CA: "MINE", Version: "1.33"}, answer: eksAnswer{err: errors.New("timeout")},
			wantErr: []string{"timeout"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			source := NewSource(tc.answer, tc.set)
			err := source.Load(t.Context())
			if len(tc.wantErr) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if got, _ := source.Facts(); got != tc.want {
					t.Errorf("facts = %+v, want %+v", got, tc.want)
				}
				return
			}
			for _, want := range tc.wantErr {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error = %v, want one with %q", err, want)
				}
			}
			if _, err := source.Facts(); err == nil {
				t.Error("there are facts after a failed load")
			}
		})
	}
}

func TestTheDNSServiceIsTheTenthServiceAddress(t *testing.T) {
	for cidr, want := range map[string]string{
		"172.20.0.0/16": "172.20.0.10", "10.100.0.0/16": "10.100.0.10", "10.0.0.0/30": "", "": "", "x": "", "fd12:3456::/108": "fd12:3456::a",
	} {
		if got := (Facts{ServiceCIDR: cidr}).DNS(); got != want {
			t.Errorf("DNS of %q = %q, want %q", cidr, got, want)
		}
	}
}

func TestMinorReadsTheVersion(t *testing.T) {
	for version, want := range map[string]int{"1.34": 34, "1.32.1": 32, "1.9": 9} {
		if got, err := (Facts{Version: version}).Minor(); err != nil || got != want {
			t.Errorf("minor of %q = %d, %v; want %d", version, got, err, want)
		}
	}
	for _, version := range []string{"", "2.0", "v1.34", "latest"} {
		if _, err := (Facts{Version: version}).Minor(); err == nil {
			t.Errorf("%q passes as a version", version)
		}
	}
}
