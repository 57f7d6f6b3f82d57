package options_test

import (
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/kerf-autoscaler/kerf/pkg/options"
)

// environment returns a lookup in a map.
func environment(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, ok := values[name]
		return value, ok
	}
}

// certificate is of nobody, and valid for ever.
const certificate = `-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUGiYt9drToiyv3ufL/4oFSwQddI0wCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjIwMzQwNTlaGA8yMTI2MTAyOTAzNDA1
OVowDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABMvz
2nP1VicMYXhx0sDj7dMD5JxweFjVSAX78In9W3wf8JUq0TvLL3t1lTodwQ+9VCyo
5SzyrUGzwFNp5W+0DEyjUzBRMB0GA1UdDgQWBBTH7psdapcnTgbXuU62sIEpHh47
BzAfBgNVHSMEGDAWgBTH7psdapcnTgbXuU62sIEpHh47BzAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIGq0X30ANyxFtmzrFmprowHYIx+NsdM6X8Ey
LlxzhbDsAiEAiR7XvZxbYX+W1kETGfcQzdLLmtkn4dmqKRQmynvJScQ=
-----END CERTIFICATE-----
`

func defaults() options.Options {
	return options.Options{
		ClusterName: "c", BatchIdle: time.Second, BatchMax: 10 * time.Second,
		ExpendableBelow: -10, PreferencePolicy: "Respect", MinValuesPolicy: "Strict", FallbackPriceRatio: 1.5,
		LaunchTimeout: 5 * time.Minute, RegistrationTimeout: 15 * time.Minute, LaunchTemplateTTL: time.Minute,
		Consolidation: options.Consolidation{
			Horizon: 4 * time.Hour, EvictionCost: 0.1, SettleFor: 5 * time.Minute, MovedPodsRest: time.Hour, MinSpotAlternatives: 15,
			SteerNewPods: true, MaxTotalUnready: 45, OKTotalUnready: 3,
		},
		HoldBarePods: "Voluntary", HoldSystemPods: "Voluntary", HoldSystemPodsFor: time.Hour, HoldLocalStorage: "Never",
		CapacityBackoffMax: 30 * time.Minute, AWSAPIShare: 1, RebalancePolicy: options.RebalanceTell,
		VMMemoryOverheadPercent: 0.075, MetricsPort: 8080, HealthProbePort: 8081,
		WebhookPort: 8443, WebhookCertificateLifetime: 168 * time.Hour, WebhookCertSecret: "karpenter-cert",
		WebhookDrain: 5 * time.Second, SystemNamespace: "karpenter",
		KubeClientQPS: 200, KubeClientBurst: 300, LeaderElect: true, LeaderElectionNamespace: "karpenter", LogLevel: "info",
	}
}

func TestDefaults(t *testing.T) {
	got, err := options.Parse([]string{"--cluster-name=c"}, environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(defaults(), got); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
}

// settings maps a flag -> a value that is not its default, and what it does.
func settings() map[string]struct {
	value string
	set   func(*options.Options)
} {
	type setting = struct {
		value string
		set   func(*options.Options)
	}
	return map[string]setting{
		"cluster-name":                    {"other", func(o *options.Options) { o.ClusterName = "other" }},
		"cluster-endpoint":                {"https://x", func(o *options.Options) { o.ClusterEndpoint = "https://x" }},
		"cluster-ca-bundle":               {base64.StdEncoding.EncodeToString([]byte(certificate)), func(o *options.Options) { o.ClusterCA = certificate }},
		"cluster-version":                 {"1.34", func(o *options.Options) { o.ClusterVersion = "1.34" }},
		"cluster-service-cidr":            {"10.100.0.0/16", func(o *options.Options) { o.ClusterServiceCIDR = "10.100.0.0/16" }},
		"isolated-vpc":                    {"true", func(o *options.Options) { o.IsolatedVPC = true }},
		"aws-tags":                        {"team=a,cost=b", func(o *options.Options) { o.Tags = map[string]string{"team": "a", "cost": "b"} }},
		"aws-default-instance-profile":    {"profile", func(o *options.Options) { o.DefaultInstanceProfile = "profile" }},
		"batch-idle-duration":             {"2s", func(o *options.Options) { o.BatchIdle = 2 * time.Second }},
		"batch-max-duration":              {"20s", func(o *options.Options) { o.BatchMax = 20 * time.Second }},
		"expendable-pods-priority-cutoff": {"-100", func(o *options.Options) { o.ExpendableBelow = -100 }},
		"preference-policy":               {"Ignore", func(o *options.Options) { o.PreferencePolicy = "Ignore" }},
		"min-values-policy":               {"BestEffort", func(o *options.Options) { o.MinValuesPolicy = "BestEffort" }},
		"node-fee-per-hour":               {"0.02", func(o *options.Options) { o.NodeFee = 0.02 }},
		"fallback-price-ratio":            {"1", func(o *options.Options) { o.FallbackPriceRatio = 1 }},
		"solver-steps":                    {"1000", func(o *options.Options) { o.SolverSteps = 1000 }},
		"launch-timeout":                  {"1m", func(o *options.Options) { o.LaunchTimeout = time.Minute }},
		"registration-timeout":            {"2m", func(o *options.Options) { o.RegistrationTimeout = 2 * time.Minute }},
		"hold-bare-pods":                  {"Always", func(o *options.Options) { o.HoldBarePods = "Always" }},
		"hold-system-pods":                {"Never", func(o *options.Options) { o.HoldSystemPods = "Never" }},
		"hold-system-pods-for":            {"30m", func(o *options.Options) { o.HoldSystemPodsFor = 30 * time.Minute }},
		"hold-local-storage":              {"Voluntary", func(o *options.Options) { o.HoldLocalStorage = "Voluntary" }},
		"capacity-backoff-max":            {"10m", func(o *options.Options) { o.CapacityBackoffMax = 10 * time.Minute }},
		"aws-api-share":                   {"0.5", func(o *options.Options) { o.AWSAPIShare = 0.5 }},
		"pause-disruption":                {"true", func(o *options.Options) { o.PauseDisruption = true }},
		"empty-window":                    {"10s", func(o *options.Options) { o.EmptyWindow = 10 * time.Second }},
		"consolidation-horizon":           {"1h", func(o *options.Options) { o.Consolidation.Horizon = time.Hour }},
		"eviction-cost":                   {"0.2", func(o *options.Options) { o.Consolidation.EvictionCost = 0.2 }},
		"consolidation-settle-duration":   {"0s", func(o *options.Options) { o.Consolidation.SettleFor = 0 }},
		"moved-pods-rest":                 {"2h", func(o *options.Options) { o.Consolidation.MovedPodsRest = 2 * time.Hour }},
		"min-spot-alternatives":           {"5", func(o *options.Options) { o.Consolidation.MinSpotAlternatives = 5 }},
		"steer-new-pods":                  {"false", func(o *options.Options) { o.Consolidation.SteerNewPods = false }},
		"set-pod-deletion-cost":           {"true", func(o *options.Options) { o.Consolidation.SetPodDeletionCost = true }},
		"max-total-unready-percentage":    {"0", func(o *options.Options) { o.Consolidation.MaxTotalUnready = 0 }},
		"ok-total-unready-count":          {"0", func(o *options.Options) { o.Consolidation.OKTotalUnready = 0 }},
		"launch-template-ttl":             {"3m", func(o *options.Options) { o.LaunchTemplateTTL = 3 * time.Minute }},
		"reserved-enis":                   {"1", func(o *options.Options) { o.ReservedENIs = 1 }},
		"prefix-delegation":               {"true", func(o *options.Options) { o.PrefixDelegation = true }},
		"vm-memory-overhead-percent":      {"0.1", func(o *options.Options) { o.VMMemoryOverheadPercent = 0.1 }},
		"bind-address":                    {"127.0.0.1", func(o *options.Options) { o.BindAddress = "127.0.0.1" }},
		"metrics-port":                    {"1", func(o *options.Options) { o.MetricsPort = 1 }},
		"health-probe-port":               {"2", func(o *options.Options) { o.HealthProbePort = 2 }},
		"disable-webhook":                 {"true", func(o *options.Options) { o.DisableWebhook = true }},
		"webhook-port":                    {"3", func(o *options.Options) { o.WebhookPort = 3 }},
		"webhook-certificate-lifetime":    {"10s", func(o *options.Options) { o.WebhookCertificateLifetime = 10 * time.Second }},
		"webhook-authority-lifetime":      {"504h", func(o *options.Options) { o.WebhookAuthorityLifetime = 504 * time.Hour }},
		"webhook-cert-secret":             {"cert", func(o *options.Options) { o.WebhookCertSecret = "cert" }},
		"webhook-drain-duration":          {"0s", func(o *options.Options) { o.WebhookDrain = 0 }},
		"system-namespace":                {"kerf", func(o *options.Options) { o.SystemNamespace, o.LeaderElectionNamespace = "kerf", "kerf" }},
		"interruption-queue":              {"demo", func(o *options.Options) { o.InterruptionQueue = "demo" }},
		"rebalance-policy":                {"Replace", func(o *options.Options) { o.RebalancePolicy = options.RebalanceReplace }},
		"kube-client-qps":                 {"10.5", func(o *options.Options) { o.KubeClientQPS = 10.5 }},
		"kube-client-burst":               {"20", func(o *options.Options) { o.KubeClientBurst = 20 }},
		"leader-elect":                    {"false", func(o *options.Options) { o.LeaderElect = false }},
		"leader-election-namespace":       {"kerf", func(o *options.Options) { o.LeaderElectionNamespace = "kerf" }},
		"memory-limit":                    {"1073741824", func(o *options.Options) { o.MemoryLimit = 1 << 30 }},
		"kubeconfig":                      {"/tmp/x", func(o *options.Options) { o.Kubeconfig = "/tmp/x" }},
		"log-level":                       {"debug", func(o *options.Options) { o.LogLevel = "debug" }},
	}
}

func TestEverySettingIsAFlagAndAnEnvironmentVariable(t *testing.T) {
	fields := reflect.TypeFor[options.Options]().NumField() + reflect.TypeFor[options.Consolidation]().NumField() - 1
	if len(settings()) != fields {
		t.Errorf("%d settings are tested, there are %d", len(settings()), fields)
	}
	for flag, tc := range settings() {
		want := defaults()
		tc.set(&want)
		variable := strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
		t.Run("--"+flag, func(t *testing.T) {
			got, err := options.Parse([]string{"--cluster-name=c", "--" + flag + "=" + tc.value}, environment(nil))
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("error %v, options (-want +got):\n%s", err, diff)
			}
		})
		t.Run(variable, func(t *testing.T) {
			got, err := options.Parse(nil, environment(map[string]string{"CLUSTER_NAME": "c", variable: tc.value}))
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Errorf("error %v, options (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestAFlagBeatsItsEnvironmentVariable(t *testing.T) {
	got, err := options.Parse([]string{"--cluster-name=flag", "--leader-elect=true"},
		environment(map[string]string{"CLUSTER_NAME": "variable", "LEADER_ELECT": "false"}))
	if err != nil || got.ClusterName != "flag" || !got.LeaderElect {
		t.Errorf("got %q and %t (%v), want what the flags say", got.ClusterName, got.LeaderElect, err)
	}
}

func TestAnEmptyEnvironmentVariableIsNone(t *testing.T) {
	got, err := options.Parse([]string{"--cluster-name=c"}, environment(map[string]string{"BATCH_IDLE_DURATION": ""}))
	if err != nil || got.BatchIdle != time.Second {
		t.Errorf("got %s (%v)", got.BatchIdle, err)
	}
}

func TestWhatCannotWorkIsRefusedByTheNameOfItsFlag(t *testing.T) {
	tests := map[string]struct {
		flag, want string
	}{
		"no cluster":                        {"--cluster-name=", "--cluster-name: must be set"},
		"version of a patch":                {"--cluster-version=1.34.1", `--cluster-version: "1.34.1" is no Kubernetes version such as 1.34`},
		"addresses without range":           {"--cluster-service-cidr=10.0.0.1", `--cluster-service-cidr: "10.0.0.1" is no range of addresses`},
		"certificates as they are":          {"--cluster-ca-bundle=-----BEGIN", "it has to be PEM in base64"},
		"base64 of something else":          {"--cluster-ca-bundle=Zm9v", "it has to be PEM in base64"},
		"a tag of AWS":                      {"--aws-tags=aws:x=y", `--aws-tags: "aws:x": AWS keeps keys`},
		"the tag of the cluster":            {"--aws-tags=kubernetes.io/cluster/c=owned", `--aws-tags: "kubernetes.io/cluster/c": kerf sets this tag itself`},
		"the tag of Provisioners":           {"--aws-tags=karpenter.sh/provisioner-name=x", `--aws-tags: "karpenter.sh/provisioner-name": kerf sets this tag itself`},
		"the tag of kerf":                   {"--aws-tags=karpenter.sh/managed-by=x", `--aws-tags: "karpenter.sh/managed-by": kerf sets this tag itself`},
		"the tag of launches":               {"--aws-tags=karpenter.sh/launch-group=x", `--aws-tags: "karpenter.sh/launch-group": kerf sets this tag itself`},
		"a tag without a key":               {"--aws-tags==y", `--aws-tags: "": a key has 1 to 128 characters`},
		"a tag without a value":             {"--aws-tags=y", "aws-tags"},
		"idle below a second":               {"--batch-idle-duration=999ms", "--batch-idle-duration: 999ms is below 1s"},
		"max below idle":                    {"--batch-max-duration=500ms", "--batch-max-duration: 500ms is below --batch-idle-duration 1s"},
		"a priority in words":               {"--expendable-pods-priority-cutoff=low", "expendable-pods-priority-cutoff"},
		"a policy of nobody":                {"--preference-policy=ignore", `--preference-policy: "ignore" is neither Respect nor Ignore`},
		"a policy of another kind":          {"--min-values-policy=Ignore", `--min-values-policy: "Ignore" is neither Strict nor BestEffort`},
		"a node for a gift":                 {"--node-fee-per-hour=-0.1", "--node-fee-per-hour: -0.1 is not from 0 to 1000"},
		"a fee not a number":                {"--node-fee-per-hour=NaN", "--node-fee-per-hour: NaN is not from 0 to 1000"},
		"a fallback that has to be cheaper": {"--fallback-price-ratio=0.9", "--fallback-price-ratio: 0.9 is not from 1 to 1000"},
		"any fallback":                      {"--fallback-price-ratio=Inf", "--fallback-price-ratio: +Inf is not from 1 to 1000"},
		"steps back":                        {"--solver-steps=-1", "--solver-steps: -1 is negative"},
		"no time to launch":                 {"--launch-timeout=0", "--launch-timeout: 0s is not positive"},
		"negative time to join":             {"--registration-timeout=-1s", "--registration-timeout: -1s is not positive"},
		"a hold of nobody's":                {"--hold-bare-pods=Sometimes", `--hold-bare-pods: "Sometimes" is not Never, Voluntary or Always`},
		"a hold of system pods":             {"--hold-system-pods=", `--hold-system-pods: "" is not Never, Voluntary or Always`},
		"a hold of local storage":           {"--hold-local-storage=true", `--hold-local-storage: "true" is not Never, Voluntary or Always`},
		"a negative age":                    {"--hold-system-pods-for=-1s", "--hold-system-pods-for: -1s is negative"},
		"a back-off below the first":        {"--capacity-backoff-max=44s", "--capacity-backoff-max: 44s is below 45s"},
		"a queue by its URL":                {"--interruption-queue=https://sqs.us-east-1.amazonaws.com/1/q", "--interruption-queue: "},
		"a queue by its ARN":                {"--interruption-queue=arn:aws:sqs:us-east-1:1:q", "is no name of a standard SQS queue"},
		"a queue that keeps order":          {"--interruption-queue=q.fifo", "is no name of a standard SQS queue"},
		"a rebalance of nobody's":           {"--rebalance-policy=replace", `--rebalance-policy: "replace" is neither Tell nor Replace`},
		"no share of the API":               {"--aws-api-share=0", "--aws-api-share: 0 is not above 0"},
		"a share that is no number":         {"--aws-api-share=NaN", "--aws-api-share: NaN is not above 0"},
		"no horizon":                        {"--consolidation-horizon=0s", "--consolidation-horizon: 0s is not positive"},
		"moving for a gift":                 {"--eviction-cost=0", "--eviction-cost: 0 is not above 0 and up to 1000"},
		"settled before it was":             {"--consolidation-settle-duration=-1s", "--consolidation-settle-duration: -1s is negative"},
		"no rest":                           {"--moved-pods-rest=0s", "--moved-pods-rest: 0s is not above 0s"},
		"a rest beyond memory":              {"--moved-pods-rest=169h", "--moved-pods-rest: 169h0m0s is not above 0s and up to 168h"},
		"no alternatives":                   {"--min-spot-alternatives=0", "--min-spot-alternatives: 0 is below 1"},
		"more than all nodes":               {"--max-total-unready-percentage=101", "--max-total-unready-percentage: 101 is not from 0 to 100"},
		"fewer than no nodes":               {"--ok-total-unready-count=-1", "--ok-total-unready-count: -1 is negative"},
		"no life for a template":            {"--launch-template-ttl=0s", "--launch-template-ttl: 0s is not positive"},
		"fewer than no interfaces":          {"--reserved-enis=-1", "--reserved-enis: -1 is negative"},
		"negative overhead":                 {"--vm-memory-overhead-percent=-0.1", "--vm-memory-overhead-percent: -0.1 is not a fraction"},
		"overhead in percent":               {"--vm-memory-overhead-percent=7.5", "--vm-memory-overhead-percent: 7.5 is not a fraction"},
		"overhead is not a number":          {"--vm-memory-overhead-percent=NaN", "--vm-memory-overhead-percent: NaN is not a fraction"},
		"no requests":                       {"--kube-client-qps=0", "--kube-client-qps: 0 is not positive"},
		"requests not a number":             {"--kube-client-qps=NaN", "--kube-client-qps: NaN is not positive"},
		"no burst":                          {"--kube-client-burst=0", "--kube-client-burst: 0 is not positive"},
		"a port below 0":                    {"--metrics-port=-1", "--metrics-port: -1 is not from 0 to 65535"},
		"a port above the last":             {"--health-probe-port=65536", "--health-probe-port: 65536 is not from 0 to 65535"},
		"no port of the webhook":            {"--webhook-port=0", "--webhook-port: 0 is not from 1 to 65535"},
		"a port twice":                      {"--webhook-port=8080", "--webhook-port: 8080 is the port of --metrics-port"},
		"a certificate too short":           {"--webhook-certificate-lifetime=9s", "--webhook-certificate-lifetime: 9s is not from 10s to 8760h"},
		"a certificate for ever":            {"--webhook-certificate-lifetime=9000h", "--webhook-certificate-lifetime: 9000h0m0s is not from 10s to 8760h"},
		"an authority too short":            {"--webhook-authority-lifetime=503h", "--webhook-authority-lifetime: 503h0m0s is below 3 times --webhook-certificate-lifetime 168h0m0s"},
		"a drain into the past":             {"--webhook-drain-duration=-1s", "--webhook-drain-duration: -1s is not from 0s to 15s"},
		"a drain that is killed":            {"--webhook-drain-duration=16s", "--webhook-drain-duration: 16s is not from 0s to 15s"},
		"no Secret":                         {"--webhook-cert-secret=", `--webhook-cert-secret: "" is no name of a Secret`},
		"a Secret elsewhere":                {"--webhook-cert-secret=a/b", `--webhook-cert-secret: "a/b" is no name of a Secret`},
		"a namespace with dots":             {"--system-namespace=a.b", `--system-namespace: "a.b" is no name of a namespace`},
		"a lease nowhere":                   {"--leader-election-namespace=A", `--leader-election-namespace: "A" is no name of a namespace`},
		"memory below nothing":              {"--memory-limit=-1", "--memory-limit: -1 is negative"},
		"memory in words":                   {"--memory-limit=1Gi", "memory-limit"},
		"level":                             {"--log-level=loud", `--log-level: "loud" is not debug, info or error`},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := options.Parse([]string{"--cluster-name=c", tc.flag}, environment(nil))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestEveryMistakeIsToldAtOnce(t *testing.T) {
	_, err := options.Parse([]string{"--launch-timeout=0"}, environment(map[string]string{"BATCH_MAX_DURATION": "soon"}))
	for _, want := range []string{"--cluster-name", "--launch-timeout", "environment variable BATCH_MAX_DURATION"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not speak of %s", err, want)
		}
	}
}

func TestAMistakeInTheSystemNamespaceIsToldOnce(t *testing.T) {
	_, err := options.Parse([]string{"--cluster-name=c", "--system-namespace=A"}, environment(nil))
	if err == nil || strings.Contains(err.Error(), "leader-election-namespace") {
		t.Errorf("got %v", err)
	}
}

func TestServersThatDoNotServeShareTheirPort(t *testing.T) {
	for _, flags := range [][]string{
		{"--metrics-port=0", "--health-probe-port=0"},
		{"--disable-webhook", "--webhook-port=8080"},
		{"--disable-webhook", "--webhook-port=0"},
	} {
		if _, err := options.Parse(append(flags, "--cluster-name=c"), environment(nil)); err != nil {
			t.Errorf("%v: %s", flags, err)
		}
	}
}

func TestWhatIsNoFlagIsRefused(t *testing.T) {
	_, err := options.Parse([]string{"--cluster-name=c", "--leader-elect", "false"}, environment(nil))
	if err == nil || !strings.Contains(err.Error(), `"false" is no flag`) {
		t.Errorf("got %v, want a refusal that quotes the argument", err)
	}
}

func TestUnknownFlagsAreRefused(t *testing.T) {
	if _, err := options.Parse([]string{"--cluster-name=c", "--batch-idle=1s"}, environment(nil)); err == nil || !strings.Contains(err.Error(), "batch-idle") {
		t.Errorf("got %v, want a refusal that names the flag", err)
	}
}

func TestHelpIsNoMistake(t *testing.T) {
	if _, err := options.Parse([]string{"--help"}, environment(nil)); !errors.Is(err, pflag.ErrHelp) {
		t.Errorf("got %v, want pflag.ErrHelp", err)
	}
}
