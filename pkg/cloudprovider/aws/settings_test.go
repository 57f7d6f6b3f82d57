package aws_test

import (
	"strings"
	"testing"

	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
)

// bare leaves the process without anything that AWS is configured by, the instance metadata included.
func bare(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "", "AWS_CONFIG_FILE": t.TempDir() + "/none",
		"AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
}

func TestAnUnknownRegionIsToldWithTheRemedy(t *testing.T) {
	bare(t)
	_, err := aws.LoadConfig(t.Context())
	if err == nil || !strings.Contains(err.Error(), "the AWS region is not known: set AWS_REGION") {
		t.Errorf("error = %v, want one that says what to set", err)
	}
}

func TestTheRegionComesFromTheEnvironment(t *testing.T) {
	bare(t)
	t.Setenv("AWS_REGION", "eu-west-3")
	if cfg, err := aws.LoadConfig(t.Context()); err != nil || cfg.Region != "eu-west-3" {
		t.Errorf("region = %q, %v", cfg.Region, err)
	}
}
