package securitygroup

import (
	"context"
	"errors"
	"testing"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/selector"
)

// recorder answers with two groups and keeps the filters that it was asked with.
type recorder struct{ filters []ec2types.Filter }

func (r *recorder) DescribeSecurityGroups(_ context.Context, in *ec2.DescribeSecurityGroupsInput, _ ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error) {
	r.filters = in.Filters
	return &ec2.DescribeSecurityGroupsOutput{SecurityGroups: []ec2types.SecurityGroup{
		{GroupId: awssdk.String("sg-2"), GroupName: awssdk.String("nodes")},
		{GroupId: awssdk.String("sg-1"), GroupName: awssdk.String("extra")},
	}}, nil
}

func TestGroupsAreFoundInOrderOfID(t *testing.T) {
	api := &recorder{}
	got, err := NewFinder(api).Find(t.Context(), map[string]string{"aws-ids": "sg-1,sg-2"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]awsv1alpha1.SecurityGroup{{ID: "sg-1", Name: "extra"}, {ID: "sg-2", Name: "nodes"}}, got); diff != "" {
		t.Errorf("groups (-want +got):\n%s", diff)
	}
	if len(api.filters) != 1 || *api.filters[0].Name != "group-id" {
		t.Errorf("filters = %+v, want one on group-id", api.filters)
	}
}

func TestAnEmptySelectorFindsNoGroup(t *testing.T) {
	if _, err := NewFinder(&recorder{}).Find(t.Context(), nil); !errors.Is(err, selector.ErrEmpty) {
		t.Errorf("error = %v, want %v", err, selector.ErrEmpty)
	}
}
