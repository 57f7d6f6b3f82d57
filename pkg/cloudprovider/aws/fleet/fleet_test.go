package fleet

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
)

func in(key string, values ...string) corev1.NodeSelectorRequirement {
	return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpIn, Values: values}
}

func machine(requirements ...corev1.NodeSelectorRequirement) *v1alpha5.Machine {
	m := &v1alpha5.Machine{}
	m.Name = "m"
	m.Spec.Requirements = requirements
	return m
}

func TestTheChoiceKeepsTheOrderOfTheMachine(t *testing.T) {
	var many []string
	for i := range 70 {
		many = append(many, fmt.Sprintf("t%d.large", 99-i))
	}
	for name, tc := range map[string]struct {
		machine *v1alpha5.Machine
		want    []string
		wantErr string
	}{
		"cheapest first stays first": {machine(in("node.kubernetes.io/instance-type", "r5.large", "c5.large", "m5.large"), in("karpenter.sh/capacity-type", "spot")),
			[]string{"r5.large", "c5.large", "m5.large"}, ""},
		"the old name of the label": {machine(in("beta.kubernetes.io/instance-type", "r5.large"), in("karpenter.sh/capacity-type", "spot")), []string{"r5.large"}, ""},
		"two lists leave what both have": {machine(in("node.kubernetes.io/instance-type", "b", "a", "c"), in("node.kubernetes.io/instance-type", "c", "b"), in("karpenter.sh/capacity-type", "spot")),
			[]string{"b", "c"}, ""},
		"no more than sixty":         {machine(in("node.kubernetes.io/instance-type", many...), in("karpenter.sh/capacity-type", "spot")), many[:60], ""},
		"two capacity types":         {machine(in("node.kubernetes.io/instance-type", "a"), in("karpenter.sh/capacity-type", "spot", "on-demand")), nil, "one capacity type"},
		"a capacity type that is no": {machine(in("node.kubernetes.io/instance-type", "a"), in("karpenter.sh/capacity-type", "borrowed")), nil, "one capacity type"},
		"no instance types":          {machine(in("karpenter.sh/capacity-type", "spot")), nil, "list the instance types"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ChoiceOf(tc.machine)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Errorf("error = %v, want one with %q", err, tc.wantErr)
				}
				return
			}
			if diff := cmp.Diff(tc.want, got.InstanceTypes); err != nil || diff != "" {
				t.Errorf("instance types (-want +got): %v\n%s", err, diff)
			}
		})
	}
}

func TestThePlanGroupsByLaunchTemplate(t *testing.T) {
	small, large := Boot{ImageID: "ami-1", MaxPods: 29}, Boot{ImageID: "ami-1", MaxPods: 58}
	choice, err := ChoiceOf(machine(in("node.kubernetes.io/instance-type", "a", "b", "c"), in("karpenter.sh/capacity-type", "spot"), in("topology.kubernetes.io/zone", "z1", "z2")))
	if err != nil {
		t.Fatal(err)
	}
	got, err := choice.Plan([]Candidate{
		{"a", small, []string{"z1", "z2", "z3"}}, {"b", large, []string{"z2"}}, {"c", small, []string{"z1"}}, {"elsewhere", small, []string{"z3"}},
	}, map[string]string{"z1": "subnet-1", "z2": "subnet-2", "z3": "subnet-3"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Group{
		{small, []Override{{"a", "z1", "subnet-1"}, {"a", "z2", "subnet-2"}, {"c", "z1", "subnet-1"}}},
		{large, []Override{{"b", "z2", "subnet-2"}}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("plan (-want +got):\n%s", diff)
	}
	if _, err := choice.Plan([]Candidate{{"a", small, []string{"z1"}}}, map[string]string{"z3": "subnet-3"}); !errors.Is(err, ErrNoOffering) {
		t.Errorf("error = %v, want %v", err, ErrNoOffering)
	}
}

func TestThePlanStaysWithinWhatEC2Takes(t *testing.T) {
	choice, err := ChoiceOf(machine(in("node.kubernetes.io/instance-type", "a"), in("karpenter.sh/capacity-type", "spot")))
	if err != nil {
		t.Fatal(err)
	}
	var candidates []Candidate
	for i := range 60 {
		candidates = append(candidates, Candidate{fmt.Sprint(i), Boot{MaxPods: int64(i)}, []string{"z"}})
	}
	got, err := choice.Plan(candidates, map[string]string{"z": "subnet"})
	if err != nil || len(got) != 50 || got[0].Overrides[0].InstanceType != "0" {
		t.Errorf("%d launch templates, %v; want the first 50", len(got), err)
	}
}

func request(capacityType string) Request {
	return Request{
		Token: "token", CapacityType: capacityType, Size: 3, Tags: map[string]string{"b": "2", "a": "1"},
		Configs: []Config{
			{"template-1", []Override{{"m5.large", "z1", "subnet-1"}, {"m5.large", "z2", "subnet-2"}}, "ami-1", "sg-1,sg-2"},
			{"template-2", []Override{{"m5.xlarge", "z1", "subnet-1"}}, "ami-2", "sg-1"},
		},
	}
}

func TestTheCallSaysWhatTheRequestAsksFor(t *testing.T) {
	tags := []ec2types.Tag{{Key: awssdk.String("a"), Value: awssdk.String("1")}, {Key: awssdk.String("b"), Value: awssdk.String("2")}}
	override := func(instanceType, zone, subnet string) ec2types.FleetLaunchTemplateOverridesRequest {
		return ec2types.FleetLaunchTemplateOverridesRequest{InstanceType: ec2types.InstanceType(instanceType), AvailabilityZone: &zone, SubnetId: &subnet}
	}
	template := func(name string) *ec2types.FleetLaunchTemplateSpecificationRequest {
		return &ec2types.FleetLaunchTemplateSpecificationRequest{LaunchTemplateName: &name, Version: awssdk.String("$Latest")}
	}
	want := &ec2.CreateFleetInput{
		Type: "instant", ClientToken: awssdk.String("token"),
		TargetCapacitySpecification: &ec2types.TargetCapacitySpecificationRequest{TotalTargetCapacity: awssdk.Int32(3), DefaultTargetCapacityType: "spot"},
		SpotOptions:                 &ec2types.SpotOptionsRequest{AllocationStrategy: "price-capacity-optimized"},
		LaunchTemplateConfigs: []ec2types.FleetLaunchTemplateConfigRequest{
			{LaunchTemplateSpecification: template("template-1"), Overrides: []ec2types.FleetLaunchTemplateOverridesRequest{override("m5.large", "z1", "subnet-1"), override("m5.large", "z2", "subnet-2")}},
			{LaunchTemplateSpecification: template("template-2"), Overrides: []ec2types.FleetLaunchTemplateOverridesRequest{override("m5.xlarge", "z1", "subnet-1")}},
		},
		TagSpecifications: []ec2types.TagSpecification{{ResourceType: "instance", Tags: tags}, {ResourceType: "volume", Tags: tags}, {ResourceType: "fleet", Tags: tags}},
	}
	ignored := cmpopts.IgnoreUnexported(ec2.CreateFleetInput{}, ec2types.TargetCapacitySpecificationRequest{}, ec2types.SpotOptionsRequest{}, ec2types.OnDemandOptionsRequest{},
		ec2types.FleetLaunchTemplateConfigRequest{}, ec2types.FleetLaunchTemplateSpecificationRequest{}, ec2types.FleetLaunchTemplateOverridesRequest{},
		ec2types.TagSpecification{}, ec2types.Tag{})
	if diff := cmp.Diff(want, request("spot").Input(), ignored); diff != "" {
		t.Errorf("call (-want +got):\n%s", diff)
	}
	with := request("spot")
	with.Context, want.Context = "context-1", awssdk.String("context-1")
	if diff := cmp.Diff(want, with.Input(), ignored); diff != "" {
		t.Errorf("call with a context (-want +got):\n%s", diff)
	}
	want.Context = nil
	want.TargetCapacitySpecification.DefaultTargetCapacityType = "on-demand"
	want.SpotOptions, want.OnDemandOptions = nil, &ec2types.OnDemandOptionsRequest{AllocationStrategy: "lowest-price"}
	if diff := cmp.Diff(want, request("on-demand").Input(), ignored); diff != "" {
		t.Errorf("call (-want +got):\n%s", diff)
	}
}

type answering struct {
	out *ec2.CreateFleetOutput
	err error
}

func (a answering) CreateFleet(context.Context, *ec2.CreateFleetInput, ...func(*ec2.Options)) (*ec2.CreateFleetOutput, error) {
	return a.out, a.err
}

func from(instanceType, zone, subnet string) *ec2types.LaunchTemplateAndOverridesResponse {
	o := &ec2types.FleetLaunchTemplateOverrides{InstanceType: ec2types.InstanceType(instanceType), SubnetId: &subnet}
	if zone != "" {
		o.AvailabilityZone = &zone
	}
	return &ec2types.LaunchTemplateAndOverridesResponse{Overrides: o}
}

func TestAnswersAreReadWhateverTheyLeaveOut(t *testing.T) {
	got, err := Launch(t.Context(), answering{out: &ec2.CreateFleetOutput{
		Instances: []ec2types.CreateFleetInstance{
			{InstanceIds: []string{"i-3", "i-1"}, InstanceType: "m5.large", Lifecycle: "spot", LaunchTemplateAndOverrides: from("m5.large", "z1", "subnet-1")},
			{InstanceIds: []string{"i-2", "i-3"}, LaunchTemplateAndOverrides: from("m5.xlarge", "", "subnet-2")}, // i-3 is told of twice
		},
		Errors: []ec2types.CreateFleetError{
			{ErrorCode: awssdk.String("InsufficientInstanceCapacity"), ErrorMessage: awssdk.String("none left"), LaunchTemplateAndOverrides: from("m5.large", "", "subnet-2")},
			{ErrorCode: awssdk.String("InternalError")},
		},
	}}, request("spot"))
	if err != nil {
		t.Fatal(err)
	}
	first, second := Origin{"ami-1", "subnet-1", "sg-1,sg-2", "template-1"}, Origin{"ami-2", "subnet-2", "sg-1", "template-2"}
	want := Answer{
		Instances: []Instance{{"i-1", "m5.large", "z1", "spot", first}, {"i-2", "m5.xlarge", "z2", "spot", second}, {"i-3", "m5.large", "z1", "spot", first}},
		Failures:  []Failure{{"InsufficientInstanceCapacity", "none left", "m5.large", "z2", "spot"}, {"InternalError", "", "", "", "spot"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answer (-want +got):\n%s", diff)
	}
}

func TestAFailedCallNamesTheAction(t *testing.T) {
	if _, err := Launch(t.Context(), answering{err: errors.New("reset")}, request("spot")); err == nil || err.Error() != "calling ec2:CreateFleet: reset" {
		t.Errorf("error = %v", err)
	}
}

func TestFailuresAreSummedUp(t *testing.T) {
	a := Answer{Failures: []Failure{{Code: "InsufficientInstanceCapacity", Message: "none left", InstanceType: "a"}, {Code: "VcpuLimitExceeded", Message: "too many"}, {Code: "InsufficientInstanceCapacity", Message: "none here", InstanceType: "b"}}}
	if want := "InsufficientInstanceCapacity for 2 offerings (none left); VcpuLimitExceeded (too many)"; a.Reason() != want {
		t.Errorf("reason = %q, want %q", a.Reason(), want)
	}
	if !a.Only(awserr.Capacity, awserr.Quota) || a.Only(awserr.Capacity) || !a.Has(awserr.Quota) || a.Has(awserr.Denied) {
		t.Error("the failures are misjudged")
	}
	if !(Answer{}).Silent() || a.Silent() || (Answer{Instances: []Instance{{ID: "i-1"}}}).Silent() {
		t.Error("what is silent is misjudged")
	}
	if (Answer{}).Only(awserr.Capacity) || (Answer{}).Reason() == "" {
		t.Error("no failure counts as one")
	}
}

func TestWhatAFailureDoesNotNameItIsAboutAllOf(t *testing.T) {
	capacity := func(instanceType, zone string) Failure {
		return Failure{Code: "InsufficientInstanceCapacity", InstanceType: instanceType, Zone: zone}
	}
	some := []Instance{{ID: "i-1"}}
	for name, tc := range map[string]struct {
		answer                      Answer
		exhausted, refused, passing bool
	}{
		"nothing at all":             {Answer{}, false, false, false},
		"all that was asked for":     {Answer{Instances: some}, false, false, false},
		"none of it left":            {Answer{Instances: some, Failures: []Failure{capacity("m5.large", "z1")}}, true, false, false},
		"none of another type":       {Answer{Instances: some, Failures: []Failure{capacity("m5.xlarge", "z1")}}, false, false, false},
		"none in another zone":       {Answer{Instances: some, Failures: []Failure{capacity("m5.large", "z2")}}, false, false, false},
		"none of it in any zone":     {Answer{Instances: some, Failures: []Failure{capacity("m5.large", "")}}, true, false, false},
		"none of the one it tells":   {Answer{Failures: []Failure{capacity("m5.xlarge", "z1")}}, true, false, false},
		"no more of anything":        {Answer{Instances: some, Failures: []Failure{{Code: "MaxSpotInstanceCountExceeded"}}}, true, false, false},
		"a fault besides":            {Answer{Instances: some, Failures: []Failure{{Code: "InternalError"}}}, false, false, false},
		"nothing but a fault":        {Answer{Failures: []Failure{{Code: "InternalError"}}}, false, true, true},
		"too many calls":             {Answer{Failures: []Failure{{Code: "RequestLimitExceeded"}}}, false, true, true},
		"something new":              {Answer{Failures: []Failure{{Code: "SomethingNew"}}}, false, true, false},
		"no role for spot":           {Answer{Failures: []Failure{{Code: "AuthFailure.ServiceLinkedRoleCreationNotPermitted"}}}, false, false, false},
		"not permitted":              {Answer{Failures: []Failure{{Code: "UnauthorizedOperation"}}}, false, true, false},
		"an image that it boots not": {Answer{Failures: []Failure{{Code: "InvalidParameterCombination", InstanceType: "m5.large"}}}, false, true, false},
		"the same of another type":   {Answer{Failures: []Failure{{Code: "InvalidParameterCombination", InstanceType: "m5.xlarge"}}}, false, false, false},
		"an image, and capacity": {Answer{Failures: []Failure{
			{Code: "InvalidParameterCombination", InstanceType: "m5.large"}, capacity("m5.xlarge", "z1"),
		}}, false, true, false},
	} {
		o := Override{InstanceType: "m5.large", Zone: "z1"}
		refused, passing := tc.answer.Refused(o)
		if exhausted := tc.answer.Exhausted(o); exhausted != tc.exhausted || refused != tc.refused || passing != tc.passing {
			t.Errorf("%s: exhausted = %t, refused = %t, passing = %t; want %t, %t, %t", name, exhausted, refused, passing, tc.exhausted, tc.refused, tc.passing)
		}
	}
}

func TestALackOfAddressesIsNoLackOfCapacity(t *testing.T) {
	addresses := func(zone string) Failure { return Failure{Code: "InsufficientFreeAddressesInSubnet", Zone: zone} }
	capacity := Failure{Code: "InsufficientInstanceCapacity", InstanceType: "m5.large", Zone: "z1"}
	for name, tc := range map[string]struct {
		answer                 Answer
		full, crowded, starved bool
	}{
		"no addresses":               {Answer{Failures: []Failure{addresses("z1")}}, true, true, true},
		"none in a zone not told":    {Answer{Failures: []Failure{addresses("")}}, true, true, true},
		"none in another zone":       {Answer{Failures: []Failure{addresses("z2")}}, false, false, true},
		"no capacity":                {Answer{Failures: []Failure{capacity}}, false, false, true},
		"neither":                    {Answer{Failures: []Failure{addresses("z1"), capacity}}, true, false, true},
		"no addresses for some":      {Answer{Instances: []Instance{{ID: "i-1"}}, Failures: []Failure{addresses("z1")}}, true, true, false},
		"no capacity, and no quota":  {Answer{Failures: []Failure{capacity, {Code: "VcpuLimitExceeded"}}}, false, false, false},
		"nothing, and nobody knows":  {Answer{}, false, false, false},
		"nothing, for another cause": {Answer{Failures: []Failure{{Code: "InternalError"}}}, false, false, false},
	} {
		o := Override{InstanceType: "m5.large", Zone: "z1"}
		if a := tc.answer; a.Full("z1") != tc.full || a.Crowded(o) != tc.crowded || a.Starved() != tc.starved {
			t.Errorf("%s: full = %t, crowded = %t, starved = %t; want %t, %t, %t", name, a.Full("z1"), a.Crowded(o), a.Starved(), tc.full, tc.crowded, tc.starved)
		}
	}
}
