package workload

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/pods"
)

// Expansion is what controllers would make.
type Expansion struct {
	Pods []*corev1.Pod
	// Claims that come with pods, also those that may exist already.
	Claims []*corev1.PersistentVolumeClaim
	// Hindered are pods, as namespace/name, that cannot be made since another has the name that they must have.
	Hindered []string
}

// Expand returns the pods that the controllers would make beside those that are there, as a dump of a cluster has both. A
// ReplicaSet of a Deployment that is among the controllers, and a CronJob that has a Job among them, make none themselves. No
// two pods have a name or a UID in common. The error is that of the context.
func Expand(ctx context.Context, controllers []Controller, present []*corev1.Pod) (Expansion, error) {
	index := make(map[Ref]int, len(controllers))
	for i, c := range controllers {
		index[c.Ref] = i
	}
	idle := idleOnes(controllers, index)
	own := make([][]*corev1.Pod, len(controllers)) // by index of controllers
	there := map[types.NamespacedName]*corev1.Pod{}
	for _, pod := range present {
		if pods.IsTerminal(pod) || pods.IsTerminating(pod) {
			continue
		}
		there[types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name}] = pod
		if i, ok := makerOf(pod, controllers, index); ok {
			own[i] = append(own[i], pod)
		}
	}
	e := &expander{there: there}
	for _, settled := range []bool{true, false} { // those that can take another name come last
		for i := range controllers {
			if idle[i] || controllers[i].settled != settled {
				continue
			}
			if err := e.make(ctx, &controllers[i], own[i]); err != nil {
				return Expansion{}, err
			}
		}
	}
	slices.SortFunc(e.out.Pods, func(a, b *corev1.Pod) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	slices.Sort(e.out.Hindered)
	return e.out, nil
}

// idleOnes says by index which controllers leave it to others of the list to make pods.
func idleOnes(controllers []Controller, index map[Ref]int) []bool {
	idle := make([]bool, len(controllers))
	for i, c := range controllers {
		if c.owner == nil {
			continue
		}
		if above, ok := index[Ref{c.owner.Kind, c.Namespace, c.owner.Name}]; ok {
			switch c.owner.Kind {
			case "Deployment":
				idle[i] = true
			case "CronJob":
				idle[above] = idle[above] || c.wanted > 0
			}
		}
	}
	return idle
}

// expander makes pods and knows which names are gone.
type expander struct {
	there map[types.NamespacedName]*corev1.Pod
	out   Expansion
}

// make makes the pods that a controller lacks.
func (e *expander) make(ctx context.Context, c *Controller, own []*corev1.Pod) error {
	for _, number := range c.missing(own) {
		if err := ctx.Err(); err != nil {
			return err
		}
		name := types.NamespacedName{Namespace: c.Namespace, Name: c.stem + "-" + strconv.Itoa(number)}
		if other := e.there[name]; other != nil && c.settled {
			if !c.adopts(other) {
				e.out.Hindered = append(e.out.Hindered, name.String())
			}
			continue
		}
		for more := 0; e.there[name] != nil; more++ {
			name.Name = c.stem + "-" + strconv.Itoa(number) + "-" + strconv.Itoa(more)
		}
		pod, claims := c.pod(number, name.Name)
		e.there[name] = pod
		e.out.Pods, e.out.Claims = append(e.out.Pods, pod), append(e.out.Claims, claims...)
	}
	return nil
}

// missing returns the numbers of the pods that are not there.
func (c *Controller) missing(own []*corev1.Pod) []int {
	var out []int
	if c.number == nil {
		for n := range max(c.wanted-len(own), 0) {
			out = append(out, n)
		}
		return out
	}
	taken := map[int]bool{}
	for _, pod := range own {
		if n, ok := c.number(pod); ok {
			taken[n] = true
		}
	}
	if c.completions == nil {
		for n := c.first; n < c.first+c.wanted; n++ {
			if !taken[n] {
				out = append(out, n)
			}
		}
		return out
	}
	for n := 0; n < *c.completions && len(out) < c.wanted-len(own); n++ {
		if end, over := c.over.end(n); over {
			n = end
		} else if !taken[n] {
			out = append(out, n)
		}
	}
	return out
}

// adopts reports whether a pod of nobody becomes one of the controller's.
func (c *Controller) adopts(pod *corev1.Pod) bool {
	return metav1.GetControllerOfNoCopy(pod) == nil && c.selector.Matches(labels.Set(pod.Labels))
}

// makerOf returns the controller that a pod counts for: its owner or, where the owner is in between, whose it is in the end.
func makerOf(pod *corev1.Pod, controllers []Controller, index map[Ref]int) (int, bool) {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return 0, false
	}
	i, known := index[Ref{owner.Kind, pod.Namespace, owner.Name}]
	if known {
		if above := controllers[i].owner; above != nil && above.Kind == "Deployment" {
			if j, ok := index[Ref{above.Kind, pod.Namespace, above.Name}]; ok {
				return j, true
			}
		}
		return i, true
	}
	i, known = index[above(owner, pod)]
	return i, known
}

// above guesses by names who made the owner of a pod where the owner is not known.
func above(owner *metav1.OwnerReference, pod *corev1.Pod) Ref {
	switch owner.Kind {
	case "ReplicaSet":
		return Ref{"Deployment", pod.Namespace, strings.TrimSuffix(owner.Name, "-"+pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey])}
	case "Job":
		if end := strings.LastIndexByte(owner.Name, '-'); end > 0 {
			return Ref{"CronJob", pod.Namespace, owner.Name[:end]}
		}
	}
	return Ref{}
}

// Of returns what a pod belongs to: the controller that made it as far as the pod tells, or the pod itself.
func Of(pod *corev1.Pod) Ref {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return Ref{"Pod", pod.Namespace, pod.Name}
	}
	if hash := pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey]; owner.Kind == "ReplicaSet" && hash != "" && strings.HasSuffix(owner.Name, "-"+hash) {
		return Ref{"Deployment", pod.Namespace, strings.TrimSuffix(owner.Name, "-"+hash)}
	}
	return Ref{owner.Kind, pod.Namespace, owner.Name}
}

// ending returns the number that a name ends in after a stem and a hyphen.
func ending(name, stem string) (int, bool) {
	rest, ok := strings.CutPrefix(name, stem+"-")
	if !ok {
		return 0, false
	}
	n, err := strconv.Atoi(rest)
	return n, err == nil
}
