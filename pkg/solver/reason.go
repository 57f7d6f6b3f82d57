package solver

import (
	"strconv"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
)

// maxReason is the length of the longest reason, in bytes.
const maxReason = 300

// stage says how near to a machine a pod has come; the higher the nearer.
type stage int

const (
	missNothing     stage = iota
	missNone              // there is no provisioner
	missTaint             // a taint is not tolerated
	missRequirement       // the provisioner's labels do not meet a requirement
	missType              // no instance type meets a requirement
	missSize              // no instance type is large enough
	missOffering          // what is large enough is not on offer
	missMinValues         // what is on offer is too much alike
	missLimit             // the provisioner's limits are reached
	missTopology          // other pods leave it no place
	missTime              // the time for planning is over
	missRefused           // the pod asks for what kerf does not plan for
)

// miss is a reason with how near it is.
type miss struct {
	stage stage
	text  string
}

// nearer returns the nearer of two misses; the first wins a tie, so heavier provisioners speak first.
func (m miss) nearer(o miss) miss {
	if o.stage > m.stage {
		return o
	}
	return m
}

// reason returns the text in at most maxReason bytes.
func (m miss) reason() string {
	if len(m.text) <= maxReason {
		return m.text
	}
	const end = "..."
	cut := maxReason - len(end)
	for cut > 0 && !utf8.RuneStart(m.text[cut]) {
		cut--
	}
	return m.text[:cut] + end
}

// amount writes thousandths of a resource as a person would: cores, Mi or Gi, plain numbers.
func amount(name corev1.ResourceName, n int64) string {
	switch {
	case n >= absurd:
		return "an absurd amount of"
	case name == corev1.ResourceCPU:
		return decimal(float64(n) / 1000)
	case isBytes(name) && n >= 1000<<30:
		return decimal(float64(n)/(1000<<30)) + "Gi"
	case isBytes(name):
		return decimal(float64(n)/(1000<<20)) + "Mi"
	default:
		return decimal(float64(n) / 1000)
	}
}

func decimal(f float64) string {
	s := strconv.FormatFloat(f, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
