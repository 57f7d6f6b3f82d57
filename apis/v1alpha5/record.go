package v1alpha5

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// DisruptionRecord is a decision that machines go together. All of it is recorded on one of them, the lead; the others name the lead. Whoever
// finds it after a crash carries it out, or takes it back.
//
// +kubebuilder:validation:XValidation:rule=`has(self.lead) != has(self.machines)`,message="a decision has machines, or names the machine that it is recorded on"
type DisruptionRecord struct {
	// Lead is the name of the machine that the decision is recorded on, where that is another one.
	// +optional
	Lead string `json:"lead,omitempty"`
	// Machines that go together, this one among them.
	// +listType=map
	// +listMapKey=name
	// +optional
	Machines []RecordedMachine `json:"machines,omitempty"`
	// Replacements are the names of the machines that take their place. They have to be initialized before anything goes.
	// +listType=set
	// +optional
	Replacements []string `json:"replacements,omitempty"`
	// Pods is how many pods would move when it was decided.
	// +optional
	Pods int32 `json:"pods,omitempty"`
	// Time of the decision.
	Time metav1.Time `json:"time"`
	// TakenBack says why the decision is taken back, once it is.
	// +optional
	TakenBack string `json:"takenBack,omitempty"`
	// Committed is true once the machines have begun to go: there is no way back from here.
	// +optional
	Committed bool `json:"committed,omitempty"`
}

// RecordedMachine is a machine that goes.
type RecordedMachine struct {
	// Name of the machine.
	Name string `json:"name"`
	// UID of the machine: another one of the same name is not meant.
	UID types.UID `json:"uid"`
}

// Leads reports whether a decision about several machines, or one that has others made, is recorded here.
func (d *DisruptionRecord) Leads() bool { return d != nil && d.Lead == "" }

// Replaces reports whether the machine of this name is made to take the place of others.
func (d *DisruptionRecord) Replaces(machine string) bool {
	return d != nil && slices.Contains(d.Replacements, machine)
}

// Takes reports whether the machine is one of those that go.
func (d *DisruptionRecord) Takes(machine *Machine) bool {
	return d != nil && slices.Contains(d.Machines, RecordedMachine{Name: machine.Name, UID: machine.UID})
}
