package live

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/kerf-autoscaler/kerf/controllers"
	"github.com/kerf-autoscaler/kerf/controllers/aws/inlineprovider"
	"github.com/kerf-autoscaler/kerf/controllers/aws/nodetemplate"
	"github.com/kerf-autoscaler/kerf/controllers/aws/refresh"
	"github.com/kerf-autoscaler/kerf/controllers/provisioning"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/pkg/options"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	simulated "github.com/kerf-autoscaler/kerf/test/awssim/world"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
	"github.com/kerf-autoscaler/kerf/test/chaos/line"
)

const (
	// batchIdle and batchMax close a batch of pods.
	batchIdle, batchMax = 50 * time.Millisecond, 500 * time.Millisecond
	// visibilityWindow is longer than instances are ever hidden, and short, so that worlds end.
	visibilityWindow = 3 * time.Second
	// patientWindow is the same where launches wait for their turn, for half of it at most.
	patientWindow = 20 * time.Second
	// lateness is what the machine that the world runs on is granted between two calls.
	lateness = 2 * time.Second
	// launchTimeout and registrationTimeout are kerf's defaults.
	launchTimeout, registrationTimeout = 5 * time.Minute, 15 * time.Minute
	// The lease of the leader: how long it lasts, for how long the leader tries to renew it, how often it and others look.
	leaseDuration, renewDeadline, retryPeriod = 3 * time.Second, 2 * time.Second, 300 * time.Millisecond
)

// process is one life of kerf: all that it knows ends with it.
type process struct {
	world  *World
	number int
	line   *line.Line
	end    context.CancelFunc
	// elected is closed when the process may act.
	elected <-chan struct{}

	mu sync.Mutex
	// led is when the process began to lead; last is when it changed something last.
	led, last time.Time
}

// live runs a process until it ends: by a fault, by itself, or with the context.
func (w *World) live(ctx context.Context) {
	p := &process{world: w, number: w.next()}
	p.line = line.New(&judge{court: w.court, process: p})
	ctx, p.end = context.WithCancel(ctrl.LoggerInto(ctx, logr.Discard()))
	defer p.end()
	w.mark(history.MarkStart, fmt.Sprintf("process %d", p.number), p.number)
	mgr, err := p.assemble(ctx)
	if err != nil {
		if ctx.Err() == nil && !p.line.IsCut() {
			w.mark(history.MarkFault, fmt.Sprintf("process %d does not start: %s", p.number, err), p.number)
		}
		return
	}
	p.elected = mgr.Elected()
	w.join(p)
	returned := make(chan error, 1)
	w.running.Go(func() { returned <- mgr.Start(ctx) })
	for {
		select {
		case <-p.elected:
			p.lead(time.Now())
			p.elected = nil
		case err := <-returned:
			p.line.Cut()
			w.mark(history.MarkFault, fmt.Sprintf("process %d ends: %v", p.number, err), p.number)
			return
		case <-p.line.Ended():
			return // what is left of it finds nobody to talk to
		}
	}
}

func (p *process) lead(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.led = now
}

func (p *process) leads() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.led.IsZero()
}

func (p *process) wrote(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = now
}

// reign returns when the process began to lead, and when it changed something last.
func (p *process) reign() (led, last time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.led, p.last
}

// note puts a trouble of the process into the history.
func (p *process) note(t Trouble) { go p.world.mark(history.MarkFault, t.String(), p.number) }

// assemble makes kerf as its command does: the same controllers and the same AWS provider, on a line of their own.
func (p *process) assemble(ctx context.Context) (ctrl.Manager, error) {
	w := p.world
	restConfig := w.site.config()
	restConfig.QPS, restConfig.Burst = 200, 300 // as the command has it
	restConfig.Wrap(func(by http.RoundTripper) http.RoundTripper { return p.line.To(line.API, by) })
	mgr, err := operator.NewManager(ctx, restConfig, options.Options{
		LeaderElect: w.plan.Replicas > 1, LeaderElectionNamespace: namespace,
	}, func(o *ctrl.Options) {
		o.Logger = logr.Discard()
		o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = new(leaseDuration), new(renewDeadline), new(retryPeriod)
	})
	if err != nil {
		return nil, err
	}
	provider, err := aws.New(p.awsConfig(), mgr.GetClient(), aws.Settings{
		ClusterName: clusterName, ClusterUID: w.site.clusterUID, VMMemoryOverheadPercent: 0.075, DefaultInstanceProfile: "nodes",
		IsolatedVPC: true, VisibilityWindow: w.plan.window(),
	}, clock.RealClock{})
	if err != nil {
		return nil, fmt.Errorf("making the provider: %w", err)
	}
	recorded, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		return nil, fmt.Errorf("making metrics: %w", err)
	}
	return mgr, errors.Join(
		controllers.Register(mgr, provider, recorded, controllers.Settings{
			ClusterUID: w.site.clusterUID, BatchIdle: batchIdle, BatchMax: batchMax, LaunchTimeout: launchTimeout,
			RegistrationTimeout: registrationTimeout, VisibilityWindow: w.plan.window(),
			Provisioning: provisioning.Settings{ExpendableBelow: -10, Solver: solver.Settings{MostDearer: 1.5}},
		}),
		refresh.Register(mgr, provider.Tasks(), clock.RealClock{}),
		inlineprovider.NewController(mgr.GetClient(), events.NewRecorder(mgr.GetEventRecorder("kerf"), clock.RealClock{})).Register(mgr),
		nodetemplate.NewController(mgr.GetClient(), nodetemplate.SourcesOf(provider.Discovery())).Register(mgr),
	)
}

// window is how long EC2 may take to show an instance, as far as kerf knows.
func (p *Plan) window() time.Duration {
	if p.AWS.Throttle != nil {
		return patientWindow
	}
	return visibilityWindow
}

// awsConfig points the SDK, with the retries that it has, at the simulator.
func (p *process) awsConfig() awssdk.Config {
	transport := p.line.To(line.AWS, signed{number: p.number, by: p.world.toAWS})
	return awssdk.Config{
		Region: region, BaseEndpoint: new(p.world.sim.URL()), HTTPClient: &http.Client{Transport: transport},
		Credentials: credentials.NewStaticCredentialsProvider(simulated.DefaultAccessKeyID, "unchecked", ""),
	}
}

// processHeader tells the simulator which process calls.
const processHeader = "X-Kerf-Process"

// signed puts the number of the process on its requests.
type signed struct {
	number int
	by     http.RoundTripper
}

// RoundTrip sends a request.
func (s signed) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set(processHeader, strconv.Itoa(s.number))
	return s.by.RoundTrip(r)
}
