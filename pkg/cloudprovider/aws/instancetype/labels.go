package instancetype

import (
	"regexp"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// scheme reads category and generation from the name of a type: c and 6 of c6gd.large, u and 1 of u-12tb1.metal.
var scheme = regexp.MustCompile(`^([a-z]+)(?:-[0-9]+tb)?([0-9]+).*\.`)

// settledLabels is how many labels a type settles, those that it lacks included. A map that is sized for more than there
// are takes twice the memory, a thousand times over.
const settledLabels = 28

// tenancyDefault is the tenancy of all that kerf launches.
const tenancyDefault = "default"

// labelMaker makes requirements of labels. Equal ones share their memory: among a thousand types most values repeat.
type labelMaker struct {
	region string
	made   map[[2]string]scheduling.Requirement // key and value ("" for absent) -> requirement
}

func newLabelMaker(region string) *labelMaker {
	return &labelMaker{region: region, made: map[[2]string]scheduling.Requirement{}}
}

// requirement returns "key is value", or "key is absent" for no value.
func (l *labelMaker) requirement(key, value string) scheduling.Requirement {
	r, ok := l.made[[2]string{key, value}]
	if !ok {
		if value == "" {
			r = scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist)
		} else {
			r = scheduling.NewRequirement(key, corev1.NodeSelectorOpIn, value)
		}
		l.made[[2]string{key, value}] = r
	}
	return r
}

// labels returns all that is settled by the type itself, for a node that takes this many pods and boots one of the
// images, which an AMI family names.
func (l *labelMaker) labels(i Info, pods int64, images string) scheduling.Requirements {
	family, size, _ := strings.Cut(i.Name, ".")
	var category, generation string
	if m := scheme.FindStringSubmatch(i.Name); m != nil {
		category, generation = m[1], m[2]
	}
	os, build := string(corev1.Linux), awsv1alpha1.WindowsBuild(images)
	if build != "" {
		os = string(corev1.Windows)
		if i.Arch != "amd64" { // there is no Windows for it, so what asks for an operating system never gets it
			os, build = "", ""
		}
	}
	out := make(scheduling.Requirements, settledLabels+2) // and room for zone and capacity type
	for _, label := range []struct{ key, value string }{
		{corev1.LabelInstanceTypeStable, i.Name},
		{corev1.LabelArchStable, i.Arch},
		{corev1.LabelOSStable, os},
		{corev1.LabelTopologyRegion, l.region},
		{corev1.LabelWindowsBuild, build},
		{awsv1alpha1.LabelInstanceHypervisor, i.Hypervisor},
		{awsv1alpha1.LabelInstanceEncryptionInTransit, strconv.FormatBool(i.EncryptedTransit)},
		{awsv1alpha1.LabelInstanceCategory, category},
		{awsv1alpha1.LabelInstanceFamily, family},
		{awsv1alpha1.LabelInstanceGeneration, generation},
		{awsv1alpha1.LabelInstanceSize, size},
		{awsv1alpha1.LabelInstanceLocalNVMe, positive(i.NVMeGB)},
		{awsv1alpha1.LabelInstanceCPU, positive(i.VCPUs)},
		{awsv1alpha1.LabelInstanceCPUManufacturer, kebab(i.CPUManufacturer)},
		{awsv1alpha1.LabelInstanceCPUClock, positive(i.ClockMHz)},
		{awsv1alpha1.LabelInstanceEBSBandwidth, positive(i.EBSMbps)},
		{awsv1alpha1.LabelInstanceFlex, strconv.FormatBool(strings.Contains(family, "-flex"))},
		{awsv1alpha1.LabelInstanceTenancy, tenancyDefault},
		{awsv1alpha1.LabelInstanceMemory, positive(i.MemoryMiB)},
		{awsv1alpha1.LabelInstanceNetworkBandwidth, positive(i.BandwidthMbps)},
		{awsv1alpha1.LabelInstancePods, strconv.FormatInt(pods, 10)},
		{awsv1alpha1.LabelInstanceGPUName, kebab(i.GPU.Name)},
		{awsv1alpha1.LabelInstanceGPUManufacturer, kebab(i.GPU.Manufacturer)},
		{awsv1alpha1.LabelInstanceGPUCount, positive(i.GPU.Count)},
		{awsv1alpha1.LabelInstanceGPUMemory, positive(i.GPU.MemoryMiB)},
		{awsv1alpha1.LabelInstanceAcceleratorName, kebab(i.Accelerator.Name)},
		{awsv1alpha1.LabelInstanceAcceleratorManufacturer, kebab(i.Accelerator.Manufacturer)},
		{awsv1alpha1.LabelInstanceAcceleratorCount, positive(i.Accelerator.Count)},
	} {
		out[label.key] = l.requirement(label.key, label.value)
	}
	return out
}

// positive returns the number, "" for one that is not known or none.
func positive(n int64) string {
	if n <= 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// kebab returns a name as label values have it: lower case, blanks as hyphens.
func kebab(name string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimSpace(name), " ", "-"))
}
