package drain

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// safeToEvictLocalVolumes is Cluster Autoscaler's annotation that names volumes, joined by commas, whose content may be lost.
const safeToEvictLocalVolumes = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"

// Reasons of blockers.
const (
	ReasonAnnotation    = "NotSafeToEvictAnnotation"
	ReasonOnCompletion  = "BlockedByOnCompletionPod"
	ReasonNotReplicated = "NotReplicated"
	ReasonSystemPod     = "UnmovableKubeSystemPod"
	ReasonLocalStorage  = "LocalStorageRequested"
	ReasonBudget        = "NotEnoughPdb"
	ReasonManyBudgets   = "TooManyPdbs"
)

// Hold says what a kind of pods is kept from.
type Hold string

// Holds.
const (
	// HoldNever lets the pods be evicted.
	HoldNever Hold = "Never"
	// HoldVoluntary keeps their nodes from voluntary disruption; once a machine is being deleted, they are evicted.
	HoldVoluntary Hold = "Voluntary"
	// HoldAlways also keeps a machine that is being deleted, until its terminationGracePeriod is over.
	HoldAlways Hold = "Always"
)

// Policy is what becomes of pods that say nothing for themselves.
type Policy struct {
	// BarePods are pods without a controller: nobody would make them anew.
	BarePods Hold
	// SystemPods are pods of kube-system that no PodDisruptionBudget is about, and younger than SystemPodsFor.
	SystemPods Hold
	// SystemPodsFor is how long they are held.
	SystemPodsFor time.Duration
	// LocalStorage are pods with volumes that end with their node: hostPath, and emptyDir that is not in memory.
	LocalStorage Hold
}

// purpose is what pods are to leave their node for.
type purpose int

const (
	// voluntary disruption can choose another node.
	voluntary purpose = iota
	// deletion has no way back: the machine goes.
	deletion
)

func (h Hold) applies(p purpose) bool { return h == HoldAlways || h == HoldVoluntary && p == voluntary }

// answer is what is to be done about a pod.
type answer int

const (
	undecided answer = iota
	// stays where it is until the node goes.
	stays
	// goes: it was told to, and is waited for.
	goes
	// moves when it is asked to.
	moves
	// held pods must not be asked.
	held
	// refused pods may be asked, and a budget says no.
	refused
)

// question is whether a pod may leave its node.
type question struct {
	pod     *corev1.Pod
	budgets Budgets
	policy  Policy
	purpose purpose
	now     time.Time
}

// verdict is the answer, and why. The message goes on where "pod x: " ends.
type verdict struct {
	answer          answer
	reason, message string
	until           time.Time
}

// judge asks the rules in order; the first that has an answer decides. The order is Cluster Autoscaler's but for one thing: a
// pod that says no is asked first, so that nothing else that is true of it makes it go. There it is asked after the age of a pod
// of kube-system. Its rule about pods whose controller is gone is left out: Kubernetes' garbage collection deletes these.
func judge(q question) verdict {
	for _, rule := range []func(*question) verdict{
		mirror, finished, terminating, saysNo, tolerates, daemon, saysYes, onCompletion, bare, system, localStorage, budget,
	} {
		if v := rule(&q); v.answer != undecided {
			return v
		}
	}
	return verdict{answer: moves}
}

// when returns a verdict if it is so.
func when(so bool, a answer) verdict {
	if so {
		return verdict{answer: a}
	}
	return verdict{}
}

func mirror(q *question) verdict { return when(pods.IsMirror(q.pod), stays) }

func finished(q *question) verdict { return when(pods.IsTerminal(q.pod), stays) }

func terminating(q *question) verdict {
	if !pods.IsTerminating(q.pod) {
		return verdict{}
	}
	if q.now.Before(q.pod.DeletionTimestamp.Add(stuckAfter)) {
		return verdict{answer: goes}
	}
	return verdict{answer: stays}
}

// saysNo is about pods whose owner asked to leave them alone: for good, or for a time from their start.
func saysNo(q *question) verdict {
	for _, key := range []string{pods.SafeToEvictAnnotation, v1alpha5.DoNotEvictAnnotation, v1alpha5.DoNotDisruptAnnotation} {
		value := q.pod.Annotations[key]
		no := "true"
		if key == pods.SafeToEvictAnnotation {
			no = "false"
		}
		if value == no {
			return verdict{answer: held, reason: ReasonAnnotation, message: fmt.Sprintf("its annotation %s is %q", key, value)}
		}
		if key == pods.SafeToEvictAnnotation {
			continue
		}
		if lasting, err := time.ParseDuration(value); err == nil {
			if until := started(q.pod).Add(lasting); q.now.Before(until) {
				return verdict{answer: held, reason: ReasonAnnotation, until: until, message: fmt.Sprintf(
					"its annotation %s is %q, which is over at %s", key, value, until.UTC().Format(time.RFC3339))}
			}
		}
	}
	return verdict{}
}

// tolerates is about pods that asked to stay: evicted, they would only come back.
func tolerates(q *question) verdict { return when(pods.ToleratesDisruption(q.pod), stays) }

// daemon is about pods that every node has. They are told to go where they may be; where they may not they end with the node,
// which is nobody's loss: of most budgets over DaemonSets their controller can make no sense, and these refuse for ever.
func daemon(q *question) verdict {
	switch {
	case !pods.IsOwnedByDaemonSet(q.pod):
		return verdict{}
	case budget(q).answer != undecided:
		return verdict{answer: stays}
	}
	return verdict{answer: moves}
}

// saysYes is about pods that need no protection by the policy. Budgets are others' and count all the same.
func saysYes(q *question) verdict {
	if q.pod.Annotations[pods.SafeToEvictAnnotation] != "true" {
		return verdict{}
	}
	if v := budget(q); v.answer != undecided {
		return v
	}
	return verdict{answer: moves}
}

func onCompletion(q *question) verdict {
	if q.pod.Annotations[pods.SafeToEvictAnnotation] != "on-completion" {
		return verdict{}
	}
	return verdict{answer: held, reason: ReasonOnCompletion, message: fmt.Sprintf("it runs to its end first, as its annotation %s says", pods.SafeToEvictAnnotation)}
}

func bare(q *question) verdict {
	if !q.policy.BarePods.applies(q.purpose) || metav1.GetControllerOfNoCopy(q.pod) != nil {
		return verdict{}
	}
	return verdict{answer: held, reason: ReasonNotReplicated, message: "it has no controller that would make it anew"}
}

// system is about pods of kube-system that nobody has said anything about. Those that have grown old are let go, whatever
// volumes they have.
func system(q *question) verdict {
	if q.pod.Namespace != metav1.NamespaceSystem || !q.policy.SystemPods.applies(q.purpose) || len(q.budgets.covering(q.pod)) > 0 {
		return verdict{}
	}
	until := q.pod.CreationTimestamp.Add(q.policy.SystemPodsFor)
	if !q.now.Before(until) {
		return verdict{answer: moves}
	}
	return verdict{answer: held, reason: ReasonSystemPod, until: until, message: fmt.Sprintf(
		"it is in kube-system, has no PodDisruptionBudget and is younger than %s", q.policy.SystemPodsFor)}
}

func localStorage(q *question) verdict {
	if !q.policy.LocalStorage.applies(q.purpose) {
		return verdict{}
	}
	exempt := strings.Split(q.pod.Annotations[safeToEvictLocalVolumes], ",")
	for i := range exempt {
		exempt[i] = strings.TrimSpace(exempt[i])
	}
	for i := range q.pod.Spec.Volumes {
		volume := &q.pod.Spec.Volumes[i]
		local := volume.HostPath != nil || volume.EmptyDir != nil && volume.EmptyDir.Medium != corev1.StorageMediumMemory
		if local && !slices.Contains(exempt, volume.Name) {
			return verdict{answer: held, reason: ReasonLocalStorage, message: fmt.Sprintf("what it keeps in volume %s ends with the node", volume.Name)}
		}
	}
	return verdict{}
}

// started is when a pod began to run, or was made where nobody says.
func started(pod *corev1.Pod) time.Time {
	if pod.Status.StartTime != nil {
		return pod.Status.StartTime.Time
	}
	return pod.CreationTimestamp.Time
}
