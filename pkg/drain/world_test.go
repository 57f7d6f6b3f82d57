package drain_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// world is an API server with one node that is drained and others that are not: its eviction API, the controllers that make pods
// anew and those that count for budgets, and kubelets. Its judgement of what may be evicted is its own.
type world struct {
	random *rand.Rand
	now    time.Time
	// started is when the drain began; deadline is zero where it has none.
	started, deadline time.Time
	pods              []*corev1.Pod
	// ends maps UID -> when the kubelet confirms the end of a pod that was told to go; those that are not there never end.
	ends map[types.UID]time.Time
	// stuck are pods whose end nobody ever confirms.
	stuck map[types.UID]bool
	// readyAt maps UID -> when a pod that was made anew is ready.
	readyAt map[types.UID]time.Time
	budgets []policyv1.PodDisruptionBudget
	history [][]*corev1.Pod
	made    int
	faults  []string
	counts  counts
}

// counts is what a world has seen.
type counts struct{ evicted, refused, failed, deleted, spared, stuck, overlapping, holding int }

func (c *counts) add(o counts) {
	c.evicted, c.refused, c.failed, c.deleted = c.evicted+o.evicted, c.refused+o.refused, c.failed+o.failed, c.deleted+o.deleted
	c.spared, c.stuck, c.overlapping, c.holding = c.spared+o.spared, c.stuck+o.stuck, c.overlapping+o.overlapping, c.holding+o.holding
}

func newWorld(random *rand.Rand) *world {
	w := &world{
		random: random, now: now(), started: now(), ends: map[types.UID]time.Time{}, stuck: map[types.UID]bool{}, readyAt: map[types.UID]time.Time{},
	}
	if random.IntN(3) == 0 {
		w.deadline = w.now.Add(time.Duration(30+random.IntN(600)) * time.Second)
	}
	for i := range 1 + random.IntN(6) {
		w.app(fmt.Sprintf("app-%d", i))
	}
	w.count()
	w.remember()
	return w
}

// app adds pods of one controller, on the node and elsewhere, and its budgets.
func (w *world) app(name string) {
	kinds := []string{"ReplicaSet", "ReplicaSet", "StatefulSet", "DaemonSet"}
	kind := kinds[w.random.IntN(len(kinds))]
	modifiers := []builders.PodModifier{app(name), ready, builders.OwnedBy("apps/v1", kind, name), grace(time.Duration(w.random.IntN(90)) * time.Second)}
	if w.random.IntN(5) == 0 {
		modifiers = append(modifiers, class("system-cluster-critical"))
	}
	switch w.random.IntN(12) {
	case 0:
		modifiers = append(modifiers, builders.Annotation(safeToEvict, "false"))
	case 1:
		modifiers = append(modifiers, builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true"))
	case 2:
		modifiers = append(modifiers, builders.Annotation(v1alpha5.DoNotDisruptAnnotation, "3m"), startedAt(w.now))
	case 3:
		modifiers = append(modifiers, builders.Annotation(safeToEvict, "on-completion"))
	}
	here, elsewhere := 1+w.random.IntN(3), w.random.IntN(3)
	for i := range here + elsewhere {
		pod := w.create(fmt.Sprintf("%s-%d", name, i), modifiers...)
		if i >= here {
			pod.Spec.NodeName = "elsewhere"
		} else if kind == "ReplicaSet" && w.random.IntN(6) == 0 {
			w.stuck[pod.UID] = true
			w.counts.stuck++
		}
	}
	if kind != "DaemonSet" {
		w.budgetsOf(name, int32(here+elsewhere))
	}
}

// create makes a pod of a name on the node.
func (w *world) create(name string, modifiers ...builders.PodModifier) *corev1.Pod {
	w.made++
	pod := on(name, append(modifiers, func(p *corev1.Pod) { p.UID = types.UID(fmt.Sprintf("%s/%d", name, w.made)) })...)
	w.pods = append(w.pods, pod)
	return pod
}

// budgetsOf makes none, one that lets a pod go at a time, one that lets none go, or two of them.
func (w *world) budgetsOf(name string, replicas int32) {
	several := w.random.IntN(5)
	for i, least := range map[int][]int32{0: {replicas - 1}, 1: {replicas}, 2: {replicas - 1, 0}}[several] {
		w.budgets = append(w.budgets, policyv1.PodDisruptionBudget{
			ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: fmt.Sprintf("%s-%d", name, i)},
			Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}},
			Status:     policyv1.PodDisruptionBudgetStatus{DesiredHealthy: least},
		})
	}
}

// over returns the budgets that are about a pod.
func (w *world) over(pod *corev1.Pod) []*policyv1.PodDisruptionBudget {
	var out []*policyv1.PodDisruptionBudget
	for i := range w.budgets {
		if labels.SelectorFromSet(w.budgets[i].Spec.Selector.MatchLabels).Matches(labels.Set(pod.Labels)) {
			out = append(out, &w.budgets[i])
		}
	}
	return out
}

// healthy returns how many pods of a budget are ready and stay.
func (w *world) healthy(b *policyv1.PodDisruptionBudget) int32 {
	var n int32
	for _, pod := range w.pods {
		if pod.Labels["app"] == b.Spec.Selector.MatchLabels["app"] && pod.DeletionTimestamp == nil && !w.now.Before(w.readyAt[pod.UID]) {
			n++
		}
	}
	return n
}

// count does the work of the controller of budgets.
func (w *world) count() {
	for i := range w.budgets {
		b := &w.budgets[i]
		b.Status.CurrentHealthy = w.healthy(b)
		b.Status.DisruptionsAllowed = max(b.Status.CurrentHealthy-b.Status.DesiredHealthy, 0)
	}
}

// tick lets a second pass.
func (w *world) tick() {
	w.now = w.now.Add(time.Second)
	for _, pod := range slices.Clone(w.pods) {
		if end, ok := w.ends[pod.UID]; ok && !w.now.Before(end) {
			w.remove(pod)
			continue
		}
		// Somebody deletes a pod by hand, which is made anew under its name while the drain still asks for the former one.
		if pod.Spec.NodeName == "node" && pod.OwnerReferences[0].Kind == "StatefulSet" && w.random.IntN(60) == 0 {
			w.remove(pod)
		}
	}
	w.count()
	w.remember()
}

// remove lets a pod end; a StatefulSet makes it anew under its name, elsewhere.
func (w *world) remove(pod *corev1.Pod) {
	w.pods = slices.DeleteFunc(w.pods, func(p *corev1.Pod) bool { return p == pod })
	if pod.OwnerReferences[0].Kind == "StatefulSet" {
		w.replace(pod, pod.Name)
	}
}

// replace makes a pod anew, elsewhere; it is ready after a while.
func (w *world) replace(pod *corev1.Pod, name string) {
	anew := w.create(name)
	anew.Labels, anew.OwnerReferences, anew.Spec.NodeName = pod.Labels, pod.OwnerReferences, "elsewhere"
	w.readyAt[anew.UID] = w.now.Add(time.Duration(w.random.IntN(20)) * time.Second)
}

// end tells a pod to go within a time; a ReplicaSet does not wait for its end.
func (w *world) end(pod *corev1.Pod, grace time.Duration) {
	first := pod.DeletionTimestamp == nil
	at := w.now.Add(grace)
	if !first && !at.Before(pod.DeletionTimestamp.Time) {
		return
	}
	changed := pod.DeepCopy() // what was seen of it before stays as it was
	changed.DeletionTimestamp = &metav1.Time{Time: at}
	w.pods[slices.Index(w.pods, pod)] = changed
	if !w.stuck[pod.UID] {
		w.ends[pod.UID] = w.now.Add(min(grace, time.Duration(w.random.Int64N(int64(2*time.Minute)))))
	}
	if first && pod.OwnerReferences[0].Kind == "ReplicaSet" {
		w.replace(pod, fmt.Sprintf("%s-%d", pod.Labels["app"], 100+w.made))
	}
}

// find returns the pod of a UID as it is now; nil when another or none has its name.
func (w *world) find(asked *corev1.Pod) *corev1.Pod {
	for _, pod := range w.pods {
		if pod.Name == asked.Name && pod.UID == asked.UID {
			return pod
		}
		if pod.Name == asked.Name {
			w.counts.spared++ // the precondition on the UID keeps it
		}
	}
	return nil
}

// evict answers an eviction as the API does; true is an end of the matter. One in ten goes wrong.
func (w *world) evict(asked *corev1.Pod) bool {
	if w.random.IntN(10) == 0 {
		w.counts.failed++
		return false
	}
	pod := w.find(asked)
	if pod == nil || pod.DeletionTimestamp != nil {
		return true
	}
	w.mayGo(pod)
	over := w.over(pod)
	if len(over) > 1 {
		w.faults = append(w.faults, fmt.Sprintf("%s has two budgets, and was asked to go", pod.UID))
		return false
	}
	for _, b := range over {
		if b.Status.DisruptionsAllowed == 0 {
			w.counts.refused++
			return false
		}
		b.Status.DisruptionsAllowed--
	}
	w.end(pod, time.Duration(*pod.Spec.TerminationGracePeriodSeconds)*time.Second)
	w.counts.evicted++
	for _, b := range over {
		if healthy := w.healthy(b); healthy < b.Status.DesiredHealthy {
			w.faults = append(w.faults, fmt.Sprintf("budget %s wants %d, and has %d", b.Name, b.Status.DesiredHealthy, healthy))
		}
	}
	return true
}

// mayGo notes that a pod was asked to go which is on another node, has said no, or has others to wait for.
func (w *world) mayGo(pod *corev1.Pod) {
	if pod.Spec.NodeName != "node" {
		w.faults = append(w.faults, fmt.Sprintf("%s runs elsewhere, and was asked to go", pod.UID))
	}
	if w.saysNo(pod) && (pod.Annotations[v1alpha5.DoNotDisruptAnnotation] == "" || w.now.Before(w.started.Add(3*time.Minute))) {
		w.faults = append(w.faults, fmt.Sprintf("%s says no, and was asked to go", pod.UID))
	}
	for _, other := range w.pods {
		waits := other.Spec.NodeName == "node" && rank(other) < rank(pod) && !w.stuck[other.UID]
		if waits && other.DeletionTimestamp == nil {
			w.faults = append(w.faults, fmt.Sprintf("%s was asked to go before %s", pod.UID, other.UID))
		}
	}
}

// rank is the place of a pod in the order of a drain.
func rank(pod *corev1.Pod) int {
	n := 0
	if pod.OwnerReferences[0].Kind == "DaemonSet" {
		n = 1
	}
	if pod.Spec.PriorityClassName != "" {
		n += 2
	}
	return n
}

func (w *world) saysNo(pod *corev1.Pod) bool {
	completion := pod.Annotations[safeToEvict] == "on-completion" && pod.OwnerReferences[0].Kind != "DaemonSet"
	return pod.Annotations[safeToEvict] == "false" || completion || pod.Annotations[v1alpha5.DoNotEvictAnnotation] != "" ||
		pod.Annotations[v1alpha5.DoNotDisruptAnnotation] != ""
}

// delete answers a deletion, which no budget holds up: it has to be due, and to leave the pod what time there is.
func (w *world) delete(asked *corev1.Pod, grace time.Duration) {
	pod := w.find(asked)
	if pod == nil {
		return
	}
	own := max(time.Duration(*pod.Spec.TerminationGracePeriodSeconds)*time.Second, time.Second)
	left := w.deadline.Sub(w.now)
	if w.deadline.IsZero() || pod.DeletionTimestamp == nil && left > own+5*time.Second {
		w.faults = append(w.faults, fmt.Sprintf("%s was deleted %s before the end, and needs %s", pod.UID, left, own))
	}
	if grace < time.Second || grace > max(left, time.Second) || grace < min(own, left-5*time.Second) && pod.DeletionTimestamp == nil {
		w.faults = append(w.faults, fmt.Sprintf("%s was given %s of %s, and needs %s", pod.UID, grace, left, own))
	}
	w.counts.deleted++
	w.end(pod, grace)
}

// blockers returns the UIDs of the pods on the node that keep it for good, or for longer than anybody should wait untold.
func (w *world) blockers() map[string]bool {
	out := map[string]bool{}
	for _, pod := range w.live() {
		over := w.over(pod)
		w.counts.overlapping += max(len(over)-1, 0)
		forGood := w.saysNo(pod) && pod.Annotations[v1alpha5.DoNotDisruptAnnotation] == ""
		if w.saysNo(pod) {
			w.counts.holding++
		}
		closed := len(over) == 1 && over[0].Status.DesiredHealthy >= over[0].Status.CurrentHealthy
		if forGood || len(over) > 1 || closed {
			out[string(pod.UID)] = true
		}
	}
	return out
}

func (w *world) gone(uid string) bool {
	return !slices.ContainsFunc(w.pods, func(p *corev1.Pod) bool { return string(p.UID) == uid && p.DeletionTimestamp == nil })
}

// left returns the pods that a drain must not end with.
func (w *world) left() []string {
	var out []string
	for _, pod := range w.live() {
		if pod.DeletionTimestamp == nil || !w.stuck[pod.UID] {
			out = append(out, string(pod.UID))
		}
	}
	return out
}

// live returns the pods on the node.
func (w *world) live() []*corev1.Pod {
	var out []*corev1.Pod
	for _, pod := range w.pods {
		if pod.Spec.NodeName == "node" {
			out = append(out, pod)
		}
	}
	return out
}

func (w *world) remember() { w.history = append(w.history, w.live()) }

// cached returns the pods on the node as they were up to three seconds ago.
func (w *world) cached() []*corev1.Pod {
	return w.history[max(len(w.history)-1-w.random.IntN(4), 0)]
}

// inOrder returns pods by UID: what the seed decides must not hang on the order of a map.
func inOrder(set map[*corev1.Pod]bool) []*corev1.Pod {
	return slices.SortedFunc(maps.Keys(set), func(a, b *corev1.Pod) int { return cmp.Compare(a.UID, b.UID) })
}
