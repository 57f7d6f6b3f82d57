package kubelets

import (
	"context"

	"github.com/kerf-autoscaler/kerf/test/awssim/faults"
)

// States of an instance, in EC2's words; only those that the bridge tells apart are named.
const (
	stateRunning    = "running"
	stateTerminated = "terminated"
)

// Instance is what the bridge has to know of an EC2 instance.
type Instance struct {
	ID string
	// Type, e.g. m5.large.
	Type string
	// Zone, e.g. us-east-1a.
	Zone string
	// Region, e.g. us-east-1.
	Region string
	// State in EC2's words, e.g. pending or running.
	State string
	// PrivateDNSName becomes the name of the Node.
	PrivateDNSName string
	PrivateIP      string
	// RootVolumeGiB is the size of the disk that pods keep their files on, which is that of the system on most images; 0 means
	// the images' default.
	RootVolumeGiB int
	// UserData as the instance reads it from its metadata service: decoded from base64 already.
	UserData string
	// Boot is how the machine joins; nil as it should. Recycled needs nothing here: the name of the instance is that of another one.
	Boot *faults.Boot
	// Reboots is how often it has been rebooted from outside.
	Reboots int
}

// ProviderID is the name of the instance in Kubernetes.
func (i Instance) ProviderID() string { return "aws:///" + i.Zone + "/" + i.ID }

// Source lists the instances that there are, those that have ended lately included.
type Source interface {
	Instances(ctx context.Context) ([]Instance, error)
}

// SourceFunc is a function that is a Source.
type SourceFunc func(ctx context.Context) ([]Instance, error)

// Instances calls the function.
func (f SourceFunc) Instances(ctx context.Context) ([]Instance, error) { return f(ctx) }
