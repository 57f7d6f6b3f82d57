package drain_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

const (
	safeToEvict  = "cluster-autoscaler.kubernetes.io/safe-to-evict"
	localVolumes = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes"
)

// strict is a policy that holds all it can, from voluntary disruption alone.
func strict() drain.Policy {
	return drain.Policy{
		BarePods: drain.HoldVoluntary, SystemPods: drain.HoldVoluntary, SystemPodsFor: time.Hour, LocalStorage: drain.HoldVoluntary,
	}
}

// budget is about the pods of app a in a namespace, and allows so many disruptions.
func budget(namespace, name string, allowed int32) policyv1.PodDisruptionBudget {
	return policyv1.PodDisruptionBudget{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       policyv1.PodDisruptionBudgetSpec{Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "a"}}},
		Status:     policyv1.PodDisruptionBudgetStatus{DisruptionsAllowed: allowed, DesiredHealthy: 1, CurrentHealthy: allowed},
	}
}

func app(name string) builders.PodModifier { return builders.Labels(map[string]string{"app": name}) }

func ready(p *corev1.Pod) {
	p.Status.Conditions = append(p.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
}

func aged(age time.Duration) builders.PodModifier {
	return func(p *corev1.Pod) { p.CreationTimestamp = metav1.NewTime(now().Add(-age)) }
}

func volume(name string, source corev1.VolumeSource) builders.PodModifier {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: name, VolumeSource: source})
	}
}

func emptyDir(name string) builders.PodModifier {
	return volume(name, corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}})
}

func both(modifiers ...builders.PodModifier) builders.PodModifier {
	return func(p *corev1.Pod) {
		for _, modify := range modifiers {
			modify(p)
		}
	}
}

// facts are what can be true of a pod, in the order in which Cluster Autoscaler asks for it, but for the pod that says no, which
// is asked as soon as it is known to run: the first that is true decides. want is the reason for which the pod holds its node,
// "" where it does not.
func facts() []struct {
	name string
	set  builders.PodModifier
	want string
} {
	return []struct {
		name string
		set  builders.PodModifier
		want string
	}{
		{"mirror", builders.Annotation(corev1.MirrorPodAnnotationKey, "x"), ""},
		{"terminal", phase(corev1.PodSucceeded), ""},
		{"terminating", ending(now().Add(-time.Hour)), ""},
		{"not safe to evict", builders.Annotation(safeToEvict, "false"), drain.ReasonAnnotation},
		{"do not evict", builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true"), drain.ReasonAnnotation},
		{"do not disrupt", builders.Annotation(v1alpha5.DoNotDisruptAnnotation, "true"), drain.ReasonAnnotation},
		{"of a DaemonSet", builders.OwnedBy("apps/v1", "DaemonSet", "ds"), ""},
		{"safe to evict", builders.Annotation(safeToEvict, "true"), ""},
		{"on completion", builders.Annotation(safeToEvict, "on-completion"), drain.ReasonOnCompletion},
		{"bare", func(*corev1.Pod) {}, drain.ReasonNotReplicated}, // what it takes not to be is added to the others
		{"of kube-system, young", both(builders.Namespace("kube-system"), aged(59*time.Minute)), drain.ReasonSystemPod},
		{"of kube-system, old", both(builders.Namespace("kube-system"), aged(time.Hour)), ""},
		{"local storage", emptyDir("data"), drain.ReasonLocalStorage},
		{"budget", both(app("a"), ready), drain.ReasonBudget},
	}
}

func TestTheFirstOfTwoFactsDecidesWhetherAPodMoves(t *testing.T) {
	all := facts()
	bareAt := slices.IndexFunc(all, func(f struct {
		name string
		set  builders.PodModifier
		want string
	}) bool {
		return f.name == "bare"
	})
	for i, first := range all {
		for j := i; j < len(all); j++ {
			second := all[j]
			if i != j && (strings.Contains(first.name, "safe to evict") || first.name == "on completion") &&
				(strings.Contains(second.name, "safe to evict") || second.name == "on completion") {
				continue // one annotation has one value
			}
			if strings.HasPrefix(first.name, "of kube-system") && (strings.HasPrefix(second.name, "of kube-system") && i != j) {
				continue // a pod has one age
			}
			t.Run(first.name+" and "+second.name, func(t *testing.T) {
				modifiers := []builders.PodModifier{second.set, first.set}
				if bareAt != i && bareAt != j {
					modifiers = append(modifiers, builders.OwnedBy("apps/v1", "ReplicaSet", "rs"))
				}
				pod := on("pod", modifiers...)
				if first.name == "of a DaemonSet" || second.name == "of a DaemonSet" {
					pod.OwnerReferences = pod.OwnerReferences[:1]
				}
				want := first.want
				if strings.HasPrefix(first.name, "of kube-system") && second.name == "budget" {
					want = drain.ReasonBudget // one that a budget is about is nobody's orphan
				}
				if first.name == "safe to evict" && second.name == "budget" {
					want = drain.ReasonBudget // the eviction API would refuse all the same
				}
				got := ""
				budgets := []policyv1.PodDisruptionBudget{budget("default", "b", 0), budget("kube-system", "b", 0)}
				if blockers := drain.Holding([]*corev1.Pod{pod}, drain.NewBudgets(budgets), strict(), now()); len(blockers) > 0 {
					got = blockers[0].Reason
				}
				if got != want {
					t.Errorf("it holds its node for %q, want %q", got, want)
				}
			})
		}
	}
}

func TestWhatHoldsAPodFromVoluntaryDisruptionAndFromDeletion(t *testing.T) {
	owned := builders.OwnedBy("apps/v1", "ReplicaSet", "rs")
	always := drain.Policy{BarePods: drain.HoldAlways, SystemPods: drain.HoldAlways, SystemPodsFor: time.Hour, LocalStorage: drain.HoldAlways}
	tests := map[string]struct {
		pod                  *corev1.Pod
		policy               drain.Policy
		voluntarily, deleted string // what the message says, "" if it moves
	}{
		"an ordinary pod": {on("p", owned), strict(), "", ""},
		"an annotation":   {on("p", owned, builders.Annotation(safeToEvict, "false")), drain.Policy{}, `safe-to-evict is "false"`, `safe-to-evict is "false"`},
		"an annotation of a pod that tolerates": {
			on("p", owned, builders.Annotation(v1alpha5.DoNotEvictAnnotation, "true"), builders.Toleration(corev1.Toleration{Operator: corev1.TolerationOpExists})),
			drain.Policy{}, "do-not-evict", "do-not-evict"},
		"an annotation against another":       {on("p", owned, builders.Annotation(safeToEvict, "true"), builders.Annotation(v1alpha5.DoNotDisruptAnnotation, "true")), strict(), "do-not-disrupt", "do-not-disrupt"},
		"an annotation taken back":            {on("p", owned, builders.Annotation(v1alpha5.DoNotDisruptAnnotation, "false")), strict(), "", ""},
		"an annotation of another's":          {on("p", owned, builders.Annotation("example.com/do-not-disrupt", "true")), strict(), "", ""},
		"a duration that lasts":               {on("p", owned, aged(59*time.Minute), builders.Annotation(v1alpha5.DoNotDisruptAnnotation, "1h")), strict(), "over at 2026-01-01T12:01:00Z", "over at 2026-01-01T12:01:00Z"},
		"a duration that lasts, older name":   {on("p", owned, aged(59*time.Minute), builders.Annotation(v1alpha5.DoNotEvictAnnotation, "1h")), strict(), "over at", "over at"},
		"a duration that is over":             {on("p", owned, aged(time.Hour), builders.Annotation(v1alpha5.DoNotDisruptAnnotation, "1h")), strict(), "", ""},
		"a duration from the start on":        {on("p", owned, aged(2*time.Hour), startedAt(now().Add(-time.Minute)), builders.Annotation(v1alpha5.DoNotDisruptAnnotation, "1h")), strict(), "over at", "over at"},
		"no duration":                         {on("p", owned, builders.Annotation(v1alpha5.DoNotDisruptAnnotation, "1 hour")), strict(), "", ""},
		"a duration for safe-to-evict":        {on("p", owned, builders.Annotation(safeToEvict, "1h")), strict(), "", ""},
		"to its end":                          {on("p", owned, builders.Annotation(safeToEvict, "on-completion")), drain.Policy{}, "runs to its end", "runs to its end"},
		"bare":                                {on("p"), strict(), "no controller", ""},
		"bare, always":                        {on("p"), always, "no controller", "no controller"},
		"bare, never":                         {on("p"), drain.Policy{BarePods: drain.HoldNever}, "", ""},
		"owned by a kind of somebody's":       {on("p", builders.OwnedBy("example.com/v1", "Game", "g")), always, "", ""},
		"young in kube-system":                {on("p", owned, builders.Namespace("kube-system"), aged(time.Minute)), strict(), "younger than 1h", ""},
		"young in kube-system, always":        {on("p", owned, builders.Namespace("kube-system"), aged(time.Minute)), always, "younger than 1h", "younger than 1h"},
		"young in kube-system, with a budget": {on("p", owned, app("a"), ready, builders.Namespace("kube-system"), aged(time.Minute)), always, "", ""},
		"old in kube-system, with a volume":   {on("p", owned, emptyDir("d"), builders.Namespace("kube-system"), aged(time.Hour)), always, "", ""},
		"emptyDir":                            {on("p", owned, emptyDir("data")), strict(), "volume data", ""},
		"hostPath":                            {on("p", owned, volume("h", corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{}})), always, "volume h", "volume h"},
		"in memory":                           {on("p", owned, volume("m", corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{Medium: corev1.StorageMediumMemory}})), always, "", ""},
		"exempt volumes":                      {on("p", owned, emptyDir("a"), emptyDir("b"), builders.Annotation(localVolumes, "a, b")), always, "", ""},
		"one volume that is not exempt":       {on("p", owned, emptyDir("a"), emptyDir("b"), builders.Annotation(localVolumes, "a")), always, "volume b", "volume b"},
		"safe to evict with all of it":        {on("p", emptyDir("a"), builders.Namespace("kube-system"), builders.Annotation(safeToEvict, "true")), always, "", ""},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			budgets := []policyv1.PodDisruptionBudget{budget("kube-system", "b", 1)}
			list := []*corev1.Pod{tc.pod}
			said(t, "voluntary disruption", drain.Holding(list, drain.NewBudgets(budgets), tc.policy, now()), tc.voluntarily)
			step := drain.Next(drain.Input{Pods: list, Budgets: budgets, Policy: tc.policy, Now: now(), Started: now()})
			said(t, "deletion", step.Held, tc.deleted)
			if tc.deleted == "" && len(step.Evict) == 0 {
				t.Error("a machine that is deleted neither evicts the pod nor holds it")
			}
		})
	}
}

// said checks that one pod is held and why, or none.
func said(t *testing.T, from string, blockers []drain.Blocker, want string) {
	t.Helper()
	switch {
	case want == "" && len(blockers) == 0:
	case want == "" || len(blockers) != 1 || !strings.Contains(blockers[0].Message, want):
		t.Errorf("held from %s: %+v, want %q", from, blockers, want)
	}
}

func startedAt(at time.Time) builders.PodModifier {
	return func(p *corev1.Pod) { p.Status.StartTime = &metav1.Time{Time: at} }
}

func TestABudgetIsReadAsTheEvictionAPIReadsIt(t *testing.T) {
	unhealthy := func(policy policyv1.UnhealthyPodEvictionPolicyType, healthy, desired int32) policyv1.PodDisruptionBudget {
		b := budget("default", "b", 0)
		b.Spec.UnhealthyPodEvictionPolicy, b.Status.CurrentHealthy, b.Status.DesiredHealthy = &policy, healthy, desired
		return b
	}
	stale := budget("default", "b", 1)
	stale.Generation = 2
	everything := budget("default", "b", 0)
	everything.Spec.Selector = &metav1.LabelSelector{}
	nothing := budget("default", "b", 0)
	nothing.Spec.Selector = nil
	tests := map[string]struct {
		pod     *corev1.Pod
		budgets []policyv1.PodDisruptionBudget
		want    string
	}{
		"it allows one":                     {on("p", app("a"), ready), []policyv1.PodDisruptionBudget{budget("default", "b", 1)}, ""},
		"it allows none":                    {on("p", app("a"), ready), []policyv1.PodDisruptionBudget{budget("default", "b", 0)}, drain.ReasonBudget},
		"it is of another namespace":        {on("p", app("a"), ready), []policyv1.PodDisruptionBudget{budget("other", "b", 0)}, ""},
		"it is about others":                {on("p", app("b"), ready), []policyv1.PodDisruptionBudget{budget("default", "b", 0)}, ""},
		"it was changed meanwhile":          {on("p", app("a"), ready), []policyv1.PodDisruptionBudget{stale}, drain.ReasonBudget},
		"it is about everything":            {on("p", app("b"), ready), []policyv1.PodDisruptionBudget{everything}, drain.ReasonBudget},
		"a pod without labels":              {on("p", ready), []policyv1.PodDisruptionBudget{everything}, ""},
		"it is about nothing":               {on("p", app("a"), ready), []policyv1.PodDisruptionBudget{nothing}, ""},
		"a pod that does not run yet":       {on("p", app("a"), phase(corev1.PodPending)), []policyv1.PodDisruptionBudget{budget("default", "b", 0)}, ""},
		"not ready, and the others suffice": {on("p", app("a")), []policyv1.PodDisruptionBudget{unhealthy(policyv1.IfHealthyBudget, 2, 2)}, ""},
		"not ready, and they do not":        {on("p", app("a")), []policyv1.PodDisruptionBudget{unhealthy(policyv1.IfHealthyBudget, 1, 2)}, drain.ReasonBudget},
		"not ready, and nobody minds":       {on("p", app("a")), []policyv1.PodDisruptionBudget{unhealthy(policyv1.AlwaysAllow, 1, 2)}, ""},
		"two that allow it":                 {on("p", app("a"), ready), []policyv1.PodDisruptionBudget{budget("default", "b", 1), budget("default", "c", 1)}, drain.ReasonManyBudgets},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			step := drain.Next(drain.Input{Pods: []*corev1.Pod{tc.pod}, Budgets: tc.budgets, Now: now(), Started: now().Add(-time.Hour)})
			got := ""
			if len(step.Blocked) > 0 {
				got = step.Blocked[0].Reason
			}
			if got != tc.want {
				t.Errorf("blocked for %q, want %q", got, tc.want)
			}
			if asked := len(step.Evict) == 1; asked != (tc.want != drain.ReasonManyBudgets) {
				t.Errorf("the pod is asked to go: %t", asked)
			}
		})
	}
}

func TestABudgetThatRefusesIsToldAfterHalfAMinute(t *testing.T) {
	in := drain.Input{
		Pods: []*corev1.Pod{on("p", app("a"), ready)}, Budgets: []policyv1.PodDisruptionBudget{budget("default", "b", 0)},
		Started: now(), Now: now().Add(29 * time.Second),
	}
	if step := drain.Next(in); len(step.Blocked) != 0 || !step.Again.Equal(now().Add(30*time.Second)) {
		t.Errorf("blocked %v, again at %s", step.Blocked, step.Again)
	}
	in.Now = now().Add(30 * time.Second)
	if step := drain.Next(in); len(step.Blocked) != 1 || len(step.Held) != 0 {
		t.Errorf("blocked %v, held %v", step.Blocked, step.Held)
	}
}

func TestNoBudgetOverADaemonSetHoldsAMachine(t *testing.T) {
	pod := on("p", app("a"), ready, builders.OwnedBy("apps/v1", "DaemonSet", "ds"))
	for name, budgets := range map[string][]policyv1.PodDisruptionBudget{
		"that allows none": {budget("default", "b", 0)}, "of two": {budget("default", "b", 1), budget("default", "c", 1)},
	} {
		step := drain.Next(drain.Input{Pods: []*corev1.Pod{pod}, Budgets: budgets, Now: now(), Started: now().Add(-time.Hour)})
		if !step.Done() || len(step.Blocked) > 0 {
			t.Errorf("%s: %+v", name, step)
		}
	}
}
