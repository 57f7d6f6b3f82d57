// Package cloudprovider is the port through which kerf sees a cloud: what machines it offers, and the machines there are.
package cloudprovider

import (
	"context"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
)

// Agreement is asked in the last moment, after all waiting, whether an instance is still to be ended. An error keeps it.
type Agreement func(ctx context.Context) error

// Provider is a cloud. Machines that it returns carry what the cloud knows: labels, status.providerID, capacity,
// allocatable and, in status.launch, the group and attempt of the request that made them. IsEnding and IsStopped read how it is
// with the instance. Any method may return an UnavailableError.
type Provider interface {
	// Create makes the instance that the intent in status.launch of a Machine asks for and returns the Machine with what is
	// known of it. It is idempotent by the intent's token: all machines of one request share its answer.
	// Errors: InsufficientCapacityError and RefusedError (IsAnswered: the request is answered and this machine got nothing),
	// NotReadyError and CreateError (it may be made again). Their text does not change from call to call.
	Create(ctx context.Context, machine *v1alpha5.Machine) (*v1alpha5.Machine, error)
	// Delete triggers the end of the instance with the Machine's providerID once all agree. nil means triggered, not gone. After the
	// agreement it waits for nothing: where the cloud would have it wait, that is an UnavailableError.
	// Errors: NotFoundError once it is settled that the instance is gone or another cluster's. Where the cloud's answer does not
	// settle it, the error is any other, here and in Get.
	Delete(ctx context.Context, machine *v1alpha5.Machine, all ...Agreement) error
	// Get returns the machine of a live instance. Errors: NotFoundError when it is gone.
	Get(ctx context.Context, providerID string) (*v1alpha5.Machine, error)
	// List returns the machines of all live instances that this cluster's kerf has made, whether a Machine object exists or not.
	List(ctx context.Context) ([]*v1alpha5.Machine, error)
	// InstanceTypes returns what may be launched from the provisioner's template, in order of name. It does not look at the
	// provisioner's requirements. Errors: NotReadyError when the template does not exist or found nothing.
	InstanceTypes(ctx context.Context, provisioner *v1alpha5.Provisioner) (InstanceTypes, error)
	// Surveyed returns when the cloud told all that InstanceTypes answers from; zero while it does not answer. InstanceTypes goes by the
	// last answer then: what is missing in that says no more, and what is there is there no longer for sure.
	Surveyed() time.Time
	// Drifted returns in what a launched Machine is not what its template asks for now, by what is on record of the Machine and of the
	// template; the cloud is not asked. A fact that is not on record is not compared. Errors: NotReadyError when there is nothing to
	// compare with, as the template does not exist or is not resolved.
	Drifted(ctx context.Context, machine *v1alpha5.Machine) (drift.Finding, error)
}
