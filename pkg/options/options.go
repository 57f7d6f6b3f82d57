// Package options is what a user can set: flags, each with an environment variable of the same name.
package options

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"
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
	// LaunchTimeout is how long a Machine may wait for an instance, RegistrationTimeout how long an instance may take to join.
	LaunchTimeout, RegistrationTimeout time.Duration
	// LaunchTemplateTTL is how long an unused launch template is kept.
	LaunchTemplateTTL time.Duration
	// VMMemoryOverheadPercent is the part of an instance's memory that the hypervisor and the kernel keep, until measured.
	VMMemoryOverheadPercent float64
	// BindAddress is where the servers listen; empty is every address.
	BindAddress string
	// MetricsPort and HealthProbePort are the ports of the servers.
	MetricsPort, HealthProbePort int
	// KubeClientQPS and KubeClientBurst bound requests to the API server per second.
	KubeClientQPS   float32
	KubeClientBurst int
	// LeaderElect makes only one of several replicas act.
	LeaderElect bool
	// LeaderElectionNamespace holds the lease.
	LeaderElectionNamespace string
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
	flags.VisitAll(func(f *pflag.Flag) {
		value, ok := lookupEnv(Env(f.Name))
		if f.Changed || !ok || value == "" {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			errs = append(errs, fmt.Errorf("environment variable %s: %w", Env(f.Name), err))
		}
	})
	errs = append(errs, o.Validate())
	return o, errors.Join(errs...)
}

// Env returns the environment variable of a flag: batch-idle-duration is BATCH_IDLE_DURATION.
func Env(flag string) string { return strings.ToUpper(strings.ReplaceAll(flag, "-", "_")) }

func (o *Options) flags() *pflag.FlagSet {
	flags := pflag.NewFlagSet("controller", pflag.ContinueOnError)
	flags.SortFlags = false
	flags.StringVar(&o.ClusterName, "cluster-name", "", "name of the EKS cluster (required)")
	flags.StringVar(&o.ClusterEndpoint, "cluster-endpoint", "", "URL that nodes reach the API server at; asked of EKS when empty")
	flags.Var((*certificates)(&o.ClusterCA), "cluster-ca-bundle", "certificate authority of the API server, PEM in base64; asked of EKS when empty")
	flags.StringVar(&o.ClusterVersion, "cluster-version", "", "Kubernetes minor version such as 1.34, for where EKS does not tell it")
	flags.StringVar(&o.ClusterServiceCIDR, "cluster-service-cidr", "", "range of service addresses; asked of EKS when empty")
	flags.BoolVar(&o.IsolatedVPC, "isolated-vpc", false, "do not call the Price List service, which has no private endpoint; list prices are those compiled in")
	flags.StringToStringVar(&o.Tags, "aws-tags", nil, "tags of all that is made at AWS: key=value,...; those of the AWSNodeTemplate win")
	flags.StringVar(&o.DefaultInstanceProfile, "aws-default-instance-profile", "", "instance profile of nodes whose AWSNodeTemplate names none")
	flags.DurationVar(&o.BatchIdle, "batch-idle-duration", time.Second, "pods are decided on once no new one came for this long")
	flags.DurationVar(&o.BatchMax, "batch-max-duration", 10*time.Second, "pods are decided on after this long at the latest")
	flags.DurationVar(&o.LaunchTimeout, "launch-timeout", 5*time.Minute, "a machine without an instance after this long is given up")
	flags.DurationVar(&o.RegistrationTimeout, "registration-timeout", 15*time.Minute, "an instance that has not joined after this long is terminated")
	flags.DurationVar(&o.LaunchTemplateTTL, "launch-template-ttl", time.Minute, "a launch template unused for this long is deleted")
	flags.Float64Var(&o.VMMemoryOverheadPercent, "vm-memory-overhead-percent", 0.075, "part of an instance's memory that its kernel keeps, as a fraction")
	flags.StringVar(&o.BindAddress, "bind-address", "", "address that the servers listen on; empty is every address")
	flags.IntVar(&o.MetricsPort, "metrics-port", 8080, "port of /metrics")
	flags.IntVar(&o.HealthProbePort, "health-probe-port", 8081, "port of /healthz and /readyz")
	flags.Float32Var(&o.KubeClientQPS, "kube-client-qps", 200, "requests per second to the API server")
	flags.IntVar(&o.KubeClientBurst, "kube-client-burst", 300, "requests to the API server at once")
	flags.BoolVar(&o.LeaderElect, "leader-elect", true, "let only one of several replicas act")
	flags.StringVar(&o.LeaderElectionNamespace, "leader-election-namespace", "karpenter", "namespace of the leader's lease")
	flags.StringVar(&o.Kubeconfig, "kubeconfig", "", "kubeconfig file; the pod's service account when empty")
	flags.StringVar(&o.LogLevel, "log-level", "info", "debug, info or error")
	flags.Usage = func() {
		fmt.Fprintf(os.Stderr, `controller runs kerf: it watches pods that nothing can host and buys EC2 capacity for them.

Every flag can be given as an environment variable: --batch-idle-duration is BATCH_IDLE_DURATION.
AWS credentials and region come from the SDK's default chain (AWS_REGION, IRSA, Pod Identity, instance metadata).

%s`, flags.FlagUsages())
	}
	return flags
}

// What EC2 takes of a tag, in characters.
const maxTagKey, maxTagValue = 128, 256

var minorVersion = regexp.MustCompile(`^1\.\d{1,3}$`)

// Validate returns every setting that cannot work, by the name of its flag.
func (o *Options) Validate() error {
	var errs []error
	refuse := func(bad bool, flag, format string, args ...any) {
		if bad {
			errs = append(errs, fmt.Errorf("--%s: "+format, append([]any{flag}, args...)...))
		}
	}
	// Fractions are asked whether they are right, not whether they are wrong: NaN is neither.
	refuse(o.ClusterName == "", "cluster-name", "must be set")
	refuse(o.ClusterVersion != "" && !minorVersion.MatchString(o.ClusterVersion), "cluster-version", "%q is no Kubernetes version such as 1.34", o.ClusterVersion)
	if o.ClusterServiceCIDR != "" {
		_, err := netip.ParsePrefix(o.ClusterServiceCIDR)
		refuse(err != nil, "cluster-service-cidr", "%q is no range of addresses such as 172.20.0.0/16", o.ClusterServiceCIDR)
	}
	for _, key := range slices.Sorted(maps.Keys(o.Tags)) {
		refuse(key == "" || len(key) > maxTagKey || len(o.Tags[key]) > maxTagValue, "aws-tags", "%q: a key has 1 to %d characters, a value at most %d",
			key, maxTagKey, maxTagValue)
		refuse(strings.HasPrefix(strings.ToLower(key), "aws:"), "aws-tags", "%q: AWS keeps keys that start with aws: for itself", key)
	}
	refuse(o.BatchIdle < time.Second, "batch-idle-duration", "%s is below 1s", o.BatchIdle)
	refuse(o.BatchMax < o.BatchIdle, "batch-max-duration", "%s is below --batch-idle-duration %s", o.BatchMax, o.BatchIdle)
	refuse(o.LaunchTimeout <= 0, "launch-timeout", "%s is not positive", o.LaunchTimeout)
	refuse(o.RegistrationTimeout <= 0, "registration-timeout", "%s is not positive", o.RegistrationTimeout)
	refuse(o.LaunchTemplateTTL <= 0, "launch-template-ttl", "%s is not positive", o.LaunchTemplateTTL)
	refuse(!(o.VMMemoryOverheadPercent >= 0 && o.VMMemoryOverheadPercent < 1), "vm-memory-overhead-percent",
		"%g is not a fraction from 0 to below 1", o.VMMemoryOverheadPercent)
	refuse(!(o.KubeClientQPS > 0), "kube-client-qps", "%g is not positive", o.KubeClientQPS)
	refuse(o.KubeClientBurst <= 0, "kube-client-burst", "%d is not positive", o.KubeClientBurst)
	refuse(o.LogLevel != "debug" && o.LogLevel != "info" && o.LogLevel != "error", "log-level", "%q is not debug, info or error", o.LogLevel)
	return errors.Join(errs...)
}
