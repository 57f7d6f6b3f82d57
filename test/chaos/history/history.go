// Package history records what happened in a world: each call of EC2, each write of the API server, and what was done to both.
// Judgements are made afterwards, from the record alone.
package history

import (
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Event is one thing that happened. Exactly one of its parts is set.
type Event struct {
	At time.Time
	// Process counts kerf's processes, from 1: a restart makes a new one.
	Process int
	Call    *Call
	Write   *Write
	Read    *Read
	Told    *Told
	Mark    *Mark
}

// Call is a call of AWS, or something that happened at AWS without one.
type Call struct {
	// By is who called: kerf, or somebody else.
	By     string
	Action string
	// Token and Size are what CreateFleet was called with, Group and Attempt the tags that it puts on instances.
	Token   string
	Size    int
	Group   string
	Attempt string
	// IDs are the instances that the call named.
	IDs []string
	// Made are the instances that began by it, Ended those that stopped to be pending or running, and Gone those seen to be terminated
	// since the last call.
	Made        []Instance
	Ended, Gone []string
	// Code is how AWS refused it; "" when it did not.
	Code string
	// Lost says that the caller never got the answer.
	Lost bool
	// Body is the request as it was sent, for those who read.
	Body string
}

// Instance is an instance at its birth.
type Instance struct {
	ID string
	// ClusterUID, Group and Attempt are its tags.
	ClusterUID, Group, Attempt string
	Type, Zone                 string
	// Surplus says that AWS made it without having been asked to.
	Surplus bool
}

// Write is a change that the API server committed. The objects are shared and must not be changed.
type Write struct {
	By, Verb, Kind string
	// Before and After are the object; nil when it was not there, or is not any more.
	Before, After client.Object
}

// Object returns the object that was written, as it was last.
func (w *Write) Object() client.Object {
	if w.After != nil {
		return w.After
	}
	return w.Before
}

// Read is a look of kerf's past its caches at a Node, or at the pods on it. Only worlds in which that matters keep them.
type Read struct {
	// Kind is Node, or Pod for those on it.
	Kind string
	Node string
}

// Told is an event that kerf published.
type Told struct {
	UID             string
	Reason, Message string
}

// Mark is something that was done to the world, or a time that judgements count from.
type Mark struct{ Name, Detail string }

// Names of marks.
const (
	MarkStart = "start"
	MarkCrash = "crash"
	MarkFault = "fault"
	// MarkCalm is when nothing goes wrong any more.
	MarkCalm = "calm"
	// MarkEnd is when the world was looked at last.
	MarkEnd = "end"
)

// ByKerf is the name of kerf in calls and writes.
const ByKerf = "kerf"

// Terms are what a world grants kerf: what it cannot know for a time is not held against it.
type Terms struct {
	ClusterUID string
	// Staleness is how far behind kerf's caches may have been at most.
	Staleness time.Duration
	// PodsPerMachine is how many of the world's pods a machine takes.
	PodsPerMachine int
	// Registration is how long an instance may take to join.
	Registration time.Duration
	// Skew is how far any two clocks are apart at most, kerf's processes' and the API server's.
	Skew time.Duration
	// Lateness is by how much what is done may come after it was decided, on a machine that has much to do.
	Lateness time.Duration
	// Pause is how long the world may have been without a process of kerf, at most.
	Pause time.Duration
}

// History is all that happened in one world.
type History struct {
	Terms  Terms
	Events []Event
}

// Calm returns when nothing went wrong any more; the zero time if that never came.
func (h *History) Calm() time.Time { return h.when(MarkCalm) }

// End returns when the world was looked at last.
func (h *History) End() time.Time { return h.when(MarkEnd) }

func (h *History) when(name string) time.Time {
	for i := range h.Events {
		if mark := h.Events[i].Mark; mark != nil && mark.Name == name {
			return h.Events[i].At
		}
	}
	return time.Time{}
}
