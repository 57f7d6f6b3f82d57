package timelapse_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/disruption"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/timelapse"
)

// world is a market and what happens in a day there.
type world struct {
	market, day uint64
	// dawn is how long after midnight the day begins.
	dawn time.Duration
}

// policy is a way to give machines back.
type policy struct {
	name string
	timelapse.Options
	// emptyGo says that empty nodes go after ttlSecondsAfterEmpty.
	emptyGo bool
}

// The names of policies.
const (
	never     = "nothing goes"
	emptyOnly = "empty nodes go"
	eagerly   = "any saving, no wait"
	calmly    = "kerf"
	calmer    = "kerf, deletion costs"
)

func policies() []policy {
	const settles = 5 * time.Minute
	return []policy{
		{name: never, Options: timelapse.Options{Off: true}},
		{name: emptyOnly, Options: timelapse.Options{Off: true}, emptyGo: true},
		{name: eagerly, Options: timelapse.Options{Settings: disruption.Settings{Eager: true, LineageRest: time.Nanosecond}}},
		{name: calmly, Options: timelapse.Options{SettleFor: settles, Taint: true}},
		{name: calmer, Options: timelapse.Options{SettleFor: settles, Taint: true, Settings: disruption.Settings{DeletionCosts: true}}},
	}
}

// TestADayOfChurn lives through the same day with different policies: deployments follow the sun, jobs come every five minutes, and
// something is rolled out every two hours. Without KERF_DAY it is an hour of the day; KERF_DAY=1 lives through all of it, which takes
// some minutes, and larger numbers through as many days in other markets, with other deployments, some of which begin at noon.
func TestADayOfChurn(t *testing.T) {
	worlds := []world{{4, 7, 0}, {4, 8, 0}, {4, 9, 0}, {4, 10, 0}, {4, 7, 12 * time.Hour}, {1, 1, 0}, {2, 2, 0}, {3, 3, 12 * time.Hour}, {6, 6, 6 * time.Hour}}
	length, days := time.Hour, 1
	if value := os.Getenv("KERF_DAY"); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > len(worlds) {
			t.Fatalf("KERF_DAY=%s: want a number of days from 1 to %d", value, len(worlds))
		}
		length, days = 24*time.Hour, n
	}
	all := map[string]timelapse.Figures{}
	for _, w := range worlds[:days] {
		t.Run(fmt.Sprintf("market-%d-day-%d-dawn-%s", w.market, w.day, w.dawn), func(t *testing.T) {
			lived := map[string]timelapse.Figures{}
			for _, p := range policies() {
				lived[p.name] = liveThrough(t, w, length, p)
			}
			for _, calm := range []string{calmly, calmer} {
				if lived[calm].DollarHours > lived[emptyOnly].DollarHours {
					t.Errorf("%s costs $%.2f, without consolidation it is $%.2f", calm, lived[calm].DollarHours, lived[emptyOnly].DollarHours)
				}
				compare(t, calm, lived)
			}
			for name, figures := range lived {
				sum := all[name]
				sum.DollarHours, sum.Evictions = sum.DollarHours+figures.DollarHours, sum.Evictions+figures.Evictions
				all[name] = sum
			}
		})
	}
	if length < 24*time.Hour {
		return
	}
	if saved, moved := compare(t, calmly, all); saved < 0.75 || moved > 0.33 {
		t.Errorf("%s: want three quarters of the saving with a third of the evictions", calmly)
	}
	if saved, moved := compare(t, calmer, all); saved < 0.95 || moved > 0.25 {
		t.Errorf("%s: want 95 %% of the saving with a quarter of the evictions", calmer)
	}
}

// liveThrough returns what a policy makes of a day.
func liveThrough(t *testing.T, w world, length time.Duration, p policy) timelapse.Figures {
	t.Helper()
	p.Offers, p.Share = offers(rand.New(rand.NewPCG(w.market, w.market))), 10 //nolint:gosec // the same market for all
	if p.emptyGo {
		for name, offer := range p.Offers {
			builders.TTLAfterEmpty(30)(offer.Provisioner)
			p.Offers[name] = offer
		}
	}
	c := timelapse.New(p.Options)
	c.Run(t.Context(), length, newDay(c, w).pass)
	if c.Pending() > 0 {
		t.Errorf("%s: %d pods are left without a node", p.name, c.Pending())
	}
	t.Logf("%-20s $%7.2f, %4d launches, %5d evictions, %4d commands, %5d annotated", p.name, c.DollarHours, c.Launches, c.Evictions, c.Commands, c.Annotations)
	for _, reason := range slices.Sorted(maps.Keys(c.Kept)) {
		t.Logf("%-20s $%7.2f of it for machines that stay: %s", "", c.Kept[reason], reason)
	}
	return c.Figures
}

// compare returns what a policy saves, and how often it moves pods for that, against one that takes any saving at once: saved is counted from
// what it costs where empty nodes go.
func compare(t *testing.T, calm string, lived map[string]timelapse.Figures) (saved, moved float64) {
	t.Helper()
	is := lived[calm]
	than := func(other string) float64 {
		return (lived[other].DollarHours - is.DollarHours) / (lived[other].DollarHours - lived[eagerly].DollarHours)
	}
	saved, moved = than(emptyOnly), float64(is.Evictions)/float64(lived[eagerly].Evictions)
	t.Logf("%s: %.1f %% of what is saved where empty nodes go, %.1f %% of what is saved where nothing goes, %.1f %% of the evictions",
		calm, 100*saved, 100*than(never), 100*moved)
	return saved, moved
}

// day is what happens to a cluster in a day.
type day struct {
	c     *timelapse.Cluster
	r     *rand.Rand
	start time.Time
	// dawn is how long after midnight the day begins.
	dawn time.Duration
	apps []*app
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

func newDay(c *timelapse.Cluster, w world) *day {
	d := &day{c: c, r: rand.New(rand.NewPCG(w.day, w.day)), start: c.Now, dawn: w.dawn, last: map[string]time.Duration{}} //nolint:gosec // the same day for all
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
		sun := 1 - 0.8*math.Cos(2*math.Pi*(since+d.dawn).Hours()/24)
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
