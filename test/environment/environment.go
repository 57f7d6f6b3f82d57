// Package environment is a whole world for kerf on one machine: a real control plane, simulated AWS, the kubelets between
// them, and kerf's controller as a process under the RBAC that it ships with.
package environment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/pkg/operator"
	"github.com/kerf-autoscaler/kerf/test/audit"
	"github.com/kerf-autoscaler/kerf/test/awssim"
	"github.com/kerf-autoscaler/kerf/test/cluster"
	"github.com/kerf-autoscaler/kerf/test/kubelets"
)

// DefaultClusterName is the name of the cluster when the options give none.
const DefaultClusterName = "kerf-local"

// DefaultRegion is where the cluster is when the options do not say: the region whose prices are real.
const DefaultRegion = "us-east-1"

// startTimeout bounds Start; on an idle machine it takes ten seconds.
const startTimeout = 3 * time.Minute

// Options say how a world differs from the default one; the zero value of each field is good.
type Options struct {
	// Root is the directory of the kerf module, whose bin/ and config/ are used. Default: the working directory.
	Root string
	// Directory receives logs, credentials and data. Default: a temporary one, which Stop removes.
	Directory string
	// ClusterName is what the cluster is called at AWS.
	ClusterName string
	// Region of AWS.
	Region string
	// BootDelay and ShutdownDelay are how long instances are pending and shutting-down.
	BootDelay, ShutdownDelay time.Duration
	// Kubelets say how nodes join; the cluster's identity, version and logger are filled in.
	Kubelets kubelets.Options
	// NodeMonitorGracePeriod is how long a node may be silent before it counts as unreachable; 0 is Kubernetes' default.
	NodeMonitorGracePeriod time.Duration
	// ControlPlaneArguments maps a program of the control plane -> flags that follow its usual ones, and so replace them.
	ControlPlaneArguments map[cluster.ComponentName][]string
	// AWSUnreachable starts with the way to AWS shut; see SetAWSReachable.
	AWSUnreachable bool
	// CredentialsRefused starts with AWS knowing no credentials of the controller; see SetCredentialsAccepted.
	CredentialsRefused bool
	// Chart installs kerf with helm from its chart, in place of the manifests of config/.
	Chart bool
	// ChartValues are values of the chart on top of those that everybody sets, as helm's --set takes them.
	ChartValues []string
	// Audit has the API server record what kerf's account asks of it; see cluster.AuditLog.
	Audit bool
	// WithoutController starts everything but the controller, which Controller().Start() then starts.
	WithoutController bool
	// DoNotAwaitReady starts the controller but returns before it is ready.
	DoNotAwaitReady bool
	// ControllerArguments follow the usual flags of the controller, and so replace them.
	ControllerArguments []string
	// Progress is told what is ready as it becomes so; nil is not.
	Progress func(what string)
}

// Environment is a running world. Its methods may be called concurrently.
type Environment struct {
	root           string
	directory      string
	temporary      bool
	clusterName    string
	kubectlProgram string
	version        string // of the API server, e.g. v1.36.3
	kubeletLog     *os.File

	cluster    *cluster.Cluster
	client     client.WithWatch
	aws        *awssim.Server
	region     string
	ports      ports
	accessKeys []string // that AWS knows while it accepts the controller's credentials
	bridge     *kubelets.Bridge
	controller *Controller
	// variables are those that the chart gives the controller; nil without the chart.
	variables []string

	cancel  context.CancelFunc // ends the bridge
	workers sync.WaitGroup
	stop    sync.Once
	stopErr error
}

// Start starts a world and returns once kerf is ready in it. The context bounds the start only; the world lasts until Stop.
func Start(ctx context.Context, options Options) (*Environment, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	e, err := prepare(&options)
	if err != nil {
		return nil, err
	}
	if err := e.start(ctx, options); err != nil {
		return nil, errors.Join(err, e.Stop())
	}
	return e, nil
}

// prepare fills the options in and makes the directory.
func prepare(options *Options) (*Environment, error) {
	setDefault(&options.Root, ".")
	setDefault(&options.ClusterName, DefaultClusterName)
	setDefault(&options.Region, DefaultRegion)
	if options.Progress == nil {
		options.Progress = func(string) {}
	}
	root, err := filepath.Abs(options.Root)
	if err != nil {
		return nil, fmt.Errorf("resolving the module's directory: %w", err)
	}
	assets, err := cluster.Assets()
	if err != nil {
		return nil, err
	}
	e := &Environment{root: root, clusterName: options.ClusterName, kubectlProgram: filepath.Join(assets, "kubectl")}
	programs := []string{e.kubectlProgram}
	if !options.WithoutController {
		programs = append(programs, e.controllerProgram())
	}
	for _, program := range programs {
		if _, err := os.Stat(program); err != nil {
			return nil, fmt.Errorf("looking for programs: %w; \"make build control-plane\" in %s builds what is missing", err, root)
		}
	}
	if err := e.makeDirectory(options.Directory); err != nil {
		return nil, err
	}
	return e, nil
}

func setDefault(value *string, fallback string) {
	if *value == "" {
		*value = fallback
	}
}

func (e *Environment) controllerProgram() string { return filepath.Join(e.root, "bin", "controller") }

func (e *Environment) makeDirectory(directory string) (err error) {
	if directory == "" {
		e.temporary = true
		if e.directory, err = os.MkdirTemp("", "kerf-world-"); err != nil {
			return fmt.Errorf("making the world's directory: %w", err)
		}
		return nil
	}
	if e.directory, err = filepath.Abs(directory); err != nil {
		return fmt.Errorf("resolving the world's directory: %w", err)
	}
	if err := os.MkdirAll(e.directory, 0o700); err != nil {
		return fmt.Errorf("making the world's directory: %w", err)
	}
	return nil
}

// start brings the world up, from the bottom to the top.
func (e *Environment) start(ctx context.Context, options Options) error {
	if err := e.openKubeletLog(); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		run  func(context.Context, Options) error
	}{
		{"Kubernetes control plane", e.startCluster},
		{"simulated AWS, region " + options.Region, e.startSimulator},
		{"kubelets of simulated instances", e.startKubelets},
		{"kerf's CRDs, RBAC and webhooks", e.install},
		{"kerf", e.startController},
	} {
		if err := step.run(ctx, options); err != nil {
			return fmt.Errorf("starting %s: %w", step.name, err)
		}
		options.Progress(step.name)
	}
	return nil
}

func (e *Environment) openKubeletLog() (err error) {
	e.kubeletLog, err = os.OpenFile(filepath.Join(e.directory, "kubelets.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the log of the kubelets: %w", err)
	}
	return nil
}

func (e *Environment) startCluster(ctx context.Context, options Options) (err error) {
	settings := cluster.Options{NodeMonitorGracePeriod: options.NodeMonitorGracePeriod, Arguments: options.ControlPlaneArguments}
	if options.Audit {
		settings.AuditUsers = []string{audit.Account{Namespace: Namespace, Name: ServiceAccount}.User()}
	}
	if !e.temporary {
		settings.Directory = filepath.Join(e.directory, "cluster")
	} // else the cluster takes a temporary directory of its own, which it clears away even after a crash
	e.cluster, err = cluster.Start(ctx, settings)
	if err != nil {
		return err
	}
	scheme, err := operator.NewScheme()
	if err != nil {
		return err
	}
	quiet := rest.CopyConfig(e.cluster.Config())
	quiet.WarningHandler = rest.NoWarnings{} // they are for people
	if e.client, err = client.NewWithWatch(quiet, client.Options{Scheme: scheme}); err != nil {
		return fmt.Errorf("building a client: %w", err)
	}
	e.version, err = serverVersion(e.cluster.Config())
	return err
}

func (e *Environment) startKubelets(_ context.Context, options Options) (err error) {
	settings := options.Kubelets
	settings.Cluster = kubelets.Cluster{
		Name: e.clusterName, Endpoint: e.cluster.Server(), CertificateAuthority: e.cluster.Config().CAData,
	}
	settings.KubeletVersion = e.version
	settings.Hit = e.aws.World().Faults().Hit
	settings.Logger = slog.New(slog.NewJSONHandler(e.kubeletLog, nil))
	if e.bridge, err = kubelets.New(e.client, kubelets.SourceFunc(e.instances), settings); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	e.workers.Go(func() { e.bridge.Run(ctx) })
	return nil
}

// Stop ends everything, in the opposite order of its start. It may be called again, and returns what the first call
// returned.
func (e *Environment) Stop() error {
	e.stop.Do(func() {
		var errs []error
		if e.controller != nil {
			errs = append(errs, e.controller.Stop())
		}
		if e.cancel != nil {
			e.cancel()
			e.workers.Wait()
		}
		if e.aws != nil {
			errs = append(errs, e.aws.Close())
		}
		if e.cluster != nil {
			errs = append(errs, e.cluster.Stop())
		}
		if e.kubeletLog != nil {
			errs = append(errs, e.kubeletLog.Close())
		}
		if e.temporary {
			errs = append(errs, os.RemoveAll(e.directory))
		}
		e.stopErr = errors.Join(errs...)
	})
	return e.stopErr
}

// Client returns a client of the cluster's administrator.
func (e *Environment) Client() client.WithWatch { return e.client }

// Cluster returns the control plane.
func (e *Environment) Cluster() *cluster.Cluster { return e.cluster }

// Kubelets returns the bridge through which instances join.
func (e *Environment) Kubelets() *kubelets.Bridge { return e.bridge }

// Controller returns kerf's process.
func (e *Environment) Controller() *Controller { return e.controller }

// ClusterName returns what the cluster is called at AWS.
func (e *Environment) ClusterName() string { return e.clusterName }

// Directory returns where logs and data are.
func (e *Environment) Directory() string { return e.directory }

// KubectlProgram returns the path of kubectl.
func (e *Environment) KubectlProgram() string { return e.kubectlProgram }
