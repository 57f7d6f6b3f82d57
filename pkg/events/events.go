// Package events publishes what a person watching an object should know, once.
package events

import (
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// repeatAfter is how long an event is not repeated: as long as an API server keeps events by default.
const repeatAfter = time.Hour

// maxNote is the longest message that the events API takes, in bytes.
const maxNote = 1024

// At most so many events are published at once, and so many a second after that: 600 in any minute. A cluster full of pods would fill
// the API server's store with them. Some are kept for warnings.
const (
	burst       = 60
	perSecond   = 9
	forWarnings = 20
)

// Reasons of events.
const (
	ReasonNominated            = "Nominated"
	ReasonFailedScheduling     = "FailedScheduling"
	ReasonMachineCreated       = "MachineCreated"
	ReasonLaunched             = "Launched"
	ReasonLaunchFailed         = "LaunchFailed"
	ReasonInsufficientCapacity = "InsufficientCapacityError"
	ReasonProviderNotReady     = "ProviderNotReady"
	ReasonRegistered           = "Registered"
	ReasonInitialized          = "Initialized"
	ReasonNeverJoined          = "NeverJoined"
	ReasonExpired              = "Expired"
	ReasonDrifted              = "Drifted"
	ReasonDisrupting           = "Disrupting"
	ReasonDisruptionHeld       = "DisruptionHeld"
	ReasonDisruptionTakenBack  = "DisruptionTakenBack"
	ReasonEvicted              = "Evicted"
	ReasonDeleted              = "Deleted"
	ReasonFailedDraining       = "FailedDraining"
	ReasonTerminated           = "Terminated"
	ReasonInstanceGone         = "InstanceGone"
	ReasonInstanceStopped      = "InstanceStopped"
	ReasonInstanceOrphaned     = "InstanceOrphaned"
	ReasonInstanceShared       = "InstanceShared"
	ReasonDeletionPaused       = "DeletionPaused"
	ReasonDeletionResumed      = "DeletionResumed"
	ReasonFailedTemplate       = "FailedTemplate"
	ReasonFailedConsistency    = "FailedConsistencyCheck"

	// Of machines that are decided on together.
	ReasonDeprovisioningLaunching = "DeprovisioningLaunching"
	ReasonDeprovisioningBlocked   = "DeprovisioningBlocked"
	ReasonUnconsolidatable        = "Unconsolidatable"

	// Of machines whose instance the cloud ends, or may.
	ReasonSpotInterrupted        = "SpotInterrupted"
	ReasonReservationInterrupted = "CapacityReservationInstanceInterrupted"
	ReasonRebalance              = "SpotRebalanceRecommendation"
	ReasonInstanceStopping       = "InstanceStopping"
	ReasonInstanceTerminating    = "InstanceTerminating"
	ReasonInstanceUnhealthy      = "InstanceUnhealthy"
)

// Event is one thing that happened to one object.
type Event struct {
	// Object that the event is about.
	Object client.Object
	// Warning makes the event one that somebody should look at.
	Warning bool
	// Reason in CamelCase.
	Reason string
	// Message for a person.
	Message string
}

// Recorder publishes events. The same event about the same object is published once an hour at most. One that comes when too many
// came before is not published; whoever says it again may be luckier.
type Recorder struct {
	sink  events.EventRecorder
	clock clock.PassiveClock
	pace  *rate.Limiter

	mu sync.Mutex
	// published maps event -> when it was last published.
	published map[key]time.Time
	swept     time.Time
}

type key struct {
	object          types.UID
	reason, message string
}

// NewRecorder returns a recorder that publishes into sink.
func NewRecorder(sink events.EventRecorder, clock clock.PassiveClock) *Recorder {
	return &Recorder{sink: sink, clock: clock, pace: rate.NewLimiter(perSecond, burst), published: map[key]time.Time{}}
}

// Publish publishes an event unless the same one was published within the hour.
func (r *Recorder) Publish(event Event) {
	if !r.admit(key{event.Object.GetUID(), event.Reason, event.Message}, event.Warning) {
		return
	}
	eventType := corev1.EventTypeNormal
	if event.Warning {
		eventType = corev1.EventTypeWarning
	}
	message := event.Message
	if len(message) > maxNote { // what the cut leaves of a character would be no UTF-8, which the API refuses
		message = strings.ToValidUTF8(message[:maxNote], "")
	}
	var related runtime.Object
	r.sink.Eventf(event.Object, related, eventType, event.Reason, event.Reason, "%s", message)
}

// admit reports whether an event is to be published now, and takes note of it.
func (r *Recorder) admit(k key, warning bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock.Now()
	if now.Sub(r.swept) > repeatAfter {
		for old, at := range r.published {
			if now.Sub(at) > repeatAfter {
				delete(r.published, old)
			}
		}
		r.swept = now
	}
	if at, ok := r.published[k]; ok && now.Sub(at) < repeatAfter {
		return false
	}
	if !warning && r.pace.TokensAt(now) < forWarnings+1 || !r.pace.AllowN(now, 1) {
		return false
	}
	r.published[k] = now
	return true
}
