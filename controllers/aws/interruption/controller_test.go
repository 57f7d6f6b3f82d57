package interruption

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/queue"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/transport"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/awssim/admin"
	awssimsqs "github.com/kerf-autoscaler/kerf/test/awssim/sqs"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

const region, cluster = "us-east-1", "demo"

// market takes down what is left alone.
type market struct {
	mu     sync.Mutex
	marked []string
}

func (m *market) MarkUnavailable(instanceType, zone, capacityType string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.marked = append(m.marked, instanceType+" "+zone+" "+capacityType)
}

// post is a controller that reads a queue of its own.
type post struct {
	*workbench.Bench
	t          *testing.T
	aws        *awssim.Server
	market     *market
	queue      *queue.Queue
	controller *Controller
	// running has the ids of instances of which the cloud says so.
	running map[string]bool
}

func newPost(t *testing.T, served awssim.Config, settings Settings) *post {
	t.Helper()
	p := &post{Bench: workbench.New(t), t: t, market: &market{}, running: map[string]bool{}}
	described, err := awssim.DefaultWorld(region, cluster)
	if err != nil {
		t.Fatal(err)
	}
	described.Clock = p.Clock
	served.World = described
	if p.aws, err = awssim.Start(served); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.aws.Close() })
	p.queue = queue.New(sqs.New(sqs.Options{
		Region: region, BaseEndpoint: awssdk.String(p.aws.URL()), HTTPClient: transport.New(http.DefaultClient), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(world.DefaultAccessKeyID, "not-checked", ""),
	}), cluster)
	p.controller = p.with(p.Client, settings)
	return p
}

func oneQueue(copies int) awssim.Config {
	return awssim.Config{Queues: []awssimsqs.Config{{Name: cluster, Copies: copies}}}
}

func (p *post) with(c client.Client, settings Settings) *Controller {
	return NewController(World{Client: c, Live: c, Queue: p.queue, Offerings: p.market, Instances: p}, settings, p.Journal)
}

// Get says of an instance that it runs, or that nobody knows it.
func (p *post) Get(_ context.Context, providerID string) (*v1alpha5.Machine, error) {
	if !p.running[machines.InstanceID(providerID)] {
		return nil, cloudprovider.NewNotFoundError(errors.New("there is no such instance"))
	}
	return builders.Machine("running", "p", builders.LaunchedAs(providerID, "2", "8Gi", 29)), nil
}

// instanceID is made up, in EC2's form.
func instanceID() string { return fmt.Sprintf("i-%017x", rand.Uint64()) }

// machine creates a spot machine with a node, and returns it with the id of its instance.
func (p *post) machine() (*v1alpha5.Machine, string) {
	p.t.Helper()
	id := instanceID()
	providerID := "aws:///" + p.Zone + "/" + id
	node := p.Node(providerID)
	machine := p.Machine(builders.LaunchedAs(providerID, "2", "8Gi", 29), builders.RegisteredAs(node.Name), func(m *v1alpha5.Machine) {
		maps.Copy(m.Labels, map[string]string{
			corev1.LabelInstanceTypeStable: "m5.large", corev1.LabelTopologyZone: p.Zone, v1alpha5.CapacityTypeLabel: v1alpha5.CapacityTypeSpot,
		})
	})
	p.Create(machine)
	return machine, id
}

func (p *post) send(events ...admin.Event) {
	p.t.Helper()
	for _, e := range events {
		if err := p.aws.SendEvent(e); err != nil {
			p.t.Fatal(err)
		}
	}
}

// read handles what there is once.
func (p *post) read(c *Controller) {
	p.t.Helper()
	for {
		more, err := c.receive(p.t.Context(), 0)
		if err != nil {
			p.t.Fatal(err)
		}
		if !more {
			return
		}
	}
}

// left is how many messages are in the queue, held or not.
func (p *post) left() int {
	q := p.aws.Queues()[0]
	return q.Visible + q.InFlight
}

func (p *post) leaving(machine *v1alpha5.Machine) bool {
	p.t.Helper()
	p.Reload(machine)
	return !machine.DeletionTimestamp.IsZero()
}

func count(c *prometheus.CounterVec, labels ...string) float64 {
	return value(c.WithLabelValues(labels...))
}

// value is what a counter or a gauge shows.
func value(metric prometheus.Metric) float64 {
	var shown dto.Metric
	if err := metric.Write(&shown); err != nil {
		return math.NaN()
	}
	return shown.GetCounter().GetValue() + shown.GetGauge().GetValue()
}

func TestASpotWarningRemovesItsMachineOnceHoweverOftenItComes(t *testing.T) {
	p := newPost(t, oneQueue(3), Settings{})
	machine, id := p.machine()
	other, _ := p.machine()
	for range 2 {
		p.send(admin.SpotWarning(id).At(p.Clock.Now().Add(-5 * time.Second)))
		p.read(p.controller)
	}
	if !p.leaving(machine) || p.leaving(other) {
		t.Fatalf("the machine goes: %t, another one: %t", p.leaving(machine), p.leaving(other))
	}
	if got, want := machine.ReclaimTime(), p.Clock.Now().Add(105*time.Second); got.After(want) || want.Sub(got) > 2*time.Second {
		t.Errorf("it is to be drained by %s, want %s", got, want)
	}
	if got := machine.Annotations[v1alpha5.InterruptedAnnotation]; got != "SpotInterrupted" {
		t.Errorf("it remembers %q", got)
	}
	if diff := cmp.Diff([]string{"m5.large " + p.Zone + " spot"}, p.market.marked); diff != "" {
		t.Errorf("left alone (-want +got):\n%s", diff)
	}
	if p.Told.Count("SpotInterrupted") != 2 { // the machine and its node
		t.Errorf("told: %q", p.Told.Lines())
	}
	m := p.Journal.Metrics
	for name, got := range map[string][2]float64{
		"actions":  {count(m.ActionsPerformed, metrics.ActionDrain), 1},
		"marks":    {count(m.ActionsPerformed, metrics.ActionMark), 1},
		"removed":  {count(m.MachinesDisrupted, "default", "SpotInterrupted"), 1},
		"received": {count(m.MessagesReceived, "spot_interrupted"), 6},
		"deleted":  {value(m.MessagesDeleted), 6},
		"left":     {float64(p.left()), 0},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %g, want %g", name, got[0], got[1])
		}
	}
}

func TestOtherEndsRemoveTheirMachines(t *testing.T) {
	for name, tc := range map[string]struct {
		event   func(id string) admin.Event
		replace bool
		reason  string
		stays   bool
		bounded bool
	}{
		"a reservation":              {event: admin.ReservationWarning, reason: "CapacityReservationInstanceInterrupted", bounded: true},
		"it stops":                   {event: func(id string) admin.Event { return admin.StateChange(id, "stopping") }, reason: "InstanceStopping"},
		"it is terminated":           {event: func(id string) admin.Event { return admin.StateChange(id, "terminated") }, reason: "InstanceTerminating"},
		"it starts":                  {event: func(id string) admin.Event { return admin.StateChange(id, "running") }, stays: true},
		"maintenance":                {event: func(id string) admin.Event { return admin.ScheduledChange(instanceID(), id) }, reason: "InstanceUnhealthy"},
		"a recommendation":           {event: admin.Rebalance, reason: "SpotRebalanceRecommendation", stays: true},
		"a recommendation is heeded": {event: admin.Rebalance, replace: true, reason: "SpotRebalanceRecommendation"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t, oneQueue(1), Settings{ReplaceOnRebalance: tc.replace})
			machine, id := p.machine()
			p.send(tc.event(id))
			p.read(p.controller)
			if p.leaving(machine) == tc.stays || machine.ReclaimTime().IsZero() == tc.bounded || len(p.market.marked) > 0 || p.left() != 0 {
				t.Errorf("it goes: %t, by %s; marked %v, %d messages are left", p.leaving(machine), machine.ReclaimTime(), p.market.marked, p.left())
			}
			if tc.reason != "" && p.Told.Count(tc.reason) != 2 || tc.reason == "" && len(p.Told.Lines()) > 0 {
				t.Errorf("told: %q", p.Told.Lines())
			}
		})
	}
}

// Who may write to the queue can say that an instance stops, and what was true may not be so any more.
func TestAnInstanceThatRunsIsNotEndedForAMessage(t *testing.T) {
	p := newPost(t, oneQueue(1), Settings{})
	machine, id := p.machine()
	p.running[id] = true
	p.send(admin.StateChange(id, "stopped"), admin.StateChange(id, "terminated"))
	p.read(p.controller)
	if p.leaving(machine) || p.left() != 2 {
		t.Fatalf("it goes: %t; %d messages are left, want both until the cloud says the same", p.leaving(machine), p.left())
	}
	delete(p.running, id)
	p.Clock.Step(time.Minute) // past the time for which a message that was read is not seen
	p.read(p.controller)
	if !p.leaving(machine) || p.left() != 0 {
		t.Errorf("it goes: %t; %d messages are left", p.leaving(machine), p.left())
	}
}

func TestWhatCouldStayStaysWhileItIsProtectedOrDisruptionIsPaused(t *testing.T) {
	for name, tc := range map[string]struct {
		settings Settings
		protect  bool
		event    func(id string) admin.Event
		goes     bool
	}{
		"maintenance, protected":          {event: func(id string) admin.Event { return admin.ScheduledChange(id) }, protect: true},
		"maintenance, paused":             {event: func(id string) admin.Event { return admin.ScheduledChange(id) }, settings: Settings{PauseDisruption: true}},
		"a recommendation, paused":        {event: admin.Rebalance, settings: Settings{ReplaceOnRebalance: true, PauseDisruption: true}},
		"a recommendation, protected":     {event: admin.Rebalance, settings: Settings{ReplaceOnRebalance: true}, protect: true},
		"a warning, protected":            {event: admin.SpotWarning, protect: true, goes: true},
		"a warning, paused":               {event: admin.SpotWarning, settings: Settings{PauseDisruption: true}, goes: true},
		"maintenance, not held by anyone": {event: func(id string) admin.Event { return admin.ScheduledChange(id) }, goes: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPost(t, oneQueue(1), tc.settings)
			machine, id := p.machine()
			if tc.protect {
				workbench.Update(p.Bench, machine, func(m *v1alpha5.Machine) {
					m.Annotations = map[string]string{v1alpha5.DoNotDisruptAnnotation: "true"}
				})
			}
			p.send(tc.event(id))
			p.read(p.controller)
			p.Reload(machine)
			if told := machine.Annotations[v1alpha5.InterruptedAnnotation]; !tc.goes && (told == v1alpha5.ReasonInstanceUnhealthy) != strings.HasPrefix(name, "maintenance") {
				t.Errorf("the machine remembers %q", told)
			}
			if p.leaving(machine) != tc.goes || p.left() != 0 || len(p.Told.Lines()) == 0 {
				t.Errorf("it goes: %t; %d messages are left, told %q", p.leaving(machine), p.left(), p.Told.Lines())
			}
		})
	}
}

func TestAMachineThatIsDrainedAlreadyGetsTheDeadline(t *testing.T) {
	p := newPost(t, oneQueue(1), Settings{})
	machine, id := p.machine()
	p.Delete(machine)
	p.send(admin.StateChange(id, "shutting-down"), admin.SpotWarning(id))
	p.read(p.controller)
	if p.Reload(machine); machine.ReclaimTime().IsZero() || len(p.market.marked) != 1 {
		t.Errorf("by %s, marked %v", machine.ReclaimTime(), p.market.marked)
	}
	if n := count(p.Journal.Metrics.ActionsPerformed, metrics.ActionDrain); n != 0 || p.Told.Count("InstanceTerminating") != 0 {
		t.Errorf("%g machines were removed that went before; told: %q", n, p.Told.Lines())
	}
}

func TestWhatIsForgedMalformedStaleOrForeignDoesNothing(t *testing.T) {
	p := newPost(t, oneQueue(2), Settings{ReplaceOnRebalance: true})
	machine, id := p.machine()
	before := machine.DeepCopy()
	forged := func(change func(*admin.Event)) admin.Event {
		e := admin.SpotWarning(id)
		change(&e)
		return e
	}
	p.send(
		admin.Event{Body: "{}"}, admin.Event{Body: id}, admin.Event{Body: strings.Repeat("[", 10_000)},
		forged(func(e *admin.Event) { e.Source = "my.ec2" }), forged(func(e *admin.Event) { e.Account = "999999999999" }),
		forged(func(e *admin.Event) { e.Region = "us-west-2" }), forged(func(e *admin.Event) { e.DetailType = "EC2 Instance Launched" }),
		forged(func(e *admin.Event) { e.Detail["instance-id"] = id + "0" }), admin.SpotWarning(id).At(p.Clock.Now().Add(-time.Hour)),
		admin.SpotWarning(instanceID()), admin.ScheduledChange(instanceID(), instanceID()),
	)
	p.read(p.controller)
	p.Reload(machine)
	if diff := cmp.Diff(before.ObjectMeta, machine.ObjectMeta); diff != "" || len(p.market.marked)+len(p.Told.Lines()) > 0 || p.left() != 0 {
		t.Errorf("marked %v, told %q, %d messages are left; machine (-want +got):\n%s", p.market.marked, p.Told.Lines(), p.left(), diff)
	}
	dropped := map[string]float64{}
	for _, reason := range []string{"malformed", "foreign_source", "foreign_account", "foreign_region", "stale", "unhandled"} {
		dropped[reason] = count(p.Journal.Metrics.MessagesDropped, reason)
	}
	want := map[string]float64{"malformed": 8, "foreign_source": 2, "foreign_account": 2, "foreign_region": 2, "stale": 2, "unhandled": 0}
	if diff := cmp.Diff(want, dropped); diff != "" {
		t.Errorf("dropped (-want +got):\n%s", diff)
	}
}

func TestWhatCannotBeHandledComesAgainButNotForEver(t *testing.T) {
	p := newPost(t, oneQueue(1), Settings{})
	machine, id := p.machine()
	p.send(admin.SpotWarning(id))
	broken := p.with(interceptor.NewClient(p.Client, interceptor.Funcs{
		Delete: func(context.Context, client.WithWatch, client.Object, ...client.DeleteOption) error {
			return errors.New("no")
		},
	}), Settings{})
	for range 3 {
		p.read(broken)
		p.Clock.Step(queue.Hold)
	}
	if p.leaving(machine) || p.left() != 1 {
		t.Fatalf("the machine goes: %t, %d messages are left", p.leaving(machine), p.left())
	}
	deadline := machine.ReclaimTime()
	p.read(p.controller) // another process goes on where the first one failed
	if !p.leaving(machine) || p.left() != 0 || !machine.ReclaimTime().Equal(deadline) || len(p.market.marked) != 1 {
		t.Errorf("the machine goes: %t, %d messages are left, by %s, before %s; marked %v", p.leaving(machine), p.left(), machine.ReclaimTime(), deadline, p.market.marked)
	}

	_, poison := p.machine()
	p.send(admin.StateChange(poison, "stopped").At(p.Clock.Now().Add(time.Hour)))
	for range mostDeliveries {
		if p.left() != 1 {
			t.Fatal("it was given up too soon")
		}
		p.read(broken)
		p.Clock.Step(queue.Hold)
	}
	if p.left() != 0 || count(p.Journal.Metrics.MessagesDropped, "unhandled") != 1 {
		t.Errorf("%d messages are left", p.left())
	}
}

func TestAMachineOfTheSameNameIsNotMeant(t *testing.T) {
	p := newPost(t, oneQueue(1), Settings{})
	machine, id := p.machine()
	lagging := interceptor.NewClient(p.Client, interceptor.Funcs{
		List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, o ...client.ListOption) error {
			err := c.List(ctx, list, o...)
			if found, ok := list.(*v1alpha5.MachineList); ok && len(found.Items) > 0 {
				found.Items[0].UID = "of one that is gone"
			}
			return err
		},
	})
	p.send(admin.SpotWarning(id))
	p.read(p.with(lagging, Settings{}))
	if p.leaving(machine) {
		t.Error("a machine was deleted for another one of its name")
	}
}

func TestAQueueThatCannotBeReadIsTriedAgainAndSaysSo(t *testing.T) {
	p := newPost(t, awssim.Config{}, Settings{})
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- p.controller.Start(ctx) }()
	machine, id := p.machine()
	out := func() float64 { return value(p.Journal.Metrics.QueueUnavailable) }
	await := func(what string, done func() bool) {
		t.Helper()
		if err := wait.PollUntilContextTimeout(ctx, 10*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
			return done(), nil
		}); err != nil {
			t.Fatalf("waiting for %s: %s", what, err)
		}
	}
	await("it to say that the queue is not there", func() bool { return out() == 1 && p.Clock.HasWaiters() })
	api := sqs.New(sqs.Options{
		Region: region, BaseEndpoint: awssdk.String(p.aws.URL()), HTTPClient: transport.New(http.DefaultClient),
		Credentials: credentials.NewStaticCredentialsProvider(world.DefaultAccessKeyID, "not-checked", ""),
	})
	if _, err := api.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: awssdk.String(cluster)}); err != nil {
		t.Fatal(err)
	}
	p.send(admin.SpotWarning(id))
	p.Clock.Step(longestRetry)
	await("the machine to go", func() bool { return p.leaving(machine) && p.left() == 0 })
	await("it to say that the queue is read", func() bool { return out() == 0 })
	end()
	if err := <-ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
}

func TestABacklogIsHandledByMany(t *testing.T) {
	p := newPost(t, oneQueue(1), Settings{})
	var all []*v1alpha5.Machine
	for range 5 {
		machine, id := p.machine()
		all = append(all, machine)
		p.send(admin.StateChange(id, "terminated"))
		for range 100 {
			p.send(admin.SpotWarning(instanceID()))
		}
	}
	p.controller.help(t.Context())
	if slices.ContainsFunc(all, func(m *v1alpha5.Machine) bool { return !p.leaving(m) }) || p.left() != 0 {
		t.Errorf("%d messages are left", p.left())
	}
}
