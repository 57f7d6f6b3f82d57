// Package operator sets up what every controller runs on: scheme, logger, caches with their indexes, health and metrics servers.
package operator

import (
	"context"
	"fmt"
	"net"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/options"
)

// LeaderElectionID is the name of the lease that the acting replica holds.
const LeaderElectionID = "kerf-leader-election"

// NewScheme returns a scheme with Kubernetes' own kinds and kerf's.
func NewScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha5.AddToScheme, awsv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return nil, fmt.Errorf("building scheme: %w", err)
		}
	}
	return scheme, nil
}

// RestConfig returns the connection to the API server, with kerf's rate limits.
func RestConfig(o options.Options) (*rest.Config, error) {
	loaded, err := loadConfig(o.Kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("loading kubeconfig: %w", err)
	}
	loaded.QPS, loaded.Burst = o.KubeClientQPS, o.KubeClientBurst
	loaded.UserAgent = "kerf"
	return loaded, nil
}

// NewManager returns the manager of the controllers, with indexed caches; it runs nothing yet. Its controllers act on the leader
// alone. What else a manager is made with may be adjusted, as by tests whose leases are short.
func NewManager(ctx context.Context, restConfig *rest.Config, o options.Options, adjust ...func(*ctrl.Options)) (ctrl.Manager, error) {
	shared, err := common(server.Options{BindAddress: "0"}) // the front has them
	if err != nil {
		return nil, err
	}
	shared.LeaderElection = o.LeaderElect
	shared.LeaderElectionID = LeaderElectionID
	shared.LeaderElectionNamespace = o.LeaderElectionNamespace
	shared.LeaderElectionReleaseOnCancel = true
	for _, change := range adjust {
		change(&shared)
	}
	mgr, err := ctrl.NewManager(restConfig, shared)
	if err != nil {
		return nil, fmt.Errorf("creating manager: %w", err)
	}
	if err := Index(ctx, mgr.GetFieldIndexer()); err != nil {
		return nil, err
	}
	return mgr, nil
}

// NewFront returns the manager of what every replica does, whether it leads or not, from its start on; it runs nothing yet. It
// also serves the metrics of the whole process.
func NewFront(restConfig *rest.Config, o options.Options) (ctrl.Manager, error) {
	shared, err := common(server.Options{BindAddress: address(o.BindAddress, o.MetricsPort)})
	if err != nil {
		return nil, err
	}
	mgr, err := ctrl.NewManager(restConfig, shared)
	if err != nil {
		return nil, fmt.Errorf("creating the manager of the front: %w", err)
	}
	return mgr, nil
}

// common returns what all managers have in common.
func common(metrics server.Options) (ctrl.Options, error) {
	scheme, err := NewScheme()
	if err != nil {
		return ctrl.Options{}, err
	}
	return ctrl.Options{
		Scheme:                 scheme,
		Cache:                  cache.Options{DefaultTransform: cache.TransformStripManagedFields()},
		Client:                 client.Options{FieldOwner: "kerf"},
		Metrics:                metrics,
		HealthProbeBindAddress: "0", // Health answers probes
		// Managers of one process, as tests have them, may run controllers of the same name.
		Controller: config.Controller{SkipNameValidation: new(true), ReconciliationTimeout: reconcileTimeout},
	}, nil
}

// address joins host and port; a port of 0 or less serves nothing.
func address(host string, port int) string {
	if port <= 0 {
		return "0"
	}
	return net.JoinHostPort(host, strconv.Itoa(port))
}

// Index sets up the indexes of a cache that kerf's lookups go by.
func Index(ctx context.Context, indexer client.FieldIndexer) error {
	for _, i := range []struct {
		object client.Object
		field  string
		value  client.IndexerFunc
	}{
		{&corev1.Node{}, machines.IndexNodeProviderID, func(o client.Object) []string {
			return nonEmpty(o.(*corev1.Node).Spec.ProviderID)
		}},
		{&corev1.Pod{}, machines.IndexPodNodeName, func(o client.Object) []string {
			return nonEmpty(o.(*corev1.Pod).Spec.NodeName)
		}},
		{&storagev1.VolumeAttachment{}, machines.IndexAttachmentNodeName, func(o client.Object) []string {
			return nonEmpty(o.(*storagev1.VolumeAttachment).Spec.NodeName)
		}},
		{&v1alpha5.Machine{}, machines.IndexMachineProviderID, func(o client.Object) []string {
			return nonEmpty(o.(*v1alpha5.Machine).Status.ProviderID)
		}},
		{&v1alpha5.Machine{}, machines.IndexMachineInstance, func(o client.Object) []string {
			return nonEmpty(machines.InstanceID(o.(*v1alpha5.Machine).Status.ProviderID))
		}},
		{&v1alpha5.Machine{}, machines.IndexMachineAwaiting, func(o client.Object) []string {
			if machines.AwaitsInstance(o.(*v1alpha5.Machine)) {
				return []string{machines.Awaiting}
			}
			return nil
		}},
		{&v1alpha5.Machine{}, machines.IndexMachineLaunchGroup, func(o client.Object) []string {
			if group := o.(*v1alpha5.Machine).Spec.LaunchGroup; group != nil {
				return nonEmpty(group.Name)
			}
			return nil
		}},
	} {
		if err := indexer.IndexField(ctx, i.object, i.field, i.value); err != nil {
			return fmt.Errorf("indexing %s: %w", i.field, err)
		}
	}
	return nil
}

func nonEmpty(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}
