package admission_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
)

// Each row changes one thing of a volume that raises no doubt.
func TestVolumesThatEC2RefusesAreDoubted(t *testing.T) {
	size := func(s string) *resource.Quantity { return new(resource.MustParse(s)) }
	for name, tc := range map[string]struct {
		volume awsv1alpha1.BlockDevice
		doubt  string // a part of the only warning; "" if there is none
	}{
		"gp3 with its least":            {awsv1alpha1.BlockDevice{VolumeType: new("gp3"), VolumeSize: size("1Gi"), IOPS: new(int64(3000)), Throughput: new(int64(125))}, ""},
		"gp3 with as much as iops bear": {awsv1alpha1.BlockDevice{VolumeType: new("gp3"), VolumeSize: size("1Gi"), IOPS: new(int64(4000)), Throughput: new(int64(1000))}, ""},
		"gp3 with more":                 {awsv1alpha1.BlockDevice{VolumeType: new("gp3"), VolumeSize: size("1Gi"), IOPS: new(int64(4000)), Throughput: new(int64(1001))}, "ebs.throughput: EC2 takes at most a fourth of iops, 1000"},
		"gp3 beyond 16 TiB":             {awsv1alpha1.BlockDevice{VolumeType: new("gp3"), VolumeSize: size("40Ti")}, ""},
		"gp2 is what no type is":        {awsv1alpha1.BlockDevice{VolumeSize: size("16385Gi")}, "type gp2 from 1 to 16384 GiB, and this one would have 16385"},
		"sizes are rounded up":          {awsv1alpha1.BlockDevice{VolumeType: new("io1"), IOPS: new(int64(100)), VolumeSize: size("3221225473")}, ""},
		"io1 of 3 GiB":                  {awsv1alpha1.BlockDevice{VolumeType: new("io1"), IOPS: new(int64(100)), VolumeSize: size("3Gi")}, "type io1 from 4"},
		"io2 without iops":              {awsv1alpha1.BlockDevice{VolumeType: new("io2"), VolumeSize: size("4Gi")}, "ebs.iops: not set"},
		"sc1 of 124 GiB":                {awsv1alpha1.BlockDevice{VolumeType: new("sc1"), VolumeSize: size("124Gi")}, "type sc1 from 125"},
		"standard with iops":            {awsv1alpha1.BlockDevice{VolumeType: new("standard"), VolumeSize: size("1Gi"), IOPS: new(int64(1))}, "ebs.iops: EC2 takes it for io1, io2 and gp3"},
		"st1 with throughput":           {awsv1alpha1.BlockDevice{VolumeType: new("st1"), VolumeSize: size("1Ti"), Throughput: new(int64(125))}, "ebs.throughput: EC2 takes it for gp3"},
		"a key with encryption":         {awsv1alpha1.BlockDevice{VolumeSize: size("1Gi"), KMSKeyID: new("k"), Encrypted: new(true)}, ""},
		"a key and encryption refused":  {awsv1alpha1.BlockDevice{VolumeSize: size("1Gi"), KMSKeyID: new("k"), Encrypted: new(false)}, "ebs.kmsKeyID: EC2 takes a key only with encrypted"},
		"a size that nobody can read":   {awsv1alpha1.BlockDevice{VolumeType: new("io1"), IOPS: new(int64(100)), VolumeSize: size("1e100000000")}, ""},
		"no key":                        {awsv1alpha1.BlockDevice{VolumeSize: size("1Gi"), KMSKeyID: new("")}, ""},
		"a type that there is not":      {awsv1alpha1.BlockDevice{VolumeSize: size("1Gi"), VolumeType: new("x"), IOPS: new(int64(1))}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			template := &awsv1alpha1.AWSNodeTemplate{Spec: awsv1alpha1.AWSNodeTemplateSpec{
				BlockDeviceMappings: []awsv1alpha1.BlockDeviceMapping{{DeviceName: new("/dev/xvda"), EBS: &tc.volume}},
			}}
			warnings := admission.AWSNodeTemplate(template).Warnings
			if tc.doubt == "" && len(warnings) > 0 || tc.doubt != "" && (len(warnings) != 1 || !strings.Contains(warnings[0], tc.doubt)) {
				t.Errorf("got %q, want %q", warnings, tc.doubt)
			}
		})
	}
}

func TestUserDataThatEC2RefusesIsDoubted(t *testing.T) {
	template := func(size int) *awsv1alpha1.AWSNodeTemplate {
		return &awsv1alpha1.AWSNodeTemplate{Spec: awsv1alpha1.AWSNodeTemplateSpec{UserData: strings.Repeat("x", size)}}
	}
	if w := admission.AWSNodeTemplate(template(16384)).Warnings; len(w) > 0 {
		t.Errorf("16 KiB are doubted: %q", w)
	}
	if w := admission.AWSNodeTemplate(template(16385)).Warnings; len(w) != 1 || !strings.Contains(w[0], "spec.userData: has 16385 bytes, but EC2 takes 16384") {
		t.Errorf("more than 16 KiB are not doubted: %q", w)
	}
}
