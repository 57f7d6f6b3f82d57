package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/controllers/machine/garbagecollection"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/apierror"
	"github.com/kerf-autoscaler/kerf/test/awssim/wire"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
)

// sweepEvery is how often the sweeps come.
const sweepEvery = 30 * time.Second

// size is what a world of orphans is made of.
type size struct{ orphans, healthy, foreign, untagged, forged, perGroup int }

// worldsOfOrphans names a variable of the environment: how many worlds to sweep, each of the size that is promised. Without it
// there are few, and small ones.
const worldsOfOrphans = "KERF_WORLDS_OF_ORPHANS"

// liar is an EC2 that tells the truth late, or not all of it. What it says of an instance differs from answer to answer.
type liar struct {
	account *account
	forged  string // the fleet that its instances do not tell of

	mu     sync.Mutex
	source *rand.Rand
	lying  bool
	hides  map[string]time.Time // id -> until when it is not shown
	counts map[string]int       // kind of lie -> how often it was told
}

func (l *liar) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lying = false
}

// hidden reports whether an instance is left out of an answer.
func (l *liar) hidden(id string) bool {
	until, ok := l.hides[id]
	if !ok {
		until = l.account.clock.Now().Add(time.Duration(l.source.Int64N(int64(5 * time.Minute))))
		l.hides[id] = until
	}
	if l.account.clock.Now().Before(until) {
		l.counts["not shown yet"]++
		return true
	}
	if l.source.IntN(20) == 0 {
		l.counts["left out"]++
		return true
	}
	return false
}

// left returns the ids that an answer does not tell of.
func (l *liar) left(asked []string) (left []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.lying {
		return nil
	}
	if l.source.IntN(8) == 0 {
		l.counts["empty"]++
		return asked
	}
	for _, id := range asked {
		if l.hidden(id) {
			left = append(left, id)
		}
	}
	return left
}

func (l *liar) hook(ctx context.Context, r *wire.Request, next awssim.Handler) (*wire.Response, error) {
	if r.Action != "DescribeInstances" {
		return next(ctx, r)
	}
	var asked []string
	for i := 1; r.Form.Get(fmt.Sprintf("InstanceId.%d", i)) != ""; i++ {
		asked = append(asked, r.Form.Get(fmt.Sprintf("InstanceId.%d", i)))
	}
	if len(asked) > 0 {
		if left := l.left(asked); len(left) > 0 {
			return nil, apierror.New("InvalidInstanceID.NotFound", "The instance IDs '%s' do not exist", strings.Join(left, ", "))
		}
	}
	out, err := next(ctx, r)
	if err != nil {
		return out, err
	}
	out.Body = bytes.ReplaceAll(out.Body, []byte("<key>"+awsv1alpha1.TagFleet+"</key><value>"+l.forged+"</value>"), []byte("<key>owner</key><value>somebody</value>"))
	if len(asked) == 0 {
		for _, i := range l.account.sim.World().Instances() {
			asked = append(asked, i.ID)
		}
		for _, id := range l.left(asked) {
			out.Body = without(out.Body, id)
		}
	}
	return out, nil
}

// without returns an answer that leaves out an instance.
func without(body []byte, id string) []byte {
	const open, end = "<item>", "</item>"
	start := bytes.Index(body, []byte(open+"<instanceId>"+id+"</instanceId>"))
	if start < 0 {
		return body
	}
	for at, depth := start+len(open), 1; ; {
		next := at + bytes.Index(body[at:], []byte(end)) + len(end)
		depth += bytes.Count(body[at:next], []byte(open)) - 1
		if at = next; depth == 0 {
			return slices.Delete(body, start, at)
		}
	}
}

// planted is what a world of orphans holds, by ids of instances.
type planted struct {
	orphans, healthy, foreign, untagged, forged []string
	unanswered                                  []*v1alpha5.Machine // the healthy machines whose answers are still to be written
}

func (c *tenant) plant(stranger *tenant, of size) planted {
	c.t.Helper()
	var p planted
	for i := range of.orphans / of.perGroup {
		lost := c.group(fmt.Sprintf("lost%d", i), of.perGroup)
		c.launch(lost)
		p.orphans = append(p.orphans, ids(lost)...)
	}
	for i := range of.healthy / of.perGroup {
		kept := c.group(fmt.Sprintf("kept%d", i), of.perGroup)
		c.launch(kept)
		p.healthy = append(p.healthy, ids(kept)...)
		for n, m := range kept {
			answered := m.DeepCopy()
			if n%5 == 0 { // its answer cannot be written
				m.Status.ProviderID, m.Status.Launch.Answered, m.Status.Conditions = "", false, nil
				p.unanswered = append(p.unanswered, answered)
			}
			c.create(m)
		}
	}
	for i := range of.foreign / of.perGroup {
		theirs := stranger.group(fmt.Sprintf("kept%d", i), of.perGroup) // of the same names as this cluster's
		stranger.launch(theirs)
		p.foreign = append(p.foreign, ids(theirs)...)
	}
	p.untagged = c.others(of.untagged)
	p.forged = c.others(of.forged)
	err := c.sim.World().CreateTags(p.forged, world.Tags{
		awsv1alpha1.TagClusterUID: c.uid, awsv1alpha1.TagLaunchGroup: "lost0", awsv1alpha1.TagLaunchAttempt: "1", v1alpha5.ProvisionerNameLabel: "default",
	}, false)
	if err != nil {
		c.t.Fatal(err)
	}
	return p
}

// others makes instances that carry no tag of any kerf, in one fleet.
func (c *tenant) others(n int) []string {
	c.t.Helper()
	subnets := c.sim.World().Subnets()
	slices.SortFunc(subnets, func(a, b world.SubnetStatus) int { // the private one of the first zone comes first
		return cmp.Or(strings.Compare(a.Zone, b.Zone), cmp.Compare(b.FreeAddresses, a.FreeAddresses))
	})
	fleet, err := c.sim.World().CreateFleet(world.FleetRequest{
		Type: "instant", Target: world.TargetCapacity{Total: n, DefaultType: world.OnDemand},
		LaunchTemplateConfigs: []world.FleetTemplateConfig{{
			Template:  world.TemplateReference{Name: c.sim.World().LaunchTemplates()[0].Name, Version: "$Latest"},
			Overrides: []world.FleetOverride{{InstanceType: "m5.large", SubnetID: subnets[0].ID}},
		}},
	})
	if err != nil || fleet.Fulfilled() != n {
		c.t.Fatalf("%d instances, %v: %v", fleet.Fulfilled(), fleet.Errors, err)
	}
	var out []string
	for _, g := range fleet.Groups {
		out = append(out, g.InstanceIDs...)
	}
	return out
}

// frozen is a cache that shows no Machine at all.
func frozen(kube client.WithWatch) client.Client {
	return interceptor.NewClient(kube, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			if _, ok := list.(*v1alpha5.MachineList); ok {
				return nil
			}
			return c.List(ctx, list, o...)
		},
	})
}

func TestOrphansGoAndNothingElseDoes(t *testing.T) {
	worlds, of := 2, size{50, 50, 20, 10, 5, 5}
	if value, ok := os.LookupEnv(worldsOfOrphans); ok {
		n, err := strconv.Atoi(value)
		if err != nil {
			t.Fatal(err)
		}
		worlds, of = n, size{500, 500, 200, 100, 50, 50}
	}
	for seed := range worlds {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) { sweepWorld(t, uint64(seed), of) })
	}
}

// garden is a world of orphans with a cluster whose kerf sweeps it.
type garden struct {
	*tenant
	planted
	liar *liar
	gc   *garbagecollection.Controller
}

func layOut(t *testing.T, seed uint64, of size) *garden {
	t.Helper()
	source := rand.New(rand.NewPCG(seed, 1))
	a := openAccount(t)
	c, stranger := a.join("cluster-a", time.Duration(source.IntN(21)-10)*time.Minute), a.join("cluster-b", 0)
	g := &garden{
		tenant: c, planted: c.plant(stranger, of),
		liar: &liar{account: a, source: source, lying: true, hides: map[string]time.Time{}, counts: map[string]int{}},
		gc:   garbagecollection.NewController(frozen(c.kube), c.kube, c.provider, c.journal),
	}
	for _, i := range a.sim.World().Instances() {
		if i.ID == g.forged[0] {
			g.liar.forged = i.FleetID
		}
	}
	a.inject(g.liar.hook)
	return g
}

// sweep sweeps for a time.
func (g *garden) sweep(d time.Duration) {
	g.t.Helper()
	for range int(d / sweepEvery) {
		if err := g.gc.Sweep(g.t.Context()); err != nil && !g.liar.lying {
			g.t.Errorf("a sweep of a cloud that tells the truth: %v", err)
		}
		g.step(sweepEvery)
	}
}

// answer writes the answers that could not be written before.
func (g *garden) answer() {
	g.t.Helper()
	for _, m := range g.unanswered {
		stored := &v1alpha5.Machine{}
		if err := g.kube.Get(g.t.Context(), client.ObjectKeyFromObject(m), stored); err != nil {
			g.t.Fatal(err)
		}
		stored.Status = m.Status
		if err := g.kube.Status().Update(g.t.Context(), stored); err != nil {
			g.t.Fatal(err)
		}
	}
}

// deleted counts the Machines that are being deleted.
func (g *garden) deleted() int {
	g.t.Helper()
	var list v1alpha5.MachineList
	if err := g.kube.List(g.t.Context(), &list); err != nil {
		g.t.Fatal(err)
	}
	return len(g.healthy) - len(slices.DeleteFunc(list.Items, func(m v1alpha5.Machine) bool { return !m.DeletionTimestamp.IsZero() }))
}

func sweepWorld(t *testing.T, seed uint64, of size) {
	t.Helper()
	g := layOut(t, seed, of)
	g.sweep(90 * time.Second)
	g.answer()
	g.sweep(6*time.Minute + 30*time.Second)
	early := len(g.orphans) - g.running(g.orphans)
	g.liar.stop()
	ended := g.account.clock.Now()
	for g.running(g.orphans) > 0 && g.account.clock.Since(ended) < 10*time.Minute {
		g.sweep(sweepEvery)
	}
	g.step(shutdownTakes) // the last of them shut down
	took := g.account.clock.Since(ended)
	t.Logf("seed %d: clock off by %s, lies %v: %d of %d orphans gone under lies, all but %d %s after; running are %d of %d healthy, %d of %d foreign, %d of %d untagged, %d of %d forged; %d machines deleted; calls %v",
		seed, g.clock.Now().Sub(g.account.clock.Now()), g.liar.counts, early, len(g.orphans), g.running(g.orphans), took, g.running(g.healthy), len(g.healthy), g.running(g.foreign), len(g.foreign),
		g.running(g.untagged), len(g.untagged), g.running(g.forged), len(g.forged), g.deleted(), g.sim.Calls().Total)
	if g.running(g.orphans) > 0 || took > 3*time.Minute {
		t.Errorf("%d orphans are left, %s after EC2 tells the truth", g.running(g.orphans), took)
	}
	for name, group := range map[string][]string{"healthy": g.healthy, "foreign": g.foreign, "untagged": g.untagged, "forged": g.forged} {
		if n := len(group) - g.running(group); n > 0 {
			t.Errorf("%d of the %s instances were terminated", n, name)
		}
	}
	if n := g.deleted(); n > 0 {
		t.Errorf("%d machines were deleted", n)
	}
	for _, kind := range []string{"not shown yet", "left out", "empty"} {
		if g.liar.counts[kind] == 0 {
			t.Errorf("no instance was %s: the world showed nothing", kind)
		}
	}
}
