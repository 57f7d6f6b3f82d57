package policy_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kerf-autoscaler/kerf/hack/iam/policy"
	"github.com/kerf-autoscaler/kerf/test/awssim/iam"
)

func TestTheControllerMayDoWhatItDoesAndNothingElse(t *testing.T) {
	document, life := shipped(t), life(t)
	t.Run("AWS refuses nothing of it and asks about all of the policy", func(t *testing.T) {
		if len(life.report.Denied) > 0 || len(life.report.Unused()) > 0 {
			t.Errorf("refused: %v; not used: %q", life.report.Denied, life.report.Unused())
		}
	})
	t.Run("all that it does is allowed", func(t *testing.T) {
		if got := refused(t, document, life.list()); len(got) > 0 {
			t.Errorf("the policy refuses %v", got)
		}
	})
	t.Run("no statement allows more actions, resources or values than it needs", func(t *testing.T) {
		for _, n := range narrower(document) {
			if len(refused(t, n.document, life.list())) == 0 {
				t.Errorf("nothing needs %s", n.without)
			}
		}
	})
	t.Run("its source calls nothing else", func(t *testing.T) {
		// What EC2 and IAM ask about on behalf of CreateFleet and CreateLaunchTemplate has no calls of its own.
		want := append(calls(t), "ec2:CreateTags", "iam:PassRole")
		slices.Sort(want)
		if diff := cmp.Diff(want, life.actions()); diff != "" {
			t.Errorf("what the source calls (-) is not what this test has seen (+):\n%s", diff)
		}
	})
}

// narrowed is a document with one thing less.
type narrowed struct {
	document policy.Document
	without  string
}

func narrower(document policy.Document) []narrowed {
	var out []narrowed
	for i, s := range document.Statement {
		add := func(what string, change func(*policy.Statement)) {
			d := policy.Document{Version: document.Version, Statement: slices.Clone(document.Statement)}
			change(&d.Statement[i])
			if len(d.Statement[i].Action) == 0 || len(d.Statement[i].Resource) == 0 {
				d.Statement = slices.Delete(d.Statement, i, i+1) // it says nothing without
			}
			out = append(out, narrowed{d, what + " in " + s.Sid})
		}
		for j, action := range s.Action {
			add(action, func(s *policy.Statement) { s.Action = without(s.Action, j) })
		}
		for j, resource := range s.Resource {
			add(resource, func(s *policy.Statement) { s.Resource = without(s.Resource, j) })
		}
		for operator, keys := range s.Condition {
			for key, values := range keys {
				if len(values) == 1 || key == "iam:PassedToService" { // the partition decides by which name EC2 goes
					continue
				}
				for j, value := range values {
					add(value, func(s *policy.Statement) { s.Condition = withValues(s.Condition, operator, key, without(values, j)) })
				}
			}
		}
	}
	return out
}

func without(l policy.List, i int) policy.List { return slices.Delete(slices.Clone(l), i, i+1) }

// calls returns what the product's source calls at AWS, by the inputs that it makes.
func calls(t *testing.T) []string {
	t.Helper()
	var out []string
	err := filepath.WalkDir("../../..", func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && slices.Contains([]string{"bin", "test", "hack", ".git"}, entry.Name()):
			return filepath.SkipDir
		case !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		out = append(out, inputs(file)...)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// inputs returns the operations whose inputs a file names.
func inputs(file *ast.File) []string {
	services := map[string]string{} // name in the file -> service
	for _, i := range file.Imports {
		if service, ok := strings.CutPrefix(strings.Trim(i.Path.Value, `"`), "github.com/aws/aws-sdk-go-v2/service/"); ok {
			name := service
			if i.Name != nil {
				name = i.Name.Name
			}
			services[name] = service
		}
	}
	var out []string
	ast.Inspect(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.SelectorExpr); ok {
			from, _ := s.X.(*ast.Ident)
			if operation, ok := strings.CutSuffix(s.Sel.Name, "Input"); ok && from != nil && services[from.Name] != "" {
				out = append(out, services[from.Name]+":"+strings.TrimSuffix(operation, "Batch")) // IAM knows none of batches
			}
		}
		return true
	})
	return out
}

// withValues returns the condition with other values of one key; without the key if there are none.
func withValues(c policy.Condition, operator, key string, values policy.List) policy.Condition {
	out := policy.Condition{}
	for o, keys := range c {
		out[o] = maps.Clone(keys)
	}
	out[operator][key] = values
	if len(values) == 0 {
		delete(out[operator], key)
	}
	return out
}

// ownTags are the tags of what is kerf's in the cluster of the tests; changes are key, value pairs, "" taking a tag away.
func ownTags(changes ...string) map[string]string {
	tags := map[string]string{"kubernetes.io/cluster/" + clusterName: "owned", "karpenter.sh/provisioner-name": "default"}
	for i := 0; i < len(changes); i += 2 {
		tags[changes[i]] = changes[i+1]
		if changes[i+1] == "" {
			delete(tags, changes[i])
		}
	}
	return tags
}

// trespass is a request that has to be refused.
type trespass struct {
	action, resource string
	context          map[string][]string
}

func created(action string, tags map[string]string) map[string][]string {
	out := requestTags(tags)
	out["ec2:CreateAction"] = []string{action}
	return out
}

func trespasses() map[string]trespass {
	const owned, provisioner = "kubernetes.io/cluster/" + clusterName, "karpenter.sh/provisioner-name"
	instance, template := arn(account, "instance", "i-1"), arn(account, "launch-template", "lt-1")
	out := map[string]trespass{
		"to end an instance without tags":           {"ec2:TerminateInstances", instance, nil},
		"to end an instance of another account":     {"ec2:TerminateInstances", arn("999999999999", "instance", "i-1"), resourceTags(ownTags())},
		"to end an instance of another region":      {"ec2:TerminateInstances", strings.Replace(instance, region, "eu-west-1", 1), resourceTags(ownTags())},
		"to stop an instance":                       {"ec2:StopInstances", instance, resourceTags(ownTags())},
		"to change an instance":                     {"ec2:ModifyInstanceAttribute", instance, resourceTags(ownTags())},
		"to change a launch template":               {"ec2:CreateLaunchTemplateVersion", template, resourceTags(ownTags())},
		"to tag an instance that is there":          {"ec2:CreateTags", instance, requestTags(ownTags())},
		"to tag in the course of something else":    {"ec2:CreateTags", instance, created("CreateSnapshot", ownTags())},
		"to take a tag away":                        {"ec2:DeleteTags", instance, resourceTags(ownTags())},
		"to read the parameters of the account":     {"ssm:GetParameter", "arn:aws:ssm:us-east-1:" + account + ":parameter/secret", nil},
		"to read parameters elsewhere":              {"ssm:GetParameter", "arn:aws:ssm:eu-west-1::parameter/aws/service/x", nil},
		"to look at another region":                 {"ec2:DescribeInstances", "*", map[string][]string{"aws:RequestedRegion": {"eu-west-1"}}},
		"to look at another cluster":                {"eks:DescribeCluster", "arn:aws:eks:us-east-1:" + account + ":cluster/other", nil},
		"to pass another role":                      {"iam:PassRole", "arn:aws:iam::" + account + ":role/Admin", map[string][]string{"iam:PassedToService": {"ec2.amazonaws.com"}}},
		"to pass the nodes' role to someone else":   {"iam:PassRole", "arn:aws:iam::" + account + ":role/KarpenterNodeRole-demo", map[string][]string{"iam:PassedToService": {"lambda.amazonaws.com"}}},
		"to pass the nodes' role of another demo":   {"iam:PassRole", "arn:aws:iam::" + account + ":role/KarpenterNodeRole-demo2", map[string][]string{"iam:PassedToService": {"ec2.amazonaws.com"}}},
		"to launch from another account's template": {"ec2:RunInstances", arn("999999999999", "launch-template", "lt-1"), resourceTags(ownTags())},
		"to read another queue":                     {"sqs:ReceiveMessage", "arn:aws:sqs:us-east-1:" + account + ":demo2", nil},
		"to empty the queue":                        {"sqs:PurgeQueue", "arn:aws:sqs:us-east-1:" + account + ":demo", nil},
		"to write to a queue":                       {"sqs:SendMessage", "arn:aws:sqs:us-east-1:" + account + ":demo", nil},
	}
	// What is made has to be tagged as the cluster's, what is touched has to be so already: each tag counts.
	for name, tags := range map[string]map[string]string{
		"that is not the cluster's":    ownTags(owned, ""),
		"that the cluster only shares": ownTags(owned, "shared"),
		"of another cluster":           ownTags(owned, "", "kubernetes.io/cluster/other", "owned"),
		"of no provisioner":            ownTags(provisioner, ""),
	} {
		out["to end an instance "+name] = trespass{"ec2:TerminateInstances", instance, resourceTags(tags)}
		out["to delete a launch template "+name] = trespass{"ec2:DeleteLaunchTemplate", template, resourceTags(tags)}
		out["to launch from a launch template "+name] = trespass{"ec2:RunInstances", template, resourceTags(tags)}
		out["to ask a fleet for a launch template "+name] = trespass{"ec2:CreateFleet", template, resourceTags(tags)}
		out["to make a launch template "+name] = trespass{"ec2:CreateLaunchTemplate", template, requestTags(tags)}
		for _, kind := range []string{"fleet", "instance", "network-interface", "volume"} {
			out["to make a "+kind+" "+name] = trespass{"ec2:RunInstances", arn(account, kind, "*"), requestTags(tags)}
			out["to tag a new "+kind+" "+name] = trespass{"ec2:CreateTags", arn(account, kind, "*"), created("RunInstances", tags)}
		}
	}
	return out
}

func TestTheControllerMayNotTouchWhatIsNotItsOwn(t *testing.T) {
	document := shipped(t)
	for name, tc := range trespasses() {
		t.Run(name, func(t *testing.T) {
			request := iam.Request{Action: tc.action, Resource: tc.resource, Context: tc.context}
			if request.Context == nil {
				request.Context = map[string][]string{}
			}
			if _, there := request.Context["aws:RequestedRegion"]; !there {
				request.Context["aws:RequestedRegion"] = []string{region}
			}
			if len(refused(t, document, []iam.Request{request})) == 0 {
				t.Errorf("the policy allows %v", request)
			}
		})
	}
}

func TestEveryConditionOfThePolicyKeepsSomethingOut(t *testing.T) {
	document := shipped(t)
	var requests []iam.Request
	for _, tc := range trespasses() {
		requests = append(requests, iam.Request{Action: tc.action, Resource: tc.resource, Context: tc.context})
	}
	for i, s := range document.Statement {
		for operator, keys := range s.Condition {
			for key := range keys {
				d := policy.Document{Version: document.Version, Statement: slices.Clone(document.Statement)}
				d.Statement[i].Condition = withValues(s.Condition, operator, key, nil)
				if len(refused(t, d, requests)) == len(requests) {
					t.Errorf("no trespass needs %s %s of statement %s", operator, key, s.Sid)
				}
			}
		}
	}
}

func TestPoliciesKeepTheRulesOfTheHouse(t *testing.T) {
	writes := regexp.MustCompile(`^ec2:(Run|Create|Delete|Terminate|Modify|Attach|Associate|Put)`)
	for name, document := range map[string]policy.Document{"controller": policy.Controller(), "interruption": policy.Interruption()} {
		sids := map[string]bool{}
		for _, s := range document.Statement {
			if sids[s.Sid] || !regexp.MustCompile(`^[A-Za-z0-9]+$`).MatchString(s.Sid) {
				t.Errorf("%s: Sid %q is none, or there twice", name, s.Sid)
			}
			sids[s.Sid] = true
			for _, action := range s.Action {
				if strings.Contains(action, "*") {
					t.Errorf("%s: %s allows %s", name, s.Sid, action)
				}
				if writes.MatchString(action) && len(s.Condition) == 0 && s.Sid != "AllowScopedEC2InstanceActions" {
					t.Errorf("%s: %s allows %s under no condition", name, s.Sid, action)
				}
				if writes.MatchString(action) && slices.Contains(s.Resource, "*") {
					t.Errorf("%s: %s allows %s on everything", name, s.Sid, action)
				}
			}
		}
	}
}

// AWS takes managed policies up to this many characters, blanks aside.
const maxManagedPolicy = 6144

func TestPoliciesFitIntoManagedPoliciesForTheLongestNames(t *testing.T) {
	long := strings.Repeat("x", 46)
	spelling := policy.Spelling{
		policy.Partition: "aws-us-gov", policy.Region: "ap-southeast-1", policy.Account: account, policy.Cluster: long,
		policy.NodeRole: fmt.Sprintf("arn:aws-us-gov:iam::%s:role/KarpenterNodeRole-%s", account, long),
		policy.Queue:    fmt.Sprintf("arn:aws-us-gov:sqs:ap-southeast-1:%s:%s", account, long),
	}
	for name, document := range map[string]policy.Document{"controller": policy.Controller(), "interruption": policy.Interruption()} {
		text, err := document.Render(spelling)
		if err != nil {
			t.Fatal(err)
		}
		if size := len(strings.Join(strings.Fields(text), "")); size > maxManagedPolicy {
			t.Errorf("%s has %d characters, and a managed policy has %d", name, size, maxManagedPolicy)
		}
		if left := regexp.MustCompile(`\{[a-zA-Z]+\}`).FindString(text); left != "" {
			t.Errorf("%s: variable %s is not spelled out", name, left)
		}
	}
}
