// Package world is the simulated AWS account and region: what exists there, and the rules by which it changes.
package world

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"k8s.io/utils/clock"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// Config is what a world is made of. DefaultConfig fills all of it; a test changes what it is about.
type Config struct {
	Region    string
	AccountID string
	// AccessKeyIDs are the keys that calls may be signed with. The signature itself is not verified, so secrets do not matter.
	AccessKeyIDs []string
	Clock        clock.PassiveClock
	// Faults decides what goes wrong; nil means nothing.
	Faults *faults.Injector

	Cluster        Cluster
	VPC            VPC
	Subnets        []Subnet
	SecurityGroups []SecurityGroup
	Images         []Image
	Parameters     []Parameter
	// InstanceProfiles are the names that a launch may use; nil accepts any.
	InstanceProfiles []string
	// Roles maps instance profile -> the name of its role; a profile that is not there has a role of its own name.
	Roles map[string]string

	// Limits bound the capacity that EC2 has. Of the limits that match a pool the last one counts; a pool that none matches is unlimited.
	Limits []CapacityLimit
	// InstanceTypes are the names of the types that there are; nil is all that the catalogue knows in the region.
	InstanceTypes []string
	// OnDemandPrices (instance type -> USD per hour) and SpotPrices override the catalogue's.
	OnDemandPrices map[string]float64
	SpotPrices     map[SpotPool]float64

	// BootDelay is the time an instance stays pending.
	BootDelay time.Duration
	// ShutdownDelay is the time it then stays shutting-down once terminated.
	ShutdownDelay time.Duration
	// SpotNotice is the time from the warning of a spot instance to its end; 0 is the two minutes of AWS.
	SpotNotice time.Duration
	// TerminatedRetention is the time for which a terminated instance is still listed; AWS says about an hour.
	TerminatedRetention time.Duration
}

// Cluster is what EKS says of the cluster.
type Cluster struct {
	Name                 string
	Endpoint             string
	CertificateAuthority string // base64 of PEM
	Version              string // minor, e.g. 1.32
	ServiceCIDR          string
}

// VPC is the one network.
type VPC struct {
	ID   string
	CIDR string
}

// Subnet is a part of the VPC in one zone.
type Subnet struct {
	ID          string
	Zone        string
	ZoneID      string
	CIDR        string
	MapPublicIP bool   // on launch
	OwnerID     string // the account that shares it; empty for the world's own
	Tags        Tags
}

// SecurityGroup is a firewall by name only: no rules are modelled.
type SecurityGroup struct {
	ID          string
	Name        string
	Description string
	OwnerID     string // the account that shares it; empty for the world's own
	Tags        Tags
}

// Image is a machine image (AMI).
type Image struct {
	ID           string
	Name         string
	Description  string
	Architecture string // in EC2's words: x86_64 or arm64
	OwnerID      string
	OwnerAlias   string // amazon, or empty
	Created      time.Time
	Deprecated   time.Time // zero when not planned
	Platform     string    // windows, or empty
	RootDevice   string    // name
	Volumes      []ImageVolume
	Tags         Tags
}

// ImageVolume is a disk that comes with an image.
type ImageVolume struct {
	Device  string
	SizeGiB int
}

// Parameter is a public SSM parameter.
type Parameter struct {
	Name     string
	Value    string
	Version  int
	Modified time.Time
}

// SpotPool is what a spot price belongs to.
type SpotPool struct{ Zone, InstanceType string }

// CapacityLimit bounds the instances of a pool that can exist at once. An empty InstanceType, Zone or CapacityType matches every one.
type CapacityLimit struct {
	InstanceType string
	Zone         string
	CapacityType string // spot or on-demand
	// Instances is the bound; 0 means that every launch there is short of capacity. Negative lifts earlier limits.
	Instances int
}

func (c Config) validate() error {
	if c.Region == "" || c.AccountID == "" || c.Cluster.Name == "" || c.VPC.ID == "" {
		return errors.New("region, account, cluster name and VPC are required")
	}
	if c.Clock == nil {
		return errors.New("a world needs a clock")
	}
	if c.BootDelay < 0 || c.ShutdownDelay < 0 || c.TerminatedRetention < 0 || c.SpotNotice < 0 {
		return errors.New("delays cannot be negative")
	}
	if len(c.Subnets) == 0 {
		return errors.New("a world needs a subnet")
	}
	seen := map[string]bool{}
	for _, s := range c.Subnets {
		if _, err := netip.ParsePrefix(s.CIDR); err != nil {
			return fmt.Errorf("subnet %s: %w", s.ID, err)
		}
		if seen[s.ID] {
			return fmt.Errorf("subnet %s is given twice", s.ID)
		}
		seen[s.ID] = true
	}
	return nil
}
