package aws_test

import (
	"context"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// startCrowded starts a simulator whose zone a has two subnets: a small one with eleven addresses, which the template names first,
// and a large one.
func startCrowded(t *testing.T) *sim {
	t.Helper()
	small := world.Subnet{ID: "subnet-small", Zone: "us-east-1a", ZoneID: "use1-az1", CIDR: "10.0.250.0/28", Tags: world.Tags{"karpenter.sh/discovery": clusterName}}
	s := startSim(t, func(c *world.Config) { c.Subnets = append(c.Subnets, small) })
	template := s.makeTemplate()
	for i, found := range template.Status.Subnets {
		if found.ID == small.ID { // as it would be if it had been the roomiest when it was last looked at
			template.Status.Subnets[0], template.Status.Subnets[i] = template.Status.Subnets[i], template.Status.Subnets[0]
		}
	}
	if err := s.client.Status().Update(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	return s
}

// inZone puts a machine into us-east-1a.
func inZone(m *v1alpha5.Machine) {
	for i, r := range m.Spec.Requirements {
		if r.Key == corev1.LabelTopologyZone {
			m.Spec.Requirements[i].Values = []string{"us-east-1a"}
		}
	}
}

// used counts the instances of each subnet.
func (s *sim) used() map[string]int {
	out := map[string]int{}
	for _, i := range s.World().Instances() {
		out[i.Subnet.ID]++
	}
	return out
}

func TestASubnetWithoutRoomForTheMachinesIsPassedOver(t *testing.T) {
	s := startCrowded(t)
	create(t, s.provider, machine("roomy", 1, 0, inZone)) // with its pods it may take 29 addresses
	if got := s.used(); got["subnet-small"] > 0 || s.live() != 1 {
		t.Errorf("instances by subnet: %v", got)
	}
}

func TestASubnetThatRanOutIsAvoidedAndItsOfferingsAreNot(t *testing.T) {
	s := startCrowded(t)
	forgetful := s.newProvider(clusterUID) // it has not counted addresses, and goes by the template's order
	var ids []string
	for i := range 11 {
		ids = append(ids, create(t, forgetful, machine("fill-"+string(rune('a'+i)), 1, 0, inZone)))
	}
	if got := s.used()["subnet-small"]; got != 11 {
		t.Fatalf("%d of %d instances are in the small subnet", got, len(ids))
	}
	all := s.available(forgetful)
	if _, err := forgetful.Create(t.Context(), machine("late", 1, 0, inZone)); !cloudprovider.IsInsufficientCapacity(err) {
		t.Fatalf("error = %v, want that the subnet is full", err)
	}
	if got := s.available(forgetful); got != all {
		t.Errorf("%d of %d offerings are available although another subnet has room", got, all)
	}
	create(t, forgetful, machine("next", 1, 0, inZone))
	if got := s.used()["subnet-small"]; got != 11 {
		t.Errorf("%d instances are in the full subnet", got)
	}
}

func TestARequestNamesTheSameSubnetWhenItIsRepeated(t *testing.T) {
	s := startCrowded(t)
	s.attempts = 1
	lost := s.newProvider(clusterUID) // it goes by the template's order
	s.inject(on("CreateFleet", 1, func(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
		if _, err := next(ctx, r); err != nil {
			return nil, err
		}
		return &wire.Response{Abort: true}, nil
	}))
	if _, err := lost.Create(t.Context(), machine("again", 1, 0, inZone)); err == nil {
		t.Fatal("the answer was not lost")
	}
	// By what EC2 counts now, the first choice is none.
	if _, err := lost.Discovery().Subnets.Find(t.Context(), map[string]string{"karpenter.sh/discovery": clusterName}); err != nil {
		t.Fatal(err)
	}
	create(t, lost, machine("again", 1, 0, inZone))
	if n := s.Calls().Errors["IdempotentParameterMismatch"]; n > 0 || s.used()["subnet-small"] != 1 || s.live() != 1 {
		t.Errorf("%d requests differed from before; instances by subnet: %v", n, s.used())
	}
	create(t, lost, machine("new", 1, 0, inZone))
	if s.used()["subnet-small"] != 1 {
		t.Errorf("instances by subnet: %v, want a new request to go by the count", s.used())
	}
}
