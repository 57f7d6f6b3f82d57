package world

import (
	"strings"

	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
)

func errDryRun() error { return apierror.DryRun() }

// errNoSuchResource is the answer for an id whose resource is unknown: the code differs by kind, as it does in EC2.
func errNoSuchResource(id string) error {
	for _, kind := range []struct{ prefix, code, noun string }{
		{"subnet-", "InvalidSubnetID.NotFound", "subnet ID"},
		{"sg-", "InvalidGroup.NotFound", "security group"},
		{"lt-", "InvalidLaunchTemplateId.NotFound", "launch template ID"},
		{"ami-", "InvalidAMIID.NotFound", "image id"},
		{"fleet-", "InvalidFleetId.NotFound", "fleet ID"},
	} {
		if strings.HasPrefix(id, kind.prefix) {
			return apierror.New(kind.code, "The %s '%s' does not exist", kind.noun, id)
		}
	}
	return apierror.New("InvalidID", "The ID '%s' is not valid", id)
}

func errMalformed(instanceID string) error {
	return apierror.New("InvalidInstanceID.Malformed", "Invalid id: \"%s\"", instanceID)
}

// errNoSuchInstance names every unknown id, in the words that clients parse them out of.
func errNoSuchInstance(ids ...string) error {
	if len(ids) == 1 {
		return apierror.New("InvalidInstanceID.NotFound", "The instance ID '%s' does not exist", ids[0])
	}
	return apierror.New("InvalidInstanceID.NotFound", "The instance IDs '%s' do not exist", strings.Join(ids, ", "))
}
