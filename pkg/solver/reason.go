package solver

import (
	"strconv"
	"strings"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
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
	missAbsent            // no instance type has a resource at all
	missToleration        // but for a taint, a machine could host it
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
	// tell makes the text for a group where that takes a search, once it is known that somebody will read it.
	tell func(*group) string
	// key is the label that is asked for in vain; "" if it is none.
	key string
}

// nearer returns the nearer of two misses; the first wins a tie, so heavier provisioners speak first.
func (m miss) nearer(o miss) miss {
	if o.stage > m.stage {
		return o
	}
	return m
}

// brief returns the miss as far as it is known without another search.
func (m miss) brief() miss {
	switch {
	case m.stage == missNothing:
		return miss{stage: missTime, text: outOfTime}
	case m.tell != nil:
		return miss{stage: m.stage, text: "no machine on offer can host it; planning again, or with more time, says what to change"}
	}
	return m
}

// reason returns the text for a group that has pods left in at most maxReason bytes.
func (m miss) reason(g *group) string {
	if m.tell != nil {
		return shorten(m.tell(g))
	}
	return shorten(m.text)
}

// asks writes how much of a resource a unit of the group asks for: more than is counted, in the words of its pods.
func (g *group) asks(name corev1.ResourceName, n int64) string {
	if n < absurd {
		return amount(name, n)
	}
	var sum resource.Quantity
	start := len(g.pods) - g.left*g.size
	for _, pod := range g.pods[start : start+g.size] {
		sum.Add(pods.Requests(pod)[name])
	}
	return sum.String()
}

// shorten leaves out the middle of a text that is too long: it starts with what is asked for and ends with what to do about it.
func shorten(text string) string {
	if len(text) <= maxReason {
		return text
	}
	const gap = "..."
	end := max(strings.LastIndex(text, "; "), len(text)-maxReason/2)
	head := maxReason - len(gap) - (len(text) - end)
	for head > 0 && !utf8.RuneStart(text[head]) {
		head--
	}
	for end < len(text) && !utf8.RuneStart(text[end]) {
		end++
	}
	return text[:head] + gap + text[end:]
}

// amount writes thousandths of a resource as a person would: cores, Mi or Gi, plain numbers.
func amount(name corev1.ResourceName, n int64) string {
	switch {
	case n >= absurd:
		return "more than " + amount(name, absurd-1)
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
