// Package faults says how the simulator misbehaves: a plan is plain data, a seed makes its decisions, and counters tell which of them took effect.
package faults

// Plan is what goes wrong. Its zero value is a cloud that works. Times count from the moment at which the plan was set, by the world's clock.
type Plan struct {
	// Seed makes all decisions of chance. The same plan makes the same ones for the same calls; each kind of call and each rule has draws of its
	// own, so that one call more of one kind does not change what happens to others.
	Seed uint64 `json:"seed"`
	// Token bends the memory of client tokens.
	Token *Token `json:"token,omitempty"`
	// Ambiguous calls are carried out, and their answers lost.
	Ambiguous []Ambiguity `json:"ambiguous,omitempty"`
	// Visibility delays when new instances can be read.
	Visibility *Visibility `json:"visibility,omitempty"`
	// Flap leaves live instances out of answers.
	Flap []Flap `json:"flap,omitempty"`
	// Empty answers say that there is nothing at all.
	Empty []Emptiness `json:"empty,omitempty"`
	// Partial fleets are not what was asked for.
	Partial []Partial `json:"partial,omitempty"`
	// ICE is pools without capacity.
	ICE []Shortage `json:"ice,omitempty"`
	// Throttle bounds the rate of calls.
	Throttle *Throttle `json:"throttle,omitempty"`
	// Down is AWS out of order.
	Down []Outage `json:"down,omitempty"`
	// ShutdownLag is how long instances are shutting-down, in place of the world's own delay.
	ShutdownLag *Range `json:"shutdownLag,omitempty"`
	// Events happen to instances though nobody called.
	Events []Event `json:"events,omitempty"`
	// ClockOffset is how far ahead AWS's clock is, in the Date of its answers and in the times that they tell.
	ClockOffset Duration `json:"clockOffset,omitempty"`
	// Boot is machines that do not join as they should.
	Boot []Boot `json:"boot,omitempty"`
}

// When bounds a rule to some of what it is asked about.
type When struct {
	// After and For are the time in which the rule holds; without For it does not end.
	After Duration `json:"after,omitempty"`
	For   Duration `json:"for,omitempty"`
	// Share is the part that chance picks, more than 0 and at most 1; without it, all.
	Share float64 `json:"share,omitempty"`
	// Nth picks by number in place of chance: of the calls of one action, or of the instances, the first one is 1.
	Nth []int `json:"nth,omitempty"`
	// Most bounds how often the rule takes effect.
	Most int `json:"most,omitempty"`
}

// Token bends the memory of client tokens. What the simulator does anyway, returning the first answer and refusing other parameters, is counted
// under the same knob.
type Token struct {
	// Lifetime is how long a token is remembered; AWS does not say how long CreateFleet's are.
	Lifetime Duration `json:"lifetime"`
}

// The ways in which calls fail.
const (
	Drop        = "drop"        // the connection closes without an answer
	Failure     = "error"       // HTTP 500, InternalError
	Unavailable = "unavailable" // HTTP 503, ServiceUnavailable
	Hang        = "hang"        // no answer for as long as the caller waits
	Slow        = "slow"        // the answer comes late
)

// Ambiguity loses the answers of calls that were carried out.
type Ambiguity struct {
	When
	// Actions as in Outage; without any, all that change something.
	Actions []string `json:"actions,omitempty"`
	Kind    string   `json:"kind"` // drop, error, hang
}

// Outage fails calls before they are carried out; with slow they are carried out late.
type Outage struct {
	When
	// Actions are services (ec2), actions (CreateFleet) or both (ec2:CreateFleet); without any, all.
	Actions []string `json:"actions,omitempty"`
	Kind    string   `json:"kind"` // drop, error, unavailable, hang, slow
	// Delay is by how much slow calls are late. It passes by the world's clock.
	Delay Duration `json:"delay,omitempty"`
}

// Visibility is how long after its launch an instance is unknown: to calls that name it, and to questions that filter. Both are drawn apart for
// each instance, as in AWS either may be first.
type Visibility struct {
	ByID     *Range `json:"byId,omitempty"`
	ByFilter *Range `json:"byFilter,omitempty"`
}

// The kinds of reads.
const (
	ByID     = "id"
	ByFilter = "filter"
)

// Flap leaves each live instance out of an answer with its chance, drawn anew for every call.
type Flap struct {
	When
	// Reads is id or filter; without it, both.
	Reads string `json:"reads,omitempty"`
}

// Emptiness is answers with nothing in them.
type Emptiness struct {
	When
	// Actions that EC2 describes something by; without any, DescribeInstances.
	Actions []string `json:"actions,omitempty"`
}

// The ways in which a fleet is not what was asked for.
const (
	Short     = "short"     // fewer instances, with an error of capacity for the rest
	Silent    = "silent"    // no instance and no error
	Extra     = "extra"     // one instance more
	Duplicate = "duplicate" // the answer names one instance twice
	OtherType = "otherType" // one instance is of a type that was not asked for
	Untold    = "untold"    // all instances, of which the answer names only some
)

// Partial is odd fleets. Their answers are kept with their tokens: the same call again gets the same odd answer.
type Partial struct {
	When
	Kind string `json:"kind"`
}

// Shortage bounds pools. An empty field matches everything; with a share, chance picks among the pools that match.
type Shortage struct {
	When
	InstanceType string `json:"instanceType,omitempty"`
	Zone         string `json:"zone,omitempty"`
	CapacityType string `json:"capacityType,omitempty"` // spot or on-demand
	Instances    int    `json:"instances,omitempty"`    // at once
}

// Bucket is a token bucket: a call takes a token, and is refused when there is none.
type Bucket struct {
	Size   float64 `json:"size"`
	Refill float64 `json:"refill"` // each second
}

// Throttle bounds the rate of EC2 calls by what AWS publishes. Every action has a bucket of its own.
type Throttle struct {
	// Buckets maps action -> bucket, in place of the published one.
	Buckets map[string]Bucket `json:"buckets,omitempty"`
	// Resources maps RunInstances or TerminateInstances -> the bucket that each of a call's instances takes a token from. Instances of fleets
	// take RunInstances' tokens.
	Resources map[string]Bucket `json:"resources,omitempty"`
	// Neighbour is the part of all tokens that somebody else in the account takes.
	Neighbour float64 `json:"neighbour,omitempty"`
}

// What happens to instances from outside.
const (
	Terminate = "terminate" // by somebody's request
	Fail      = "fail"      // by EC2: the hardware breaks, spot is reclaimed without a warning
	Stop      = "stop"
	Start     = "start"
	Reboot    = "reboot"
	Interrupt = "interrupt" // the warning that spot gets two minutes before it is reclaimed
)

// Event happens once, at After, to the instances that live then and to which it can happen: Share and Nth pick among them.
type Event struct {
	When
	Do string `json:"do"`
	// Tags that an instance has to have, all of them.
	Tags map[string]string `json:"tags,omitempty"`
}

// The ways in which a machine does not join as it should.
const (
	Late        = "late"        // its Node comes later, by Delay
	Never       = "never"       // its Node never comes
	Twice       = "twice"       // two Nodes come, the second under another name
	WrongLabels = "wrongLabels" // its Node comes without the labels that it was told
	Recycled    = "recycled"    // it gets the address, and so the name, of an instance that ended
	Flapping    = "flapping"    // its Node is ready and not ready in turn, each for Delay
)

// Boot is machines that do not join as they should. Share and Nth pick among the instances; the first rule that matches counts.
type Boot struct {
	When
	Kind  string   `json:"kind"`
	Delay Duration `json:"delay,omitempty"`
}
