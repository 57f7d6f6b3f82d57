package v1alpha5

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

// What is said of a key, a value and a list of values that are none.
const (
	qualifiedDetail  = "must be a name of at most 63 letters, digits, '-', '_' and '.', a letter or digit first and last, with a domain and '/' before it if need be, e.g. example.com/team"
	labelValueDetail = "must be at most 63 letters, digits, '-', '_' and '.', a letter or digit first and last"
	integerDetail    = "Gt and Lt take exactly one integer that is not negative"
)

// labelRules decide which labels a Provisioner may set or ask for.
type labelRules struct {
	wellKnown func(label string) bool
}

func (r labelRules) validateLabels(path *field.Path, labels map[string]string) field.ErrorList {
	var errs field.ErrorList
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		reason := r.restricted(key)
		if stable := NormalizeLabel(key); stable != key {
			reason = fmt.Sprintf("the label is called %s today", stable)
		}
		if reason != "" {
			errs = append(errs, field.Invalid(path, key, reason))
		}
		if value := labels[key]; !isLabelValue(value) {
			errs = append(errs, field.Invalid(path.Key(key), value, labelValueDetail))
		}
	}
	return errs
}

func (r labelRules) validateRequirements(path *field.Path, requirements []Requirement) field.ErrorList {
	var errs field.ErrorList
	for i, q := range requirements {
		if reason := r.restricted(NormalizeLabel(q.Key)); reason != "" {
			errs = append(errs, field.Invalid(path.Index(i).Child("key"), q.Key, reason))
		}
		errs = append(errs, q.validateValues(path.Index(i))...)
		errs = append(errs, q.validateMinValues(path.Index(i).Child("minValues"))...)
	}
	return errs
}

// validateValues judges the values by the operator. NotIn without values, and Exists or DoesNotExist with some, mean something.
func (q Requirement) validateValues(path *field.Path) field.ErrorList {
	var errs field.ErrorList
	values := path.Child("values")
	switch q.Operator {
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
		if len(q.Values) != 1 {
			errs = append(errs, field.Invalid(values, q.Values, integerDetail))
		}
		return append(errs, each(values, q.Values, isBound, integerDetail)...)
	case corev1.NodeSelectorOpIn:
		if len(q.Values) == 0 {
			errs = append(errs, field.Required(values, "In takes at least one value; Exists takes any"))
		}
	case corev1.NodeSelectorOpNotIn, corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist:
	default:
		errs = append(errs, field.NotSupported(path.Child("operator"), q.Operator, []corev1.NodeSelectorOperator{
			corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn, corev1.NodeSelectorOpExists, corev1.NodeSelectorOpDoesNotExist,
			corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt,
		}))
	}
	return append(errs, each(values, q.Values, isLabelValue, labelValueDetail)...)
}

// validateMinValues judges by operator and values how many there can be.
func (q Requirement) validateMinValues(path *field.Path) field.ErrorList {
	switch {
	case q.MinValues == nil:
		return nil
	case q.Operator == corev1.NodeSelectorOpDoesNotExist:
		return field.ErrorList{field.Invalid(path, *q.MinValues, "DoesNotExist leaves no value to count: remove minValues")}
	case q.Operator == corev1.NodeSelectorOpIn && len(q.Values) > 0 && len(q.Values) < int(*q.MinValues):
		return field.ErrorList{field.Invalid(path, *q.MinValues, "In names fewer values: name more, or lower minValues")}
	default:
		return within(path, q.MinValues, 1, 50)
	}
}

// each returns an error for every value of a list that is not right.
func each(path *field.Path, values []string, right func(value string) bool, detail string) field.ErrorList {
	var errs field.ErrorList
	for i, value := range values {
		if !right(value) {
			errs = append(errs, field.Invalid(path.Index(i), value, detail))
		}
	}
	return errs
}

// restricted returns why a Provisioner may neither set a label nor ask for it, or "" when it may.
func (r labelRules) restricted(key string) string {
	domain, _, prefixed := strings.Cut(key, "/")
	reserved := func(suffix string) bool { return prefixed && strings.HasSuffix(domain, suffix) }
	switch {
	case !isQualified(key):
		return qualifiedDetail
	case key == ProvisionerNameLabel:
		return "kerf gives every node this label, with the name of its provisioner: remove it"
	case isWellKnown(key) || r.wellKnown(key):
		return ""
	case key == corev1.LabelHostname:
		return "every node has a name of its own, which is not known before the node is there: remove it"
	case slices.ContainsFunc(openDomains(), reserved):
		return ""
	case slices.ContainsFunc(reservedDomains(), reserved):
		return fmt.Sprintf("the domain %s is reserved: choose a domain of your own, or a label that "+
			"kubectl explain provisioner.spec.requirements.key lists", domain)
	}
	return ""
}

// reservedDomains returns the ends of domains whose labels are not for users to make up.
func reservedDomains() []string {
	return []string{"kubernetes.io", "k8s.io", "karpenter.sh", "karpenter.k8s.aws"}
}

// openDomains returns the ends of those domains among them that are open to all, subdomains included.
func openDomains() []string {
	return []string{"kops.k8s.io", "node.kubernetes.io", "node-restriction.kubernetes.io"}
}

// isWellKnown reports whether a label in a reserved domain is one that Kubernetes or kerf gives a meaning that provisioners
// may choose by.
func isWellKnown(key string) bool {
	switch key {
	case corev1.LabelTopologyZone, corev1.LabelTopologyRegion, corev1.LabelInstanceTypeStable,
		corev1.LabelArchStable, corev1.LabelOSStable, corev1.LabelWindowsBuild, CapacityTypeLabel:
		return true
	default:
		return false
	}
}

func isQualified(key string) bool { return len(validation.IsQualifiedName(key)) == 0 }

func isLabelValue(value string) bool { return len(validation.IsValidLabelValue(value)) == 0 }

// isBound reports whether a value is digits that make an integer.
func isBound(value string) bool {
	_, err := strconv.ParseInt(value, 10, 64)
	return err == nil && strings.Trim(value, "0123456789") == ""
}
