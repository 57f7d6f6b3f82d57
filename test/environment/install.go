package environment

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/test/cluster"
)

const (
	// Namespace is where kerf runs.
	Namespace = "karpenter"
	// ServiceAccount is who kerf is.
	ServiceAccount = "karpenter"
	// InstanceProfile is what nodes are launched with.
	InstanceProfile = "KarpenterNodeInstanceProfile"
	// tokenLifetime is how long a world can be left running.
	tokenLifetime = 30 * 24 * time.Hour
	// Ports of the controller come from below the range that systems hand out to outgoing connections, so that none of
	// those can take a port while the controller is restarted.
	firstPort, lastPort = 30000, 32000
	// loopback is where everything listens.
	loopback = "127.0.0.1"
)

// ports are those of the controller.
type ports struct {
	metrics, probes, webhook string
}

func serverVersion(config *rest.Config) (string, error) {
	d, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return "", fmt.Errorf("building a discovery client: %w", err)
	}
	v, err := d.ServerVersion()
	if err != nil {
		return "", fmt.Errorf("asking for the server's version: %w", err)
	}
	return v.GitVersion, nil
}

// install installs kerf, but for its process, and waits until its kinds can be used.
func (e *Environment) install(ctx context.Context, options Options) error {
	free, err := freePorts(3)
	if err != nil {
		return err
	}
	e.ports = ports{metrics: free[0], probes: free[1], webhook: free[2]}
	way := e.installManifests
	if options.Chart {
		way = func(ctx context.Context) error { return e.installChart(ctx, options.ChartValues) }
	}
	if err := way(ctx); err != nil {
		return err
	}
	_, err = e.Kubectl(ctx, "wait", "--for=condition=Established", "--timeout=1m", "crd",
		"provisioners.karpenter.sh", "machines.karpenter.sh", "awsnodetemplates.karpenter.k8s.aws")
	return err
}

// installManifests applies CRDs, RBAC and webhooks as they are in config/, and makes the account that they speak of.
func (e *Environment) installManifests(ctx context.Context) error {
	for _, object := range []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: Namespace}},
		&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: Namespace, Name: ServiceAccount}},
	} {
		if err := e.client.Create(ctx, object); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("creating kerf's account: %w", err)
		}
	}
	if err := e.Apply(ctx, "config/crd/bases", "config/rbac"); err != nil {
		return err
	}
	return e.installWebhooks(ctx)
}

// startController runs the controller as its ServiceAccount and as nobody else.
func (e *Environment) startController(ctx context.Context, options Options) error {
	access, err := e.cluster.ServiceAccountConfig(ctx, Namespace, ServiceAccount, tokenLifetime)
	if err != nil {
		return err
	}
	kubeconfig := filepath.Join(e.directory, "kerf.kubeconfig")
	if err := cluster.WriteKubeconfig(kubeconfig, access); err != nil {
		return err
	}
	e.controller = &Controller{
		program:   e.controllerProgram(),
		directory: e.directory,
		log:       filepath.Join(e.directory, "controller.log"),
		metrics:   "http://" + net.JoinHostPort(loopback, e.ports.metrics),
		probes:    "http://" + net.JoinHostPort(loopback, e.ports.probes),
		arguments: slices.Concat(e.settings(), []string{
			"--kubeconfig=" + kubeconfig,
			"--bind-address=" + loopback,
			"--metrics-port=" + e.ports.metrics,
			"--health-probe-port=" + e.ports.probes,
			"--webhook-port=" + e.ports.webhook,
		}, options.ControllerArguments),
		// Nothing of the caller's environment may change what kerf does, real AWS credentials least of all.
		environment: slices.Concat([]string{"HOME=" + e.directory, "PATH=/usr/bin:/bin"}, e.variables, e.aws.Environment(),
			[]string{"WEBHOOK_DRAIN_DURATION=0s"}), // nobody else is there to answer in its place
	}
	if options.WithoutController {
		return nil
	}
	if err := e.controller.Start(); err != nil || options.DoNotAwaitReady {
		return err
	}
	return e.controller.AwaitReady(ctx)
}

// freePorts returns so many ports of the loopback interface on which nothing listens.
func freePorts(count int) (free []string, err error) {
	var taken []net.Listener // until all are found, so that none is found twice
	defer func() {
		for _, listener := range taken {
			err = errors.Join(err, listener.Close())
		}
	}()
	all := lastPort - firstPort
	offset := rand.IntN(all)
	for i := range all {
		port := strconv.Itoa(firstPort + (offset+i)%all)
		listener, err := net.Listen("tcp", net.JoinHostPort(loopback, port))
		if err != nil {
			continue // in use
		}
		taken, free = append(taken, listener), append(free, port)
		if len(free) == count {
			return free, nil
		}
	}
	return nil, fmt.Errorf("looking for free ports: %d-%d are taken", firstPort, lastPort)
}
