package install_test

import (
	"encoding/json"
	"os/exec"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/install"
)

// project is what kubebuilder knows of the repository.
type project struct {
	Domain      string   `json:"domain"`
	Layout      []string `json:"layout"`
	ProjectName string   `json:"projectName"`
	Repo        string   `json:"repo"`
	Version     string   `json:"version"`
	Resources   []struct {
		API struct {
			CRDVersion string `json:"crdVersion"`
			Namespaced bool   `json:"namespaced"`
		} `json:"api"`
		Controller bool   `json:"controller"`
		Domain     string `json:"domain"`
		Kind       string `json:"kind"`
		Path       string `json:"path"`
		Version    string `json:"version"`
		Webhooks   struct {
			Defaulting     bool   `json:"defaulting"`
			Validation     bool   `json:"validation"`
			WebhookVersion string `json:"webhookVersion"`
		} `json:"webhooks"`
	} `json:"resources"`
}

// definition is the part of a CustomResourceDefinition that PROJECT repeats.
type definition struct {
	Spec struct {
		Group string `json:"group"`
		Names struct {
			Kind string `json:"kind"`
		} `json:"names"`
		Versions []struct {
			Name string `json:"name"`
		} `json:"versions"`
	} `json:"spec"`
}

func TestPROJECTSpeaksOfTheKindsThatThereAre(t *testing.T) {
	var p project
	if err := yaml.UnmarshalStrict([]byte(read(t, "PROJECT")), &p); err != nil {
		t.Fatal(err)
	}
	module := regexp.MustCompile(`(?m)^module (.*)$`).FindStringSubmatch(read(t, "go.mod"))[1]
	if p.Repo != module || p.Version != "3" || !slices.Equal(p.Layout, []string{"go.kubebuilder.io/v4"}) {
		t.Errorf("repo %s, version %s, layout %v", p.Repo, p.Version, p.Layout)
	}
	webhooks := read(t, "config/webhook/manifests.yaml")
	var got, want []string
	for _, r := range p.Resources {
		got = append(got, strings.Join([]string{r.Domain, r.Version, r.Kind, r.API.CRDVersion}, " "))
		directory := strings.TrimPrefix(r.Path, module+"/")
		if !strings.Contains(read(t, path.Join(directory, "register.go")), `"`+r.Domain+`"`) {
			t.Errorf("%s is not about %s", r.Path, r.Domain)
		}
		for what, has := range map[string]bool{"/default/": r.Webhooks.Defaulting, "/validate/": r.Webhooks.Validation} {
			if called := strings.Contains(webhooks, what+strings.ToLower(r.Kind)+"s\n"); called != has {
				t.Errorf("%s: PROJECT says %t of %s, and config/webhook %t", r.Kind, has, what, called)
			}
		}
	}
	for _, file := range files(t, "config/crd/bases", "*.yaml") {
		var d definition
		if err := yaml.Unmarshal([]byte(read(t, file)), &d); err != nil {
			t.Fatal(err)
		}
		want = append(want, strings.Join([]string{d.Spec.Group, d.Spec.Versions[0].Name, d.Spec.Names.Kind, "v1"}, " "))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("PROJECT speaks of %v, and config/crd/bases of %v", got, want)
	}
}

func TestTheClusterForEksctlFitsWhatCloudFormationMakes(t *testing.T) {
	cluster, stack := read(t, "docs/install/eksctl.yaml"), read(t, "docs/install/cloudformation.yaml")
	objects, err := install.Objects(cluster)
	if err != nil || len(objects) != 1 || objects[0].GetKind() != "ClusterConfig" {
		t.Fatalf("docs/install/eksctl.yaml holds %v: %v", objects, err)
	}
	var made []string
	for _, m := range regexp.MustCompile(`RoleName: !Sub "(.*)"`).FindAllStringSubmatch(stack, -1) {
		made = append(made, strings.ReplaceAll(m[1], "${ClusterName}", "${CLUSTER_NAME}"))
	}
	var used []string
	for _, m := range regexp.MustCompile(`:role/(.*)`).FindAllStringSubmatch(cluster, -1) {
		used = append(used, m[1])
	}
	slices.Sort(made)
	slices.Sort(used)
	if !slices.Equal(made, used) {
		t.Errorf("the stack makes the roles %v, and the cluster uses %v", made, used)
	}
	account := found(t, build(t.Context(), t, "config/default"), "ServiceAccount", nil)
	for _, line := range []string{"namespace: " + account.GetNamespace(), "serviceAccountName: " + account.GetName()} {
		if !strings.Contains(cluster, line+"\n") {
			t.Errorf("there is no %q", line)
		}
	}
}

func TestForTerraformTheClusterIsMadeWithoutWhatTerraformMakes(t *testing.T) {
	m := regexp.MustCompile(`eksctl\.yaml \| sed '([^']+)' \| eksctl`).FindStringSubmatch(read(t, "docs/install/README.md"))
	if m == nil {
		t.Fatal("docs/install/README.md does not say how to make the cluster")
	}
	command := exec.CommandContext(t.Context(), "sed", m[1], "eksctl.yaml")
	command.Dir = root + "/docs/install"
	output, err := command.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want, got map[string]any
	for text, into := range map[string]*map[string]any{read(t, "docs/install/eksctl.yaml"): &want, string(output): &got} {
		if err := yaml.UnmarshalStrict([]byte(text), into); err != nil {
			t.Fatalf("%s:\n%s", err, text)
		}
	}
	unstructured.RemoveNestedField(want, "iam", "podIdentityAssociations")
	unstructured.RemoveNestedField(want, "accessConfig", "accessEntries")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the cluster (-want +got):\n%s", diff)
	}
}

// The overlay has the role in a comment, which is a patch of the ServiceAccount once it is none any more.
func TestTheOverlayNamesARoleOnlyForThoseWhoAskForIt(t *testing.T) {
	const annotation = "eks.amazonaws.com/role-arn"
	if account := found(t, build(t.Context(), t, "docs/install/overlay"), "ServiceAccount", nil); account.GetAnnotations()[annotation] != "" {
		t.Errorf("annotations %v", account.GetAnnotations())
	}
	_, commented, _ := strings.Cut(read(t, "docs/install/overlay/kustomization.yaml"), "\n# patches:")
	var overlay struct {
		Patches []struct {
			Patch string `json:"patch"`
		} `json:"patches"`
	}
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll("\n# patches:"+commented, "\n# ", "\n")), &overlay); err != nil || len(overlay.Patches) != 1 {
		t.Fatalf("patches %v: %v", overlay, err)
	}
	objects, err := install.Objects(overlay.Patches[0].Patch)
	if err != nil || len(objects) != 1 || objects[0].GetAnnotations()[annotation] == "" {
		t.Errorf("patch %v: %v", objects, err)
	}
}

func TestEveryVariableThatCommandsUseIsSetBefore(t *testing.T) {
	set := map[string]bool{}
	for _, name := range []string{"README.md", "helm.md", "manifests.md"} { // in the order in which people read them
		blocks, err := install.Blocks(read(t, "docs/install/"+name))
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range blocks {
			if b.Language != "console" {
				continue
			}
			text := b.Text
			for _, file := range regexp.MustCompile(`envsubst < (\S+)`).FindAllStringSubmatch(b.Text, -1) {
				text += read(t, file[1])
			}
			for _, m := range regexp.MustCompile(`(?m)(?:^export |^| )([A-Z_]+)=`).FindAllStringSubmatch(b.Text, -1) {
				set[m[1]] = true
			}
			for _, m := range regexp.MustCompile(`\$\{?([A-Z_]+)`).FindAllStringSubmatch(text, -1) {
				if !set[m[1]] {
					t.Errorf("docs/install/%s:%d: %s is not set before it is used", name, b.Line, m[1])
				}
			}
		}
	}
}

// schema is a part of the schema of the chart's values.
type schema struct {
	Properties           map[string]schema `json:"properties"`
	AdditionalProperties any               `json:"additionalProperties"`
}

func TestTheChartKnowsEveryValueThatCommandsSet(t *testing.T) {
	var values schema
	if err := json.Unmarshal([]byte(read(t, "charts/kerf/values.schema.json")), &values); err != nil {
		t.Fatal(err)
	}
	known := 0
	for _, d := range documents(t) {
		for _, m := range regexp.MustCompile(`--set\s+([\w.]+)`).FindAllStringSubmatch(d.text, -1) {
			at := values
			for key := range strings.SplitSeq(strings.TrimSuffix(m[1], "."), ".") {
				next, ok := at.Properties[key]
				if !ok {
					t.Errorf("%s: the chart knows no value %s", d.name, m[1])
					break
				}
				at = next
			}
			known++
		}
	}
	if known == 0 {
		t.Error("no command sets a value")
	}
}

func TestTheREADMESpeaksOfEveryFieldThatUsersSet(t *testing.T) {
	readme := read(t, "README.md")
	leftOver := []string{"apiVersion", "kind"} // of a template in spec.provider
	for _, spec := range []reflect.Type{
		reflect.TypeFor[v1alpha5.ProvisionerSpec](), reflect.TypeFor[v1alpha5.KubeletConfiguration](), reflect.TypeFor[awsv1alpha1.AWSNodeTemplateSpec](),
	} {
		for f := range spec.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if slices.Contains(leftOver, name) {
				continue
			}
			if !regexp.MustCompile("`(spec\\.)?" + name + "[`.]").MatchString(readme) {
				t.Errorf("%s: %s is not in README.md", spec.Name(), name)
			}
		}
	}
}

func TestEveryStatementOfThePoliciesIsExplained(t *testing.T) {
	explained := read(t, "docs/install/iam.md")
	var got, want []string
	for _, m := range regexp.MustCompile("(?m)^\\| `((?:Allow|Deny)\\w+)` \\|").FindAllStringSubmatch(explained, -1) {
		got = append(got, m[1])
	}
	for _, file := range []string{"controller-policy.json", "interruption-policy.json", "terraform/policies/queue.json.tftpl"} {
		for _, m := range regexp.MustCompile(`"Sid": "(\w+)"`).FindAllStringSubmatch(read(t, "docs/install/"+file), -1) {
			want = append(want, m[1])
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("docs/install/iam.md explains %v, and there is %v", got, want)
	}
}

func TestTheControllerMayTouchTheSecretAndTheWebhooksThatAreInstalled(t *testing.T) {
	objects, err := install.Objects(build(t.Context(), t, "config/default"))
	if err != nil {
		t.Fatal(err)
	}
	installed, named := map[string][]string{}, map[string][]string{}
	for _, o := range objects {
		resource := strings.ToLower(o.GetKind()) + "s"
		switch resource {
		case "secrets", "mutatingwebhookconfigurations", "validatingwebhookconfigurations":
			installed[resource] = append(installed[resource], o.GetName())
		case "roles", "clusterroles":
			for resource, names := range namedIn(t, o) {
				named[resource] = append(named[resource], names...)
			}
		}
	}
	for resource, want := range installed {
		slices.Sort(want)
		slices.Sort(named[resource])
		if !slices.Equal(named[resource], want) {
			t.Errorf("kerf may touch the %s %v, and %v are installed", resource, named[resource], want)
		}
	}
	if len(installed) != 3 {
		t.Errorf("only %v is installed", installed)
	}
}

// namedIn returns the names to which a role binds each of its resources.
func namedIn(t *testing.T, role *unstructured.Unstructured) map[string][]string {
	t.Helper()
	var read rbacv1.ClusterRole // a Role has the same rules
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(role.Object, &read); err != nil {
		t.Fatal(err)
	}
	out := map[string][]string{}
	for _, rule := range read.Rules {
		for _, resource := range rule.Resources {
			out[resource] = append(out[resource], rule.ResourceNames...)
		}
	}
	return out
}
