package solver

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/scheduling"
)

// pins are labels that a node must have, one value each, and others that it must not have.
type pins struct {
	labels map[string]string
	absent []string
	all    scheduling.Requirements
	// key identifies the pins.
	key string
}

func newPins(labels map[string]string, absent ...string) *pins {
	p := &pins{labels: labels, absent: absent, all: scheduling.FromLabels(labels)}
	for _, key := range absent {
		p.all.Add(scheduling.NewRequirement(key, corev1.NodeSelectorOpDoesNotExist))
	}
	p.key = p.all.String()
	return p
}

// requirements returns the pins as requirements.
func (p *pins) requirements() scheduling.Requirements {
	if p == nil {
		return nil
	}
	return p.all
}

// with returns the pins and labels that a machine has already; where these contradict the pins, it is not a machine for them.
func (p *pins) with(labels map[string]string) *pins {
	if len(labels) == 0 {
		return p
	}
	if p == nil {
		return newPins(labels)
	}
	all := maps.Clone(labels)
	maps.Copy(all, p.labels)
	return newPins(all, p.absent...)
}

// settle reports whether the pins give a value to a label of which the shelf only says that it exists.
func (p *pins) settle(s *shelf) bool {
	return p != nil && slices.ContainsFunc(slices.Collect(maps.Keys(p.labels)), s.leavesOpen)
}

// leavesOpen reports whether the label is the provisioner's own, of which it does not list the values.
func (s *shelf) leavesOpen(key string) bool {
	own, defined := s.template[key]
	return defined && !own.Finite() && !isOfferingKey(key)
}

// text identifies the pins, "" for none.
func (p *pins) text() string {
	if p == nil {
		return ""
	}
	return p.key
}
