package options

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/pflag"
)

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
	flags.Int32Var(&o.ExpendableBelow, "expendable-pods-priority-cutoff", -10, "pods of a lower priority never cause a machine, and those that run hold no room: other pods preempt them")
	flags.StringVar(&o.PreferencePolicy, "preference-policy", PreferenceRespect, "Respect meets preferred affinity, ScheduleAnyway and PreferNoSchedule as far as it can, also where that costs more; Ignore leaves them to the scheduler")
	flags.StringVar(&o.MinValuesPolicy, "min-values-policy", MinValuesStrict, "Strict buys no machine for which there is less to choose from than minValues of its Provisioner ask for; BestEffort buys it with as much as there is, and annotates it")
	flags.Float64Var(&o.NodeFee, "node-fee-per-hour", 0, "what a node costs on top of its price, in US dollars: licences, agents, the trouble of having one more")
	flags.Float64Var(&o.FallbackPriceRatio, "fallback-price-ratio", 1.5, "how many times its cheapest instance type a machine may cost when others are sold out")
	flags.IntVar(&o.SolverSteps, "solver-steps", 0, "most steps that go into making a plan cheaper: looks at one kind of pod for one machine; 0 leaves it to the solver")
	flags.DurationVar(&o.LaunchTimeout, "launch-timeout", 5*time.Minute, "a machine without an instance after this long is given up")
	flags.DurationVar(&o.RegistrationTimeout, "registration-timeout", 15*time.Minute, "an instance that has not joined after this long is terminated")
	flags.StringVar(&o.HoldBarePods, "hold-bare-pods", HoldVoluntary, "pods without a controller: Never evicts them; Voluntary keeps their nodes unless the machine is deleted; Always keeps that one, too, until its terminationGracePeriod is over")
	flags.StringVar(&o.HoldSystemPods, "hold-system-pods", HoldVoluntary, "pods of kube-system that no PodDisruptionBudget is about: Never, Voluntary or Always, as above")
	flags.DurationVar(&o.HoldSystemPodsFor, "hold-system-pods-for", time.Hour, "older pods of kube-system are held no longer")
	flags.StringVar(&o.HoldLocalStorage, "hold-local-storage", HoldNever, "pods with a hostPath or an emptyDir that is not in memory: Never, Voluntary or Always, as above")
	o.giving(flags)
	flags.DurationVar(&o.LaunchTemplateTTL, "launch-template-ttl", time.Minute, "a launch template unused for this long is deleted")
	flags.DurationVar(&o.CapacityBackoffMax, "capacity-backoff-max", 30*time.Minute, "an instance type that AWS has no capacity of in a zone is left alone for 45s, and twice as long after each try in vain, up to this; for pods that nothing else serves it is tried every 45s")
	flags.StringVar(&o.InterruptionQueue, "interruption-queue", "", "name of the SQS queue that tells of the ends of instances, so that nodes are drained and replaced before; empty reads none")
	flags.StringVar(&o.RebalancePolicy, "rebalance-policy", RebalanceTell, "what that queue's recommendations to move off a spot instance do: Tell publishes an event, Replace replaces the node as well")
	flags.Float64Var(&o.AWSAPIShare, "aws-api-share", 1, "part of the request limits that AWS publishes for EC2 that kerf takes: below 1 to leave more of them to others in the account, above 1 where AWS has raised them")
	flags.IntVar(&o.ReservedENIs, "reserved-enis", 0, "network interfaces of each instance that the VPC CNI gives no pod an address of, as with custom networking")
	flags.BoolVar(&o.PrefixDelegation, "prefix-delegation", false, "the VPC CNI hands out prefixes of 16 addresses (ENABLE_PREFIX_DELEGATION): nodes on Nitro take up to 110 pods, of more than 30 virtual CPUs up to 250")
	flags.Float64Var(&o.VMMemoryOverheadPercent, "vm-memory-overhead-percent", 0.075, "part of an instance's memory that its kernel keeps, as a fraction")
	flags.StringVar(&o.BindAddress, "bind-address", "", "address that the servers listen on; empty is every address")
	flags.IntVar(&o.MetricsPort, "metrics-port", 8080, "port of /metrics; 0 serves none")
	flags.IntVar(&o.HealthProbePort, "health-probe-port", 8081, "port of /healthz and /readyz; 0 serves none")
	flags.BoolVar(&o.DisableWebhook, "disable-webhook", false, "do not answer admission requests: defaults are then only in effect, not shown, and the CRDs alone refuse mistakes; remove kerf's webhook configurations as well, or the API server refuses every change")
	flags.IntVar(&o.WebhookPort, "webhook-port", 8443, "port that the API server reaches the webhook at, directly or through a Service")
	flags.DurationVar(&o.WebhookCertificateLifetime, "webhook-certificate-lifetime", 7*24*time.Hour, "a serving certificate is valid for this long, and renewed after half of it")
	flags.DurationVar(&o.WebhookAuthorityLifetime, "webhook-authority-lifetime", 0, "the authority of the serving certificates is valid for this long, and replaced after half of it; 0 is 52 times their lifetime")
	flags.StringVar(&o.WebhookCertSecret, "webhook-cert-secret", "karpenter-cert", "Secret in the system namespace that holds the authority of the serving certificates; it has to exist, kerf fills it")
	flags.DurationVar(&o.WebhookDrain, "webhook-drain-duration", 5*time.Second, "answer admission requests for this long after being asked to end, until no node sends them here any more")
	flags.StringVar(&o.SystemNamespace, "system-namespace", "karpenter", "namespace that kerf runs in: of the Secret and, unless set otherwise, of the leader's lease")
	flags.Float32Var(&o.KubeClientQPS, "kube-client-qps", 200, "requests per second to the API server")
	flags.IntVar(&o.KubeClientBurst, "kube-client-burst", 300, "requests to the API server at once")
	flags.BoolVar(&o.LeaderElect, "leader-elect", true, "let only one of several replicas act")
	flags.StringVar(&o.LeaderElectionNamespace, "leader-election-namespace", "", "namespace of the leader's lease; the system namespace when empty")
	flags.Int64Var(&o.MemoryLimit, "memory-limit", 0, "memory that the container may take, in bytes: garbage is collected so that 90 % of it are enough; 0 is no limit")
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

// giving is about machines that are given back.
func (o *Options) giving(flags *pflag.FlagSet) {
	flags.BoolVar(&o.PauseDisruption, "pause-disruption", false, "remove no node that could stay, in the whole cluster; the annotation karpenter.sh/pause-disruption=true of the namespace kube-system does the same without a restart")
	flags.DurationVar(&o.EmptyWindow, "empty-window", 0, "within this time at most a tenth of all nodes, or ten, begin to be removed for being empty; 0 lets any number go")
	o.Consolidation.flags(flags)
}
