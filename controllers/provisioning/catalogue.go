package provisioning

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/problem"
)

// catalogue is what the provisioners of a pass may buy, and why others may buy nothing.
type catalogue struct {
	offers problem.Offers
	// hashes maps provisioner -> what its machines are annotated with, to tell later whether they are out of date.
	hashes map[string]map[string]string
	// leftOut says, in order of name, which provisioners can buy nothing and why.
	leftOut []string
}

func gatherCatalogue(ctx context.Context, reader client.Reader, provider cloudprovider.Provider) (catalogue, error) {
	var list v1alpha5.ProvisionerList
	if err := reader.List(ctx, &list); err != nil {
		return catalogue{}, fmt.Errorf("listing provisioners: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha5.Provisioner) int { return cmp.Compare(a.Name, b.Name) })
	c := catalogue{offers: problem.Offers{}, hashes: map[string]map[string]string{}}
	for i := range list.Items {
		provisioner := list.Items[i].DeepCopy()
		if !provisioner.DeletionTimestamp.IsZero() {
			continue
		}
		admission.Default(provisioner)
		if err := admission.Provisioner(provisioner).Errors.ToAggregate(); err != nil {
			c.leftOut = append(c.leftOut, fmt.Sprintf("provisioner %s is left out: its spec is invalid: %s", provisioner.Name, err))
			continue
		}
		instanceTypes, err := provider.InstanceTypes(ctx, provisioner)
		if err != nil {
			c.leftOut = append(c.leftOut, fmt.Sprintf("provisioner %s is left out: %s", provisioner.Name, err))
			continue
		}
		if c.hashes[provisioner.Name], err = hashAnnotations(ctx, reader, provisioner); err != nil {
			return catalogue{}, err
		}
		c.offers[provisioner.Name] = problem.NewOffer(provisioner, instanceTypes)
	}
	return c, nil
}
