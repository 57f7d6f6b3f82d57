package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kerf-autoscaler/kerf/cmd/kerf/plan"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// kerf runs a command line in process, with paths below testdata, and returns what it wrote and its exit code.
func kerf(t *testing.T, stdin string, arguments ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, err bytes.Buffer
	code = run(t.Context(), append([]string{"kerf"}, arguments...), strings.NewReader(stdin), &out, &err)
	return out.String(), err.String(), code
}

// planned returns the answer to a command line as JSON has it.
func planned(t *testing.T, stdin string, arguments ...string) plan.Answer {
	t.Helper()
	out, stderr, code := kerf(t, stdin, append([]string{"plan", "-o", "json"}, arguments...)...)
	var answer plan.Answer
	if err := json.Unmarshal([]byte(out), &answer); err != nil {
		t.Fatalf("exit %d, %v\n%s%s", code, err, out, stderr)
	}
	return answer
}

// settled puts placeholders in place of what a better engine says in another way: bounds and the words of reasons.
func settled(text string, answer plan.Answer) string {
	for _, u := range answer.Unplaced {
		text = strings.ReplaceAll(text, u.Reason, "REASON")
		for _, miss := range u.Misses {
			text = strings.ReplaceAll(text, miss.Reason, "REASON")
		}
	}
	for pattern, placeholder := range map[string]string{
		`(no plan can cost|No plan can cost) less than \$[0-9.,]+: this one is at [0-9.]+ times`: "$1 less than BOUND: this one is at RATIO times",
		`("?(?:lowerBoundPerHour|ratio)"?): [0-9.]+`:                                             "$1: BOUND",
	} {
		text = regexp.MustCompile(pattern).ReplaceAllString(text, placeholder)
	}
	return text
}

func TestTheCommandSays(t *testing.T) {
	web, cluster := []string{"-f", "testdata/web.yaml", "--catalog", "testdata/types.csv"}, []string{"-f", "testdata/cluster.yaml", "--catalog", "testdata/types.csv"}
	for name, tc := range map[string]struct {
		files, flags []string
		code         int
	}{
		"web":              {web, nil, 0},
		"web-wide":         {web, []string{"-o", "wide", "--node-fee", "0.05"}, 0},
		"web-json":         {web, []string{"-o", "json"}, 0},
		"web-yaml":         {web, []string{"-o", "yaml"}, 0},
		"web-explained":    {web, []string{"--explain", "web"}, 0},
		"cluster":          {cluster, nil, 1},
		"cluster-json":     {cluster, []string{"-o", "json"}, 1},
		"unplaced":         {cluster, []string{"--explain", "wants-arm"}, 1},
		"placed":           {cluster, []string{"--explain", "default/fits"}, 1},
		"mistakes":         {[]string{"-f", "../../pkg/manifests/testdata/mistakes.json", "-f", "testdata/broken.yaml"}, nil, 2},
		"catalog-mistakes": {[]string{"-f", "testdata/web.yaml", "--catalog", "testdata/broken.csv"}, nil, 2},
		"usage":            {nil, []string{"-o", "xml", "--node-fee", "-1", "--most-dearer", "0.5"}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			out, stderr, code := kerf(t, "", append(append([]string{"plan"}, tc.files...), tc.flags...)...)
			if code != tc.code {
				t.Errorf("exit code %d, want %d\n%s", code, tc.code, stderr)
			}
			var answer plan.Answer
			if tc.code < 2 {
				answer = planned(t, "", tc.files...)
			}
			checkGolden(t, name, settled(out+"--- standard error\n"+stderr, answer))
		})
	}
}

func checkGolden(t *testing.T, name, got string) {
	t.Helper()
	golden := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheSumsOfAnAnswerAgree(t *testing.T) {
	for _, arguments := range [][]string{
		{"-f", "testdata/web.yaml", "--node-fee", "0.01"},
		{"-f", "testdata/cluster.yaml"},
		{"-f", "testdata/mixed.yaml", "--node-fee", "0.003"},
		{"-f", "testdata/mixed.yaml", "--region", "us-west-2", "--zones", "us-west-2a,us-west-2b", "--ignore-preferences"},
	} {
		a := planned(t, "", arguments...)
		var machines, shares float64
		seen := map[string]int{}
		for _, m := range a.Machines {
			machines += m.CostPerHour
			if len(m.InstanceTypes) == 0 || m.InstanceTypes[0] != m.InstanceType || m.PricePerHour > m.CostPerHour || m.CPUFilled < 0 || m.CPUFilled > 1 || m.MemoryFilled > 1 {
				t.Errorf("%v: machine %+v", arguments, m)
			}
			for _, pod := range m.Pods {
				seen[pod]++
			}
		}
		for _, s := range a.Provisioners {
			shares += s.CostPerHour
		}
		for _, p := range a.Placements {
			seen[p.Pod]++
		}
		for _, u := range a.Unplaced {
			if seen[u.Pod]++; u.Reason == "" {
				t.Errorf("%v: %s is unplaced for no reason", arguments, u.Pod)
			}
		}
		if math.Abs(machines-a.CostPerHour) > 1e-4 || math.Abs(shares-a.CostPerHour) > 1e-4 || a.CostPerHour <= 0 {
			t.Errorf("%v: machines cost %g, provisioners %g, all %g", arguments, machines, shares, a.CostPerHour)
		}
		if a.LowerBoundPerHour < 0 || a.LowerBoundPerHour > a.CostPerHour+1e-6 || a.CutShort {
			t.Errorf("%v: the bound is %g, the cost %g", arguments, a.LowerBoundPerHour, a.CostPerHour)
		}
		for pod, n := range seen {
			if n != 1 {
				t.Errorf("%v: %s is there %d times", arguments, pod, n)
			}
		}
	}
}

// The flags are the controller's own, so that a plan and what comes of it agree on how many pods a node takes.
func TestAPlanCountsTheAddressesThatThereAreForPods(t *testing.T) {
	catalog := filepath.Join(t.TempDir(), "types.csv")
	if err := os.WriteFile(catalog, []byte("name,usd_per_hour\nm5.large,0.1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const pods = `{apiVersion: apps/v1, kind: Deployment, metadata: {name: small}, spec: {replicas: 57, selector: {matchLabels: {a: b}},
  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: main, resources: {requests: {cpu: 1m, memory: 1Mi}}}]}}}}`
	for flags, want := range map[string]int{ // an m5.large has three interfaces of ten addresses
		"": 2, "--reserved-enis=1": 3, "--reserved-enis=2": 6, "--prefix-delegation": 1, "--prefix-delegation --reserved-enis=2": 1,
	} {
		if got := planned(t, pods, append(strings.Fields(flags), "-f", "-", "--catalog", catalog)...); len(got.Machines) != want || len(got.Unplaced) > 0 {
			t.Errorf("%q: %d machines, want %d; unplaced: %v", flags, len(got.Machines), want, got.Unplaced)
		}
	}
	if _, stderr, code := kerf(t, pods, "plan", "-f", "-", "--reserved-enis", "-1"); code != 2 || !strings.Contains(stderr, "--reserved-enis: -1 is not 0 or more") {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// The order of files, of documents in them and of items in a list means nothing.
func TestTheOrderOfTheInputMeansNothing(t *testing.T) {
	content, err := os.ReadFile("testdata/mixed.yaml")
	if err != nil {
		t.Fatal(err)
	}
	documents := strings.Split(string(content), "\n---\n")
	want, _, _ := kerf(t, string(content), "plan", "-f", "-", "-o", "json")
	source := rand.New(rand.NewPCG(1, 2))
	for round := range 5 {
		source.Shuffle(len(documents), func(i, j int) { documents[i], documents[j] = documents[j], documents[i] })
		dir := t.TempDir()
		for i, document := range documents {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.yaml", i)), []byte(document), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if got, _, _ := kerf(t, "", "plan", "-f", dir, "-o", "json"); got != want {
			t.Fatalf("round %d: %s", round, cmp.Diff(want, got))
		}
	}
}

func TestJSONAndYAMLSayTheSame(t *testing.T) {
	fromJSON := planned(t, "", "-f", "testdata/web.yaml")
	out, _, _ := kerf(t, "", "plan", "-f", "testdata/web.yaml", "-o", "yaml")
	var fromYAML plan.Answer
	if err := yaml.UnmarshalStrict([]byte(out), &fromYAML); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fmt.Sprintf("%+v", fromJSON), fmt.Sprintf("%+v", fromYAML)); diff != "" {
		t.Error(diff)
	}
}

// What users start from can be planned for as it is.
func TestEveryExampleIsPlannedFor(t *testing.T) {
	files, err := filepath.Glob("../../examples/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	samples, err := filepath.Glob("../../config/samples/*.yaml")
	if err != nil || len(samples) == 0 {
		t.Fatal(samples, err)
	}
	for _, file := range append(files, samples...) {
		if filepath.Base(file) == "kustomization.yaml" {
			continue
		}
		if _, stderr, code := kerf(t, "", "plan", "-f", file, "-f", "../../examples/echoserver.yaml", "-o", "json"); code == exitBadInput {
			t.Errorf("%s: %s", file, stderr)
		}
	}
	a := planned(t, "", "-f", "../../examples")
	if len(a.Unplaced) > 0 || len(a.Machines) == 0 {
		t.Errorf("of all examples together are unplaced: %+v", a.Unplaced)
	}
	for _, m := range a.Machines {
		if m.CapacityType != "spot" {
			t.Errorf("the example's provisioner asks for spot, and buys %s", m.CapacityType)
		}
	}
}

// A dump of a cluster holds controllers, their pods and nodes at once: what runs is not planned again.
func TestADumpOfAClusterIsNotPlannedTwice(t *testing.T) {
	const dump = `apiVersion: v1
kind: List
items:
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 3, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main, resources: {requests: {cpu: 500m}}}]}}}}
- {apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web-1, ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: u, controller: true}]}, spec: {replicas: 3, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: main}]}}}}
- {apiVersion: v1, kind: Pod, metadata: {name: web-1-a, uid: a, labels: {app: web}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, uid: v, controller: true}]}, spec: {nodeName: node-1, containers: [{name: main, resources: {requests: {cpu: 500m}}}]}, status: {phase: Running}}
- {apiVersion: v1, kind: Pod, metadata: {name: web-1-b, uid: b, labels: {app: web}, ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-1, uid: v, controller: true}]}, spec: {containers: [{name: main, resources: {requests: {cpu: 500m}}}]}, status: {phase: Pending}}
- {apiVersion: v1, kind: Node, metadata: {name: node-1}, status: {capacity: {cpu: 1500m, memory: 1Gi, pods: "10"}}}
`
	a := planned(t, dump, "-f", "-")
	if len(a.Placements) != 2 || len(a.Machines) != 0 || len(a.Unplaced) != 0 {
		t.Errorf("got %+v", a)
	}
}

func TestPodsAreCompletedAsAnAPIServerDoes(t *testing.T) {
	const files = `{apiVersion: v1, kind: LimitRange, metadata: {name: l}, spec: {limits: [{type: Container, defaultRequest: {cpu: 1500m}}]}}
---
{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: low}, value: -11}
---
{apiVersion: v1, kind: Pod, metadata: {name: plain}, spec: {containers: [{name: main}]}}
---
{apiVersion: v1, kind: Pod, metadata: {name: low}, spec: {priorityClassName: low, containers: [{name: main}]}}
`
	a := planned(t, files, "-f", "-")
	if len(a.Machines) != 1 || a.Machines[0].Requests.Cpu().String() != "1500m" || len(a.Machines[0].Pods) != 1 {
		t.Errorf("got %+v", a.Machines)
	}
	if !strings.Contains(strings.Join(a.Notes, "\n"), "a priority below -10: default/low") {
		t.Errorf("notes are %q", a.Notes)
	}
}

func TestAPlanThatIsCutShortSaysSo(t *testing.T) {
	out, _, code := kerf(t, "", "plan", "-f", "testdata/web.yaml", "--timeout", "1ns")
	if code != exitUnplaced || !strings.Contains(out, "6") || !strings.Contains(out, "Deployment shop/web") {
		t.Errorf("exit %d: %s", code, out)
	}
}

func TestAnInterruptedPlanIsNoAnswer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, stderr bytes.Buffer
	code := run(ctx, []string{"kerf", "plan", "-f", "testdata/web.yaml"}, strings.NewReader(""), &out, &stderr)
	if code != exitInterrupted || out.Len() > 0 || stderr.String() != "interrupted: there is no answer\n" {
		t.Errorf("exit %d: %s%s", code, out.String(), stderr.String())
	}
}

// interruption is a context that is interrupted after so many looks at it.
type interruption struct {
	context.Context //nolint:containedctx // it is a context itself

	left, looks int
}

func (i *interruption) Err() error {
	if i.looks++; i.looks > i.left {
		return context.Canceled
	}
	return nil
}

func TestAPlanThatIsInterruptedAnywhereIsNoAnswer(t *testing.T) {
	plan := func(left int) (looks, code int, stdout, stderr string) {
		var out, errors bytes.Buffer
		ctx := &interruption{Context: t.Context(), left: left}
		code = run(ctx, []string{"kerf", "plan", "-f", "testdata/cluster.yaml", "--catalog", "testdata/types.csv"}, strings.NewReader(""), &out, &errors)
		return ctx.looks, code, out.String(), errors.String()
	}
	looks, code, whole, _ := plan(1 << 40)
	if code != exitUnplaced || whole == "" || looks < 5 {
		t.Fatalf("exit %d after %d looks: %s", code, looks, whole)
	}
	for left := range looks {
		if _, code, stdout, stderr := plan(left); code != exitInterrupted || stdout != "" || !strings.HasSuffix(stderr, "interrupted: there is no answer\n") {
			t.Errorf("interrupted after %d of %d looks: exit %d\n%s%s", left, looks, code, stdout, stderr)
		}
	}
}

func TestTheBuiltProgramExitsByItsAnswer(t *testing.T) {
	program := filepath.Join(t.TempDir(), "kubectl-kerf")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for arguments, want := range map[string]int{
		"plan -f testdata/web.yaml":                                  0,
		"plan -f testdata/cluster.yaml --catalog testdata/types.csv": 1,
		"plan -f testdata/broken.yaml":                               2,
		"plan --no-such-flag":                                        2,
		"plan":                                                       2,
		"plan --help":                                                0,
		"plant":                                                      2,
	} {
		out, err := exec.CommandContext(t.Context(), program, strings.Fields(arguments)...).CombinedOutput()
		code := 0
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			code = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if code != want || len(out) == 0 {
			t.Errorf("%s: exit code %d, want %d\n%s", arguments, code, want, out)
		}
		if arguments == "plan --help" && !strings.Contains(string(out), "kubectl kerf plan -f FILE") {
			t.Errorf("as a plugin it calls itself something else:\n%s", out)
		}
	}
}
