package ami

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/selector"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// gallery answers with its images in pages of one, and keeps what it was asked first.
type gallery struct {
	images []ec2types.Image
	asked  *ec2.DescribeImagesInput
	pages  int
}

func (g *gallery) DescribeImages(_ context.Context, in *ec2.DescribeImagesInput, _ ...func(*ec2.Options)) (*ec2.DescribeImagesOutput, error) {
	if g.asked == nil {
		g.asked = in
	}
	g.pages++
	out := &ec2.DescribeImagesOutput{}
	if g.pages <= len(g.images) {
		out.Images = g.images[g.pages-1 : g.pages]
	}
	if g.pages < len(g.images) {
		out.NextToken = awssdk.String("more")
	}
	return out, nil
}

func choose(t *testing.T, g *gallery, selected map[string]string) []awsv1alpha1.AMI {
	t.Helper()
	clock := clocktesting.NewFakePassiveClock(time.Date(2026, 9, 1, 0, 0, 0, 0, time.UTC))
	got, err := NewFinder(&aws{}, g, clock).Select(t.Context(), selected)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// picture returns an image created on a day of 2026; tags are key=value.
func picture(id, arch, day string, tags ...string) ec2types.Image {
	out := ec2types.Image{
		ImageId: awssdk.String(id), Name: awssdk.String("image of " + id), Architecture: ec2types.ArchitectureValues(arch),
		CreationDate: awssdk.String("2026-" + day + "T00:00:00.000Z"),
	}
	for _, t := range tags {
		key, value, _ := strings.Cut(t, "=")
		out.Tags = append(out.Tags, ec2types.Tag{Key: &key, Value: &value})
	}
	return out
}

func deprecated(i ec2types.Image, day string) ec2types.Image {
	i.DeprecationTime = awssdk.String("2026-" + day + "T00:00:00.000Z")
	return i
}

func TestAnAMISelectorBecomesOneQuestion(t *testing.T) {
	for name, tc := range map[string]struct {
		selected map[string]string
		owners   []string
		filters  map[string][]string // besides that of the state
	}{
		"tags":                    {map[string]string{"team": "a,b", "env": "*"}, []string{"self", "amazon"}, map[string][]string{"tag:team": {"a", "b"}, "tag-key": {"env"}}},
		"names":                   {map[string]string{"aws::name": "base-*, golden"}, []string{"self", "amazon"}, map[string][]string{"name": {"base-*", "golden"}}},
		"names of an owner":       {map[string]string{"aws::name": "base-*", "aws::owners": "123456789012,self"}, []string{"123456789012", "self"}, map[string][]string{"name": {"base-*"}}},
		"owners alone":            {map[string]string{"aws::owners": "self"}, []string{"self"}, map[string][]string{}},
		"names, owners and tags":  {map[string]string{"aws::name": "a", "aws::owners": "self", "team": "a"}, []string{"self"}, map[string][]string{"name": {"a"}, "tag:team": {"a"}}},
		"ids of whomever":         {map[string]string{"aws-ids": "ami-1,ami-2"}, nil, map[string][]string{"image-id": {"ami-1", "ami-2"}}},
		"ids, the other spelling": {map[string]string{"aws::ids": "ami-1"}, nil, map[string][]string{"image-id": {"ami-1"}}},
		"ids of an owner":         {map[string]string{"aws::ids": "ami-1", "aws::owners": "self"}, []string{"self"}, map[string][]string{"image-id": {"ami-1"}}},
	} {
		t.Run(name, func(t *testing.T) {
			g := &gallery{}
			choose(t, g, tc.selected)
			filters := map[string][]string{}
			for _, f := range g.asked.Filters {
				filters[*f.Name] = f.Values
			}
			tc.filters["state"] = []string{"available"}
			if diff := cmp.Diff(tc.filters, filters); diff != "" {
				t.Errorf("filters (-want +got):\n%s", diff)
			}
			if !slices.Equal(g.asked.Owners, tc.owners) || len(g.asked.ImageIds) > 0 {
				t.Errorf("owners %v, ids %v; want %v and none", g.asked.Owners, g.asked.ImageIds, tc.owners)
			}
		})
	}
}

func TestAnAMISelectorThatCannotBeReadIsToldApart(t *testing.T) {
	for name, tc := range map[string]struct {
		selected map[string]string
		want     error
	}{
		"it is empty":            {map[string]string{}, selector.ErrEmpty},
		"a tag without a value":  {map[string]string{"team": " ,"}, selector.ErrInvalid},
		"a name without a value": {map[string]string{"aws::name": ""}, selector.ErrInvalid},
		"owners without a value": {map[string]string{"aws::owners": "", "team": "a"}, selector.ErrInvalid},
	} {
		_, err := NewFinder(&aws{}, &gallery{}, clocktesting.NewFakePassiveClock(time.Unix(0, 0))).Select(t.Context(), tc.selected)
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: error = %v, want %v", name, err, tc.want)
		}
	}
}

func TestOfSelectedImagesTheNewestIsTakenForEachKindOfMachine(t *testing.T) {
	const gpus, zone = awsv1alpha1.LabelInstanceGPUCount, "topology.kubernetes.io/zone"
	for name, tc := range map[string]struct {
		images []ec2types.Image
		want   []string
	}{
		"none":                           {nil, nil},
		"the newest of each arch":        {[]ec2types.Image{picture("a", "x86_64", "01-01"), picture("b", "arm64", "01-02"), picture("c", "x86_64", "01-03")}, []string{"c", "b"}},
		"ties go by name":                {[]ec2types.Image{picture("b", "x86_64", "01-01"), picture("a", "x86_64", "01-01")}, []string{"a"}},
		"other architectures go":         {[]ec2types.Image{picture("a", "x86_64_mac", "01-03"), picture("b", "i386", "01-03"), picture("c", "x86_64", "01-01")}, []string{"c"}},
		"labels among the tags divide":   {[]ec2types.Image{picture("a", "x86_64", "01-01", gpus+"=1"), picture("b", "x86_64", "01-02"), picture("c", "x86_64", "01-03", gpus+"=4")}, []string{"c", "b", "a"}},
		"other tags do not":              {[]ec2types.Image{picture("a", "x86_64", "01-01", "team=a", zone+"=us-east-1a"), picture("b", "x86_64", "01-02")}, []string{"b"}},
		"deprecated ones come last":      {[]ec2types.Image{deprecated(picture("a", "x86_64", "03-01"), "08-01"), picture("b", "x86_64", "01-02")}, []string{"b"}},
		"what will be deprecated is not": {[]ec2types.Image{deprecated(picture("a", "x86_64", "03-01"), "12-01"), picture("b", "x86_64", "01-02")}, []string{"a"}},
		"a deprecated one for want of others": {
			[]ec2types.Image{deprecated(picture("a", "x86_64", "03-01"), "08-01"), deprecated(picture("b", "x86_64", "01-02"), "08-01")}, []string{"a"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, i := range choose(t, &gallery{images: tc.images}, map[string]string{"team": "a"}) {
				got = append(got, i.ID)
				if i.Name != "image of "+i.ID {
					t.Errorf("%s is named %q", i.ID, i.Name)
				}
			}
			if !slices.Equal(got, tc.want) {
				t.Errorf("images %v, want %v", got, tc.want)
			}
		})
	}
}

func TestASelectedImageIsForItsArchitectureAndTheLabelsOfItsTags(t *testing.T) {
	images := ImagesOf(choose(t, &gallery{images: []ec2types.Image{
		picture("gpu", "x86_64", "02-01", awsv1alpha1.LabelInstanceGPUCount+"=1"), picture("any", "x86_64", "01-01"), picture("arm", "arm64", "01-01"),
	}}, map[string]string{"team": "a"}))
	for name, want := range map[string]string{"amd64": "any", "arm64": "arm"} {
		if got, _ := images.For(labels(name)); got != want {
			t.Errorf("%s boots %q, want %q", name, got, want)
		}
	}
	if got, _ := images.For(labels("amd64", awsv1alpha1.LabelInstanceGPUCount)); got != "gpu" {
		t.Errorf("a type with one GPU boots %q, want gpu", got)
	}
}

func TestASelectedImageOfWindowsIsForWindowsMachinesOnly(t *testing.T) {
	server := picture("server", "x86_64", "02-01")
	server.Platform = ec2types.PlatformValuesWindows
	images := ImagesOf(choose(t, &gallery{images: []ec2types.Image{server, picture("linux", "x86_64", "01-01")}}, map[string]string{"team": "a"}))
	for os, want := range map[string]string{"linux": "linux", "windows": "server"} {
		machine := labels("amd64")
		machine.Add(scheduling.NewRequirement(corev1.LabelOSStable, corev1.NodeSelectorOpIn, os))
		if got, _ := images.For(machine); got != want {
			t.Errorf("%s boots %q, want %q", os, got, want)
		}
	}
}
