// Package cloudprovidertest is the contract of the cloud port as tests that every provider has to pass.
package cloudprovidertest

import (
	"context"
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
)

// World is a cloud without instances that nothing else uses, with the levers that the contract needs.
type World struct {
	// Provider under test.
	Provider cloudprovider.Provider
	// Restart returns a provider of the same cluster over the same cloud that remembers nothing.
	Restart func() cloudprovider.Provider
	// Provisioner whose template is usable.
	Provisioner *v1alpha5.Provisioner
	// SetCapacity bounds how many more instances of an offering the cloud will launch.
	SetCapacity func(instanceType, zone, capacityType string, left int)
	// PlantForeign starts an instance of another cluster and returns its provider id.
	PlantForeign func() string
	// Stop switches an instance off, which is not for spot capacity.
	Stop func(providerID string)
	// Outdate maps a reason for drift -> a change of what machines are made from after which those that there are have drifted for it.
	Outdate map[string]func()
	// Obscure are ways to have the cloud answer without settling whether an instance is there, each until it is lifted.
	Obscure map[string]func() (lift func())
	// Live returns how many instances the cloud has that are not on their way out, foreign ones included.
	Live func() int
	// Settle lets the cloud finish what it has begun: terminating instances are gone afterwards.
	Settle func()
}

// shape is the offering that the contract launches: the cheapest two instance types of one zone, by capacity type.
type shape struct {
	instanceTypes []string
	zone          string
	capacityType  string
}

// shape finds what to launch: two available types in the first zone that both are offered in, cheapest first.
func (w World) shape(t *testing.T, capacityType string) shape {
	t.Helper()
	instanceTypes, err := w.Provider.InstanceTypes(t.Context(), w.Provisioner)
	if err != nil {
		t.Fatalf("listing instance types: %v", err)
	}
	prices := map[string]map[string]float64{} // zone -> instance type -> price
	for _, i := range instanceTypes {
		if !i.Requirements.Get(corev1.LabelArchStable).Has("amd64") {
			continue
		}
		for _, o := range i.Offerings {
			if o.Available && o.CapacityType == capacityType {
				if prices[o.Zone] == nil {
					prices[o.Zone] = map[string]float64{}
				}
				prices[o.Zone][i.Name] = o.Price
			}
		}
	}
	for _, zone := range sortedKeys(prices) {
		names := sortedKeys(prices[zone])
		if len(names) < 2 {
			continue
		}
		slices.SortStableFunc(names, func(a, b string) int { return compare(prices[zone][a], prices[zone][b]) })
		return shape{instanceTypes: names[:2], zone: zone, capacityType: capacityType}
	}
	t.Fatalf("no zone offers two instance types as %s", capacityType)
	return shape{}
}

// group returns the machines of one launch request, their intent written.
func (w World) group(name string, size int, s shape) []*v1alpha5.Machine {
	out := make([]*v1alpha5.Machine, 0, size)
	for i := range size {
		out = append(out, &v1alpha5.Machine{
			ObjectMeta: metav1.ObjectMeta{
				Name:   fmt.Sprintf("%s-%d", name, i),
				UID:    types.UID(fmt.Sprintf("uid-%s-%d", name, i)),
				Labels: map[string]string{v1alpha5.ProvisionerNameLabel: w.Provisioner.Name, "team": "a"},
			},
			Spec: v1alpha5.MachineSpec{
				MachineTemplateRef: w.Provisioner.Spec.ProviderRef,
				LaunchGroup:        &v1alpha5.LaunchGroup{Name: name, Size: int32(size)},
				Requirements: []corev1.NodeSelectorRequirement{
					{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: s.instanceTypes},
					{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{s.zone}},
					{Key: v1alpha5.CapacityTypeLabel, Operator: corev1.NodeSelectorOpIn, Values: []string{s.capacityType}},
				},
			},
			Status: v1alpha5.MachineStatus{Launch: &v1alpha5.Launch{
				Group: name, Attempt: 1, Size: int32(size), Index: int32(i),
				Token: "token-" + name, RequestHash: "hash-" + name, Time: metav1.Now(),
			}},
		})
	}
	return out
}

// createAll creates the machines one after the other and returns their provider ids, "" where there was no capacity.
func createAll(ctx context.Context, t *testing.T, p cloudprovider.Provider, machines []*v1alpha5.Machine) []string {
	t.Helper()
	out := make([]string, 0, len(machines))
	for _, m := range machines {
		created, err := p.Create(ctx, m)
		switch {
		case cloudprovider.IsInsufficientCapacity(err):
			out = append(out, "")
		case err != nil:
			t.Fatalf("creating %s: %v", m.Name, err)
		default:
			out = append(out, created.Status.ProviderID)
		}
	}
	return out
}
