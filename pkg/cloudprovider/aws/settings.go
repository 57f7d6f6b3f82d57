package aws

import (
	"context"
	"errors"
	"fmt"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/awserr"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/transport"
)

// Defaults of settings that may be left at zero.
const (
	defaultLaunchTemplateTTL = time.Minute
	defaultVisibilityWindow  = 5 * time.Minute
)

const (
	// attempts bounds how often the SDK makes a call that fails for a passing reason.
	attempts = 4
	// callTimeout bounds one attempt: an endpoint that hangs must not hold up a reconcile for good.
	callTimeout = 30 * time.Second
)

// Settings say for which cluster the provider works, and how.
type Settings struct {
	// ClusterName is the name of the EKS cluster. Required.
	ClusterName string
	// ClusterUID is the UID of the kube-system namespace: what carries another one is never touched. Required.
	ClusterUID string
	// ClusterEndpoint and ClusterCA (PEM) are what nodes reach the API server with; what is empty is asked of EKS.
	ClusterEndpoint, ClusterCA string
	// ClusterVersion is the Kubernetes minor version, e.g. 1.34; it counts only where EKS does not tell.
	ClusterVersion string
	// ServiceCIDR is the range of service addresses; empty asks EKS.
	ServiceCIDR string
	// DefaultInstanceProfile is for templates that name none.
	DefaultInstanceProfile string
	// VMMemoryOverheadPercent is the part of an instance's memory that firmware and kernel keep, as a fraction.
	VMMemoryOverheadPercent float64
	// ReservedENIs of each instance are not for pods; PrefixDelegation says that the VPC CNI hands out prefixes of addresses.
	ReservedENIs     int
	PrefixDelegation bool
	// Tags are put on all that is made, below those of the template.
	Tags map[string]string
	// InterruptionQueue is the name of the SQS queue that tells of the ends of instances; empty for none.
	InterruptionQueue string
	// IsolatedVPC leaves on-demand prices at those that are compiled in: the Price List service has no private endpoint.
	IsolatedVPC bool
	// LaunchTemplateTTL is how long an unused launch template is kept. Default: 1 minute.
	LaunchTemplateTTL time.Duration
	// CapacityBackoffMax is how long, at most, an offering is left alone that gave nothing. Default: 30 minutes.
	CapacityBackoffMax time.Duration
	// APIShare is the part of EC2's request limits that kerf takes, above 1 where AWS has raised them. Default: 1.
	APIShare float64
	// VisibilityWindow is how long EC2 may take to show an instance that it has made. Default: 5 minutes.
	VisibilityWindow time.Duration
}

// errNoRegion says what to do where nothing tells the region.
var errNoRegion = errors.New("the AWS region is not known: set AWS_REGION")

// LoadConfig returns the SDK's configuration by its default chain; the region comes from AWS_REGION or the instance metadata.
func LoadConfig(ctx context.Context) (awssdk.Config, error) {
	loaded, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return awssdk.Config{}, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	if loaded.Region != "" {
		return loaded, nil
	}
	loaded, err = config.LoadDefaultConfig(ctx, config.WithEC2IMDSRegion())
	if err != nil {
		return awssdk.Config{}, fmt.Errorf("%w (asking the instance metadata for it: %s)", errNoRegion, awserr.Text(err))
	}
	if loaded.Region == "" {
		return awssdk.Config{}, errNoRegion
	}
	return loaded, nil
}

func (s Settings) withDefaults() Settings {
	for _, d := range []struct {
		setting *time.Duration
		value   time.Duration
	}{
		{&s.LaunchTemplateTTL, defaultLaunchTemplateTTL}, {&s.VisibilityWindow, defaultVisibilityWindow},
	} {
		if *d.setting <= 0 {
			*d.setting = d.value
		}
	}
	return s
}

func (s Settings) validate(region string) error {
	var errs []error
	if region == "" {
		errs = append(errs, errNoRegion)
	}
	if s.ClusterName == "" {
		errs = append(errs, errors.New("the cluster's name is not set"))
	}
	if s.ClusterUID == "" {
		errs = append(errs, errors.New("the cluster's UID is not set: without it, instances of other clusters cannot be told apart"))
	}
	if s.VMMemoryOverheadPercent < 0 || s.VMMemoryOverheadPercent >= 1 {
		errs = append(errs, fmt.Errorf("the memory overhead %g is not a fraction from 0 to below 1", s.VMMemoryOverheadPercent))
	}
	return errors.Join(errs...)
}

// bounded returns the configuration with a bound on attempts and on the time of each; what the user has set stays.
func bounded(cfg awssdk.Config) awssdk.Config {
	cfg.RetryMode = awssdk.RetryModeStandard
	if cfg.RetryMaxAttempts == 0 {
		cfg.RetryMaxAttempts = attempts
	}
	if cfg.HTTPClient == nil {
		cfg.HTTPClient = awshttp.NewBuildableClient()
	}
	if client, ok := cfg.HTTPClient.(*awshttp.BuildableClient); ok {
		cfg.HTTPClient = client.WithTimeout(callTimeout)
	}
	cfg.HTTPClient = transport.New(cfg.HTTPClient)
	return cfg
}
