// Package drain decides which pods leave a node next, which of them keep it, and when a drain has waited for long enough.
package drain

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

const (
	// stuckAfter is how long past its grace period a terminating pod is waited for: a kubelet that is gone never confirms its end.
	stuckAfter = time.Minute
	// refusedFor is how long budgets may refuse before somebody is told: those of a rollout open up by themselves.
	refusedFor = 30 * time.Second
	// endMargin is how long before the end of a drain its last pods should have ended, so that their kubelet can say so.
	endMargin = 5 * time.Second
	// leastGrace is the shortest grace period that pods are deleted with: with none, nobody would wait for their containers.
	leastGrace = time.Second
)

// Input is all that a step depends on.
type Input struct {
	// Pods are those on the node.
	Pods []*corev1.Pod
	// Budgets are those of the pods' namespaces at least.
	Budgets []policyv1.PodDisruptionBudget
	// Policy is for pods that say nothing for themselves.
	Policy Policy
	// Now is the time of the decision, Started when the drain began.
	Now, Started time.Time
	// Deadline is when the instance is terminated whatever runs on it; zero is never.
	Deadline time.Time
}

// Step is what a drain does next.
type Step struct {
	// Evict are pods to evict now, all of one class.
	Evict []*corev1.Pod
	// Delete are pods of any class whose time is up: budgets and annotations no longer count.
	Delete []Deletion
	// Waiting are pods that have been told to go and have not gone yet.
	Waiting []*corev1.Pod
	// Held are pods that must not be asked to go.
	Held []Blocker
	// Blocked is what somebody has to know: pods that are held, and those that budgets have refused to let go for long.
	Blocked []Blocker
	// Over says that the time of the drain is up: nothing is waited for any more.
	Over bool
	// Again is when the next step may be another one with nothing but time gone by; zero is never.
	Again time.Time
}

// Deletion is a pod to delete, and how long it gets to end.
type Deletion struct {
	Pod   *corev1.Pod
	Grace time.Duration
}

// Blocker is a pod that stays where it is, and why.
type Blocker struct {
	Pod *corev1.Pod
	// Reason in CamelCase, and the same for a person.
	Reason, Message string
	// Until is when the pod holds its node no longer; zero when only somebody's change ends it.
	Until time.Time
}

// Done reports whether nothing is left to wait for.
func (s *Step) Done() bool {
	return s.Over || len(s.Evict)+len(s.Delete)+len(s.Waiting)+len(s.Held) == 0
}

// Next returns the next step of draining a node. Pods of DaemonSets go when the workload is gone, and critical pods when all
// others are, so that what they serve (logs, DNS, storage, network) serves the others to their end.
func Next(in Input) Step {
	if !in.Deadline.IsZero() && !in.Now.Before(in.Deadline) {
		return Step{Over: true}
	}
	var step Step
	var classes [4]part
	budgets := NewBudgets(in.Budgets)
	for _, pod := range inOrder(in.Pods) {
		verdict := judge(question{pod: pod, budgets: budgets, policy: in.Policy, purpose: deletion, now: in.Now})
		if verdict.answer == stays {
			continue
		}
		if step.force(&in, pod) {
			continue
		}
		class := &classes[classOf(pod)]
		blocker := Blocker{Pod: pod, Reason: verdict.reason, Message: verdict.message, Until: verdict.until}
		switch verdict.answer {
		case goes:
			class.waiting = append(class.waiting, pod)
			step.again(pod.DeletionTimestamp.Add(stuckAfter))
		case held:
			class.held = true
			step.Held = append(step.Held, blocker)
			step.Blocked = append(step.Blocked, blocker)
			step.again(verdict.until)
		case refused:
			step.refused(&in, blocker)
			class.evict = append(class.evict, pod)
		default:
			class.evict = append(class.evict, pod)
		}
	}
	// What is deleted in a class holds back those after it as much as what is evicted: both are seen waiting next time.
	for i := range classes {
		if class := &classes[i]; len(class.evict)+len(class.waiting) > 0 || class.held {
			step.Evict, step.Waiting = class.evict, class.waiting
			break
		}
	}
	return step
}

// part is what there is to do in one class of pods.
type part struct {
	evict, waiting []*corev1.Pod
	held           bool
}

// classOf returns the place of a pod's class in the order of a drain.
func classOf(pod *corev1.Pod) int {
	class := 0
	if pods.IsOwnedByDaemonSet(pod) {
		class++
	}
	if pods.IsCritical(pod) {
		class += 2
	}
	return class
}

// force deletes a pod that would not have its own grace period any more if it were waited for longer. One that ends too late,
// since it was told to go with more time than there is, is told so once more. It reports whether it does.
func (s *Step) force(in *Input, pod *corev1.Pod) bool {
	if in.Deadline.IsZero() {
		return false
	}
	left := in.Deadline.Sub(in.Now) - endMargin
	if pods.IsTerminating(pod) {
		if !pod.DeletionTimestamp.After(in.Deadline) {
			return false
		}
		s.Delete = append(s.Delete, Deletion{Pod: pod, Grace: max(left, leastGrace)})
		return true
	}
	grace := max(gracePeriod(pod), leastGrace)
	if left > grace {
		s.again(in.Now.Add(left - grace))
		return false
	}
	s.Delete = append(s.Delete, Deletion{Pod: pod, Grace: max(min(left, grace), leastGrace)})
	return true
}

// refused notes a pod that no budget lets go now; it is asked all the same, since budgets change.
func (s *Step) refused(in *Input, blocker Blocker) {
	if told := in.Started.Add(refusedFor); in.Now.Before(told) {
		s.again(told)
		return
	}
	s.Blocked = append(s.Blocked, blocker)
}

// again notes that time alone may change the step.
func (s *Step) again(at time.Time) {
	if !at.IsZero() && (s.Again.IsZero() || at.Before(s.Again)) {
		s.Again = at
	}
}

// Holding returns the pods that keep their node from voluntary disruption, in order of name, and why. Pods that leave with the
// node, such as those of DaemonSets, keep it only if they ask for it.
func Holding(onNode []*corev1.Pod, budgets Budgets, policy Policy, now time.Time) []Blocker {
	var out []Blocker
	for _, pod := range inOrder(onNode) {
		verdict := judge(question{pod: pod, budgets: budgets, policy: policy, purpose: voluntary, now: now})
		if verdict.answer == held || verdict.answer == refused {
			out = append(out, Blocker{Pod: pod, Reason: verdict.reason, Message: verdict.message, Until: verdict.until})
		}
	}
	return out
}

// gracePeriod returns how long a pod gets to end.
func gracePeriod(pod *corev1.Pod) time.Duration {
	if pod.Spec.TerminationGracePeriodSeconds == nil {
		return corev1.DefaultTerminationGracePeriodSeconds * time.Second
	}
	return time.Duration(*pod.Spec.TerminationGracePeriodSeconds) * time.Second
}

// inOrder returns pods by namespace and name: a cache lists them in any order.
func inOrder(list []*corev1.Pod) []*corev1.Pod {
	return slices.SortedFunc(slices.Values(list), func(a, b *corev1.Pod) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UID, b.UID))
	})
}
