package v1alpha1

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What spec.provider of a Provisioner may call itself; it may also say nothing.
const (
	providerAPIVersion = "extensions.karpenter.sh/v1alpha1"
	providerKind       = "AWS"
)

// DecodeProvider reads spec.provider of a Provisioner: the fields of an AWSNodeTemplate but for userData, amiSelector,
// detailedMonitoring and instanceStorePolicy. What is no such field is an error that names it.
func DecodeProvider(raw []byte) (*AWSNodeTemplateSpec, error) {
	spec, errs := decodeProvider(raw, field.NewPath("spec", "provider"))
	if err := errs.ToAggregate(); err != nil {
		return nil, err
	}
	return spec, nil
}

// ValidateProvider returns all that is wrong with spec.provider of a Provisioner, which is at the path.
func ValidateProvider(raw []byte, path *field.Path) field.ErrorList {
	spec, unread := decodeProvider(raw, path)
	if spec == nil {
		return unread
	}
	mistakes := slices.DeleteFunc(spec.validateInline(path), func(mistake *field.Error) bool {
		// What could not be read looks as if it were absent.
		return slices.ContainsFunc(unread, func(e *field.Error) bool { return within(mistake.Field, e.Field) })
	})
	return append(unread, mistakes...)
}

func (s *AWSNodeTemplateSpec) validateInline(path *field.Path) field.ErrorList {
	errs := s.validate(path)
	if s.LaunchTemplate == "" && s.AMIFamily == AMIFamilyCustom {
		errs = append(errs, field.Forbidden(path.Child("amiFamily"),
			"the family Custom needs an amiSelector, which only an AWSNodeTemplate has: create one and name it in spec.providerRef"))
	}
	return errs
}

// decodeProvider returns as much as can be read; nil if that is nothing.
func decodeProvider(raw []byte, path *field.Path) (*AWSNodeTemplateSpec, field.ErrorList) {
	spec := &AWSNodeTemplateSpec{}
	d := decoder{forbidden: map[string]string{}}
	for _, name := range []string{"amiSelector", "detailedMonitoring", "instanceStorePolicy", "userData"} {
		d.forbidden[path.Child(name).String()] = "only an AWSNodeTemplate has this field: create one and name it in spec.providerRef"
	}
	errs := d.decode(raw, spec, path)
	if slices.ContainsFunc(errs, func(err *field.Error) bool { return err.Field == path.String() }) {
		return nil, errs
	}
	errs = append(errs, oneOf(path.Child("apiVersion"), optional(spec.APIVersion), []string{providerAPIVersion})...)
	errs = append(errs, oneOf(path.Child("kind"), optional(spec.Kind), []string{providerKind})...)
	spec.APIVersion, spec.Kind = "", "" // they have said all that they say
	return spec, errs
}

// within reports whether one path is the other or leads into it.
func within(path, parent string) bool {
	rest, found := strings.CutPrefix(path, parent)
	return found && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
