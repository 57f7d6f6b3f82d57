// Package ami finds the machine images of an operating-system family and says which instance type boots which.
package ami

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// lastAL2 is the last Kubernetes minor version that AL2 images exist for.
const lastAL2 = 32

// Family is an operating system with its published images.
type Family struct {
	// Name as in spec.amiFamily.
	Name string
	// lastMinor is the last Kubernetes minor version with images; 0 where none is known.
	lastMinor int
	// images in the order in which instance types try them.
	images []image
}

// image is one published variant of a family.
type image struct {
	// parameter is the name of the SSM parameter that holds the image's id; %s is the Kubernetes version.
	parameter string
	// variant of instance types that boot it, and their architecture.
	arch    string
	variant variant
}

// variant is what is plugged into the instance types that an image is for.
type variant int

const (
	standard variant = iota
	nvidia
	neuron
)

// families returns all that kerf knows, in the order in which messages name them.
func families() []Family {
	const root = "/aws/service/eks/optimized-ami/%s/"
	return []Family{
		{
			Name: awsv1alpha1.AMIFamilyAL2, lastMinor: lastAL2,
			images: []image{
				{root + "amazon-linux-2/recommended/image_id", "amd64", standard},
				{root + "amazon-linux-2-gpu/recommended/image_id", "amd64", nvidia},
				{root + "amazon-linux-2-gpu/recommended/image_id", "amd64", neuron},
				{root + "amazon-linux-2-arm64/recommended/image_id", "arm64", standard},
			},
		},
		{
			Name: awsv1alpha1.AMIFamilyAL2023,
			images: []image{
				{root + "amazon-linux-2023/x86_64/standard/recommended/image_id", "amd64", standard},
				{root + "amazon-linux-2023/x86_64/nvidia/recommended/image_id", "amd64", nvidia},
				{root + "amazon-linux-2023/x86_64/neuron/recommended/image_id", "amd64", neuron},
				{root + "amazon-linux-2023/arm64/standard/recommended/image_id", "arm64", standard},
				{root + "amazon-linux-2023/arm64/nvidia/recommended/image_id", "arm64", nvidia},
			},
		},
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
		return Family{}, fmt.Errorf("%q is no AMI family that kerf knows; use AL2 or AL2023", name)
	}
	if last := all[i].lastMinor; last > 0 && minor > last {
		return Family{}, fmt.Errorf("%s has images up to Kubernetes 1.%d and the cluster runs 1.%d; use AL2023", name, last, minor)
	}
	return all[i], nil
}

// requirements returns what an instance type has to meet to boot the image.
func (i image) requirements() []corev1.NodeSelectorRequirement {
	there := func(key string, wanted variant) corev1.NodeSelectorRequirement {
		if i.variant == wanted {
			return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpExists}
		}
		return corev1.NodeSelectorRequirement{Key: key, Operator: corev1.NodeSelectorOpDoesNotExist}
	}
	return []corev1.NodeSelectorRequirement{
		{Key: corev1.LabelArchStable, Operator: corev1.NodeSelectorOpIn, Values: []string{i.arch}},
		there(awsv1alpha1.LabelInstanceGPUCount, nvidia),
		there(awsv1alpha1.LabelInstanceAcceleratorCount, neuron),
	}
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

// For returns the id of the first image that an instance type with these requirements boots; false when there is none.
func (l Images) For(instanceType scheduling.Requirements) (string, bool) {
	for _, i := range l {
		if i.requirements.Conflict(instanceType) == "" {
			return i.ID, true
		}
	}
	return "", false
}
