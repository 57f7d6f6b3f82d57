package termination

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/controllers/eviction"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

// siege is one machine that is drained through a real eviction API, with a random set of pods.
type siege struct {
	*end
	random  *rand.Rand
	machine *v1alpha5.Machine
	node    *corev1.Node
	space   string
	// bound are pods that nothing may make go; loose are the others; anew are pods elsewhere that took over the name of one of these.
	bound, loose, anew []*corev1.Pod
	// budgets that let one pod go at a time; their controller is played by the test.
	budgets []*policyv1.PodDisruptionBudget
}

// add puts the pods of one application on the node.
func (d *siege) add(app string) {
	labels := map[string]string{"app": app}
	modifiers := []builders.PodModifier{builders.Labels(labels), func(p *corev1.Pod) { p.Spec.TerminationGracePeriodSeconds = new(int64) }}
	bound := false
	switch d.random.IntN(8) {
	case 0:
		d.Budget(d.space, 0, labels)
		bound = true
	case 1:
		d.Budget(d.space, 2, labels)
		d.Budget(d.space, 2, labels)
		bound = true
	case 2:
		modifiers = append(modifiers, keep("true"))
		bound = true
	case 3, 4:
		d.budgets = append(d.budgets, d.Budget(d.space, 1, labels))
	case 5:
		modifiers = append(modifiers, func(p *corev1.Pod) { p.Finalizers = []string{"example.com/stuck"} })
	}
	for i := range 1 + d.random.IntN(3) {
		pod := d.RunningPod(d.space, d.node.Name, append(modifiers, builders.Name(fmt.Sprintf("%s-%d", app, i)))...)
		if bound {
			d.bound = append(d.bound, pod)
		} else {
			d.loose = append(d.loose, pod)
		}
	}
}

// takeOver has a pod that is to be evicted end by itself, and another one elsewhere take its name, before the eviction comes.
func (d *siege) takeOver(asked []*corev1.Pod) {
	for _, pod := range asked {
		if slices.ContainsFunc(d.loose, func(p *corev1.Pod) bool { return p.UID == pod.UID }) && len(pod.Finalizers) == 0 && d.random.IntN(3) == 0 && !d.Gone(pod) {
			d.Delete(pod)
			d.anew = append(d.anew, d.RunningPod(d.space, "elsewhere", builders.Name(pod.Name), builders.Labels(pod.Labels)))
			return
		}
	}
}

// run drains for some minutes of the machine's time.
func (d *siege) run(t *testing.T) {
	t.Helper()
	evictions := &evictor{queue: eviction.NewQueue(d.Client, d.Journal)}
	controller := d.with(d.Client, evictions)
	d.Delete(d.machine)
	for range 10 {
		d.Reconcile(controller, d.machine.Name)
		asked := evictions.pods
		d.takeOver(asked)
		for _, pod := range asked {
			if err := evictions.queue.Evict(t.Context(), pod); err != nil && !apierrors.IsTooManyRequests(errors.Unwrap(err)) {
				t.Errorf("evicting %s: %s", pod.Name, err)
			}
		}
		evictions.pods = nil
		for _, budget := range d.budgets {
			d.Allow(budget, 1)
		}
		d.Clock.Step(40 * time.Second)
		if d.Gone(d.machine) {
			return
		}
	}
}

// drainsToRun names a variable of the environment: how many machines to drain. Without it there are few.
const drainsToRun = "KERF_DRAINS"

func TestDrainsAgainstARealEvictionAPI(t *testing.T) {
	drains := 16
	if value, ok := os.LookupEnv(drainsToRun); ok {
		n, err := strconv.Atoi(value)
		if err != nil {
			t.Fatal(err)
		}
		drains = n
	}
	var bound, loose, anew int
	for seed := range drains {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			d := &siege{end: newEnd(t), random: rand.New(rand.NewPCG(uint64(seed), 5))}
			d.machine, d.node = d.Ready(d.cloud)
			d.space = d.Namespace()
			for i := range 1 + d.random.IntN(3) {
				d.add(fmt.Sprintf("app-%d", i))
			}
			d.run(t)
			for _, pod := range slices.Concat(d.bound, d.anew) {
				if d.Gone(pod) {
					t.Errorf("%s is gone", pod.Name)
				} else if d.Reload(pod); pod.DeletionTimestamp != nil {
					t.Errorf("%s was told to go", pod.Name)
				}
			}
			for _, pod := range d.loose {
				if d.Gone(pod) {
					continue
				}
				if d.Reload(pod); pod.DeletionTimestamp == nil {
					t.Errorf("%s stays", pod.Name)
				}
			}
			if d.Gone(d.machine) != (len(d.bound) == 0) {
				t.Errorf("the machine is gone: %t, and %d pods hold it", d.Gone(d.machine), len(d.bound))
			}
			if len(d.bound) > 0 && !d.Told.Contains("Warning FailedDraining: Cannot be drained", d.bound[0].Name) {
				t.Errorf("told: %q", d.Told.Lines())
			}
			d.cleanUp(d.loose)
			bound, loose, anew = bound+len(d.bound), loose+len(d.loose), anew+len(d.anew)
		})
	}
	t.Logf("%d drains: %d pods that had to stay, %d that had to go, %d whose name was taken over", drains, bound, loose, anew)
	if bound == 0 || loose == 0 || anew == 0 {
		t.Error("some kind of pod was never met")
	}
}

// cleanUp takes the finalizers off pods that nobody lets end.
func (d *siege) cleanUp(list []*corev1.Pod) {
	for _, pod := range list {
		if !d.Gone(pod) {
			d.Release(pod)
		}
	}
}
