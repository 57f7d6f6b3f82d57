// Package options is what a user can set: flags, each with an environment variable of the same name.
package options

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// Values of Options.PreferencePolicy.
const (
	PreferenceRespect = "Respect"
	PreferenceIgnore  = "Ignore"
)

// Values of Options.MinValuesPolicy.
const (
	MinValuesStrict     = string(v1alpha5.MinValuesStrict)
	MinValuesBestEffort = string(v1alpha5.MinValuesBestEffort)
)

// Values of Options.RebalancePolicy.
const (
	RebalanceTell    = "Tell"
	RebalanceReplace = "Replace"
)

// Values of the options that hold pods.
const (
	HoldNever     = "Never"
	HoldVoluntary = "Voluntary"
	HoldAlways    = "Always"
)

// Options are kerf's settings.
type Options struct {
	// ClusterName is the name of the EKS cluster. Required.
	ClusterName string
	// ClusterEndpoint is the URL that nodes reach the API server at; empty asks EKS.
	ClusterEndpoint string
	// ClusterCA is the certificate authority of the API server, PEM; empty asks EKS.
	ClusterCA string
	// ClusterVersion is the Kubernetes minor version, for where EKS does not tell it.
	ClusterVersion string
	// ClusterServiceCIDR is the range of service addresses; empty asks EKS.
	ClusterServiceCIDR string
	// IsolatedVPC says that there is no way out of the VPC: what has no private endpoint is not called.
	IsolatedVPC bool
	// Tags are put on all that is made at AWS, below those of the template: key -> value.
	Tags map[string]string
	// DefaultInstanceProfile is the instance profile of nodes whose template names none.
	DefaultInstanceProfile string
	// BatchIdle is how long no new pod may come before a batch is decided; BatchMax bounds the wait.
	BatchIdle, BatchMax time.Duration
	// ExpendableBelow is the priority below which nothing is bought for pods, and running ones give way to others.
	ExpendableBelow int32
	// PreferencePolicy is Respect or Ignore: whether preferred affinity, ScheduleAnyway and PreferNoSchedule count in plans.
	PreferencePolicy string
	// MinValuesPolicy is Strict or BestEffort: what becomes of a machine for which there is not the choice that minValues of its
	// Provisioner ask for.
	MinValuesPolicy string
	// NodeFee is what a node costs on top of its price, US dollars per hour.
	NodeFee float64
	// FallbackPriceRatio is how many times its cheapest instance type a machine may cost when others are sold out.
	FallbackPriceRatio float64
	// SolverSteps bounds the work that goes into making a plan cheaper; 0 leaves it to the solver.
	SolverSteps int
	// LaunchTimeout is how long a Machine may wait for an instance, RegistrationTimeout how long an instance may take to join.
	LaunchTimeout, RegistrationTimeout time.Duration
	// HoldBarePods, HoldSystemPods and HoldLocalStorage are Never, Voluntary or Always: what pods are kept from that have no
	// controller, that are in kube-system without a PodDisruptionBudget, and that keep something on their node.
	HoldBarePods, HoldSystemPods, HoldLocalStorage string
	// HoldSystemPodsFor is the age from which on pods of kube-system are held no longer.
	HoldSystemPodsFor time.Duration
	// PauseDisruption keeps every node that could stay.
	PauseDisruption bool
	// EmptyWindow is the time in which at most a tenth of all nodes go for being empty, or ten of them; 0 lets any number go.
	EmptyWindow time.Duration
	// Consolidation says when machines are given back.
	Consolidation Consolidation
	// LaunchTemplateTTL is how long an unused launch template is kept.
	LaunchTemplateTTL time.Duration
	// CapacityBackoffMax is how long, at most, an offering is left alone that the cloud had nothing of.
	CapacityBackoffMax time.Duration
	// InterruptionQueue is the name of the SQS queue that tells of the ends of instances; empty for none.
	InterruptionQueue string
	// RebalancePolicy is Tell or Replace: what becomes of a machine that is only likely to be taken away.
	RebalancePolicy string
	// AWSAPIShare is the part of EC2's request limits that kerf takes.
	AWSAPIShare float64
	// ReservedENIs of each instance are not for pods. PrefixDelegation says that the VPC CNI hands out prefixes of addresses.
	ReservedENIs     int
	PrefixDelegation bool
	// VMMemoryOverheadPercent is the part of an instance's memory that the hypervisor and the kernel keep, until measured.
	VMMemoryOverheadPercent float64
	// BindAddress is where the servers listen; empty is every address.
	BindAddress string
	// MetricsPort and HealthProbePort are the ports of the servers; 0 serves nothing.
	MetricsPort, HealthProbePort int
	// DisableWebhook keeps kerf from answering admission requests.
	DisableWebhook bool
	// WebhookPort is where admission requests are answered.
	WebhookPort int
	// WebhookCertificateLifetime is how long a serving certificate is valid; it is renewed at half of that.
	WebhookCertificateLifetime time.Duration
	// WebhookAuthorityLifetime is how long the authority of these certificates is valid; 0 is 52 times their lifetime.
	WebhookAuthorityLifetime time.Duration
	// WebhookCertSecret is the name of the Secret, in SystemNamespace, that the serving certificates come from.
	WebhookCertSecret string
	// WebhookDrain is how long admission requests are answered after kerf was asked to end.
	WebhookDrain time.Duration
	// SystemNamespace is the namespace that kerf runs in.
	SystemNamespace string
	// KubeClientQPS and KubeClientBurst bound requests to the API server per second.
	KubeClientQPS   float32
	KubeClientBurst int
	// LeaderElect makes only one of several replicas act.
	LeaderElect bool
	// LeaderElectionNamespace holds the lease; SystemNamespace when it is not set.
	LeaderElectionNamespace string
	// MemoryLimit is the most memory that the process may take, in bytes; 0 is no limit.
	MemoryLimit int64
	// Kubeconfig is the path of a kubeconfig; empty uses the service account.
	Kubeconfig string
	// LogLevel is debug, info or error.
	LogLevel string
}

// Parse reads flags, and environment variables for flags that are not given. pflag.ErrHelp means that help was printed.
func Parse(arguments []string, lookupEnv func(string) (string, bool)) (Options, error) {
	var o Options
	flags := o.flags()
	if err := flags.Parse(arguments); err != nil {
		return Options{}, err
	}
	var errs []error
	if flags.NArg() > 0 {
		errs = append(errs, fmt.Errorf("%q is no flag: every setting is given as --name=value", flags.Arg(0)))
	}
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := lookupEnv(Env(f.Name))
		if f.Changed || !ok || value == "" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("environment variable %s: %w", Env(f.Name), err))
		}
	})
	if o.LeaderElectionNamespace == "" {
		o.LeaderElectionNamespace = o.SystemNamespace
	}
	errs = append(errs, o.Validate())
	return o, errors.Join(errs...)
}

// Env returns the environment variable of a flag: batch-idle-duration is BATCH_IDLE_DURATION.
func Env(flag string) string { return strings.ToUpper(strings.ReplaceAll(flag, "-", "_")) }
