package world

import (
	"encoding/base64"
	"fmt"
	"time"

	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/catalog"
)

// What a default world has. The account id is AWS's own example; the key id is no real one.
const (
	DefaultAccountID   = "123456789012"
	DefaultAccessKeyID = "AKIDKERFSIMULATOR"
	defaultVersion     = "1.32"
	defaultServiceCIDR = "172.20.0.0/16"
	discoveryTag       = "karpenter.sh/discovery"
)

// DefaultConfig describes a world in one of the catalogue's regions: an EKS cluster, and in every zone a private subnet that carries the cluster's
// discovery tag and a public one that does not.
func DefaultConfig(region, clusterName string) (Config, error) {
	facts, err := catalog.Load()
	if err != nil {
		return Config{}, fmt.Errorf("loading the catalogue: %w", err)
	}
	zones := facts.Zones(region)
	if len(zones) == 0 {
		return Config{}, fmt.Errorf("region %q is not one of %v", region, facts.Regions())
	}
	vpc := VPC{ID: stableID("vpc", region, clusterName), CIDR: "10.0.0.0/16"}
	owned := Tags{"kubernetes.io/cluster/" + clusterName: "owned"}
	config := Config{
		Region:       region,
		AccountID:    DefaultAccountID,
		AccessKeyIDs: []string{DefaultAccessKeyID},
		Clock:        clock.RealClock{},
		Cluster: Cluster{
			Name:                 clusterName,
			Endpoint:             fmt.Sprintf("https://%s.gr7.%s.eks.amazonaws.com", stableHex("cluster", clusterName)[:32], region),
			CertificateAuthority: base64.StdEncoding.EncodeToString([]byte("made up by the simulator: no certificate")),
			Version:              defaultVersion,
			ServiceCIDR:          defaultServiceCIDR,
		},
		VPC: vpc,
		SecurityGroups: []SecurityGroup{
			{ID: stableID("sg", vpc.ID, "default"), Name: "default", Description: "default VPC security group", Tags: Tags{}},
			{
				ID: stableID("sg", vpc.ID, "cluster"), Name: "eks-cluster-sg-" + clusterName, Description: "control plane to nodes",
				Tags: owned.With("aws:eks:cluster-name", clusterName),
			},
			{
				ID: stableID("sg", vpc.ID, "node"), Name: clusterName + "-node", Description: "between nodes",
				Tags: owned.With(discoveryTag, clusterName).With("Name", clusterName+"-node"),
			},
		},
		BootDelay:           5 * time.Second,
		ShutdownDelay:       2 * time.Second,
		TerminatedRetention: time.Hour,
	}
	for i, zone := range zones {
		config.Subnets = append(config.Subnets,
			Subnet{
				ID: stableID("subnet", vpc.ID, "private", zone.Name), Zone: zone.Name, ZoneID: zone.ID,
				CIDR: fmt.Sprintf("10.0.%d.0/19", 32*i),
				Tags: Tags{
					"Name": clusterName + "-private-" + zone.Name, discoveryTag: clusterName, "kubernetes.io/role/internal-elb": "1",
				},
			},
			Subnet{
				ID: stableID("subnet", vpc.ID, "public", zone.Name), Zone: zone.Name, ZoneID: zone.ID,
				CIDR: fmt.Sprintf("10.0.%d.0/24", 224+i), MapPublicIP: true,
				Tags: Tags{"Name": clusterName + "-public-" + zone.Name, "kubernetes.io/role/elb": "1"},
			},
		)
	}
	config.Images, config.Parameters = publishedImages(region)
	return config, nil
}
