// Package ami finds the machine images of an operating-system family and says which instance type boots which.
package ami

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// The Kubernetes minor versions at which families end and begin.
const (
	lastAL2          = 32
	firstWindows2025 = 35
)

// Family is an operating system with its published images.
type Family struct {
	// Name as in spec.amiFamily.
	Name string
	// firstMinor and lastMinor are the first and the last Kubernetes minor version with images; 0 where none is known.
	firstMinor, lastMinor int
	// images in the order in which instance types try them; none of a family whose images the user has to name.
	images []image
}

// image is one published variant of a family.
type image struct {
	// parameters are the names of the SSM parameters that may hold the image's id, the first that exists counts; %s is the
	// Kubernetes version.
	parameters []string
	// variant of instance types that boot it, and their architecture.
	arch    string
	variant variant
	// build of Windows that it is; "" for Linux.
	build string
}

// variant is what is plugged into the instance types that an image is for.
type variant int

const (
	standard variant = iota
	nvidia
	neuron
	whatever // there is one image for all
)

// families returns all that kerf can launch, in the order in which messages name them.
func families() []Family {
	const (
		amazon       = "/aws/service/eks/optimized-ami/%s/"
		bottlerocket = "/aws/service/bottlerocket/aws-k8s-%s"
	)
	published := func(parameter, arch string, v variant) image {
		return image{parameters: []string{parameter}, arch: arch, variant: v}
	}
	return []Family{
		{
			Name: awsv1alpha1.AMIFamilyAL2, lastMinor: lastAL2,
			images: []image{
				published(amazon+"amazon-linux-2/recommended/image_id", "amd64", standard),
				published(amazon+"amazon-linux-2-gpu/recommended/image_id", "amd64", nvidia),
				published(amazon+"amazon-linux-2-gpu/recommended/image_id", "amd64", neuron),
				published(amazon+"amazon-linux-2-arm64/recommended/image_id", "arm64", standard),
			},
		},
		{
			Name: awsv1alpha1.AMIFamilyAL2023,
			images: []image{
				published(amazon+"amazon-linux-2023/x86_64/standard/recommended/image_id", "amd64", standard),
				published(amazon+"amazon-linux-2023/x86_64/nvidia/recommended/image_id", "amd64", nvidia),
				published(amazon+"amazon-linux-2023/x86_64/neuron/recommended/image_id", "amd64", neuron),
				published(amazon+"amazon-linux-2023/arm64/standard/recommended/image_id", "arm64", standard),
				published(amazon+"amazon-linux-2023/arm64/nvidia/recommended/image_id", "arm64", nvidia),
			},
		},
		{
			Name: awsv1alpha1.AMIFamilyBottlerocket,
			images: []image{
				published(bottlerocket+"/x86_64/latest/image_id", "amd64", standard),
				published(bottlerocket+"-nvidia/x86_64/latest/image_id", "amd64", nvidia),
				published(bottlerocket+"/x86_64/latest/image_id", "amd64", neuron),
				published(bottlerocket+"/arm64/latest/image_id", "arm64", standard),
				published(bottlerocket+"-nvidia/arm64/latest/image_id", "arm64", nvidia),
			},
		},
		{
			Name:   awsv1alpha1.AMIFamilyUbuntu,
			images: []image{ubuntu("amd64"), ubuntu("arm64")},
		},
		{Name: awsv1alpha1.AMIFamilyWindows2019, images: []image{windows(awsv1alpha1.AMIFamilyWindows2019, "2019")}},
		{Name: awsv1alpha1.AMIFamilyWindows2022, images: []image{windows(awsv1alpha1.AMIFamilyWindows2022, "2022")}},
		{Name: awsv1alpha1.AMIFamilyWindows2025, firstMinor: firstWindows2025, images: []image{windows(awsv1alpha1.AMIFamilyWindows2025, "2025")}},
		{Name: awsv1alpha1.AMIFamilyCustom},
	}
}

// ubuntu returns the image of Canonical and where it is published: each Kubernetes version has one on some of the releases.
func ubuntu(arch string) image {
	const root = "/aws/service/canonical/ubuntu/eks/"
	end := "/%s/stable/current/" + arch + "/hvm/"
	return image{arch: arch, variant: whatever, parameters: []string{
		root + "20.04" + end + "ebs-gp2/ami-id", root + "22.04" + end + "ebs-gp2/ami-id", root + "24.04" + end + "ebs-gp3/ami-id",
	}}
}

// windows returns the image of the server of a year: there is one, without a desktop, and for amd64 only.
func windows(family, year string) image {
	return image{
		parameters: []string{"/aws/service/ami-windows-latest/Windows_Server-" + year + "-English-Core-EKS_Optimized-%s/image_id"},
		arch:       "amd64", variant: whatever, build: awsv1alpha1.WindowsBuild(family),
	}
}

// FamilyFor returns the family of that name for a Kubernetes minor version. Without a name it is AL2 as long as there are
// AL2 images, then AL2023.
func FamilyFor(name string, minor int) (Family, error) {
	if name == "" {
		name = awsv1alpha1.AMIFamilyAL2
		if minor > lastAL2 {
			name = awsv1alpha1.AMIFamilyAL2023
		}
	}
	all := families()
	i := slices.IndexFunc(all, func(f Family) bool { return f.Name == name })
	if i < 0 {
		return Family{}, fmt.Errorf("%q is no AMI family that kerf knows; use AL2, AL2023, Bottlerocket, Ubuntu, Windows2019, Windows2022, Windows2025 or Custom", name)
	}
	return all[i], nil
}

// Published returns why no image of the family is published for a Kubernetes minor version; nil when one may be.
func (f Family) Published(minor int) error {
	switch {
	case len(f.images) == 0:
		return fmt.Errorf("%s has no images of its own; select them by spec.amiSelector", f.Name)
	case minor < f.firstMinor:
		return fmt.Errorf("%s has images from Kubernetes 1.%d on and the cluster runs 1.%d; use Windows2022", f.Name, f.firstMinor, minor)
	case f.lastMinor > 0 && minor > f.lastMinor:
		return fmt.Errorf("%s has images up to Kubernetes 1.%d and the cluster runs 1.%d; use AL2023", f.Name, f.lastMinor, minor)
	default:
		return nil
	}
}

// Images returns the images that the family has for a Kubernetes version such as 1.34, named by the parameters that publish
// their ids. What is published in the end, only AWS can tell.
func (f Family) Images(version string) []awsv1alpha1.AMI {
	out := make([]awsv1alpha1.AMI, 0, len(f.images))
	for _, i := range f.images {
		out = append(out, awsv1alpha1.AMI{ID: fmt.Sprintf(i.parameters[0], version), Requirements: i.requirements()})
	}
	return out
}

// requirements returns what an instance type has to meet to boot the image.
func (i image) requirements() []corev1.NodeSelectorRequirement {
	out := []corev1.NodeSelectorRequirement{{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpIn, Values: []string{i.arch}}}
	if i.build != "" {
		out = append(out,
			corev1.NodeSelectorRequirement{Key: corev1.LabelOSStable, Operator: corev1.NodeSelectorOpIn, Values: []string{string(corev1.Windows)}},
			corev1.NodeSelectorRequirement{Key: corev1.LabelWindowsBuild, Operator: corev1.NodeSelectorOpIn, Values: []string{i.build}})
	}
	if i.variant == whatever {
		return out
	}
	for _, device := range []struct {
		key    string
		wanted variant
	}{{awsv1alpha1.LabelInstanceGPUCount, nvidia}, {awsv1alpha1.LabelInstanceAcceleratorCount, neuron}} {
		operator := corev1.NodeSelectorOpDoesNotExist
		if i.variant == device.wanted {
			operator = corev1.NodeSelectorOpExists
		}
		out = append(out, corev1.NodeSelectorRequirement{Key: device.key, Operator: operator})
	}
	return out
}

// TypicalParameter returns the name of an SSM parameter that clusters of a Kubernetes version have images in.
func TypicalParameter(version string) string {
	return fmt.Sprintf("/aws/service/eks/optimized-ami/%s/amazon-linux-2023/x86_64/standard/recommended/image_id", version)
}

// Images are images in the order in which they are tried, their requirements read once.
type Images []Image

// Image is one of them.
type Image struct {
	ID           string
	requirements scheduling.Requirements
}

// ImagesOf reads the images of a template's status.
func ImagesOf(list []awsv1alpha1.AMI) Images {
	out := make(Images, 0, len(list))
	for _, i := range list {
		out = append(out, Image{ID: i.ID, requirements: scheduling.FromNodeSelector(i.Requirements)})
	}
	return out
}

// Unstated is the image of a launch template that the user has made: it alone knows which, and for which instance types.
func Unstated() []awsv1alpha1.AMI { return []awsv1alpha1.AMI{{}} }

// For returns the id of the first image that an instance type with these requirements boots; false when there is none.
func (l Images) For(instanceType scheduling.Requirements) (string, bool) {
	for _, i := range l {
		if i.requirements.Conflict(instanceType) == "" {
			return i.ID, true
		}
	}
	return "", false
}
