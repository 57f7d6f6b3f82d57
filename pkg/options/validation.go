package options

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/validation"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
)

const (
	// What EC2 takes of a tag, in characters.
	maxTagKey, maxTagValue = 128, 256
	// highestPort is the last port that there is.
	highestPort = 1<<16 - 1
	// A serving certificate has to outlive the time that its authority takes to be known everywhere, and should not outlive
	// the memory of who set this.
	minCertificateLifetime, maxCertificateLifetime = 10 * time.Second, 365 * 24 * time.Hour
	// An authority overlaps with its successor while certificates of both are served.
	leavesPerAuthority = 3
	// No node is worth a fee above what the dearest instance costs, and no machine a thousand times another; NaN and Inf are
	// beyond both.
	maxFee, maxRatio = 1000, 1000
	// minBackoff is for how long an offering is left alone in any case.
	minBackoff = 45 * time.Second
	// maxAPIShare is more than AWS grants anybody.
	maxAPIShare = 1000
	// maxDrain leaves time for the last answers, before a pod that is to end is killed after 30 seconds.
	maxDrain = 15 * time.Second
)

var (
	minorVersion = regexp.MustCompile(`^1\.\d{1,3}$`)
	queueName    = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)
)

// refusals gathers what cannot work.
type refusals []error

// when refuses the value of a flag if it is bad.
func (r *refusals) when(bad bool, flag, format string, args ...any) {
	if bad {
		*r = append(*r, fmt.Errorf("--%s: "+format, append([]any{flag}, args...)...))
	}
}

// Validate returns every setting that cannot work, by the name of its flag.
func (o *Options) Validate() error {
	var refused refusals
	o.validateCluster(&refused)
	o.validateTimes(&refused)
	o.validateServers(&refused)
	o.validatePlans(&refused)
	o.validateHolds(&refused)
	o.Consolidation.validate(&refused)
	// Fractions are asked whether they are right, not whether they are wrong: NaN is neither.
	refused.when(!(o.VMMemoryOverheadPercent >= 0 && o.VMMemoryOverheadPercent < 1), "vm-memory-overhead-percent",
		"%g is not a fraction from 0 to below 1", o.VMMemoryOverheadPercent)
	refused.when(o.ReservedENIs < 0, "reserved-enis", "%d is negative", o.ReservedENIs)
	refused.when(!(o.AWSAPIShare > 0 && o.AWSAPIShare <= maxAPIShare), "aws-api-share", "%g is not above 0 and up to %g", o.AWSAPIShare, float64(maxAPIShare))
	refused.when(!(o.KubeClientQPS > 0), "kube-client-qps", "%g is not positive", o.KubeClientQPS)
	refused.when(o.KubeClientBurst <= 0, "kube-client-burst", "%d is not positive", o.KubeClientBurst)
	refused.when(o.MemoryLimit < 0, "memory-limit", "%d is negative", o.MemoryLimit)
	refused.when(o.LogLevel != "debug" && o.LogLevel != "info" && o.LogLevel != "error", "log-level", "%q is not debug, info or error", o.LogLevel)
	return errors.Join(refused...)
}

func (o *Options) validateCluster(refused *refusals) {
	refused.when(o.ClusterName == "", "cluster-name", "must be set")
	refused.when(o.ClusterVersion != "" && !minorVersion.MatchString(o.ClusterVersion), "cluster-version", "%q is no Kubernetes version such as 1.34", o.ClusterVersion)
	refused.when(o.InterruptionQueue != "" && !queueName.MatchString(o.InterruptionQueue), "interruption-queue",
		"%q is no name of a standard SQS queue: 1 to 80 letters, digits, hyphens and underscores, and no URL or ARN", o.InterruptionQueue)
	refused.when(o.RebalancePolicy != RebalanceTell && o.RebalancePolicy != RebalanceReplace, "rebalance-policy",
		"%q is neither %s nor %s", o.RebalancePolicy, RebalanceTell, RebalanceReplace)
	if o.ClusterServiceCIDR != "" {
		_, err := netip.ParsePrefix(o.ClusterServiceCIDR)
		refused.when(err != nil, "cluster-service-cidr", "%q is no range of addresses such as 172.20.0.0/16", o.ClusterServiceCIDR)
	}
	for _, key := range slices.Sorted(maps.Keys(o.Tags)) {
		refused.when(key == "" || len(key) > maxTagKey || len(o.Tags[key]) > maxTagValue, "aws-tags", "%q: a key has 1 to %d characters, a value at most %d",
			key, maxTagKey, maxTagValue)
		refused.when(awsv1alpha1.IsOwnTag(key), "aws-tags", "%q: kerf sets this tag itself", key)
		refused.when(strings.HasPrefix(strings.ToLower(key), "aws:"), "aws-tags", "%q: AWS keeps keys that start with aws: for itself", key)
	}
}

func (o *Options) validateTimes(refused *refusals) {
	refused.when(o.BatchIdle < time.Second, "batch-idle-duration", "%s is below 1s", o.BatchIdle)
	refused.when(o.BatchMax < o.BatchIdle, "batch-max-duration", "%s is below --batch-idle-duration %s", o.BatchMax, o.BatchIdle)
	refused.when(o.LaunchTimeout <= 0, "launch-timeout", "%s is not positive", o.LaunchTimeout)
	refused.when(o.RegistrationTimeout <= 0, "registration-timeout", "%s is not positive", o.RegistrationTimeout)
	refused.when(o.CapacityBackoffMax < minBackoff, "capacity-backoff-max", "%s is below %s", o.CapacityBackoffMax, minBackoff)
	refused.when(o.LaunchTemplateTTL <= 0, "launch-template-ttl", "%s is not positive", o.LaunchTemplateTTL)
	refused.when(o.WebhookCertificateLifetime < minCertificateLifetime || o.WebhookCertificateLifetime > maxCertificateLifetime,
		"webhook-certificate-lifetime", "%s is not from %s to %s", o.WebhookCertificateLifetime, minCertificateLifetime, maxCertificateLifetime)
	refused.when(o.WebhookAuthorityLifetime != 0 && o.WebhookAuthorityLifetime < leavesPerAuthority*o.WebhookCertificateLifetime,
		"webhook-authority-lifetime", "%s is below %d times --webhook-certificate-lifetime %s", o.WebhookAuthorityLifetime, leavesPerAuthority, o.WebhookCertificateLifetime)
	refused.when(o.WebhookDrain < 0 || o.WebhookDrain > maxDrain, "webhook-drain-duration", "%s is not from 0s to %s", o.WebhookDrain, maxDrain)
}

func (o *Options) validatePlans(refused *refusals) {
	refused.when(o.PreferencePolicy != PreferenceRespect && o.PreferencePolicy != PreferenceIgnore, "preference-policy",
		"%q is neither %s nor %s", o.PreferencePolicy, PreferenceRespect, PreferenceIgnore)
	refused.when(o.MinValuesPolicy != MinValuesStrict && o.MinValuesPolicy != MinValuesBestEffort, "min-values-policy",
		"%q is neither %s nor %s", o.MinValuesPolicy, MinValuesStrict, MinValuesBestEffort)
	refused.when(!(o.NodeFee >= 0 && o.NodeFee <= maxFee), "node-fee-per-hour", "%g is not from 0 to %g", o.NodeFee, float64(maxFee))
	refused.when(!(o.FallbackPriceRatio >= 1 && o.FallbackPriceRatio <= maxRatio), "fallback-price-ratio",
		"%g is not from 1 to %g", o.FallbackPriceRatio, float64(maxRatio))
	refused.when(o.SolverSteps < 0, "solver-steps", "%d is negative", o.SolverSteps)
}

func (o *Options) validateHolds(refused *refusals) {
	for _, hold := range []struct{ flag, value string }{
		{"hold-bare-pods", o.HoldBarePods}, {"hold-system-pods", o.HoldSystemPods}, {"hold-local-storage", o.HoldLocalStorage},
	} {
		refused.when(hold.value != HoldNever && hold.value != HoldVoluntary && hold.value != HoldAlways, hold.flag,
			"%q is not %s, %s or %s", hold.value, HoldNever, HoldVoluntary, HoldAlways)
	}
	refused.when(o.EmptyWindow < 0, "empty-window", "%s is negative", o.EmptyWindow)
	refused.when(o.HoldSystemPodsFor < 0, "hold-system-pods-for", "%s is negative", o.HoldSystemPodsFor)
}

func (o *Options) validateServers(refused *refusals) {
	taken := map[int]string{} // port -> the flag that gave it
	for _, p := range []struct {
		flag   string
		port   int
		lowest int
		unused bool
	}{
		{flag: "metrics-port", port: o.MetricsPort},
		{flag: "health-probe-port", port: o.HealthProbePort},
		{flag: "webhook-port", port: o.WebhookPort, lowest: 1, unused: o.DisableWebhook},
	} {
		if p.unused {
			continue
		}
		refused.when(p.port < p.lowest || p.port > highestPort, p.flag, "%d is not from %d to %d", p.port, p.lowest, highestPort)
		refused.when(p.port != 0 && taken[p.port] != "", p.flag, "%d is the port of --%s", p.port, taken[p.port])
		taken[p.port] = p.flag
	}
	refused.when(len(validation.IsDNS1123Label(o.SystemNamespace)) > 0, "system-namespace", "%q is no name of a namespace", o.SystemNamespace)
	refused.when(o.LeaderElectionNamespace != o.SystemNamespace && len(validation.IsDNS1123Label(o.LeaderElectionNamespace)) > 0,
		"leader-election-namespace", "%q is no name of a namespace", o.LeaderElectionNamespace)
	refused.when(len(validation.IsDNS1123Subdomain(o.WebhookCertSecret)) > 0, "webhook-cert-secret", "%q is no name of a Secret", o.WebhookCertSecret)
}
