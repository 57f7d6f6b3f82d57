package provisioning

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
)

// groupSize is how many machines one request to the cloud asks for at most: enough for a thousand in ten requests, and few enough that
// a request gets its turn where EC2 lets only two instances start in a second, and that a group which cannot form is no great loss.
const groupSize = 100

// buildMachines turns planned machines into Machines. Those that ask for the same thing share launch groups, so that few requests to
// the cloud serve them all.
func buildMachines(planned []solver.Machine, c catalogue, policy v1alpha5.MinValuesPolicy) ([]*v1alpha5.Machine, error) {
	out := make([]*v1alpha5.Machine, 0, len(planned))
	groups := map[string]*v1alpha5.LaunchGroup{}
	for i := range planned {
		machine := buildMachine(&planned[i], c.offers[planned[i].Provisioner].Provisioner)
		if len(machine.Spec.MinValues) > 0 {
			machine.Spec.MinValuesPolicy = policy
		}
		maps.Copy(machine.Annotations, c.hashes[planned[i].Provisioner])
		machine.Annotations[v1alpha5.MadeForAnnotation] = machines.MadeFor(c.bases[planned[i].Provisioner], planned[i].Pods)
		key, err := json.Marshal(launchKey(machine))
		if err != nil {
			return nil, fmt.Errorf("encoding machine of provisioner %s: %w", planned[i].Provisioner, err)
		}
		group, ok := groups[string(key)]
		if !ok || group.Size == groupSize {
			group = &v1alpha5.LaunchGroup{Name: string(uuid.NewUUID())}
			groups[string(key)] = group
		}
		group.Size++
		machine.Spec.LaunchGroup = group
		out = append(out, machine)
	}
	return out, nil
}

// launchKey is what the launch request is made from. How much pods ask for is not, that differs between machines that launch alike;
// which extended resources they ask for is, as an instance may have to be launched with what offers them.
func launchKey(machine *v1alpha5.Machine) any {
	spec := machine.Spec
	spec.Resources = v1alpha5.ResourceRequirements{}
	var extended []string
	for name, quantity := range machine.Spec.Resources.Requests {
		if strings.Contains(string(name), "/") && !quantity.IsZero() {
			extended = append(extended, string(name))
		}
	}
	slices.Sort(extended)
	return struct {
		Labels   map[string]string
		Spec     v1alpha5.MachineSpec
		Extended []string
	}{machine.Labels, spec, extended}
}

func buildMachine(planned *solver.Machine, provisioner *v1alpha5.Provisioner) *v1alpha5.Machine {
	labels := maps.Clone(provisioner.Spec.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	maps.Copy(labels, planned.Requirements.Labels())
	labels[v1alpha5.ProvisionerNameLabel] = provisioner.Name
	annotations := maps.Clone(provisioner.Spec.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha5.PriceAnnotation] = strconv.FormatFloat(planned.PricePerHour, 'f', -1, 64)
	if planned.MinValuesRelaxed {
		annotations[v1alpha5.MinValuesRelaxedAnnotation] = "true"
	}
	requirements := append(planned.Requirements.NodeSelectorRequirements(), corev1.NodeSelectorRequirement{
		Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: planned.InstanceTypes,
	})
	return &v1alpha5.Machine{
		ObjectMeta: metav1.ObjectMeta{
			Name: machines.NewName(provisioner.Name), Labels: labels, Annotations: annotations,
			Finalizers:      []string{v1alpha5.TerminationFinalizer},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(provisioner, v1alpha5.GroupVersion().WithKind("Provisioner"))},
		},
		Spec: v1alpha5.MachineSpec{
			Taints: v1alpha5.NodeTaints(provisioner.Spec.Taints), StartupTaints: v1alpha5.NodeTaints(provisioner.Spec.StartupTaints), Requirements: requirements,
			MinValues: minValues(provisioner), TerminationGracePeriod: provisioner.Spec.TerminationGracePeriod,
			Resources: v1alpha5.ResourceRequirements{Requests: planned.Requests},
			Kubelet:   provisioner.Spec.KubeletConfiguration, MachineTemplateRef: templateReference(provisioner),
		},
	}
}

// minValues returns what a machine still has to have to choose from when it is launched, nil for nothing.
func minValues(provisioner *v1alpha5.Provisioner) map[string]int32 {
	var out map[string]int32
	for label, least := range v1alpha5.MinValues(provisioner.Spec.Requirements) {
		if out == nil {
			out = map[string]int32{}
		}
		out[label] = int32(least) //nolint:gosec // at most 50
	}
	return out
}

// templateReference names the template of a provisioner's machines, also where that is one made from spec.provider.
func templateReference(provisioner *v1alpha5.Provisioner) *v1alpha5.TemplateReference {
	if provisioner.Spec.ProviderRef != nil || provisioner.TemplateName() == "" {
		return provisioner.Spec.ProviderRef
	}
	return &v1alpha5.TemplateReference{Name: provisioner.TemplateName()}
}
