// Package conditions is the set of conditions of an object, summed up by a root condition.
package conditions

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxMessage is how much of a message is kept, in bytes: enough for a person, too little to fill etcd with a cloud's answers.
const maxMessage = 512

// Set is the conditions of one object. Reading never writes; nothing is kept but what the object itself holds.
type Set struct {
	list       *[]metav1.Condition
	generation int64
	root       string
	dependents []string
}

// For returns the set over an object's conditions. The root condition is true when all the dependents are.
func For(list *[]metav1.Condition, generation int64, root string, dependents ...string) Set {
	return Set{list: list, generation: generation, root: root, dependents: dependents}
}

// Get returns a condition, or nil when it was never set.
func (s Set) Get(conditionType string) *metav1.Condition {
	return meta.FindStatusCondition(*s.list, conditionType)
}

// IsTrue reports whether a condition is set and true.
func (s Set) IsTrue(conditionType string) bool {
	return meta.IsStatusConditionTrue(*s.list, conditionType)
}

// True sets a condition to true; it reports whether the status changed.
func (s Set) True(conditionType, reason, message string) bool {
	return s.set(conditionType, metav1.ConditionTrue, reason, message)
}

// False sets a condition to false; it reports whether the status changed.
func (s Set) False(conditionType, reason, message string) bool {
	return s.set(conditionType, metav1.ConditionFalse, reason, message)
}

// Unknown sets a condition to unknown; it reports whether the status changed.
func (s Set) Unknown(conditionType, reason, message string) bool {
	return s.set(conditionType, metav1.ConditionUnknown, reason, message)
}

// Clear removes a condition.
func (s Set) Clear(conditionType string) {
	meta.RemoveStatusCondition(s.list, conditionType)
	s.sum()
}

func (s Set) set(conditionType string, status metav1.ConditionStatus, reason, message string) bool {
	before := s.Get(conditionType)
	changed := before == nil || before.Status != status
	meta.SetStatusCondition(s.list, metav1.Condition{
		Type: conditionType, Status: status, Reason: reason, Message: truncate(message), ObservedGeneration: s.generation,
	})
	s.sum()
	return changed
}

// sum derives the root: false if a dependent is, else unknown if one is or is missing, else true.
func (s Set) sum() {
	status, reason := metav1.ConditionTrue, s.root
	var waiting []string
	for _, dependent := range s.dependents {
		condition := s.Get(dependent)
		switch {
		case condition == nil || condition.Status == metav1.ConditionUnknown:
			if status == metav1.ConditionTrue {
				status = metav1.ConditionUnknown
			}
		case condition.Status == metav1.ConditionFalse:
			status = metav1.ConditionFalse
		default:
			continue
		}
		waiting = append(waiting, describe(dependent, condition))
	}
	if len(waiting) > 0 {
		reason = "Not" + s.root
	}
	meta.SetStatusCondition(s.list, metav1.Condition{
		Type: s.root, Status: status, Reason: reason, Message: truncate(strings.Join(waiting, "; ")), ObservedGeneration: s.generation,
	})
}

func describe(name string, condition *metav1.Condition) string {
	if condition == nil {
		return name + " not yet known"
	}
	if condition.Message == "" {
		return fmt.Sprintf("%s: %s", name, condition.Reason)
	}
	return fmt.Sprintf("%s: %s", name, condition.Message)
}

// truncate cuts a message at a whole character.
func truncate(message string) string {
	if len(message) <= maxMessage {
		return message
	}
	cut := maxMessage - len("...")
	for cut > 0 && !utf8.RuneStart(message[cut]) {
		cut--
	}
	return message[:cut] + "..."
}
