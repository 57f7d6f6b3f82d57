// Package cluster starts and stops a real Kubernetes control plane on the loopback interface, for tests and the demo.
//
// A cluster is etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok, each a process of its own with
// its own identity. It has no kubelets: a Node that carries ManagedLabel is kept alive, and its pods run on paper, by kwok.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
)

// DefaultTimeout bounds Start when the options name no bound; a start takes a few seconds on an idle machine.
const DefaultTimeout = 2 * time.Minute

// Options says how a cluster differs from the default one; the zero value is a good cluster.
type Options struct {
	// Directory receives certificates, data and logs and outlives the cluster, so that a later Start in it finds the
	// same objects. When empty, a temporary directory is made, which Stop removes.
	Directory string
	// Assets is the directory of the programs; when empty, it is what Assets returns.
	Assets string
	// NodeMonitorGracePeriod is how long a node may be silent before it counts as unreachable; zero means the
	// default of kube-controller-manager. It must exceed HeartbeatPeriod.
	NodeMonitorGracePeriod time.Duration
	// AuditUsers are the users whose requests the API server records in AuditLog; when empty, it records nothing.
	AuditUsers []string
	// Bare leaves out all but etcd and the API server: whoever starts the cluster schedules pods and plays kubelets.
	Bare bool
	// Arguments maps a component -> flags that follow the usual ones on its command line, and so replace them.
	Arguments map[ComponentName][]string
	// Timeout bounds Start; zero means DefaultTimeout.
	Timeout time.Duration
}

// Cluster is a running control plane. Its methods may be called concurrently.
type Cluster struct {
	directory  string
	temporary  bool
	lock       *os.File
	ports      *portSet
	authority  *authority
	server     string
	auditLog   string // path; empty when nobody is audited
	admin      *rest.Config
	components []*Component // in the order they start
	stop       sync.Once
	stopErr    error
}

// Start starts a cluster and returns once it schedules pods, or serves if it is bare. The context bounds the start only; the cluster runs until
// Stop, or until the calling process ends, however that comes about.
func Start(ctx context.Context, options Options) (*Cluster, error) {
	timeout := options.Timeout
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	c, err := prepare(options)
	if err != nil {
		return nil, err
	}
	if err := c.start(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// prepare lays out the directory: everything short of starting a process.
func prepare(options Options) (_ *Cluster, err error) {
	programs := options.Assets
	if programs == "" {
		if programs, err = Assets(); err != nil {
			return nil, err
		}
	}
	if programs, err = filepath.Abs(programs); err != nil {
		return nil, fmt.Errorf("resolving the directory of the programs: %w", err)
	}
	c := &Cluster{ports: &portSet{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Stop())
		}
	}()
	if err := c.claimDirectory(options.Directory); err != nil {
		return nil, err
	}
	l, err := newLayout(c.directory, programs, c.ports)
	if err != nil {
		return nil, err
	}
	if c.authority, err = loadAuthority(l.pki); err != nil {
		return nil, err
	}
	c.server = l.serverURL()
	if c.admin, err = l.writeIdentities(c.authority); err != nil {
		return nil, err
	}
	if len(options.AuditUsers) > 0 {
		c.auditLog = l.path(auditLogFile)
	}
	c.components = components(l, c.authority, options)
	return c, nil
}

// claimDirectory makes the cluster's directory and holds its lock, which tells other processes that it is in use.
func (c *Cluster) claimDirectory(directory string) (err error) {
	if directory == "" {
		c.directory, c.lock, err = temporaryDirectory()
		c.temporary = err == nil
		return err
	}
	if c.directory, err = filepath.Abs(directory); err != nil {
		return fmt.Errorf("resolving the cluster directory: %w", err)
	}
	if err := os.MkdirAll(c.directory, 0o700); err != nil {
		return fmt.Errorf("making the cluster directory: %w", err)
	}
	if c.lock, err = lockFile(filepath.Join(c.directory, lockName)); err != nil {
		return fmt.Errorf("claiming %s for a cluster: %w", c.directory, err)
	}
	return nil
}

// start brings the components up in the order of their dependencies.
func (c *Cluster) start(ctx context.Context) error {
	for _, name := range []ComponentName{Etcd, APIServer} {
		if err := c.Component(name).Start(ctx); err != nil {
			return err
		}
	}
	if c.Component(Kwok) == nil { // it is bare
		return nil
	}
	if err := c.grantKwok(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, name := range []ComponentName{ControllerManager, Scheduler, Kwok} {
		group.Go(func() error { return c.Component(name).Start(ctx) })
	}
	group.Go(func() error { return c.awaitDefaultServiceAccount(ctx) })
	return group.Wait()
}

// Stop ends every process of the cluster and gives its ports back; a temporary directory goes too. It may be called
// again, and returns what the first call returned.
func (c *Cluster) Stop() error {
	c.stop.Do(func() { c.stopErr = c.end() })
	return c.stopErr
}

func (c *Cluster) end() error {
	var errs []error
	for _, component := range slices.Backward(c.components) {
		if c.temporary {
			component.Kill() // nobody will read the data again: no reason to wait for it to be flushed
		} else {
			component.Stop(context.Background())
		}
	}
	errs = append(errs, c.ports.release())
	if c.temporary {
		errs = append(errs, os.RemoveAll(c.directory))
	}
	if c.lock != nil {
		errs = append(errs, c.lock.Close())
	}
	return errors.Join(errs...)
}

// Directory returns where the certificates, kubeconfigs, data and logs are.
func (c *Cluster) Directory() string { return c.directory }

// Server returns the URL of the API server.
func (c *Cluster) Server() string { return c.server }

// Config returns a client configuration of the cluster's administrator, without client-side rate limits.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.admin) }

// Kubeconfig returns the path of the administrator's kubeconfig file.
func (c *Cluster) Kubeconfig() string { return kubeconfigPath(c.directory, adminIdentity) }

// Component returns one program of the cluster by its name, or nil if the name is none of the constants.
func (c *Cluster) Component(name ComponentName) *Component {
	for _, component := range c.components {
		if component.name == name {
			return component
		}
	}
	return nil
}

// Components returns the programs of the cluster in the order in which they start.
func (c *Cluster) Components() []*Component { return slices.Clone(c.components) }
