package instancetype

import (
	"slices"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/ami"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/blockdevice"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/kubelet"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/userdata"
)

// Question is what a list of instance types depends on besides what AWS tells.
type Question struct {
	// Zones that machines may be put into.
	Zones []string
	// Images that they may boot.
	Images []awsv1alpha1.AMI
	// Setup of the nodes.
	Setup Setup
}

// QuestionOf asks for what may be launched from a template whose selectors are resolved.
func QuestionOf(template *awsv1alpha1.AWSNodeTemplate, config *v1alpha5.KubeletConfiguration) Question {
	zones := make([]string, 0, len(template.Status.Subnets))
	for _, s := range template.Status.Subnets {
		zones = append(zones, s.Zone)
	}
	slices.Sort(zones)
	return Question{Zones: slices.Compact(zones), Images: Bootable(template), Setup: SetupOf(template, config)}
}

// Bootable returns the images of the template's machines.
func Bootable(template *awsv1alpha1.AWSNodeTemplate) []awsv1alpha1.AMI {
	if template.Spec.LaunchTemplate != "" {
		return ami.Unstated()
	}
	return template.Status.AMIs
}

// SetupOf returns what is put onto the template's machines.
func SetupOf(template *awsv1alpha1.AWSNodeTemplate, config *v1alpha5.KubeletConfiguration) Setup {
	family := template.Status.AMIFamily
	room := userdata.Configured(family, template.Spec.UserData, config)
	return Setup{
		Kubelet: kubelet.Kubelet{Config: room, Family: family}, PodBytes: blockdevice.PodBytes(family, template.Spec.BlockDeviceMappings),
		Images: ImageSet(Bootable(template)),
	}
}
