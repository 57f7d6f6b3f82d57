package v1alpha1

import (
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Validate returns all that is wrong with the template, in the order of its fields.
func (t *AWSNodeTemplate) Validate() field.ErrorList {
	path := field.NewPath("spec")
	errs := t.Spec.validate(path)
	if t.Spec.LaunchTemplate != "" { // which excludes both
		return errs
	}
	if t.Spec.AMIFamily == AMIFamilyCustom && t.Spec.AMISelector == nil {
		errs = append(errs, field.Required(path.Child("amiSelector"), "the AMI family Custom has no images but those that you select"))
	}
	return append(errs, selectsAMIs.validate(path.Child("amiSelector"), t.Spec.AMISelector)...)
}

// validate returns what is wrong with the fields that an AWSNodeTemplate shares with the inline provider of a Provisioner,
// and with what excludes each other.
func (s *AWSNodeTemplateSpec) validate(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if s.SubnetSelector == nil {
		errs = append(errs, field.Required(path.Child("subnetSelector"),
			"finds the subnets of machines by tags, e.g. karpenter.sh/discovery: my-cluster"))
	}
	errs = append(errs, selectsSubnets.validate(path.Child("subnetSelector"), s.SubnetSelector)...)
	if s.LaunchTemplate != "" {
		errs = append(errs, s.excludedByLaunchTemplate(path)...)
	} else {
		errs = append(errs, s.validateSecurityGroups(path.Child("securityGroupSelector"))...)
	}
	errs = append(errs, oneOf(path.Child("amiFamily"), optional(s.AMIFamily), amiFamilies())...)
	errs = append(errs, validateTags(path.Child("tags"), s.Tags)...)
	errs = append(errs, s.MetadataOptions.validate(path.Child("metadataOptions"))...)
	errs = append(errs, oneOf(path.Child("instanceStorePolicy"), optional(s.InstanceStorePolicy), []string{InstanceStorePolicyRAID0})...)
	return append(errs, validateBlockDeviceMappings(path.Child("blockDeviceMappings"), s.BlockDeviceMappings)...)
}

func (s *AWSNodeTemplateSpec) validateSecurityGroups(path *field.Path) field.ErrorList {
	if s.SecurityGroupSelector == nil {
		return field.ErrorList{field.Required(path, "finds the security groups of machines by tags, e.g. karpenter.sh/discovery: my-cluster")}
	}
	return selectsSecurityGroups.validate(path, s.SecurityGroupSelector)
}

// excludedByLaunchTemplate returns the fields that say once more what the user's own launch template says.
func (s *AWSNodeTemplateSpec) excludedByLaunchTemplate(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"securityGroupSelector", s.SecurityGroupSelector != nil},
		{"amiSelector", s.AMISelector != nil},
		{"amiFamily", s.AMIFamily != ""},
		{"instanceProfile", s.InstanceProfile != ""},
		{"metadataOptions", s.MetadataOptions != nil},
		{"blockDeviceMappings", len(s.BlockDeviceMappings) > 0},
		{"instanceStorePolicy", s.InstanceStorePolicy != ""},
		{"userData", s.UserData != ""},
	} {
		if f.set {
			errs = append(errs, field.Forbidden(path.Child(f.name), "launchTemplate is set and says this as well: remove one of the two"))
		}
	}
	return errs
}

func (o *MetadataOptions) validate(path *field.Path) field.ErrorList {
	if o == nil {
		return nil
	}
	states := []string{MetadataEnabled, MetadataDisabled}
	errs := slices.Concat(
		oneOf(path.Child("httpEndpoint"), o.HTTPEndpoint, states),
		oneOf(path.Child("httpProtocolIPv6"), o.HTTPProtocolIPv6, states),
	)
	if hops := o.HTTPPutResponseHopLimit; hops != nil && (*hops < 1 || *hops > 64) {
		errs = append(errs, field.Invalid(path.Child("httpPutResponseHopLimit"), *hops, "must be from 1 to 64"))
	}
	return append(errs, oneOf(path.Child("httpTokens"), o.HTTPTokens, []string{TokensRequired, TokensOptional})...)
}

// Values of metadataOptions.
const (
	MetadataEnabled  = "enabled"
	MetadataDisabled = "disabled"
	TokensRequired   = "required"
	TokensOptional   = "optional"
)

func amiFamilies() []string {
	return []string{
		AMIFamilyAL2, AMIFamilyAL2023, AMIFamilyBottlerocket, AMIFamilyUbuntu,
		AMIFamilyWindows2019, AMIFamilyWindows2022, AMIFamilyWindows2025, AMIFamilyCustom,
	}
}

// oneOf returns an error if the value is there and is none of those.
func oneOf(path *field.Path, value *string, values []string) field.ErrorList {
	if value == nil || slices.Contains(values, *value) {
		return nil
	}
	return field.ErrorList{field.NotSupported(path, *value, values)}
}

// optional returns nil for what the API cannot tell from absent.
func optional(value string) *string {
	if value == "" {
		return nil
	}
	return &value
}
