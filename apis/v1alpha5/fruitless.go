package v1alpha5

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// freeFailures is how many machines in a row may come to nothing before the next one waits.
	freeFailures = 2
	// forgottenAfter is how long after its retry was due a row is over that nobody continued.
	forgottenAfter = 6 * time.Hour
)

// FruitlessLaunch tells how many machines in a row came to nothing for the same pods.
type FruitlessLaunch struct {
	// Workload stands for the pods, as a hash of what owns them; empty stands for all pods of the Provisioner.
	// +optional
	Workload string `json:"workload,omitempty"`
	// Basis is a hash of what the machines were made from. Once that changes, what it led to no longer counts.
	Basis string `json:"basis"`
	// Failures is how many machines in a row came to nothing.
	Failures int32 `json:"failures"`
	// Reason is what became of the last one.
	Reason string `json:"reason"`
	// Machine is the name of the last one.
	Machine string `json:"machine"`
	// MachineCreated is when the last one was made; one that is older does not count any more.
	MachineCreated metav1.Time `json:"machineCreated"`
	// FailureTime is when the last one turned out to be of no use.
	FailureTime metav1.Time `json:"failureTime"`
	// RetryTime is when the next one may be made.
	RetryTime metav1.Time `json:"retryTime"`
	// RecoveryTime is when a later machine turned out to be of use. Should that one fail soon, the row goes on.
	// +optional
	RecoveryTime *metav1.Time `json:"recoveryTime,omitempty"`
}

// Holds reports whether so many machines in a row came to nothing that the next ones wait.
func (f *FruitlessLaunch) Holds() bool { return f.RecoveryTime == nil && f.Failures >= freeFailures }

// ForgottenAt returns when the row is over if nobody continues it.
func (f *FruitlessLaunch) ForgottenAt() time.Time { return f.RetryTime.Add(forgottenAfter) }

// String says in words what the row is about.
func (f *FruitlessLaunch) String() string {
	became := "came to nothing"
	switch f.Reason {
	case ReasonNeverJoined:
		became = "did not join the cluster; check its image, its subnet's routes and its role"
	case ReasonNeverReady:
		became = "became a node that was never ready for pods; check its startup taints, its network and its devices"
	case ReasonNodeDeleted:
		became = "lost its node to somebody who deleted it"
	case ReasonPodsStayedAway:
		became = "became a node that its pods did not run on; check its taints and what it has for pods"
	}
	return fmt.Sprintf("%d machines in a row came to nothing, the last of which, %s, %s; the next one is made after %s",
		f.Failures, f.Machine, became, f.RetryTime.UTC().Format(time.RFC3339))
}

// Waits returns how long the next machine waits after a failure, which doubles with each further one, from first up to longest.
func (f *FruitlessLaunch) Waits(first, longest time.Duration) time.Duration {
	if f.Failures < freeFailures {
		return 0
	}
	out := first
	for n := int32(freeFailures); n < f.Failures && out < longest; n++ {
		out *= 2
	}
	return min(out, longest)
}
