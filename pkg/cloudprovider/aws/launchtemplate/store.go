package launchtemplate

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"golang.org/x/sync/singleflight"
	"k8s.io/utils/clock"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
)

// API is what is asked of EC2.
type API interface {
	CreateLaunchTemplate(context.Context, *ec2.CreateLaunchTemplateInput, ...func(*ec2.Options)) (*ec2.CreateLaunchTemplateOutput, error)
	DescribeLaunchTemplates(context.Context, *ec2.DescribeLaunchTemplatesInput, ...func(*ec2.Options)) (*ec2.DescribeLaunchTemplatesOutput, error)
	DeleteLaunchTemplate(context.Context, *ec2.DeleteLaunchTemplateInput, ...func(*ec2.Options)) (*ec2.DeleteLaunchTemplateOutput, error)
}

// Store finds, makes and removes the launch templates of one cluster. It is safe for concurrent use.
type Store struct {
	api        API
	clock      clock.PassiveClock
	clusterUID string
	ttl        time.Duration
	flights    singleflight.Group

	mu     sync.Mutex
	there  map[string]bool      // name -> EC2 is known to have it
	used   map[string]time.Time // name -> when a launch last used it, or a sweep first saw it
	listed time.Time            // when a sweep last asked EC2
}

// relistAfter is how many times as long as a template is kept EC2 is not asked for templates where none is due: others, of processes
// that have ended since, are found then.
const relistAfter = 10

// NewStore returns a store for the cluster with that UID. A template that no launch used for ttl is removed by Sweep.
func NewStore(api API, clock clock.PassiveClock, clusterUID string, ttl time.Duration) *Store {
	return &Store{api: api, clock: clock, clusterUID: clusterUID, ttl: ttl, there: map[string]bool{}, used: map[string]time.Time{}}
}

// Ensure returns the name of a launch template with that content, making it where there is none.
func (s *Store) Ensure(ctx context.Context, spec Spec) (string, error) {
	name, err := spec.Name()
	if err != nil {
		return "", err
	}
	if s.use(name) {
		return name, nil
	}
	_, err, _ = s.flights.Do(name, func() (any, error) { return nil, s.findOrCreate(ctx, name, spec) })
	if err != nil {
		return "", err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.there[name], s.used[name] = true, s.clock.Now()
	return name, nil
}

// Forget makes the next Ensure ask EC2 about the template again, for when a launch was told that there is none.
func (s *Store) Forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.there, name)
}

// use notes that a launch is about to use the template; false when it is not known to be there.
func (s *Store) use(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[name] = s.clock.Now()
	return s.there[name]
}

// Exists reports whether EC2 has a launch template of that name, whoever made it.
func (s *Store) Exists(ctx context.Context, name string) (bool, error) {
	// By filter, not by name: that a template is not there is the normal course for kerf's own, and no error.
	out, err := s.api.DescribeLaunchTemplates(ctx, &ec2.DescribeLaunchTemplatesInput{
		Filters: []ec2types.Filter{{Name: awssdk.String("launch-template-name"), Values: []string{name}}},
	})
	if err != nil {
		return false, awserr.Explain("ec2:DescribeLaunchTemplates", err)
	}
	// A filter takes * and ? for patterns.
	return slices.ContainsFunc(out.LaunchTemplates, func(t ec2types.LaunchTemplate) bool {
		return awssdk.ToString(t.LaunchTemplateName) == name
	}), nil
}

// Any returns the name of a launch template that kerf has made for this cluster, or "" where there is none.
func (s *Store) Any(ctx context.Context) (string, error) {
	out, err := s.api.DescribeLaunchTemplates(ctx, &ec2.DescribeLaunchTemplatesInput{Filters: []ec2types.Filter{
		{Name: awssdk.String("tag:" + awsv1alpha1.TagClusterUID), Values: []string{s.clusterUID}},
		{Name: awssdk.String("launch-template-name"), Values: []string{namePrefix + "*"}},
	}})
	if err != nil {
		return "", awserr.Explain("ec2:DescribeLaunchTemplates", err)
	}
	if len(out.LaunchTemplates) == 0 {
		return "", nil
	}
	return awssdk.ToString(out.LaunchTemplates[0].LaunchTemplateName), nil
}

func (s *Store) findOrCreate(ctx context.Context, name string, spec Spec) error {
	if found, err := s.Exists(ctx, name); err != nil || found {
		return err
	}
	_, err := s.api.CreateLaunchTemplate(ctx, &ec2.CreateLaunchTemplateInput{
		LaunchTemplateName: awssdk.String(name),
		LaunchTemplateData: spec.data(),
		TagSpecifications:  []ec2types.TagSpecification{{ResourceType: ec2types.ResourceTypeLaunchTemplate, Tags: tagList(spec.Tags)}},
	})
	if err != nil && !awserr.Is(err, awserr.AlreadyExists) {
		return awserr.Explain("ec2:CreateLaunchTemplate", err)
	}
	return nil
}

// Sweep removes the launch templates of this cluster that no launch used for the time to live, those of former processes
// included: they count from when they are first seen, as no other clock than this process's is trusted. It asks EC2 only where one is
// due, and now and then.
func (s *Store) Sweep(ctx context.Context) error {
	if !s.due() {
		return nil
	}
	var errs []error
	found := map[string]bool{}
	pages := ec2.NewDescribeLaunchTemplatesPaginator(s.api, &ec2.DescribeLaunchTemplatesInput{
		Filters: []ec2types.Filter{{Name: awssdk.String("tag:" + awsv1alpha1.TagClusterUID), Values: []string{s.clusterUID}}},
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return awserr.Explain("ec2:DescribeLaunchTemplates", err)
		}
		for _, t := range page.LaunchTemplates {
			name := awssdk.ToString(t.LaunchTemplateName)
			if !Own(name) {
				continue // a user's own that was given our tag
			}
			found[name] = true
			if s.expire(name) {
				errs = append(errs, s.remove(ctx, name))
			}
		}
	}
	s.retain(found)
	return errors.Join(errs...)
}

// due reports whether a template may have to be removed, or EC2 has not been asked for long.
func (s *Store) due() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listed.IsZero() || s.clock.Since(s.listed) >= relistAfter*s.ttl {
		return true
	}
	for _, last := range s.used {
		if s.clock.Since(last) >= s.ttl {
			return true
		}
	}
	return false
}

// expire reports whether the template is to be removed, and if so takes it for gone before EC2 is asked to: a launch that
// comes in between looks for itself.
func (s *Store) expire(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	last, seen := s.used[name]
	if !seen {
		s.used[name] = now
		return false
	}
	if now.Sub(last) < s.ttl {
		return false
	}
	delete(s.there, name)
	return true
}

func (s *Store) remove(ctx context.Context, name string) error {
	_, err := s.api.DeleteLaunchTemplate(ctx, &ec2.DeleteLaunchTemplateInput{LaunchTemplateName: awssdk.String(name)})
	if err != nil && !awserr.IsNotFound(err) {
		return awserr.Explain("ec2:DeleteLaunchTemplate of "+name, err)
	}
	return nil
}

// retain forgets when templates were used that neither EC2 lists nor a launch has used lately.
func (s *Store) retain(found map[string]bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listed = s.clock.Now()
	for name, last := range s.used {
		if !found[name] && s.clock.Since(last) >= s.ttl {
			delete(s.used, name)
			delete(s.there, name)
		}
	}
}
