package timelapse_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/timelapse"
)

// TestADayOfChurn lives through the same day with different policies: deployments follow the sun, jobs come every five minutes, and
// something is rolled out every two hours. All of it takes some minutes; without KERF_DAY it is an hour of the day.
func TestADayOfChurn(t *testing.T) {
	length := time.Hour
	if os.Getenv("KERF_DAY") != "" {
		length = 24 * time.Hour
	}
	policies := []struct {
		name    string
		options timelapse.Options
	}{
		{"empty nodes only", timelapse.Options{Off: true}},
		{"any saving, no wait", timelapse.Options{Settings: disruption.Settings{Eager: true, LineageRest: time.Nanosecond}}},
		{"what pays back", timelapse.Options{SettleFor: 5 * time.Minute}},
	}
	figures := make([]timelapse.Figures, len(policies))
	for i, policy := range policies {
		options := policy.options
		options.Offers, options.Share = offers(rand.New(rand.NewPCG(4, 4))), 10 //nolint:gosec // the same market for all
		if options.Off {
			for name, offer := range options.Offers {
				builders.TTLAfterEmpty(30)(offer.Provisioner)
				options.Offers[name] = offer
			}
		}
		c := timelapse.New(options)
		day := newDay(c)
		c.Run(t.Context(), length, day.pass)
		figures[i] = c.Figures
		if c.Pending() > 0 {
			t.Errorf("%s: %d pods are left without a node", policy.name, c.Pending())
		}
		t.Logf("%-20s $%7.2f, %4d launches, %5d evictions, %4d commands", policy.name, c.DollarHours, c.Launches, c.Evictions, c.Commands)
		for _, reason := range slices.Sorted(maps.Keys(c.Kept)) {
			t.Logf("%-20s $%7.2f of it for machines that stay: %s", "", c.Kept[reason], reason)
		}
	}
	off, eager, calm := figures[0], figures[1], figures[2]
	if calm.DollarHours > off.DollarHours {
		t.Errorf("with consolidation it costs $%.2f, without $%.2f", calm.DollarHours, off.DollarHours)
	}
	if length < 24*time.Hour {
		return
	}
	saved := (off.DollarHours - calm.DollarHours) / (off.DollarHours - eager.DollarHours)
	t.Logf("%.1f %% of the saving with %.1f %% of the evictions", 100*saved, 100*float64(calm.Evictions)/float64(eager.Evictions))
	if saved < 0.95 || float64(calm.Evictions) > 0.25*float64(eager.Evictions) {
		t.Error("want 95 % of the saving with a quarter of the evictions")
	}
}

// day is what happens to a cluster in a day.
type day struct {
	c     *timelapse.Cluster
	r     *rand.Rand
	start time.Time
	apps  []*app
	// last maps the names of pods of jobs -> for how long they run, once they are on a node.
	last map[string]time.Duration
	jobs int
}

// app is a deployment.
type app struct {
	id, size, want, revision, born int
	// pods are of the ReplicaSet of the revision, old ones of those before.
	pods, old   []string
	cpu, memory string
}

func newDay(c *timelapse.Cluster) *day {
	d := &day{c: c, r: rand.New(rand.NewPCG(7, 7)), start: c.Now, last: map[string]time.Duration{}} //nolint:gosec // the same day for all
	for i := range 30 {
		d.apps = append(d.apps, &app{
			id: i, size: 2 + d.r.IntN(12), cpu: fmt.Sprintf("%dm", 100*(1+d.r.IntN(15))), memory: fmt.Sprintf("%dMi", 256*(1+d.r.IntN(16))),
		})
	}
	return d
}

// pass is one tick of the day.
func (d *day) pass() {
	since := d.c.Now.Sub(d.start)
	if since%(5*time.Minute) == 0 {
		d.scale(since)
		d.runJobs()
	}
	if since%(2*time.Hour) == time.Hour {
		d.rollOut(d.apps[d.r.IntN(len(d.apps))])
	}
	bound := d.c.Bound()
	for _, a := range d.apps {
		d.step(a, bound)
	}
	over := map[string]bool{}
	for name, length := range d.last {
		if at, runs := bound[name]; runs && d.c.Now.Sub(at) >= length {
			over[name] = true
			delete(d.last, name)
		}
	}
	d.c.Remove(over)
}

// scale follows the sun: twice as many pods at noon as on average, hardly any at midnight, and some noise.
func (d *day) scale(since time.Duration) {
	for _, a := range d.apps {
		sun := 1 - 0.8*math.Cos(2*math.Pi*since.Hours()/24)
		a.want = max(1, int(math.Round(float64(a.size)*sun))+d.r.IntN(5)/4)
	}
}

// step does what the Deployment controller does by default: while there are pods of an old revision, a quarter more than are wanted may
// be there, and a quarter fewer may run.
func (d *day) step(a *app, bound map[string]time.Time) {
	for len(a.pods) < a.want && (len(a.old) == 0 || len(a.pods)+len(a.old) < a.want+(a.want+3)/4) {
		d.grow(a)
	}
	like := slices.Concat(a.pods, a.old)
	a.pods = d.c.ScaleDown(a.pods, like, len(a.pods)-a.want)
	if len(a.old) == 0 {
		return
	}
	running := 0
	for _, name := range like {
		if _, runs := bound[name]; runs {
			running++
		}
	}
	a.old = d.c.ScaleDown(a.old, like, min(len(a.old), running-(a.want-a.want/4)))
}

func (d *day) grow(a *app) {
	a.born++
	name := fmt.Sprintf("app-%d-%d", a.id, a.born)
	a.pods = append(a.pods, name)
	labels := map[string]string{"app": fmt.Sprint("app-", a.id)}
	d.c.Add(builders.Pod(builders.Name(name), builders.Labels(labels), builders.OwnedBy("apps/v1", "ReplicaSet", fmt.Sprintf("app-%d-%d", a.id, a.revision)),
		builders.CPU(a.cpu), builders.Memory(a.memory)))
}

// rollOut begins another revision.
func (d *day) rollOut(a *app) {
	a.revision++
	a.old, a.pods = append(a.old, a.pods...), nil
}

// runJobs starts some jobs of a few minutes.
func (d *day) runJobs() {
	for range 6 {
		d.jobs++
		name := fmt.Sprint("job-", d.jobs)
		d.c.Add(builders.Pod(builders.Name(name), builders.OwnedBy("batch/v1", "Job", name), builders.CPU("500m"), builders.Memory("512Mi"),
			func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }))
		d.last[name] = time.Duration(60+10*d.r.IntN(12)) * time.Second
	}
}
