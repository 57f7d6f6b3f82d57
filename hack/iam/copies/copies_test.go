package copies_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/hack/iam/copies"
	"github.com/kerf-autoscaler/kerf/hack/iam/policy"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
)

const installed = "../../../docs/install"

// The account that the copies are compared for.
const (
	cluster    = "demo"
	nodeRole   = "arn:aws:iam::111122223333:role/KarpenterNodeRole-demo"
	queue      = "arn:aws:sqs:us-east-1:111122223333:demo-kerf"
	rulePrefix = "arn:aws:events:us-east-1:111122223333:rule/"
)

// read returns a file of docs/install.
func read(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(installed, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// substitute replaces each ${...} of a text; one without a value fails the test.
func substitute(t *testing.T, text string, values map[string]string) string {
	t.Helper()
	return regexp.MustCompile(`\$\{[^}]*\}`).ReplaceAllStringFunc(text, func(v string) string {
		value, ok := values[v]
		if !ok {
			t.Errorf("nothing is known to stand for %s", v)
		}
		return value
	})
}

// parse reads a policy that holds no variables any more.
func parse(t *testing.T, text string) policy.Document {
	t.Helper()
	d, err := policy.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Plain values for the words of each copy.
func plainValues() map[string]string {
	return map[string]string{
		"${AWS_PARTITION}": "aws", "${AWS_REGION}": "us-east-1", "${AWS_ACCOUNT_ID}": "111122223333", "${CLUSTER_NAME}": cluster,
	}
}

func terraformValues() map[string]string {
	out := map[string]string{
		"${partition}": "aws", "${domain}": "amazonaws.com", "${region}": "us-east-1", "${account_id}": "111122223333", "${cluster_name}": cluster,
		"${node_role_arn}": nodeRole, "${queue_arn}": queue, "${oidc_issuer}": "issuer", "${namespace}": "karpenter", "${service_account}": "karpenter",
	}
	for _, e := range policy.Events() {
		out["${rule_arns."+e.Name+"}"] = rulePrefix + e.Name
	}
	return out
}

func cloudFormationValues() map[string]string {
	out := map[string]string{
		"${AWS::Partition}": "aws", "${AWS::URLSuffix}": "amazonaws.com", "${AWS::Region}": "us-east-1", "${AWS::AccountId}": "111122223333",
		"${ClusterName}": cluster, "${NodeRole.Arn}": nodeRole, "${InterruptionQueue.Arn}": queue, "${OIDCIssuer}": "issuer",
		"${Namespace}": "karpenter", "${ServiceAccount}": "karpenter",
	}
	for _, e := range policy.Events() {
		out["${"+e.Name+"Rule.Arn}"] = rulePrefix + e.Name
	}
	return out
}

func TestTheCopiesAreWrittenFromTheSource(t *testing.T) {
	files, err := copies.Files()
	if err != nil {
		t.Fatal(err)
	}
	written := []string{}
	for _, f := range files {
		written = append(written, f.Path)
		if diff := cmp.Diff(f.Content, read(t, f.Path)); diff != "" {
			t.Errorf("docs/install/%s is not what \"make manifests\" writes (-):\n%s", f.Path, diff)
		}
	}
	there, err := filepath.Glob(filepath.Join(installed, "terraform", "policies", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range there {
		if name := "terraform/policies/" + filepath.Base(path); !slices.Contains(written, name) {
			t.Errorf("docs/install/%s is left over", name)
		}
	}
}

func TestAllCopiesSayTheSame(t *testing.T) {
	stack := readStack(t)
	for name, resource := range map[string]string{"controller": "ControllerPolicy", "interruption": "InterruptionPolicy"} {
		plain := parse(t, substitute(t, read(t, name+"-policy.json"), plainValues()))
		terraform := parse(t, substitute(t, read(t, "terraform/policies/"+name+".json.tftpl"), terraformValues()))
		formation := parse(t, substitute(t, stack.text(t, "Resources", resource, "Properties", "PolicyDocument"), cloudFormationValues()))
		if len(plain.Statement) == 0 {
			t.Errorf("%s: there is no statement", name)
		}
		if diff := cmp.Diff(plain, terraform); diff != "" {
			t.Errorf("%s: Terraform (+) differs from the plain policy (-):\n%s", name, diff)
		}
		if diff := cmp.Diff(plain, formation); diff != "" {
			t.Errorf("%s: CloudFormation (+) differs from the plain policy (-):\n%s", name, diff)
		}
	}
	for file, path := range map[string][]string{
		"queue":              {"Resources", "InterruptionQueuePolicy", "Properties", "PolicyDocument"},
		"node-trust":         {"Resources", "NodeRole", "Properties", "AssumeRolePolicyDocument"},
		"irsa-trust":         {"Resources", "ControllerRole", "Properties", "AssumeRolePolicyDocument", "1"},
		"pod-identity-trust": {"Resources", "ControllerRole", "Properties", "AssumeRolePolicyDocument", "2"},
	} {
		terraform := parse(t, substitute(t, read(t, "terraform/policies/"+file+".json.tftpl"), terraformValues()))
		formation := parse(t, substitute(t, stack.text(t, path...), cloudFormationValues()))
		if diff := cmp.Diff(terraform, formation); diff != "" {
			t.Errorf("%s: CloudFormation (+) differs from Terraform (-):\n%s", file, diff)
		}
	}
}

func TestOnlyItsRulesMayWriteToTheQueueAndNobodyWithoutTLS(t *testing.T) {
	document := parse(t, substitute(t, read(t, "terraform/policies/queue.json.tftpl"), terraformValues()))
	for name, tc := range map[string]struct {
		context map[string]string
		want    bool
	}{
		"a rule":               {map[string]string{"aws:SourceArn": rulePrefix + "Rebalance", "aws:SecureTransport": "true"}, true},
		"a rule without TLS":   {map[string]string{"aws:SourceArn": rulePrefix + "Rebalance", "aws:SecureTransport": "false"}, false},
		"a rule of other name": {map[string]string{"aws:SourceArn": rulePrefix + "Other", "aws:SecureTransport": "true"}, false},
		"what is no rule":      {map[string]string{"aws:SecureTransport": "true"}, false},
	} {
		if got := allowed(t, document, "sqs:SendMessage", queue, tc.context); got != tc.want {
			t.Errorf("%s may write: %t, want %t", name, got, tc.want)
		}
	}
	// Those of the account whose own policies allow it are refused, not just not allowed; reading is left to their policies.
	withAll := policy.Document{Version: policy.Version, Statement: append(document.Statement,
		policy.Statement{Effect: "Allow", Action: policy.List{"sqs:*"}, Resource: policy.List{"*"}})}
	for action, want := range map[string]bool{"sqs:SendMessage": false, "sqs:ReceiveMessage": true} {
		if got := allowed(t, withAll, action, queue, map[string]string{"aws:SecureTransport": "true"}); got != want {
			t.Errorf("one who may do all may %s: %t, want %t", action, got, want)
		}
	}
}

func TestOnlyTheControllersServiceAccountMayTakeItsRole(t *testing.T) {
	read := func(file string) policy.Document {
		return parse(t, substitute(t, read(t, "terraform/policies/"+file+".json.tftpl"), terraformValues()))
	}
	identity := func(cluster, namespace, account string) map[string]string {
		return map[string]string{
			"aws:RequestTag/eks-cluster-arn":      "arn:aws:eks:us-east-1:111122223333:cluster/" + cluster,
			"aws:RequestTag/kubernetes-namespace": namespace, "aws:RequestTag/kubernetes-service-account": account,
		}
	}
	for name, tc := range map[string]struct {
		document policy.Document
		action   string
		context  map[string]string
		want     bool
	}{
		"its pod identity":                       {read("pod-identity-trust"), "sts:AssumeRole", identity("demo", "karpenter", "karpenter"), true},
		"the tags of its pod identity":           {read("pod-identity-trust"), "sts:TagSession", identity("demo", "karpenter", "karpenter"), true},
		"the pod identity of another cluster":    {read("pod-identity-trust"), "sts:AssumeRole", identity("demo2", "karpenter", "karpenter"), false},
		"the pod identity of another namespace":  {read("pod-identity-trust"), "sts:AssumeRole", identity("demo", "default", "karpenter"), false},
		"the pod identity of another account":    {read("pod-identity-trust"), "sts:AssumeRole", identity("demo", "karpenter", "default"), false},
		"its token":                              {read("irsa-trust"), "sts:AssumeRoleWithWebIdentity", token("karpenter:karpenter", "sts.amazonaws.com"), true},
		"the token of another service account":   {read("irsa-trust"), "sts:AssumeRoleWithWebIdentity", token("karpenter:default", "sts.amazonaws.com"), false},
		"its token for someone else than itself": {read("irsa-trust"), "sts:AssumeRoleWithWebIdentity", token("karpenter:karpenter", "vault"), false},
	} {
		if got := allowed(t, tc.document, tc.action, "role", tc.context); got != tc.want {
			t.Errorf("%s may take the role: %t, want %t", name, got, tc.want)
		}
	}
}

// allowed says whether a document, taken for itself, allows a request. Who asks is not its question.
func allowed(t *testing.T, d policy.Document, action, resource string, context map[string]string) bool {
	t.Helper()
	text, err := d.Render(nil)
	if err != nil {
		t.Fatal(err)
	}
	judged, err := iam.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	r := iam.Request{Action: action, Resource: resource, Context: map[string][]string{}}
	for key, value := range context {
		r.Context[key] = []string{value}
	}
	return iam.Evaluate([]iam.Document{judged}, r).Allowed
}

func token(subject, audience string) map[string]string {
	return map[string]string{"issuer:sub": "system:serviceaccount:" + subject, "issuer:aud": audience}
}

func TestTheEventsAreTheSameInAllCopies(t *testing.T) {
	var terraform map[string]struct {
		Source     string `json:"source"`
		DetailType string `json:"detail_type"`
	}
	if err := json.Unmarshal([]byte(read(t, "terraform/policies/events.json")), &terraform); err != nil {
		t.Fatal(err)
	}
	stack := readStack(t)
	got, want := []string{}, []string{}
	for name, e := range terraform {
		want = append(want, strings.Join([]string{name, e.Source, e.DetailType}, "|"))
	}
	for name := range stack.mapping(t, "Resources") {
		if event, ok := strings.CutSuffix(name, "Rule"); ok {
			pattern := []string{"Resources", name, "Properties", "EventPattern"}
			got = append(got, strings.Join([]string{
				event, stack.text(t, append(pattern, "source", "0")...), stack.text(t, append(pattern, "detail-type", "0")...),
			}, "|"))
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" || len(got) != 5 {
		t.Errorf("rules of CloudFormation (+) differ from those of Terraform (-):\n%s", diff)
	}
}
