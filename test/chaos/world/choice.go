package world

import "time"

// Choice is a reason for which machines go that could stay.
type Choice string

// The choices, each of which is made at every crash point.
const (
	// ChoiceDrift: the provisioner asks for something else, and machines are replaced one after the other.
	ChoiceDrift Choice = "drift"
	// ChoiceExpire: machines are too old, and replaced.
	ChoiceExpire Choice = "expire"
	// ChoiceConsolidate: a machine is not needed, and goes to save money.
	ChoiceConsolidate Choice = "consolidate"
	// ChoiceEmpty: a machine has been empty for long enough.
	ChoiceEmpty Choice = "empty"
)

// Choices returns all of them.
func Choices() []Choice { return []Choice{ChoiceDrift, ChoiceExpire, ChoiceConsolidate, ChoiceEmpty} }

// ChosenAt is when the choice is made that a plan of Choose is about.
const ChosenAt = time.Minute

// Choose is the plan of runs that end at each call after a choice: two machines with pods, and then what makes them go.
func Choose(choice Choice) Plan {
	const machines = 2
	plan := Plan{
		Seed: 1, Pods: machines, Shapes: 1, Workers: 4, Calm: ChosenAt + 45*time.Second, Restart: time.Second, Shuffle: true,
		Steps: []Step{{At: 2 * time.Second, Action: StepScale, Number: machines}},
	}
	then := func(actions ...Step) {
		for _, step := range actions {
			step.At = ChosenAt
			plan.Steps = append(plan.Steps, step)
		}
	}
	switch choice {
	case ChoiceDrift:
		then(Step{Action: StepProvisioner, Number: 1})
	case ChoiceExpire:
		then(Step{Action: StepExpire})
	case ChoiceConsolidate:
		then(Step{Action: StepConsolidate}, Step{Action: StepShrink, Number: 1})
	case ChoiceEmpty:
		then(Step{Action: StepShrink, Number: 1})
	}
	return plan
}
