package subnet

import (
	"context"
	"errors"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

func order(ids ...string) []awsv1alpha1.Subnet {
	out := make([]awsv1alpha1.Subnet, 0, len(ids))
	for _, id := range ids {
		out = append(out, awsv1alpha1.Subnet{ID: id, Zone: "z-" + id})
	}
	return out
}

func found(free map[string]int32) []Subnet {
	var out []Subnet
	for id, n := range free {
		out = append(out, Subnet{ID: id, Zone: "z-" + id, Free: n})
	}
	return out
}

func TestSubnetsAreOrderedByRoomAndStayInOrder(t *testing.T) {
	for name, tc := range map[string]struct {
		before []awsv1alpha1.Subnet
		free   map[string]int32
		want   []awsv1alpha1.Subnet
	}{
		"most free addresses first":             {nil, map[string]int32{"a": 10, "b": 30, "c": 20}, order("b", "c", "a")},
		"ties go by id":                         {nil, map[string]int32{"b": 10, "a": 10}, order("a", "b")},
		"a small change moves nothing":          {order("b", "a"), map[string]int32{"b": 990, "a": 1000}, order("b", "a")},
		"twice as many still moves nothing":     {order("b", "a"), map[string]int32{"b": 500, "a": 1000}, order("b", "a")},
		"more than twice as many moves ahead":   {order("b", "a"), map[string]int32{"b": 499, "a": 1000}, order("a", "b")},
		"a full subnet goes last":               {order("b", "a"), map[string]int32{"b": 0, "a": 1}, order("a", "b")},
		"a new subnet takes its place":          {order("b", "a"), map[string]int32{"b": 5, "a": 6, "c": 7}, order("c", "a", "b")},
		"a subnet that is gone leaves":          {order("b", "a"), map[string]int32{"a": 6}, order("a")},
		"one subnet instead of another is new":  {order("b", "a"), map[string]int32{"a": 6, "c": 5}, order("a", "c")},
		"nothing found leaves nothing in order": {order("b"), nil, order()},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, Order(tc.before, found(tc.free))); diff != "" {
				t.Errorf("order (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhetherSubnetsGivePublicAddressesIsAlwaysAsFound(t *testing.T) {
	for name, before := range map[string][]awsv1alpha1.Subnet{"found first": nil, "known before": order("b", "a")} {
		got := Order(before, []Subnet{{ID: "b", Zone: "z-b", Free: 10, Private: true}, {ID: "a", Zone: "z-a", Free: 10}})
		private := map[string]bool{got[0].ID: got[0].NoPublicIP, got[1].ID: got[1].NoPublicIP}
		if diff := cmp.Diff(map[string]bool{"a": false, "b": true}, private); diff != "" {
			t.Errorf("%s: private subnets (-want +got):\n%s", name, diff)
		}
	}
	if got := Order(order("b", "a"), []Subnet{{ID: "b", ZoneID: "use1-az1"}, {ID: "a"}}); got[0].ZoneID != "use1-az1" || got[1].ZoneID != "" {
		t.Errorf("the ids of zones are not as found: %+v", got)
	}
	if before := order("b", "a"); Order(before, []Subnet{{ID: "b", Private: true}, {ID: "a"}})[0].NoPublicIP == before[0].NoPublicIP {
		t.Error("the order of before was changed in place")
	}
}

func TestSubnetsArePrivateWhenAllOfThemAre(t *testing.T) {
	for name, tc := range map[string]struct {
		subnets []awsv1alpha1.Subnet
		want    bool
	}{
		"all":           {[]awsv1alpha1.Subnet{{ID: "a", NoPublicIP: true}, {ID: "b", NoPublicIP: true}}, true},
		"one of two":    {[]awsv1alpha1.Subnet{{ID: "a", NoPublicIP: true}, {ID: "b"}}, false},
		"none at all":   {nil, false},
		"not known yet": {[]awsv1alpha1.Subnet{{ID: "a"}}, false},
	} {
		if got := Private(tc.subnets); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}

// twoPages answers with one subnet per page.
type twoPages struct{ fail error }

func (p twoPages) DescribeSubnets(_ context.Context, in *ec2.DescribeSubnetsInput, _ ...func(*ec2.Options)) (*ec2.DescribeSubnetsOutput, error) {
	if in.NextToken == nil {
		return &ec2.DescribeSubnetsOutput{NextToken: awssdk.String("2"), Subnets: []ec2types.Subnet{
			{SubnetId: awssdk.String("subnet-1"), AvailabilityZone: awssdk.String("a"), AvailableIpAddressCount: awssdk.Int32(7), MapPublicIpOnLaunch: awssdk.Bool(false)},
		}}, nil
	}
	if p.fail != nil {
		return nil, p.fail
	}
	return &ec2.DescribeSubnetsOutput{Subnets: []ec2types.Subnet{{SubnetId: awssdk.String("subnet-2"), AvailabilityZone: awssdk.String("b")}}}, nil
}

func TestAllPagesOfSubnetsAreRead(t *testing.T) {
	got, err := NewFinder(twoPages{}, NewRooms()).Find(t.Context(), map[string]string{"env": "prod"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Subnet{{ID: "subnet-1", Zone: "a", Free: 7, Private: true}, {ID: "subnet-2", Zone: "b"}}, got); diff != "" {
		t.Errorf("subnets (-want +got):\n%s", diff)
	}
}

func TestAFailureOnALaterPageFailsTheSearch(t *testing.T) {
	_, err := NewFinder(twoPages{fail: errors.New("reset")}, NewRooms()).Find(t.Context(), map[string]string{"env": "prod"})
	if err == nil || !strings.Contains(err.Error(), "ec2:DescribeSubnets") {
		t.Errorf("error = %v, want one that names the call", err)
	}
}
