package admission

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/validation/field"
)

// Verdict is what is to be said of an object.
type Verdict struct {
	// Errors are why the object is refused; there is none for an object that is accepted.
	Errors field.ErrorList
	// Warnings are what the user may not have meant, although the object is accepted for it.
	Warnings []string
}

// remarks are warnings as they come up.
type remarks []string

// add notes what is remarkable about a field.
func (r *remarks) add(path *field.Path, format string, arguments ...any) {
	*r = append(*r, fmt.Sprintf("%s: %s", path, fmt.Sprintf(format, arguments...)))
}
