package provisioning

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/pkg/drift"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
	"github.com/kerf-autoscaler/kerf/pkg/state"
)

// catalogue is what the provisioners of a pass may buy, and why others may buy nothing.
type catalogue struct {
	offers problem.Offers
	// hashes maps provisioner -> what its machines are annotated with, to tell later whether they are out of date.
	hashes map[string]map[string]string
	// bases maps provisioner -> what its machines are made from, as a hash.
	bases map[string]string
	// restraints maps provisioner -> what keeps it from making machines that come to nothing.
	restraints map[string]*restraint
	// left maps provisioner -> where machines may be tried that the cloud lately had no capacity for.
	left map[string]places
	// leftOut says, in order of name, which provisioners can buy nothing and why.
	leftOut []string
}

func (c *Controller) gatherCatalogue(ctx context.Context, snapshot state.Snapshot, now time.Time) (catalogue, error) {
	var list v1alpha5.ProvisionerList
	if err := c.client.List(ctx, &list); err != nil {
		return catalogue{}, fmt.Errorf("listing provisioners: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha5.Provisioner) int { return cmp.Compare(a.Name, b.Name) })
	out := catalogue{
		offers: problem.Offers{}, hashes: map[string]map[string]string{}, bases: map[string]string{}, restraints: map[string]*restraint{},
		left: map[string]places{},
	}
	for i := range list.Items {
		provisioner := list.Items[i].DeepCopy()
		if !provisioner.DeletionTimestamp.IsZero() {
			continue
		}
		admission.Default(provisioner)
		if err := admission.Provisioner(provisioner).Errors.ToAggregate(); err != nil {
			out.leftOut = append(out.leftOut, fmt.Sprintf("provisioner %s is left out: its spec is invalid: %s", provisioner.Name, err))
			continue
		}
		instanceTypes, err := c.provider.InstanceTypes(ctx, provisioner)
		if err != nil {
			out.leftOut = append(out.leftOut, fmt.Sprintf("provisioner %s is left out: %s", provisioner.Name, err))
			continue
		}
		template, err := templateOf(ctx, c.client, provisioner)
		if err != nil {
			return catalogue{}, err
		}
		if out.hashes[provisioner.Name], err = hashAnnotations(provisioner, template); err != nil {
			return catalogue{}, err
		}
		out.bases[provisioner.Name] = drift.Basis(&list.Items[i], template)
		left := placesOf(instanceTypes, snapshot.Entries, now)
		out.left[provisioner.Name] = left
		paused := left != nil && c.pace.of(provisioner.Name).TokensAt(now) < 1
		out.offers[provisioner.Name] = problem.NewOffer(provisioner, closed(instanceTypes, left, paused))
	}
	return out, nil
}
