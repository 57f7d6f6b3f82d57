package ami

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"k8s.io/utils/clock"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
)

// parameterAge is how long the value of a published parameter is taken for current.
const parameterAge = 24 * time.Hour

// ErrNone says that a family has no image for the cluster's version.
var ErrNone = errors.New("no image is published")

// ParameterAPI is what is asked of SSM.
type ParameterAPI interface {
	GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
}

// ImageAPI is what is asked of EC2.
type ImageAPI interface {
	DescribeImages(context.Context, *ec2.DescribeImagesInput, ...func(*ec2.Options)) (*ec2.DescribeImagesOutput, error)
}

// Finder finds images. It is safe for concurrent use.
type Finder struct {
	parameters ParameterAPI
	images     ImageAPI
	clock      clock.PassiveClock

	mu    sync.Mutex
	known map[string]parameter // parameter name -> its value
}

type parameter struct {
	value string
	read  time.Time
}

// NewFinder returns a finder.
func NewFinder(parameters ParameterAPI, images ImageAPI, clock clock.PassiveClock) *Finder {
	return &Finder{parameters: parameters, images: images, clock: clock, known: map[string]parameter{}}
}

// Find returns the images of a family for a Kubernetes version such as 1.34, in the order in which instance types try
// them. Variants without an image are left out; ErrNone when all are.
func (f *Finder) Find(ctx context.Context, family Family, version string) ([]awsv1alpha1.AMI, error) {
	var out []awsv1alpha1.AMI
	for _, i := range family.images {
		id, err := f.published(ctx, i, version)
		if awserr.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, awsv1alpha1.AMI{ID: id, Requirements: i.requirements()})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w for %s on Kubernetes %s", ErrNone, family.Name, version)
	}
	return f.name(ctx, out)
}

// published returns the id of an image; an error that IsNotFound when none of its parameters is there.
func (f *Finder) published(ctx context.Context, i image, version string) (id string, err error) {
	for _, parameter := range i.parameters {
		if id, err = f.parameter(ctx, fmt.Sprintf(parameter, version)); !awserr.IsNotFound(err) {
			return id, err
		}
	}
	return "", err
}

func (f *Finder) parameter(ctx context.Context, name string) (string, error) {
	f.mu.Lock()
	p, ok := f.known[name]
	f.mu.Unlock()
	if ok && f.clock.Since(p.read) < parameterAge {
		return p.value, nil
	}
	out, err := f.parameters.GetParameter(ctx, &ssm.GetParameterInput{Name: awssdk.String(name)})
	if err != nil {
		return "", awserr.Explain("ssm:GetParameter of "+name, err)
	}
	if out.Parameter == nil || awssdk.ToString(out.Parameter.Value) == "" {
		return "", fmt.Errorf("calling ssm:GetParameter: %s is empty", name)
	}
	p = parameter{value: *out.Parameter.Value, read: f.clock.Now()}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.known[name] = p
	return p.value, nil
}

// name fills in the names of the images. An image that EC2 does not show is forgotten and fails the search: it cannot be
// booted, and the parameter has to be read again.
func (f *Finder) name(ctx context.Context, list []awsv1alpha1.AMI) ([]awsv1alpha1.AMI, error) {
	names := map[string]string{} // id -> name
	var ids []string
	for _, i := range list {
		if _, ok := names[i.ID]; !ok {
			names[i.ID] = ""
			ids = append(ids, i.ID)
		}
	}
	out, err := f.images.DescribeImages(ctx, &ec2.DescribeImagesInput{ImageIds: ids})
	if err != nil {
		if awserr.IsNotFound(err) {
			f.forget()
		}
		return nil, awserr.Explain("ec2:DescribeImages", err)
	}
	for _, i := range out.Images {
		names[awssdk.ToString(i.ImageId)] = awssdk.ToString(i.Name)
	}
	for i := range list {
		list[i].Name = names[list[i].ID]
	}
	return list, nil
}

func (f *Finder) forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.known)
}
