package ami

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"
	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// aws answers with the parameters (name -> image id) and names each image "image of <id>".
type aws struct {
	parameters map[string]string
	reads      int
	gone       bool // images are not found
}

func (a *aws) GetParameter(_ context.Context, in *ssm.GetParameterInput, _ ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	a.reads++
	id, ok := a.parameters[*in.Name]
	if !ok {
		return nil, &ssmtypes.ParameterNotFound{}
	}
	return &ssm.GetParameterOutput{Parameter: &ssmtypes.Parameter{Value: awssdk.String(id)}}, nil
}

func (a *aws) DescribeImages(_ context.Context, in *ec2.DescribeImagesInput, _ ...func(*ec2.Options)) (*ec2.DescribeImagesOutput, error) {
	if a.gone {
		return nil, &notFound{}
	}
	out := &ec2.DescribeImagesOutput{}
	for _, id := range in.ImageIds {
		out.Images = append(out.Images, ec2types.Image{ImageId: awssdk.String(id), Name: awssdk.String("image of " + id)})
	}
	return out, nil
}

// al2023 holds the ids that the parameters of AL2023 on 1.34 have in these tests, by the end of their path.
func al2023() map[string]string {
	out := map[string]string{}
	for path, id := range map[string]string{
		"x86_64/standard": "ami-std", "x86_64/nvidia": "ami-gpu", "x86_64/neuron": "ami-neuron", "arm64/standard": "ami-arm", "arm64/nvidia": "ami-armgpu",
	} {
		out["/aws/service/eks/optimized-ami/1.34/amazon-linux-2023/"+path+"/recommended/image_id"] = id
	}
	return out
}

func find(t *testing.T, a *aws, name, version string, minor int) []awsv1alpha1.AMI {
	t.Helper()
	family, err := FamilyFor(name, minor)
	if err != nil {
		t.Fatal(err)
	}
	got, err := NewFinder(a, a, clocktesting.NewFakePassiveClock(time.Unix(0, 0))).Find(t.Context(), family, version)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestTheFamilyFollowsTheTemplateAndTheVersion(t *testing.T) {
	for name, tc := range map[string]struct {
		family  string
		minor   int
		want    string
		wantErr string
	}{
		"AL2 is the default up to 1.32":   {"", 32, "AL2", ""},
		"AL2023 is the default from 1.33": {"", 33, "AL2023", ""},
		"AL2 by name":                     {"AL2", 30, "AL2", ""},
		"AL2023 by name on an old one":    {"AL2023", 28, "AL2023", ""},
		"AL2 by name on a new one":        {"AL2", 33, "AL2", ""},
		"Bottlerocket by name":            {"Bottlerocket", 33, "Bottlerocket", ""},
		"Ubuntu by name":                  {"Ubuntu", 33, "Ubuntu", ""},
		"Custom by name":                  {"Custom", 33, "Custom", ""},
		"Windows by name":                 {"Windows2022", 33, "Windows2022", ""},
		"Windows of a year to come":       {"Windows2025", 34, "Windows2025", ""},
		"an unknown family is refused":    {"Haiku", 33, "", "Haiku"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := FamilyFor(tc.family, tc.minor)
			if tc.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tc.wantErr) {
					t.Errorf("error = %v, want one with %q", err, tc.wantErr)
				}
				return
			}
			if err != nil || got.Name != tc.want {
				t.Errorf("family = %q, %v; want %q", got.Name, err, tc.want)
			}
		})
	}
}

func TestAFamilySaysWhyNoImageOfItIsPublished(t *testing.T) {
	for name, tc := range map[string]struct {
		family string
		minor  int
		want   string
	}{
		"AL2 up to 1.32":          {"AL2", 32, ""},
		"AL2 from 1.33":           {"AL2", 33, "use AL2023"},
		"AL2023":                  {"AL2023", 40, ""},
		"Custom has never":        {"Custom", 32, "spec.amiSelector"},
		"Windows2019":             {"Windows2019", 25, ""},
		"Windows2022":             {"Windows2022", 40, ""},
		"Windows2025 before 1.35": {"Windows2025", 34, "images from Kubernetes 1.35 on"},
		"Windows2025 from 1.35":   {"Windows2025", 35, ""},
	} {
		t.Run(name, func(t *testing.T) {
			family, err := FamilyFor(tc.family, tc.minor)
			if err != nil {
				t.Fatal(err)
			}
			err = family.Published(tc.minor)
			if (err != nil) != (tc.want != "") || err != nil && !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %v, want one with %q", err, tc.want)
			}
		})
	}
}

func labels(arch string, more ...string) scheduling.Requirements {
	r := scheduling.FromLabels(map[string]string{corev1.LabelArchStable: arch})
	for _, key := range []string{awsv1alpha1.LabelInstanceGPUCount, awsv1alpha1.LabelInstanceAcceleratorCount} {
		if slices.Contains(more, key) {
			r.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, "1"))
		} else {
			r.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist))
		}
	}
	return r
}

func TestInstanceTypesBootTheImageOfTheirArchitectureAndDevices(t *testing.T) {
	al2 := map[string]string{}
	for end, id := range map[string]string{"amazon-linux-2": "ami-std", "amazon-linux-2-gpu": "ami-gpu", "amazon-linux-2-arm64": "ami-arm"} {
		al2["/aws/service/eks/optimized-ami/1.30/"+end+"/recommended/image_id"] = id
	}
	bottlerocket := map[string]string{}
	for end, id := range map[string]string{"1.34/x86_64": "ami-std", "1.34/arm64": "ami-arm", "1.34-nvidia/x86_64": "ami-gpu", "1.34-nvidia/arm64": "ami-armgpu"} {
		bottlerocket["/aws/service/bottlerocket/aws-k8s-"+end+"/latest/image_id"] = id
	}
	const ubuntu = "/aws/service/canonical/ubuntu/eks/"
	ubuntus := map[string]string{
		ubuntu + "20.04/1.29/stable/current/amd64/hvm/ebs-gp2/ami-id": "ami-focal", ubuntu + "22.04/1.29/stable/current/amd64/hvm/ebs-gp2/ami-id": "ami-jammy",
		ubuntu + "22.04/1.29/stable/current/arm64/hvm/ebs-gp2/ami-id": "ami-jammyarm", ubuntu + "24.04/1.34/stable/current/amd64/hvm/ebs-gp3/ami-id": "ami-noble",
	}
	server := map[string]string{}
	for _, year := range []string{"2019", "2022", "2025"} {
		server["/aws/service/ami-windows-latest/Windows_Server-"+year+"-English-Core-EKS_Optimized-1.35/image_id"] = "ami-" + year
	}
	windows := func(arch, build string) scheduling.Requirements {
		r := labels(arch)
		r.Add(scheduling.NewRequirement(corev1.LabelOSStable, corev1.NodeSelectorOpIn, "windows"))
		r.Add(scheduling.NewRequirement(corev1.LabelWindowsBuild, corev1.NodeSelectorOpIn, build))
		return r
	}
	for name, tc := range map[string]struct {
		images       []awsv1alpha1.AMI
		instanceType scheduling.Requirements
		want         string
	}{
		"AL2, amd64":                 {find(t, &aws{parameters: al2}, "AL2", "1.30", 30), labels("amd64"), "ami-std"},
		"AL2, GPU":                   {find(t, &aws{parameters: al2}, "AL2", "1.30", 30), labels("amd64", awsv1alpha1.LabelInstanceGPUCount), "ami-gpu"},
		"AL2, Neuron":                {find(t, &aws{parameters: al2}, "AL2", "1.30", 30), labels("amd64", awsv1alpha1.LabelInstanceAcceleratorCount), "ami-gpu"},
		"AL2, arm64":                 {find(t, &aws{parameters: al2}, "AL2", "1.30", 30), labels("arm64"), "ami-arm"},
		"AL2, arm64 with GPU":        {find(t, &aws{parameters: al2}, "AL2", "1.30", 30), labels("arm64", awsv1alpha1.LabelInstanceGPUCount), ""},
		"Bottlerocket, amd64":        {find(t, &aws{parameters: bottlerocket}, "Bottlerocket", "1.34", 34), labels("amd64"), "ami-std"},
		"Bottlerocket, GPU":          {find(t, &aws{parameters: bottlerocket}, "Bottlerocket", "1.34", 34), labels("amd64", awsv1alpha1.LabelInstanceGPUCount), "ami-gpu"},
		"Bottlerocket, Neuron":       {find(t, &aws{parameters: bottlerocket}, "Bottlerocket", "1.34", 34), labels("amd64", awsv1alpha1.LabelInstanceAcceleratorCount), "ami-std"},
		"Bottlerocket, arm64 on GPU": {find(t, &aws{parameters: bottlerocket}, "Bottlerocket", "1.34", 34), labels("arm64", awsv1alpha1.LabelInstanceGPUCount), "ami-armgpu"},
		"Ubuntu, the oldest release": {find(t, &aws{parameters: ubuntus}, "Ubuntu", "1.29", 29), labels("amd64"), "ami-focal"},
		"Ubuntu, GPU or not":         {find(t, &aws{parameters: ubuntus}, "Ubuntu", "1.29", 29), labels("amd64", awsv1alpha1.LabelInstanceGPUCount), "ami-focal"},
		"Ubuntu, arm64":              {find(t, &aws{parameters: ubuntus}, "Ubuntu", "1.29", 29), labels("arm64"), "ami-jammyarm"},
		"Ubuntu, a new version":      {find(t, &aws{parameters: ubuntus}, "Ubuntu", "1.34", 34), labels("amd64"), "ami-noble"},
		"Windows 2019":               {find(t, &aws{parameters: server}, "Windows2019", "1.35", 35), windows("amd64", "10.0.17763"), "ami-2019"},
		"Windows 2022":               {find(t, &aws{parameters: server}, "Windows2022", "1.35", 35), windows("amd64", "10.0.20348"), "ami-2022"},
		"Windows 2025":               {find(t, &aws{parameters: server}, "Windows2025", "1.35", 35), windows("amd64", "10.0.26100"), "ami-2025"},
		"Windows, another build":     {find(t, &aws{parameters: server}, "Windows2025", "1.35", 35), windows("amd64", "10.0.20348"), ""},
		"Windows, arm64":             {find(t, &aws{parameters: server}, "Windows2022", "1.35", 35), windows("arm64", "10.0.20348"), ""},
		"a user's launch template":   {Unstated(), labels("arm64", awsv1alpha1.LabelInstanceGPUCount), ""},
		"AL2023, amd64":              {find(t, &aws{parameters: al2023()}, "AL2023", "1.34", 34), labels("amd64"), "ami-std"},
		"AL2023, Neuron":             {find(t, &aws{parameters: al2023()}, "AL2023", "1.34", 34), labels("amd64", awsv1alpha1.LabelInstanceAcceleratorCount), "ami-neuron"},
		"AL2023, arm64 on GPU":       {find(t, &aws{parameters: al2023()}, "AL2023", "1.34", 34), labels("arm64", awsv1alpha1.LabelInstanceGPUCount), "ami-armgpu"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, _ := ImagesOf(tc.images).For(tc.instanceType); got != tc.want {
				t.Errorf("image = %q, want %q", got, tc.want)
			}
		})
	}
}

func TestVariantsWithoutAnImageAreLeftOut(t *testing.T) {
	parameters := al2023()
	maps.DeleteFunc(parameters, func(name, _ string) bool { return !strings.Contains(name, "x86_64/standard") })
	got := find(t, &aws{parameters: parameters}, "", "1.34", 34)
	if len(got) != 1 || got[0].ID != "ami-std" || got[0].Name != "image of ami-std" {
		t.Errorf("images = %+v, want ami-std alone", got)
	}
}

func TestAFamilyWithoutAnyImageIsAnError(t *testing.T) {
	family, err := FamilyFor("AL2023", 34)
	if err != nil {
		t.Fatal(err)
	}
	a := &aws{}
	_, err = NewFinder(a, a, clocktesting.NewFakePassiveClock(time.Unix(0, 0))).Find(t.Context(), family, "1.34")
	if !errors.Is(err, ErrNone) {
		t.Errorf("error = %v, want %v", err, ErrNone)
	}
}

type notFound struct{}

func (*notFound) Error() string                 { return "api error InvalidAMIID.NotFound: gone" }
func (*notFound) ErrorCode() string             { return "InvalidAMIID.NotFound" }
func (*notFound) ErrorMessage() string          { return "gone" }
func (*notFound) ErrorFault() smithy.ErrorFault { return smithy.FaultClient }

func TestParametersAreReadOnceADayAndAgainWhenTheirImageIsGone(t *testing.T) {
	a := &aws{parameters: al2023()}
	clock := clocktesting.NewFakePassiveClock(time.Unix(0, 0))
	finder := NewFinder(a, a, clock)
	family, err := FamilyFor("AL2023", 34)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		name      string
		at        time.Duration
		gone      bool
		wantReads int
	}{
		{"the first time", 0, false, 5},
		{"an hour later", time.Hour, false, 5},
		{"a day later", 24 * time.Hour, false, 10},
		{"when an image is gone", 25 * time.Hour, true, 10},
		{"after that", 25 * time.Hour, false, 15},
	} {
		clock.SetTime(time.Unix(0, 0).Add(step.at))
		a.gone = step.gone
		if _, err := finder.Find(t.Context(), family, "1.34"); (err != nil) != step.gone {
			t.Errorf("%s: error = %v", step.name, err)
		}
		if a.reads != step.wantReads {
			t.Errorf("%s: %d reads, want %d", step.name, a.reads, step.wantReads)
		}
	}
}
