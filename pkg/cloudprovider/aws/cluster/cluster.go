// Package cluster holds what nodes have to know of the cluster that they join.
package cluster

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"sync"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
)

// API is what is asked of EKS.
type API interface {
	DescribeCluster(context.Context, *eks.DescribeClusterInput, ...func(*eks.Options)) (*eks.DescribeClusterOutput, error)
}

// Facts are what nodes have to know.
type Facts struct {
	// Name of the EKS cluster.
	Name string
	// Endpoint is the URL of the API server.
	Endpoint string
	// CA is the certificate authority of the API server, PEM.
	CA string
	// Version is the Kubernetes minor version, e.g. 1.34.
	Version string
	// ServiceCIDR is the range of service addresses; "" when not known.
	ServiceCIDR string
}

// Source finds the facts: what is set counts, EKS fills in the rest. It is safe for concurrent use.
type Source struct {
	api API
	set Facts

	mu    sync.RWMutex
	facts *Facts // nil until they are complete enough to boot a node
}

// NewSource returns a source that knows nothing until it is loaded. Set holds the settings; its Name is required.
func NewSource(api API, set Facts) *Source { return &Source{api: api, set: set} }

// Facts returns what the last successful load found.
func (s *Source) Facts() (Facts, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.facts == nil {
		return Facts{}, fmt.Errorf("endpoint, certificate authority and version of cluster %q are not known yet", s.set.Name)
	}
	return *s.facts, nil
}

// Load asks EKS. Where EKS refuses or does not know the cluster, the settings have to suffice.
func (s *Source) Load(ctx context.Context) error {
	out, err := s.api.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: awssdk.String(s.set.Name)})
	facts := s.set
	if err == nil {
		facts, err = complete(s.set, out.Cluster)
	} else {
		err = awserr.Explain("eks:DescribeCluster", err)
	}
	if missing := missing(facts); missing != nil {
		return errors.Join(err, missing)
	}
	if err != nil && !awserr.Is(err, awserr.Denied, awserr.NotFound) {
		return err // an outage: what was known before stays
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.facts = &facts
	return nil
}

// complete fills what is not set with what EKS says. The version always comes from EKS: it moves with upgrades.
func complete(set Facts, found *ekstypes.Cluster) (Facts, error) {
	if found == nil {
		return set, errors.New("eks:DescribeCluster answered without a cluster")
	}
	out := set
	if v := awssdk.ToString(found.Version); v != "" {
		out.Version = v
	}
	if out.Endpoint == "" {
		out.Endpoint = awssdk.ToString(found.Endpoint)
	}
	if network := found.KubernetesNetworkConfig; out.ServiceCIDR == "" && network != nil {
		out.ServiceCIDR = awssdk.ToString(network.ServiceIpv4Cidr)
		if network.IpFamily == ekstypes.IpFamilyIpv6 {
			out.ServiceCIDR = awssdk.ToString(network.ServiceIpv6Cidr)
		}
	}
	if out.CA == "" && found.CertificateAuthority != nil {
		ca, err := base64.StdEncoding.DecodeString(awssdk.ToString(found.CertificateAuthority.Data))
		if err != nil {
			return set, fmt.Errorf("decoding the certificate authority of eks:DescribeCluster: %w", err)
		}
		out.CA = string(ca)
	}
	return out, nil
}

func missing(f Facts) error {
	var errs []error
	for _, fact := range []struct{ value, name, flag string }{
		{f.Endpoint, "the endpoint", "cluster-endpoint"}, {f.CA, "the certificate authority", "cluster-ca-bundle"},
		{f.Version, "the Kubernetes version", "cluster-version"},
	} {
		if fact.value == "" {
			errs = append(errs, fmt.Errorf("%s of cluster %q is neither told by eks:DescribeCluster nor set: allow the call or set --%s",
				fact.name, f.Name, fact.flag))
		}
	}
	return errors.Join(errs...)
}

// dnsOffset is where EKS puts the cluster's DNS service within the range of service addresses.
const dnsOffset = 10

// DNS returns the address of the cluster's DNS service, "" when the range of service addresses is not known.
func (f Facts) DNS() string {
	prefix, err := netip.ParsePrefix(f.ServiceCIDR)
	if err != nil {
		return ""
	}
	address := prefix.Masked().Addr()
	for range dnsOffset {
		address = address.Next()
	}
	if !prefix.Contains(address) {
		return ""
	}
	return address.String()
}

// Minor returns the number behind the dot of the version, e.g. 34.
func (f Facts) Minor() (int, error) {
	var major, minor int
	if _, err := fmt.Sscanf(f.Version, "%d.%d", &major, &minor); err != nil || major != 1 {
		return 0, fmt.Errorf("%q is no Kubernetes version such as 1.34", f.Version)
	}
	return minor, nil
}
