package timelapse_test

import (
	"fmt"
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
// something is rolled out every two hours. All of it takes a minute; without KERF_DAY it is an hour of the day.
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
	// ends maps when jobs end -> their pods.
	ends map[time.Time][]string
	jobs int
}

// app is a deployment.
type app struct {
	id, size, generation int
	pods                 []string
	cpu, memory          string
}

func newDay(c *timelapse.Cluster) *day {
	d := &day{c: c, r: rand.New(rand.NewPCG(7, 7)), start: c.Now, ends: map[time.Time][]string{}} //nolint:gosec // the same day for all
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
	over := map[string]bool{}
	for _, name := range d.ends[d.c.Now] {
		over[name] = true
	}
	delete(d.ends, d.c.Now)
	d.c.Remove(over)
}

// scale follows the sun: twice as many pods at noon as on average, hardly any at midnight, and some noise.
func (d *day) scale(since time.Duration) {
	for _, a := range d.apps {
		sun := 1 - 0.8*math.Cos(2*math.Pi*since.Hours()/24)
		want := max(1, int(math.Round(float64(a.size)*sun))+d.r.IntN(5)/4)
		for len(a.pods) < want {
			d.grow(a)
		}
		d.shrink(a, len(a.pods)-want)
	}
}

func (d *day) grow(a *app) {
	a.generation++
	name := fmt.Sprintf("app-%d-%d", a.id, a.generation)
	a.pods = append(a.pods, name)
	labels := map[string]string{"app": fmt.Sprint("app-", a.id)}
	d.c.Add(builders.Pod(builders.Name(name), builders.Labels(labels), builders.OwnedBy("apps/v1", "ReplicaSet", labels["app"]),
		builders.CPU(a.cpu), builders.Memory(a.memory)))
}

// shrink ends the youngest pods.
func (d *day) shrink(a *app, n int) {
	if n <= 0 {
		return
	}
	gone := map[string]bool{}
	for _, name := range a.pods[len(a.pods)-n:] {
		gone[name] = true
	}
	a.pods = slices.Clone(a.pods[:len(a.pods)-n])
	d.c.Remove(gone)
}

func (d *day) rollOut(a *app) {
	old := len(a.pods)
	for range old {
		d.grow(a)
	}
	gone := map[string]bool{}
	for _, name := range a.pods[:old] {
		gone[name] = true
	}
	a.pods = slices.Clone(a.pods[old:])
	d.c.Remove(gone)
}

// runJobs starts some jobs of a few minutes.
func (d *day) runJobs() {
	for range 6 {
		d.jobs++
		name := fmt.Sprint("job-", d.jobs)
		d.c.Add(builders.Pod(builders.Name(name), builders.OwnedBy("batch/v1", "Job", name), builders.CPU("500m"), builders.Memory("512Mi"),
			func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }))
		at := d.c.Now.Add(time.Duration(60+10*d.r.IntN(12)) * time.Second)
		d.ends[at] = append(d.ends[at], name)
	}
}
