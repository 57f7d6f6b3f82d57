package v1alpha5

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate returns all that is wrong with the Provisioner, in the order of its fields. Of labels in reserved domains wellKnown
// says whether a Provisioner may ask for them; those of Kubernetes and kerf need not be told.
//
// What spec.provider holds is the cloud's to judge, and how much there is of anything the schema's: the API server compares
// with it first.
func (p *Provisioner) Validate(wellKnown func(label string) bool) field.ErrorList {
	path, rules := field.NewPath("spec"), labelRules{wellKnown: wellKnown}
	return slices.Concat(
		validateName(p.Name),
		validateAnnotations(path.Child("annotations"), p.Spec.Annotations),
		rules.validateLabels(path.Child("labels"), p.Spec.Labels),
		validateTaints(path, p.Spec.Taints, p.Spec.StartupTaints),
		rules.validateRequirements(path.Child("requirements"), p.Spec.Requirements),
		p.Spec.KubeletConfiguration.validate(path.Child("kubeletConfiguration")),
		p.Spec.validateTemplate(path),
		p.Spec.validateTimes(path),
		p.Spec.Limits.validate(path.Child("limits")),
		within(path.Child("weight"), p.Spec.Weight, 1, 100),
		p.Spec.Disruption.validate(path.Child("disruption")),
	)
}

// validateName sees to it that a name, which is there in the form of the API server, also fits the label that carries it.
func validateName(name string) field.ErrorList {
	if len(name) <= validation.LabelValueMaxLength {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("metadata", "name"), name,
		fmt.Sprintf("must be no longer than %d characters: it becomes the value of a label", validation.LabelValueMaxLength))}
}

func validateAnnotations(path *field.Path, annotations map[string]string) field.ErrorList {
	var errs field.ErrorList
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		// Unlike labels, annotations may have upper case letters in their domain.
		if !isQualified(strings.ToLower(key)) {
			errs = append(errs, field.Invalid(path, key, qualifiedDetail))
		}
	}
	return errs
}

// validateTemplate sees to it that there is exactly one description of what machines look like.
func (s *ProvisionerSpec) validateTemplate(path *field.Path) field.ErrorList {
	switch {
	case s.Provider != nil && s.ProviderRef != nil:
		return field.ErrorList{field.Forbidden(path.Child("provider"), "spec.providerRef is set and says this as well: remove one of the two")}
	case s.Provider == nil && s.ProviderRef == nil:
		return field.ErrorList{field.Required(path.Child("providerRef"), "name the AWSNodeTemplate that machines are made from, e.g. providerRef: {name: default}")}
	case s.ProviderRef != nil && s.ProviderRef.Name == "":
		return field.ErrorList{field.Required(path.Child("providerRef", "name"), "name the AWSNodeTemplate that machines are made from")}
	}
	return nil
}

func (s *ProvisionerSpec) validateTimes(path *field.Path) field.ErrorList {
	afterEmpty := path.Child("ttlSecondsAfterEmpty")
	errs := atLeastZero(afterEmpty, s.TTLSecondsAfterEmpty)
	if s.TTLSecondsAfterEmpty != nil && s.Consolidation != nil && s.Consolidation.Enabled != nil && *s.Consolidation.Enabled {
		errs = append(errs, field.Forbidden(afterEmpty,
			"spec.consolidation.enabled is true, and consolidation removes empty nodes as well: remove one of the two"))
	}
	if grace := s.TerminationGracePeriod; grace != nil && grace.Duration < 0 {
		errs = append(errs, field.Invalid(path.Child("terminationGracePeriod"), grace.Duration.String(), "must be a time that is not negative, e.g. 1h30m"))
	}
	return append(errs, atLeastZero(path.Child("ttlSecondsUntilExpired"), s.TTLSecondsUntilExpired)...)
}

func (l *Limits) validate(path *field.Path) field.ErrorList {
	if l == nil {
		return nil
	}
	return validateQuantities(path.Child("resources"), l.Resources)
}

func atLeastZero[T int32 | int64](path *field.Path, value *T) field.ErrorList {
	if value == nil || *value >= 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path, *value, "must be greater than or equal to 0")}
}

func within(path *field.Path, value *int32, low, high int32) field.ErrorList {
	if value == nil || *value >= low && *value <= high {
		return nil
	}
	return field.ErrorList{field.Invalid(path, *value, fmt.Sprintf("must be from %d to %d", low, high))}
}
