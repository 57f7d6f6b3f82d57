package admission

import (
	"fmt"
	"strings"

	"github.com/samber/lo"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// shortTTL is the time after empty, in seconds, below which nodes go that pods were about to come back to.
const shortTTL = 30

// Provisioner judges a Provisioner, be it defaulted or not.
func Provisioner(p *v1alpha5.Provisioner) Verdict {
	spec := field.NewPath("spec")
	wellKnown := sets.New(awsv1alpha1.WellKnownLabels()...)
	errs := p.Validate(wellKnown.Has)
	var warnings remarks
	if p.Spec.Provider != nil {
		errs = append(errs, awsv1alpha1.ValidateProvider(p.Spec.Provider.Raw, spec.Child("provider"))...)
		warnings.provider(spec.Child("provider"), p.Spec.Provider.Raw)
	}
	if ref := p.Spec.ProviderRef; ref != nil && ref.Kind != "" && ref.Kind != "AWSNodeTemplate" {
		warnings.add(spec.Child("providerRef", "kind"), "%q is not looked at: machines are made from the AWSNodeTemplate %q", ref.Kind, ref.Name)
	}
	if ttl := p.Spec.TTLSecondsAfterEmpty; ttl != nil && *ttl >= 0 && *ttl < shortTTL {
		warnings.add(spec.Child("ttlSecondsAfterEmpty"), "%d seconds after its last pod a node goes, which may be before the next "+
			"pod has come; %d or more keeps nodes from coming and going", *ttl, shortTTL)
	}
	if len(errs) == 0 { // of what is wrong nobody needs to know what it would do
		warnings.lifetime(spec, &p.Spec)
		warnings.taints(spec.Child("taints"), p.Spec.Taints)
		warnings.taints(spec.Child("startupTaints"), p.Spec.StartupTaints)
		warnings.requirements(spec.Child("requirements"), p.Spec.Requirements)
		warnings.contradictions(spec.Child("requirements"), p)
		warnings.kubelet(spec.Child("kubeletConfiguration"), p.Spec.KubeletConfiguration)
	}
	return Verdict{Errors: errs, Warnings: warnings}
}

// shortestLife is how many seconds a node should live at least: what it takes to start one, and to move pods, is paid for each time.
const shortestLife = 3600

// lifetime notes that nodes are to be replaced all the time.
func (r *remarks) lifetime(path *field.Path, spec *v1alpha5.ProvisionerSpec) {
	if ttl := spec.TTLSecondsUntilExpired; ttl != nil && *ttl < shortestLife {
		r.add(path.Child("ttlSecondsUntilExpired"), "below an hour: each node is replaced, and its pods are moved, before it has been of much use")
	}
}

// provider notes that the inline provider is deprecated, and what is doubtful about it.
func (r *remarks) provider(path *field.Path, raw []byte) {
	r.add(path, "deprecated; create an AWSNodeTemplate of the same fields and name it in spec.providerRef")
	if template, err := awsv1alpha1.DecodeProvider(raw); err == nil {
		*r = append(*r, templateWarnings(template, path)...)
	}
}

// taints notes what always was accepted although no node can have it.
func (r *remarks) taints(path *field.Path, taints []v1alpha5.Taint) {
	for i, taint := range taints {
		if taint.Effect == "" {
			r.add(path.Index(i).Child("effect"), "without an effect nodes do not get the taint; set NoSchedule, PreferNoSchedule or NoExecute")
		}
		if strings.Contains(taint.Value, "/") {
			r.add(path.Index(i).Child("value"), "Kubernetes takes no taint whose value has a slash, so no machine is launched")
		}
	}
}

// requirements notes values that are not looked at, and those that no instance type has.
func (r *remarks) requirements(path *field.Path, requirements []v1alpha5.Requirement) {
	known := map[string][]string{
		corev1.LabelOSStable:       {"linux", "windows"},
		corev1.LabelArchStable:     {"amd64", "arm64"},
		v1alpha5.CapacityTypeLabel: {v1alpha5.CapacityTypeSpot, v1alpha5.CapacityTypeOnDemand},
	}
	for i, q := range requirements {
		if q.Key == awsv1alpha1.LabelZoneID {
			r.add(path.Index(i).Child("key"), "no zone is chosen by its id, which is only a label that nodes have: use %s", corev1.LabelTopologyZone)
		}
		values := path.Index(i).Child("values")
		switch q.Operator {
		case corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist:
			if len(q.Values) > 0 {
				r.add(values, "%s takes no values and does not look at these; In or NotIn does", q.Operator)
			}
		case corev1.NodeSelectorOpIn:
			choices, limited := known[v1alpha5.NormalizeLabel(q.Key)]
			if strange := lo.Without(q.Values, choices...); limited && len(strange) > 0 {
				r.add(values, "no machine has %s %q; there are %s", q.Key, strange[0], strings.Join(choices, " and "))
			}
		}
	}
}

// kubelet notes with which configuration nodes will not come up.
func (r *remarks) kubelet(path *field.Path, k *v1alpha5.KubeletConfiguration) {
	if k == nil {
		return
	}
	switch runtime := lo.FromPtr(k.ContainerRuntime); runtime {
	case "", "containerd":
	case "dockerd":
		r.add(path.Child("containerRuntime"), "deprecated: images for Kubernetes 1.24 and later have no dockerd; leave the field out")
	default:
		r.add(path.Child("containerRuntime"), "%q is not known; leave the field out for containerd", runtime)
	}
	high := lo.FromPtrOr(k.ImageGCHighThresholdPercent, v1alpha5.DefaultImageGCHighThresholdPercent)
	low := lo.FromPtrOr(k.ImageGCLowThresholdPercent, v1alpha5.DefaultImageGCLowThresholdPercent)
	if low >= high {
		r.add(path.Child("imageGCLowThresholdPercent"), "is %d with imageGCHighThresholdPercent %d, defaults included: "+
			"the kubelet does not start unless it is lower", low, high)
	}
}

// contradictions notes labels of which so much is asked that no machine has them. The defaults ask, too.
func (r *remarks) contradictions(path *field.Path, p *v1alpha5.Provisioner) {
	defaulted := p.DeepCopy()
	Default(defaulted)
	asked := map[string][]string{}
	for _, q := range defaulted.Spec.Requirements {
		key := v1alpha5.NormalizeLabel(q.Key)
		asked[key] = append(asked[key], fmt.Sprintf("%s %v", q.Operator, q.Values))
	}
	for key, value := range p.Spec.Labels {
		asked[key] = append(asked[key], "label "+value)
	}
	offered := requirementsOf(defaulted)
	for _, key := range offered.Keys() {
		if offered[key].Empty() {
			r.add(path, "no machine has all that is asked of %s, defaults included: %s", key, strings.Join(asked[key], ", "))
		}
	}
}

// requirementsOf returns what is known of the labels of a provisioner's machines.
func requirementsOf(p *v1alpha5.Provisioner) scheduling.Requirements {
	return scheduling.FromNodeSelector(v1alpha5.NodeSelectorRequirements(p.Spec.Requirements)).Union(scheduling.FromLabels(p.Spec.Labels))
}
