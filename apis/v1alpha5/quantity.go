package v1alpha5

import (
	"regexp"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	exponentDetail = "must not have so large an exponent"
	// longestExponent is how many characters an exponent may have, its sign among them, as in the schema.
	longestExponent = 3
	// largestExponent is what can be written in as many digits.
	largestExponent = 999
)

// scientific is a quantity with an exponent.
var scientific = regexp.MustCompile(`^[+-]?[0-9]*[.]?[0-9]*[eE]([+-]?[0-9]+)$`)

// EndlessQuantity returns an error for a quantity, as it was sent, that takes longer to read or to calculate with than anybody
// waits. The schema refuses it as well; this is for whoever reads before the schema does.
func EndlessQuantity(path *field.Path, text string) *field.Error {
	if parts := scientific.FindStringSubmatch(text); parts == nil || len(parts[1]) <= longestExponent {
		return nil
	}
	return field.Invalid(path, text, exponentDetail)
}

// isEndless says the same of a quantity that has been read: an exponent that is too small is none any more by then.
func isEndless(q resource.Quantity) bool {
	own := q.DeepCopy() // AsDec changes it
	return own.AsDec().Scale() < -largestExponent
}
