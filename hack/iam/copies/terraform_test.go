package copies_test

import (
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// configuration is all files for Terraform in one text, without comments.
func configuration(t *testing.T) string {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(installed, "terraform", "*.tf"))
	if err != nil || len(paths) == 0 {
		t.Fatal("there are no files for Terraform", err)
	}
	var out []string
	for _, path := range paths {
		out = append(out, read(t, "terraform/"+filepath.Base(path)))
	}
	return regexp.MustCompile(`(?m)^\s*#.*$`).ReplaceAllString(strings.Join(out, "\n"), "")
}

// found returns what the first group of an expression matches, once each and in order.
func found(expression, text string) []string {
	out := map[string]bool{}
	for _, m := range regexp.MustCompile(expression).FindAllStringSubmatch(text, -1) {
		out[m[1]] = true
	}
	return slices.Sorted(maps.Keys(out))
}

// There is no parser of Terraform's language among kerf's modules; these tests look for what can be seen without one.
func TestWhatTerraformIsToldToUseIsDeclaredAndUsed(t *testing.T) {
	text := configuration(t)
	if diff := cmp.Diff(found(`(?m)^variable "(\w+)"`, text), found(`\bvar\.(\w+)`, text)); diff != "" {
		t.Errorf("variables that are declared (-) are not those that are used (+):\n%s", diff)
	}
	if diff := cmp.Diff(found(`(?m)^  (\w+) += `, block(t, text, "locals")), found(`\blocal\.(\w+)`, text)); diff != "" {
		t.Errorf("local values that are declared (-) are not those that are used (+):\n%s", diff)
	}
	var declared []string
	for _, m := range regexp.MustCompile(`(?m)^resource "(\w+)" "(\w+)"`).FindAllStringSubmatch(text, -1) {
		declared = append(declared, m[1]+"."+m[2])
	}
	for _, name := range found(`[^.\w](aws_\w+\.\w+)`, text) {
		if !slices.Contains(declared, name) {
			t.Errorf("there is no resource %s", name)
		}
	}
	for _, pair := range []string{"{}", "[]", "()"} {
		if opened, closed := strings.Count(text, pair[:1]), strings.Count(text, pair[1:]); opened != closed {
			t.Errorf("%d %s and %d %s", opened, pair[:1], closed, pair[1:])
		}
	}
}

// block returns what stands in the braces of a block without labels.
func block(t *testing.T, text, name string) string {
	t.Helper()
	_, rest, ok := strings.Cut(text, "\n"+name+" {\n")
	inside, _, closed := strings.Cut(rest, "\n}")
	if !ok || !closed {
		t.Fatalf("there is no block %s", name)
	}
	return inside
}

func TestEveryTemplateOfAPolicyIsUsedAndGetsItsVariables(t *testing.T) {
	text := configuration(t)
	files, err := filepath.Glob(filepath.Join(installed, "terraform", "policies", "*"))
	if err != nil {
		t.Fatal(err)
	}
	var there []string
	for _, f := range files {
		there = append(there, filepath.Base(f))
	}
	if diff := cmp.Diff(there, found(`\$\{path\.module\}/policies/([\w.-]+)`, text)); diff != "" {
		t.Errorf("files of policies (-) are not those that are used (+):\n%s", diff)
	}
	given := found(`(?m)^    (\w+) += `, block(t, text, "locals"))
	for _, call := range regexp.MustCompile(`(?s)templatefile\((.*?)\)\n`).FindAllString(text, -1) {
		variables := slices.Concat(given, found(`(\w+) += `, strings.ReplaceAll(call, "\n", "  ")))
		for _, file := range found(`/policies/([\w.-]+)`, call) {
			for _, v := range found(`\$\{(\w+)`, read(t, "terraform/policies/"+file)) {
				if !slices.Contains(variables, v) {
					t.Errorf("%s wants %s and is not given it", file, v)
				}
			}
		}
	}
}

func TestTerraformAndCloudFormationNameThingsTheSame(t *testing.T) {
	text, s := configuration(t), readStack(t)
	for resource, path := range map[string][]string{
		`"aws_iam_role" "node"`:             {"NodeRole", "Properties", "RoleName"},
		`"aws_iam_role" "controller"`:       {"ControllerRole", "Properties", "RoleName"},
		`"aws_iam_instance_profile" "node"`: {"NodeInstanceProfile", "Properties", "InstanceProfileName"},
		`"aws_iam_policy" "controller"`:     {"ControllerPolicy", "Properties", "ManagedPolicyName"},
		`"aws_iam_policy" "interruption"`:   {"InterruptionPolicy", "Properties", "ManagedPolicyName"},
		`"aws_sqs_queue" "interruption"`:    {"InterruptionQueue", "Properties", "QueueName"},
	} {
		names := found(`(?m)^  name += "(.*)"$`, block(t, text, "resource "+resource))
		want := strings.ReplaceAll(s.text(t, append([]string{"Resources"}, path...)...), "${ClusterName}", "${var.cluster_name}")
		if diff := cmp.Diff([]string{want}, names); diff != "" {
			t.Errorf("%s:\n%s", resource, diff)
		}
	}
	var attached []string
	for _, node := range s.at("Resources", "NodeRole", "Properties", "ManagedPolicyArns").Content {
		attached = append(attached, node.Value[strings.LastIndex(node.Value, "/")+1:])
	}
	slices.Sort(attached)
	if diff := cmp.Diff(attached, found(`(?m)^    "(Amazon\w+)",$`, text)); diff != "" {
		t.Errorf("what the nodes may do by CloudFormation (-) is not what they may by Terraform (+):\n%s", diff)
	}
	retention := s.text(t, "Resources", "InterruptionQueue", "Properties", "MessageRetentionPeriod")
	if got := found(`message_retention_seconds += (\d+)`, text); !slices.Equal(got, []string{retention}) {
		t.Errorf("messages are kept for %v seconds by Terraform and %s by CloudFormation", got, retention)
	}
	const weekend, most = 3 * 24 * 60 * 60, 14 * 24 * 60 * 60 // a long one; SQS keeps nothing for longer than a fortnight
	if seconds, err := strconv.Atoi(retention); err != nil || seconds <= weekend || seconds > most {
		t.Errorf("messages are kept for %s seconds (%v), want more than %d and at most %d", retention, err, weekend, most)
	}
}

// Karpenter names its queue after the cluster. What a policy of kerf's is about has to be the queue that is made, and what users are told to
// have read.
func TestTheQueueHasAnotherNameThanKarpentersAndIsCalledByIt(t *testing.T) {
	name := substitute(t, readStack(t).text(t, "Resources", "InterruptionQueue", "Properties", "QueueName"), cloudFormationValues())
	resource := parse(t, substitute(t, read(t, "interruption-policy.json"), plainValues())).Statement[0].Resource[0]
	if name == cluster || !strings.HasSuffix(resource, ":"+name) {
		t.Errorf("the queue is named %s, the cluster %s, and the policy is about %s", name, cluster, resource)
	}
	for file, expression := range map[string]string{
		"helm.md":                    `settings\.interruptionQueue="(.*)"`,
		"manifests.md":               `INTERRUPTION_QUEUE=(.*)`,
		"overlay/kustomization.yaml": `INTERRUPTION_QUEUE=(.*)`,
	} {
		told := found(expression, strings.NewReplacer("my-cluster", cluster, "${CLUSTER_NAME}", cluster).Replace(read(t, file)))
		if diff := cmp.Diff([]string{name}, told); diff != "" {
			t.Errorf("%s names another queue (+):\n%s", file, diff)
		}
	}
}
