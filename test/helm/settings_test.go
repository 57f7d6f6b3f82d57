package helm_test

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	"sigs.k8s.io/yaml"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/pkg/options"
	"github.com/kerf-autoscaler/kerf/test/helm"
)

// setting is an entry of the chart's files settings.yaml and unsupported.yaml.
type setting struct {
	Env    string   `json:"env"`
	Values []string `json:"values"`
	Same   []string `json:"same"`
	Refuse bool     `json:"refuse"`
	Says   string   `json:"says"`
}

func readSettings(t *testing.T, name string) []setting {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, helm.Chart, "files", name))
	if err != nil {
		t.Fatal(err)
	}
	var settings []setting
	if err := yaml.UnmarshalStrict(content, &settings); err != nil {
		t.Fatal(err)
	}
	return settings
}

// samples maps an environment variable that is spelled in several ways -> values that it takes, as helm's --set has them.
func samples() map[string][]string {
	return map[string][]string{
		"CLUSTER_NAME":                 {"=demo", "=2024"},
		"CLUSTER_ENDPOINT":             {"=https://ABC.gr7.us-east-1.eks.amazonaws.com"},
		"CLUSTER_CA_BUNDLE":            {"=" + base64.StdEncoding.EncodeToString([]byte("pem"))},
		"AWS_DEFAULT_INSTANCE_PROFILE": {"=profile"},
		"AWS_TAGS":                     {".team=a", ".account=123456789012"},
		"INTERRUPTION_QUEUE":           {"=demo", "=demo_2"},
		"ISOLATED_VPC":                 {"=true", "=false"},
		"RESERVED_ENIS":                {"=1", "=0"},
		"VM_MEMORY_OVERHEAD_PERCENT":   {"=0.1", "=0"},
	}
}

func TestEverySpellingOfASettingMeansTheSame(t *testing.T) {
	t.Parallel()
	for _, s := range readSettings(t, "settings.yaml") {
		if len(s.Values) == 1 {
			continue
		}
		t.Run(s.Env, func(t *testing.T) {
			t.Parallel()
			if samples()[s.Env] == nil {
				t.Fatal("there is no sample of it")
			}
			for _, sample := range samples()[s.Env] {
				name := "--set=settings.clusterName=demo"
				if s.Env == "CLUSTER_NAME" {
					name = "--set=logLevel=info"
				}
				want := template(t, name, "--set="+s.Values[0]+sample)
				if s.Env != "CLUSTER_NAME" && want == template(t, name) {
					t.Errorf("%s%s changes nothing", s.Values[0], sample)
				}
				for _, other := range s.Values[1:] {
					if diff := cmp.Diff(want, template(t, name, "--set="+other+sample)); diff != "" {
						t.Errorf("%s%s instead of %s (-want +got):\n%s", other, sample, s.Values[0], diff)
					}
				}
				all := "--set=" + strings.Join(s.Values, sample+",") + sample
				if diff := cmp.Diff(want, template(t, name, all)); diff != "" {
					t.Errorf("all spellings that say %s (-want +got):\n%s", sample, diff)
				}
			}
		})
	}
}

func TestTheImageHasTwoSpellings(t *testing.T) {
	tests := map[string]struct {
		set, want string
	}{
		"neither":    {"logLevel=info", "kerf:0.1.0"},
		"own":        {"image.repository=r/k,image.tag=v2", "r/k:v2"},
		"other":      {"controller.image.repository=r/k,controller.image.tag=v2", "r/k:v2"},
		"mixed":      {"controller.image.repository=r/k,image.tag=v2", "r/k:v2"},
		"with a pin": {"controller.image.digest=sha256:" + strings.Repeat("a", 64), "kerf:0.1.0@sha256:" + strings.Repeat("a", 64)},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			deployment, err := helm.Find[appsv1.Deployment](template(t, "--set=clusterName=demo,"+tc.set), "Deployment")
			if err != nil {
				t.Fatal(err)
			}
			if got := deployment.Spec.Template.Spec.Containers[0].Image; got != tc.want {
				t.Errorf("image %s, want %s", got, tc.want)
			}
		})
	}
}

func TestValuesThatCannotWorkAreRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		set  string
		want []string
	}{
		"no cluster": {"logLevel=info", []string{"settings.clusterName is not set", "--set settings.clusterName=NAME"}},
		"two clusters": {"clusterName=a,settings.aws.clusterName=b", []string{
			`settings.aws.clusterName says "b" and clusterName says "a"`, "leave one out"}},
		"two kinds of tags": {"clusterName=a,settings.tags.team=x,settings.aws.tags.team=y", []string{`settings.tags says "team=x"`}},
		"no and yes":        {"clusterName=a,settings.isolatedVPC=false,settings.aws.isolatedVPC=true", []string{"settings.isolatedVPC"}},
		"two images":        {"clusterName=a,image.tag=v1,controller.image.tag=v2", []string{`image.tag says "v1"`}},
		"two queues":        {"clusterName=a,settings.interruptionQueue=p,settings.aws.interruptionQueueName=q", []string{"settings.interruptionQueue says"}},
		"other account":     {"clusterName=a,settings.aws.assumeRoleARN=arn", []string{`settings.aws.assumeRoleARN: "arn" is refused: kerf would act in another account`}},
		"two reserves":      {"clusterName=a,settings.reservedENIs=1,settings.aws.reservedENIs=2", []string{"settings.reservedENIs says"}},
		"setting by environment": {"clusterName=a,controller.env[0].name=CLUSTER_NAME,controller.env[0].value=b", []string{
			"controller.env sets CLUSTER_NAME, which settings.clusterName sets"}},
		"memory limit twice": {"clusterName=a,controller.env[0].name=MEMORY_LIMIT,controller.env[0].value=1", []string{"controller.resources.limits.memory"}},
		"memory limit of Go": {"clusterName=a,controller.env[0].name=GOMEMLIMIT,controller.env[0].value=1", []string{"controller.resources.limits.memory"}},
		"all at once":        {"settings.aws.assumeRoleARN=arn,image.tag=v1,controller.image.tag=v2", []string{"settings.clusterName", "settings.aws.assumeRoleARN", "image.tag"}},
		"typo":               {"clusterNam=a", []string{"clusterNam", "not allowed"}},
		"typo in settings":   {"clusterName=a,settings.clusterNam=a", []string{"/settings", "clusterNam"}},
		"typo below":         {"clusterName=a,controller.metrics.prot=1", []string{"/controller/metrics", "prot"}},
		"typo of a gate":     {"clusterName=a,settings.featureGates.drift=maybe", []string{"/settings/featureGates/drift"}},
		"level":              {"clusterName=a,logLevel=loud", []string{"/logLevel", "debug"}},
		"duration":           {"clusterName=a,settings.batchIdleDuration=10", []string{"/settings/batchIdleDuration"}},
		"version as number":  {"clusterName=a,settings.clusterVersion=1", []string{"/settings/clusterVersion"}},
		"plain HTTP":         {"clusterName=a,webhook.url=http://kerf", []string{"/webhook/url"}},
		"digest":             {"clusterName=a,image.digest=latest", []string{"/image/digest"}},
		"port":               {"clusterName=a,webhook.port=70000", []string{"/webhook/port"}},
		"replicas":           {"clusterName=a,replicas=-1", []string{"/replicas"}},
		"tag of the cluster": {`clusterName=a,settings.tags.kubernetes\.io/cluster/a=owned`, []string{`settings.tags has "kubernetes.io/cluster/a"`}},
		"tag of AWS":         {`clusterName=a,settings.aws.tags.aws:x=y`, []string{`settings.aws.tags has "aws:x", which kerf or AWS sets itself`}},
		"tag of kerf":        {`clusterName=a,settings.tags.karpenter\.sh/managed-by=a`, []string{`settings.tags has "karpenter.sh/managed-by"`}},
		"tag with quotes":    {`clusterName=a,settings.tags.team=a"b`, []string{"/settings/tags/team"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := refusal(t, "--set="+tc.set)
			for _, want := range tc.want {
				if !strings.Contains(got, want) {
					t.Errorf("helm does not speak of %q but says:\n%s", want, got)
				}
			}
		})
	}
}

func TestTheChartRefusesTheTagsThatTheControllerRefuses(t *testing.T) {
	t.Parallel()
	h, refused := newHelm(t), 0
	for _, key := range []string{
		"aws:x", "AWS:x", "aws", "kubernetes.io/cluster/a", "kubernetes.io/cluster/A-1_b", "kubernetes.io/cluster/-a", "kubernetes.io/cluster/a.b",
		"Kubernetes.io/cluster/a", "kubernetesXio/cluster/a", "karpenter.sh/provisioner-name", "karpenter.sh/provisioner-names", "karpenter.sh/discovery",
		awsv1alpha1.TagManagedBy, awsv1alpha1.TagClusterUID, awsv1alpha1.TagLaunchGroup, awsv1alpha1.TagLaunchAttempt,
		awsv1alpha1.TagLaunchTemplateCluster, awsv1alpha1.TagName,
	} {
		_, byController := options.Parse([]string{"--cluster-name=demo", "--aws-tags=" + key + "=x"}, func(string) (string, bool) { return "", false })
		_, byChart := h.Template(t.Context(), "karpenter", "karpenter", "--set=clusterName=demo", `--set-json=settings.tags={"`+key+`":"x"}`)
		if (byController == nil) != (byChart == nil) {
			t.Errorf("%s: the controller says %v, and the chart %v", key, byController, byChart)
		}
		if byChart != nil {
			refused++
		}
	}
	if refused != 10 {
		t.Errorf("%d tags are refused", refused)
	}
}

// meaningless are values of other charts that kerf needs no setting for: any value of theirs is fine.
func meaningless() []string {
	return []string{
		"settings.eksControlPlane", "settings.disableDryRun", "settings.disableClusterStateObservability",
		"settings.aws.enablePodENI", "settings.aws.assumeRoleDuration", "enabled", "global",
	}
}

func TestEveryValueOfAnotherChartHasAnAnswer(t *testing.T) {
	answered := append(meaningless(), "controller.image")
	for _, name := range []string{"settings.yaml", "unsupported.yaml"} {
		for _, s := range readSettings(t, name) {
			answered = append(answered, s.Values...)
		}
	}
	own, foreign := schemaValues(t)
	for _, path := range foreign {
		if !slices.Contains(answered, path) {
			t.Errorf("%s is accepted, and nothing is done about it", path)
		}
	}
	for _, path := range answered {
		if !slices.Contains(own, path) && !slices.Contains(foreign, path) {
			t.Errorf("%s has an answer, but the schema refuses it", path)
		}
	}
	want := template(t, "--set=clusterName=demo")
	got := template(t, "--set=clusterName=demo,settings.eksControlPlane=true,settings.aws.enablePodENI=true,"+
		"settings.aws.assumeRoleDuration=15m,enabled=true,global.region=x,settings.featureGates.driftEnabled=true,"+
		"settings.aws.enableENILimitedPodDensity=false,"+
		"settings.ignoreDRARequests=false,settings.enableZonalShift=true,settings.disableDryRun=true,settings.disableClusterStateObservability=true")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("manifests (-want +got):\n%s", diff)
	}
}

// optionsOf returns the options that the controller reads in the pods of a Deployment, and its environment.
func optionsOf(t *testing.T, manifests string) (options.Options, map[string]string) {
	t.Helper()
	variables, err := helm.ControllerEnvironment(manifests)
	if err != nil {
		t.Fatal(err)
	}
	environment := map[string]string{}
	for _, variable := range variables {
		name, value, _ := strings.Cut(variable, "=")
		environment[name] = value
	}
	return parse(t, environment), environment
}

func parse(t *testing.T, environment map[string]string) options.Options {
	t.Helper()
	o, err := options.Parse(nil, func(name string) (string, bool) {
		value, ok := environment[name]
		return value, ok
	})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestDefaultValuesAreTheDefaultsOfTheController(t *testing.T) {
	got, _ := optionsOf(t, template(t, "--set=settings.clusterName=demo"))
	want := parse(t, map[string]string{"CLUSTER_NAME": "demo"})
	want.MemoryLimit = 1 << 30 // a pod has one
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("options (-controller's +chart's):\n%s", diff)
	}
}

func TestEveryOptionOfTheControllerCanBeSetByValues(t *testing.T) {
	// These are not for clusters, or given by controller.env.
	notSet := []string{"Kubeconfig", "BindAddress", "LeaderElect"} // LeaderElectionNamespace follows SystemNamespace
	manifests, err := newHelm(t).Template(t.Context(), "karpenter", "elsewhere", "--values="+valuesFile("everything.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	got, environment := optionsOf(t, manifests)
	off, _ := optionsOf(t, template(t, "--values="+valuesFile("nothing.yaml")))
	defaults := parse(t, map[string]string{"CLUSTER_NAME": "demo"})
	for i := range reflect.TypeFor[options.Options]().NumField() {
		name := reflect.TypeFor[options.Options]().Field(i).Name
		value := func(o options.Options) any { return reflect.ValueOf(o).Field(i).Interface() }
		set := !reflect.DeepEqual(value(got), value(defaults)) || !reflect.DeepEqual(value(off), value(defaults))
		if set == slices.Contains(notSet, name) {
			t.Errorf("option %s: set by values is %t", name, set)
		}
	}
	if diff := cmp.Diff(map[string]string{"owner": "a=b,c", "account": "123456789012"}, got.Tags); diff != "" {
		t.Errorf("tags (-want +got):\n%s", diff)
	}
	for name := range environment {
		if name == "AWS_REGION" || name == "DISABLE_WEBHOOK" { // not for kerf to read; false, as is the default
			continue
		}
		rest := map[string]string{"CLUSTER_NAME": "demo"}
		for other, value := range environment {
			if other != name {
				rest[other] = value
			}
		}
		if cmp.Equal(got, parse(t, rest)) {
			t.Errorf("the controller does not read %s", name)
		}
	}
}
