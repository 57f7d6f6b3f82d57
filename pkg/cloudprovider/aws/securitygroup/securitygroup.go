// Package securitygroup finds the security groups that machines get.
package securitygroup

import (
	"context"
	"slices"
	"strings"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/selector"
)

// API is what is asked of EC2.
type API interface {
	DescribeSecurityGroups(context.Context, *ec2.DescribeSecurityGroupsInput, ...func(*ec2.Options)) (*ec2.DescribeSecurityGroupsOutput, error)
}

// Finder finds security groups.
type Finder struct{ api API }

// NewFinder returns a finder.
func NewFinder(api API) *Finder { return &Finder{api: api} }

// Find returns the security groups that the selector selects, by id.
func (f *Finder) Find(ctx context.Context, selected map[string]string) ([]awsv1alpha1.SecurityGroup, error) {
	filters, err := selector.Filters(selected, "group-id")
	if err != nil {
		return nil, err
	}
	var out []awsv1alpha1.SecurityGroup
	pages := ec2.NewDescribeSecurityGroupsPaginator(f.api, &ec2.DescribeSecurityGroupsInput{Filters: filters})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, awserr.Explain("ec2:DescribeSecurityGroups", err)
		}
		for _, g := range page.SecurityGroups {
			out = append(out, awsv1alpha1.SecurityGroup{ID: awssdk.ToString(g.GroupId), Name: awssdk.ToString(g.GroupName)})
		}
	}
	slices.SortFunc(out, func(a, b awsv1alpha1.SecurityGroup) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}
