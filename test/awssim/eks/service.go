// Package eks answers the one call of EKS that a node provisioner makes: DescribeCluster.
package eks

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// Service is the EKS endpoint.
type Service struct{ world *world.World }

// New makes the endpoint of a world.
func New(w *world.World) *Service { return &Service{world: w} }

type describeClusterOutput struct {
	Cluster cluster `json:"cluster"`
}

type cluster struct {
	Name                 string               `json:"name"`
	ARN                  string               `json:"arn"`
	Version              string               `json:"version"`
	PlatformVersion      string               `json:"platformVersion"`
	Status               string               `json:"status"`
	Endpoint             string               `json:"endpoint"`
	RoleARN              string               `json:"roleArn"`
	CertificateAuthority certificateAuthority `json:"certificateAuthority"`
	VPC                  vpcConfig            `json:"resourcesVpcConfig"`
	Network              networkConfig        `json:"kubernetesNetworkConfig"`
	Tags                 map[string]string    `json:"tags"`
}

type certificateAuthority struct {
	Data string `json:"data"`
}

type vpcConfig struct {
	VPC             string   `json:"vpcId"`
	SubnetIDs       []string `json:"subnetIds"`
	SecurityGroups  []string `json:"securityGroupIds"`
	ClusterGroup    string   `json:"clusterSecurityGroupId"`
	EndpointPublic  bool     `json:"endpointPublicAccess"`
	EndpointPrivate bool     `json:"endpointPrivateAccess"`
}

type networkConfig struct {
	ServiceIPv4CIDR string `json:"serviceIpv4Cidr"`
	IPFamily        string `json:"ipFamily"`
}

// Call carries out a request.
func (s *Service) Call(r *wire.Request) (*wire.Response, error) {
	if r.Action != "DescribeCluster" {
		return nil, apierror.New("UnknownOperationException", "%s is not an operation of this simulator", r.Action).WithStatus(http.StatusNotFound)
	}
	known := s.world.Cluster()
	if name := strings.TrimPrefix(r.HTTP.URL.Path, "/clusters/"); name != known.Name {
		return nil, apierror.New("ResourceNotFoundException", "No cluster found for name: %s.", name).WithStatus(http.StatusNotFound)
	}
	return wire.RESTJSON(describeClusterOutput{s.describe(known)})
}

func (s *Service) describe(known world.Cluster) cluster {
	described := cluster{
		Name:                 known.Name,
		ARN:                  fmt.Sprintf("arn:aws:eks:%s:%s:cluster/%s", s.world.Region(), s.world.AccountID(), known.Name),
		Version:              known.Version,
		PlatformVersion:      "eks.1",
		Status:               "ACTIVE",
		Endpoint:             known.Endpoint,
		RoleARN:              fmt.Sprintf("arn:aws:iam::%s:role/%s-cluster", s.world.AccountID(), known.Name),
		CertificateAuthority: certificateAuthority{Data: known.CertificateAuthority},
		VPC:                  vpcConfig{VPC: s.world.VPC().ID, SecurityGroups: []string{}, EndpointPublic: true, EndpointPrivate: true},
		Network:              networkConfig{ServiceIPv4CIDR: known.ServiceCIDR, IPFamily: "ipv4"},
		Tags:                 map[string]string{},
	}
	for _, subnet := range s.world.Subnets() {
		described.VPC.SubnetIDs = append(described.VPC.SubnetIDs, subnet.ID)
	}
	for _, group := range s.world.SecurityGroups() {
		if strings.HasPrefix(group.Name, "eks-cluster-sg-") {
			described.VPC.ClusterGroup = group.ID
		}
	}
	return described
}

// Refuse answers a request that could not be carried out.
func (s *Service) Refuse(_ *wire.Request, e *apierror.Error) *wire.Response { return wire.RESTError(e) }

// BadCredentials is how EKS refuses a key that it does not know, or a request without one.
func (s *Service) BadCredentials(missing bool) *apierror.Error {
	if missing {
		return apierror.New("MissingAuthenticationTokenException", "Missing Authentication Token").WithStatus(http.StatusForbidden)
	}
	return apierror.New("UnrecognizedClientException", "The security token included in the request is invalid.").WithStatus(http.StatusForbidden)
}

// Asks lists what IAM is asked about a call.
func (s *Service) Asks(r *wire.Request) []iam.Ask {
	if r.Action != "DescribeCluster" {
		return nil
	}
	name := strings.TrimPrefix(r.HTTP.URL.Path, "/clusters/")
	arn := fmt.Sprintf("arn:aws:eks:%s:%s:cluster/%s", s.world.Region(), s.world.AccountID(), name)
	return []iam.Ask{{Request: iam.Request{Action: "eks:DescribeCluster", Resource: arn}}}
}

// Denied is how EKS refuses what policies do not allow.
func (s *Service) Denied(principal string, r iam.Request, d iam.Decision) *apierror.Error {
	return apierror.New("AccessDeniedException", "%s", d.Because(principal, r)).WithStatus(http.StatusForbidden)
}
