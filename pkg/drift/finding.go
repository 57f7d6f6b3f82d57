package drift

import (
	"fmt"
	"slices"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// Finding is one way in which a machine is not what is asked for. The zero value is that there is none.
type Finding struct {
	// Reason is that of the condition Drifted.
	Reason string
	// Message says what the machine is and what is asked for. It holds nothing secret, such as user data.
	Message string
}

// There reports whether something was found.
func (f Finding) There() bool { return f.Reason != "" }

// FromProvisioner returns the first thing in which a machine is not what its Provisioner asks for now.
func FromProvisioner(machine *v1alpha5.Machine, provisioner *v1alpha5.Provisioner) (Finding, error) {
	hash, err := ProvisionerHash(provisioner)
	if err != nil {
		return Finding{}, fmt.Errorf("hashing provisioner %s: %w", provisioner.Name, err)
	}
	planned := machine.Annotations[v1alpha5.ProvisionerHashAnnotation]
	if differs(planned, machine.Annotations[v1alpha5.ProvisionerHashVersionAnnotation], hash) {
		return Finding{v1alpha5.ReasonProvisionerDrifted, fmt.Sprintf("labels, annotations, taints or kubeletConfiguration of Provisioner %s "+
			"are not those that the machine was planned with: their hash was %s and is %s", provisioner.Name, planned, hash)}, nil
	}
	if found := fromRequirements(machine, provisioner); found.There() {
		return found, nil
	}
	if was, is := templateName(machine), provisioner.TemplateName(); was != is {
		return Finding{v1alpha5.ReasonNodeTemplateDrifted, fmt.Sprintf("the machine was made from AWSNodeTemplate %q, Provisioner %s asks for %q",
			was, provisioner.Name, is)}, nil
	}
	return Finding{}, nil
}

// FromTemplate returns whether a template says something else of its machines now than when the machine was planned. What its
// selectors find is not looked at.
func FromTemplate(machine *v1alpha5.Machine, template *awsv1alpha1.AWSNodeTemplate) (Finding, error) {
	hash, err := TemplateHash(template)
	if err != nil {
		return Finding{}, fmt.Errorf("hashing template %s: %w", template.Name, err)
	}
	planned := machine.Annotations[awsv1alpha1.AnnotationTemplateHash]
	if differs(planned, machine.Annotations[awsv1alpha1.AnnotationTemplateHashVersion], hash) {
		return Finding{v1alpha5.ReasonNodeTemplateDrifted, fmt.Sprintf(
			"AWSNodeTemplate %s is not what the machine was planned with: its hash was %s and is %s", template.Name, planned, hash)}, nil
	}
	return Finding{}, nil
}

// differs reports whether a hash that a machine carries says that what was hashed has changed. One that is missing, or was made in
// another way, says nothing; nor does one of a machine that Karpenter made, which names no way.
func differs(planned, version, now string) bool {
	return planned != "" && version == HashVersion && planned != now
}

// fromRequirements compares the labels of a machine with the requirements of its Provisioner. A label that it lacks may be one
// that its plan left open, which is what the Provisioner asked for then.
func fromRequirements(machine *v1alpha5.Machine, provisioner *v1alpha5.Provisioner) Finding {
	labels := make(map[string]string, len(machine.Labels))
	for key, value := range machine.Labels {
		labels[v1alpha5.NormalizeLabel(key)] = value
	}
	if why := Requirements(provisioner).Accepts(labels, scheduling.FromNodeSelector(machine.Spec.Requirements)); why != "" {
		return Finding{v1alpha5.ReasonRequirementsDrifted, fmt.Sprintf("Provisioner %s: %s", provisioner.Name, why)}
	}
	return Finding{}
}

// Requirements returns what a Provisioner requires of its machines, with what it does by default.
func Requirements(provisioner *v1alpha5.Provisioner) scheduling.Requirements {
	defaulted := &v1alpha5.Provisioner{Spec: v1alpha5.ProvisionerSpec{Requirements: slices.Clip(provisioner.Spec.Requirements)}}
	defaulted.SetDefaults()
	return scheduling.FromNodeSelector(v1alpha5.NodeSelectorRequirements(defaulted.Spec.Requirements))
}

func templateName(machine *v1alpha5.Machine) string {
	if machine.Spec.MachineTemplateRef == nil {
		return ""
	}
	return machine.Spec.MachineTemplateRef.Name
}
