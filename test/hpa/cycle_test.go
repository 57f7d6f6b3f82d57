package hpa

import (
	"context"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// minuteVariable names a variable of the environment: set, the whole script is played, and a minute of it takes so long. With 60s everything takes
// as long as with the defaults of Kubernetes. Without it the script begins when load comes.
const minuteVariable = "KERF_HPA_MINUTE"

const (
	// shortMinute is as short as a minute can be: for 20 seconds after kerf has decided on a node pods are expected there, which keeps it, and looked
	// into half as long after. Only because the peak lasts longer than that has kerf to see that the node is in use.
	shortMinute = 5 * time.Second
	// quietMinutes are those in the beginning of the script in which nothing happens.
	quietMinutes = 11
)

const (
	// podCPU is what a replica asks for, in thousandths of a CPU.
	podCPU = 900
	// mostLaunches is how many instances a cycle may cost.
	mostLaunches = 2
	// soon is how long after its instance could have booted a pod has to run, on a machine that is busy with other things as well.
	soon = 30 * time.Second
)

// act is a part of the script: from a minute on all pods together use so much CPU, in thousandths, and so many replicas are to come of it, of
// each of which the autoscaler of the example expects that it uses half of what it asks for.
type act struct {
	minute   int
	load     int64
	replicas int32
}

func script() []act {
	return []act{
		{0, 600, 2},   // 33 % of what two pods ask for
		{12, 1206, 3}, // 67 % of what two ask for
		{16, 2187, 5}, // 81 % of what three ask for
		{17, 1206, 3}, // 27 % of what five ask for
		{22, 600, 2},  // 22 % of what three ask for
	}
}

// way is a setting of a Provisioner by which it gives back what is not needed.
type way struct {
	change func(s *v1alpha5.ProvisionerSpec, minute time.Duration)
	// moving says that a pod may be moved to where there is room without kerf.
	moving bool
}

func ways() map[string]way {
	return map[string]way{
		"ttlSecondsAfterEmpty": {change: func(s *v1alpha5.ProvisionerSpec, minute time.Duration) {
			s.TTLSecondsAfterEmpty = new(int64(minute / 2 / time.Second)) // what the example has, in these minutes
		}},
		"consolidation": {moving: true, change: func(s *v1alpha5.ProvisionerSpec, _ time.Duration) {
			s.TTLSecondsAfterEmpty, s.Consolidation = nil, &v1alpha5.Consolidation{Enabled: new(true)}
		}},
	}
}

// moves returns how many pods may be moved in a cycle: in its end there may be one on a node of kerf's.
func (w way) moves() int {
	if w.moving {
		return 1
	}
	return 0
}

// needed returns, sorted, which of kerf's nodes have to be there in the end. Those that are not kerf's have room for all pods, but it is the
// ReplicaSet that chooses whose pod goes: the youngest, where the ages of pods differ in their powers of two, as they do in the whole script with
// real minutes; else any, and then a pod may stay on kerf's.
func (w way) needed(nodes []string, pods []corev1.Pod) []string {
	var out []string
	for _, n := range nodes {
		if !w.moving && slices.ContainsFunc(pods, func(p corev1.Pod) bool { return p.Spec.NodeName == n }) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard()) // what watches have to say helps nobody here
	os.Exit(m.Run())
}

func TestNodesFollowAnAutoscalerOutAndBack(t *testing.T) {
	minute, first := shortMinute, quietMinutes
	if text := os.Getenv(minuteVariable); text != "" {
		var err error
		if minute, err = time.ParseDuration(text); err != nil || minute < shortMinute {
			t.Fatalf("%s is %q, not a duration of at least %s: %v", minuteVariable, text, shortMinute, err)
		}
		first = 0
	}
	for name, way := range ways() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := startWorld(t, minute)
			m := startMeter(t.Context(), t, w)
			m.load.Store(script()[0].load)
			w.populate(way)
			w.play(m, first)
			w.awaitGivenBack(way)
			w.judge(way)
		})
	}
}

// play goes through the script, whose first minutes may be left out. Where the world is late the script is, too: nothing is asked of it before it has answered.
func (w *world) play(m *meter, first int) {
	w.t.Helper()
	begin := time.Now().Add(-time.Duration(first) * w.minute)
	for _, a := range script() {
		due := begin.Add(time.Duration(a.minute) * w.minute)
		w.await(fmt.Sprintf("minute %d", a.minute), func(context.Context) error {
			if left := time.Until(due); left > 0 {
				return fmt.Errorf("it is %s away", left)
			}
			return nil
		})
		m.load.Store(a.load)
		w.awaitRunning(a.replicas)
		w.t.Logf("minute %4.1f: %d replicas run", time.Since(begin).Seconds()/w.minute.Seconds(), a.replicas)
	}
}

// judge holds what was seen against what has to be.
func (w *world) judge(way way) {
	w.t.Helper()
	var launches []launch
	for _, i := range w.AWS().Instances() {
		launches = append(launches, launch{i.ID, i.ShutdownTime})
		w.t.Logf("launched %s, %s at $%.4f/h", i.ID, i.Type, i.PricePerHour)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, f := range w.seen.faults(way, launches) {
		w.t.Error(f)
	}
	waits := w.seen.waits()
	w.t.Logf("instances boot in %s; pods were ready after %s", w.minute/2, waits)
	if longest := waits[len(waits)-1]; longest > w.minute/2+soon {
		w.t.Errorf("a pod was ready only after %s", longest)
	}
}
