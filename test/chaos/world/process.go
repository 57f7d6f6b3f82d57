package world

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	awssdk "github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/kerf-autoscaler/kerf/controllers"
	"github.com/kerf-autoscaler/kerf/controllers/aws/inlineprovider"
	"github.com/kerf-autoscaler/kerf/controllers/aws/nodetemplate"
	"github.com/kerf-autoscaler/kerf/controllers/aws/refresh"
	"github.com/kerf-autoscaler/kerf/controllers/provisioning"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws"
	"github.com/kerf-autoscaler/kerf/pkg/events"
	"github.com/kerf-autoscaler/kerf/pkg/metrics"
	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/pkg/solver"
	"github.com/kerf-autoscaler/kerf/test/awssim/world"
	"github.com/kerf-autoscaler/kerf/test/chaos/apiserver"
	"github.com/kerf-autoscaler/kerf/test/chaos/history"
)

const (
	// visibilityWindow is that of kerf's command.
	visibilityWindow = 5 * time.Minute
	// launchTimeout and registrationTimeout are kerf's defaults.
	launchTimeout, registrationTimeout = 5 * time.Minute, 15 * time.Minute
)

// process is one life of kerf: all that it knows ends with it.
type process struct {
	once
	world  *World
	number int
	end    context.CancelFunc
	cache  *apiserver.Cache

	queuesMu sync.Mutex
	queues   []*queue
}

// startProcess starts kerf as its command does: the same controllers, the same AWS provider, on clients that pass the gate.
func (w *World) startProcess(ctx context.Context) error {
	w.processes++
	p := &process{world: w, number: w.processes}
	w.names.begin(p.number)
	ctx, p.end = context.WithCancel(ctrl.LoggerInto(ctx, logr.Discard()))
	p.cache = apiserver.NewCache(w.store, w.lagFrom(w.processes))
	p.cache.Follow(kinds()...)
	w.rewind(p)
	if err := operator.Index(ctx, p.cache); err != nil {
		return err
	}
	mgr := &runs{
		process: p, cache: p.cache,
		client: apiserver.NewClient(w.store, history.ByKerf, p.askAPI, p.cache),
		live:   apiserver.NewClient(w.store, history.ByKerf, p.askAPI, nil),
	}
	if ahead := w.plan.clockOf(p.number); ahead != 0 {
		w.hits[ClassClock]++
		mgr.client, mgr.live = &askew{mgr.client, ahead}, &askew{mgr.live, ahead}
		mgr.cache = &askewCache{mgr.cache, ahead}
	}
	recorded, err := metrics.New(prometheus.NewRegistry())
	if err != nil {
		return fmt.Errorf("making metrics: %w", err)
	}
	provider, err := aws.New(p.awsConfig(), mgr.GetClient(), aws.Settings{
		ClusterName: clusterName, ClusterUID: clusterUID, VMMemoryOverheadPercent: 0.075, DefaultInstanceProfile: "nodes",
		IsolatedVPC: true, VisibilityWindow: visibilityWindow,
	}, clock.RealClock{})
	if err != nil {
		return fmt.Errorf("making the provider: %w", err)
	}
	recorder := events.NewRecorder(mgr.GetEventRecorder("kerf"), clock.RealClock{})
	if err := errors.Join(
		controllers.Register(mgr, provider, recorded, controllers.Settings{
			ClusterUID: clusterUID, BatchIdle: time.Second, BatchMax: 10 * time.Second, LaunchTimeout: launchTimeout,
			RegistrationTimeout: registrationTimeout, VisibilityWindow: visibilityWindow,
			Provisioning: provisioning.Settings{ExpendableBelow: -10, Solver: solver.Settings{MostDearer: 1.5}},
		}),
		refresh.Register(mgr, provider.Tasks(), clock.RealClock{}),
		inlineprovider.NewController(mgr.GetClient(), recorder).Register(mgr),
		nodetemplate.NewController(mgr.GetClient(), nodetemplate.SourcesOf(provider.Discovery())).Register(mgr),
	); err != nil {
		return fmt.Errorf("registering controllers: %w", err)
	}
	w.process = p
	w.mark(history.MarkStart, fmt.Sprintf("process %d", p.number))
	w.keep(entry{mark: &history.Mark{Name: history.MarkStart, Detail: fmt.Sprintf("process %d", p.number)}})
	mgr.start(ctx)
	return nil
}

// awsConfig points the SDK at the simulator. Its retries wait for as long as they do in life, but for the part that is drawn anew
// each time: instead, no two that fail together try again in the same moment, as who wakes first then is anybody's guess.
func (p *process) awsConfig() awssdk.Config {
	var failures atomic.Int64
	return awssdk.Config{
		Region:       region,
		BaseEndpoint: awssdk.String("https://" + region + ".invalid"), // nobody looks the name up
		Credentials:  credentials.NewStaticCredentialsProvider(world.DefaultAccessKeyID, "unchecked", ""),
		HTTPClient:   &wireClient{process: p},
		Retryer: func() awssdk.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = 4
				o.Backoff = retry.BackoffDelayerFunc(func(attempt int, _ error) (time.Duration, error) {
					apart := time.Duration(failures.Add(1)%100) * time.Millisecond
					return min(time.Duration(math.Pow(2, float64(attempt))*float64(time.Second)/2), 20*time.Second) + apart, nil
				})
			})
		},
	}
}

// kill ends the process: nothing that it does from now on has any effect, and nothing that it knew is left.
func (w *World) kill(why string) {
	p := w.process
	if p == nil {
		return
	}
	w.process = nil
	w.mark(history.MarkCrash, why)
	p.die()
	p.end()
	for _, c := range w.gate.list() {
		if c.process == p {
			w.gate.take(c, decision{skip: true, err: errDead})
		}
	}
}

func (p *process) addQueue(name string, limiter workqueue.TypedRateLimiter[reconcile.Request]) *queue {
	p.queuesMu.Lock()
	defer p.queuesMu.Unlock()
	q := newQueue(p, name, limiter)
	p.queues = append(p.queues, q)
	slices.SortFunc(p.queues, func(a, b *queue) int { return cmp.Compare(a.name, b.name) })
	return q
}

func (p *process) allQueues() []*queue {
	p.queuesMu.Lock()
	defer p.queuesMu.Unlock()
	return slices.Clone(p.queues)
}

// kinds are those that kerf watches.
func kinds() []string {
	return []string{
		"Machine", "Node", "Pod", "Provisioner", "AWSNodeTemplate", "PodDisruptionBudget", "DaemonSet", "Namespace",
		"PersistentVolumeClaim", "PersistentVolume", "StorageClass", "CSINode", "VolumeAttachment",
	}
}
