package environment

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
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
)

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

// install applies CRDs and RBAC as they are in config/, and makes the account that they speak of.
func (e *Environment) install(ctx context.Context, _ Options) error {
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
	_, err := e.Kubectl(ctx, "wait", "--for=condition=Established", "--timeout=1m", "crd",
		"provisioners.karpenter.sh", "machines.karpenter.sh", "awsnodetemplates.karpenter.k8s.aws")
	return err
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
	metrics, err := freePort()
	if err != nil {
		return err
	}
	health, err := freePort()
	if err != nil {
		return err
	}
	e.controller = &Controller{
		program:   e.controllerProgram(),
		directory: e.directory,
		log:       filepath.Join(e.directory, "controller.log"),
		metrics:   "http://127.0.0.1:" + metrics,
		probes:    "http://127.0.0.1:" + health,
		arguments: append([]string{
			"--kubeconfig=" + kubeconfig,
			"--cluster-name=" + e.clusterName,
			"--cluster-endpoint=" + e.cluster.Server(),
			"--aws-default-instance-profile=" + InstanceProfile,
			"--bind-address=127.0.0.1",
			"--metrics-port=" + metrics,
			"--health-probe-port=" + health,
		}, options.ControllerArguments...),
		// Nothing of the caller's environment may change what kerf does, real AWS credentials least of all.
		environment: append([]string{"HOME=" + e.directory, "PATH=/usr/bin:/bin"}, e.aws.Environment()...),
	}
	if options.WithoutController {
		return nil
	}
	if err := e.controller.Start(); err != nil || options.DoNotAwaitReady {
		return err
	}
	return e.controller.AwaitReady(ctx)
}

// freePort returns a port of the loopback interface on which nothing listens.
func freePort() (string, error) {
	count := lastPort - firstPort
	offset := rand.IntN(count)
	for i := range count {
		port := strconv.Itoa(firstPort + (offset+i)%count)
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
		if err != nil {
			continue // in use
		}
		if err := listener.Close(); err != nil {
			return "", fmt.Errorf("looking for a free port: %w", err)
		}
		return port, nil
	}
	return "", fmt.Errorf("looking for a free port: %d-%d are all taken", firstPort, lastPort)
}
