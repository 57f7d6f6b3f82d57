package v1alpha1

import (
	"regexp"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	volumeSizeDetail = "must be from 1G to 64T, with its unit, e.g. 20Gi"
	// largestExponent is what the schema lets pass: two digits.
	largestExponent = 99
)

// endless is a quantity with an exponent of three digits or more: reading 1e-100000000 or comparing 1e100000000 would not come
// to an end.
var endless = regexp.MustCompile(`^[+-]?[0-9]*[.]?[0-9]*[eE][+-]?[0-9]{3,}$`)

// EndlessQuantity returns an error for a quantity, as it was sent, that takes longer to read or to calculate with than anybody
// waits. The schema refuses it as well; this is for whoever reads before the schema does.
func EndlessQuantity(path *field.Path, text string) *field.Error {
	if !endless.MatchString(text) {
		return nil
	}
	return field.Invalid(path, text, volumeSizeDetail)
}

// IsEndless says the same of a quantity that has been read: an exponent that is too small is none any more by then.
func IsEndless(q resource.Quantity) bool {
	own := q.DeepCopy() // AsDec changes it
	return own.AsDec().Scale() < -largestExponent
}
