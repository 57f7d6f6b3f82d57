package userdata

import (
	"math"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// Configured returns the kubelet configuration that decides how much room a node has for pods: the given one, which may be
// nil, and where that says nothing, what the user's own settings say. Only Bottlerocket takes such settings from a user, and
// only what is stated in a plain form counts: the image refuses the rest.
func Configured(family, own string, config *v1alpha5.KubeletConfiguration) *v1alpha5.KubeletConfiguration {
	if family != awsv1alpha1.AMIFamilyBottlerocket || own == "" {
		return config
	}
	_, kubernetes, err := readTOML(own)
	if err != nil {
		return config // nothing is launched with it
	}
	out := &v1alpha5.KubeletConfiguration{}
	if config != nil {
		out = config.DeepCopy()
	}
	if pods, ok := kubernetes["max-pods"].(int64); ok && out.MaxPods == nil && pods >= 0 && pods <= math.MaxInt32 {
		out.MaxPods = new(int32(pods))
	}
	if len(out.KubeReserved) == 0 {
		out.KubeReserved = quantitiesIn(kubernetes, "kube-reserved")
	}
	if len(out.SystemReserved) == 0 {
		out.SystemReserved = quantitiesIn(kubernetes, "system-reserved")
	}
	if len(out.EvictionHard) == 0 {
		out.EvictionHard = plainIn(kubernetes, "eviction-hard")
	}
	return out
}

// plainAmount is a quantity or a percentage as people write them; what has an exponent may take for ever to compare.
var plainAmount = regexp.MustCompile(`^[0-9]{1,15}(\.[0-9]{1,9})?(m|k|Ki|M|Mi|G|Gi|T|Ti|%)?$`)

// plainIn returns the values of a table that are plain; nil where there are none.
func plainIn(kubernetes map[string]any, table string) map[string]string {
	values, _ := kubernetes[table].(map[string]any)
	var out map[string]string
	for key, value := range values {
		if text, ok := value.(string); ok && plainAmount.MatchString(text) {
			if out == nil {
				out = map[string]string{}
			}
			out[key] = text
		}
	}
	return out
}

func quantitiesIn(kubernetes map[string]any, table string) corev1.ResourceList {
	var out corev1.ResourceList
	for key, text := range plainIn(kubernetes, table) {
		quantity, err := resource.ParseQuantity(text)
		if err != nil {
			continue // a percentage
		}
		if out == nil {
			out = corev1.ResourceList{}
		}
		out[corev1.ResourceName(key)] = quantity
	}
	return out
}
