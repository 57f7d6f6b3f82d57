package manifests_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"

	"github.com/kerf-autoscaler/kerf/pkg/manifests"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func read(t *testing.T, files ...string) (manifests.Objects, []manifests.Mistake) {
	t.Helper()
	sources, err := manifests.Open(files, strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	return manifests.Read(sources)
}

// text reads one source that is a string.
func text(t *testing.T, content string) manifests.Objects {
	t.Helper()
	objects, mistakes := manifests.Read([]manifests.Source{{Name: "file", Content: []byte(content)}})
	for _, m := range mistakes {
		t.Error(m)
	}
	return objects
}

func TestEveryMistakeIsToldWithItsLine(t *testing.T) {
	_, mistakes := read(t, "testdata/mistakes.yaml", "testdata/mistakes.json")
	var got strings.Builder
	for _, m := range mistakes {
		got.WriteString(m.String() + "\n")
	}
	golden := filepath.Join("testdata", "mistakes.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("mistakes (-want +got):\n%s", diff)
	}
}

const pod = `
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  containers:
    - name: main
      resources: {requests: {cpu: 1}}
`

func TestFormsOfTheSameObject(t *testing.T) {
	want := text(t, pod).Pods
	for name, content := range map[string]string{
		"JSON":                 `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": 1}}}]}}`,
		"JSON of tabs":         "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"Pod\", \"metadata\": {\"name\": \"p\"}, \"spec\": {\"containers\": [\n\t{\"name\": \"main\", \"resources\": {\"requests\": {\"cpu\": \"1\"}}}]}}",
		"JSON with escapes":    `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "\u0070"}, "spec": {"containers": [{"name": "main", "resources": {"requests": {"cpu": "1"}}}]}}`,
		"YAML in one line":     `{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: main, resources: {requests: {cpu: 1}}}]}}`,
		"a list":               "apiVersion: v1\nkind: List\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(pod), "\n", "\n  "),
		"a list of a kind":     "apiVersion: v1\nkind: PodList\nitems:\n- " + strings.ReplaceAll(strings.Split(strings.TrimSpace(pod), "kind: Pod\n")[1], "\n", "\n  "),
		"documents of nothing": "---\n# nothing\n---" + pod + "---\n...\n",
		"a separator alone":    "--- # the pod" + pod,
		"an alias":             strings.Replace(strings.Replace(pod, "name: p", "name: &name p", 1), "name: main", "name: main", 1),
		"a merge":              "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n    - <<: {name: other, resources: {requests: {cpu: 1}}}\n      name: main\n",
		"CRLF":                 strings.ReplaceAll(pod, "\n", "\r\n"),
	} {
		if diff := cmp.Diff(names(want), names(text(t, content).Pods)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// names is what the test tells of pods.
func names(list []*corev1.Pod) []string {
	var out []string
	for _, p := range list {
		cpu := p.Spec.Containers[0].Resources.Requests.Cpu()
		out = append(out, fmt.Sprintf("%s %s %s", manifests.Key(p), p.Spec.Containers[0].Name, cpu))
	}
	return out
}

func TestValuesAreReadAsAnAPIServerDoes(t *testing.T) {
	p := text(t, `
apiVersion: v1
kind: Pod
metadata: {name: p, creationTimestamp: 2026-01-02T03:04:05Z, labels: {1: one, date: "2026-01-02"}}
spec:
  hostNetwork: yes
  nodeName: null
  containers:
    - name: main
      resources: {limits: {cpu: 0.5, memory: 1e9, "nvidia.com/gpu": "2"}}
      livenessProbe: {httpGet: {port: http}}
      readinessProbe: {httpGet: {port: 8080}}
  volumes:
    - name: secret
      secret: {secretName: s, defaultMode: 0644}
`).Pods[0]
	limits := p.Spec.Containers[0].Resources.Limits
	probes := p.Spec.Containers[0]
	got := strings.TrimSpace(fmt.Sprintln(p.CreationTimestamp.UTC().Format("2006-01-02 15:04"), p.Labels, p.Spec.HostNetwork, limits.Cpu(), limits.Memory(),
		limits.Name("nvidia.com/gpu", ""), probes.LivenessProbe.HTTPGet.Port.StrVal, probes.ReadinessProbe.HTTPGet.Port.IntVal, *p.Spec.Volumes[0].Secret.DefaultMode))
	if want := "2026-01-02 03:04 map[1:one date:2026-01-02] true 500m 1e9 2 http 8080 420"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestKindsThatDecideOnNoMachineAreCounted(t *testing.T) {
	objects := text(t, "apiVersion: v1\nkind: Service\n---\napiVersion: v1\nkind: Service\n---\napiVersion: cluster.x-k8s.io/v1beta1\nkind: Machine\n---\napiVersion: v1\nkind: ServiceList\nitems: [{}]\n")
	if diff := cmp.Diff(map[string]int{"v1 Service": 3, "cluster.x-k8s.io/v1beta1 Machine": 1}, objects.Ignored); diff != "" {
		t.Error(diff)
	}
}

// mistaken reads one source that is a string, and returns what is wrong with it.
func mistaken(content string) (manifests.Objects, string) {
	objects, mistakes := manifests.Read([]manifests.Source{{Name: "file", Content: []byte(content)}})
	var lines []string
	for _, m := range mistakes {
		lines = append(lines, m.String())
	}
	return objects, strings.Join(lines, "\n")
}

func TestTheWrongVersionOfAKindIsAMistake(t *testing.T) {
	for apiVersion, want := range map[string]string{
		"extensions/v1beta1": "apps/v1", "apps/v1beta2": "apps/v1", "v1": "apps/v1", "apps.example.com/v1": "",
	} {
		if want != "" {
			want = "file:1: " + apiVersion + " is no version of Deployment; write " + want
		}
		if _, got := mistaken("apiVersion: " + apiVersion + "\nkind: Deployment\n"); got != want {
			t.Errorf("%s: got %q, want %q", apiVersion, got, want)
		}
	}
}

func TestAFewLinesCannotStandForMoreThanThereIsRoomFor(t *testing.T) {
	const one = "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: %s}\nspec:\n  selector: {matchLabels: {a: b}}\n  template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c}]}}\n  replicas: %d\n---\n"
	bomb := "apiVersion: v1\nkind: List\nitems:\n- &l0 {apiVersion: v1, kind: %s, metadata: {generateName: p}, spec: {containers: [{name: c}]}}\n"
	for i := range 9 {
		bomb += fmt.Sprintf("- &l%d {apiVersion: v1, kind: List, items: [%s*l%d]}\n", i+1, strings.Repeat(fmt.Sprintf("*l%d,", i), 9), i)
	}
	for name, tc := range map[string]struct{ content, want string }{
		"replicas":             {fmt.Sprintf(one, "a", 2147483647), "file:7: ReplicaSet default/a: spec.replicas: with this there are more than 500000 pods"},
		"replicas of several":  {fmt.Sprintf(one, "a", 300_000) + fmt.Sprintf(one, "b", 300_000), "file:15: ReplicaSet default/b: spec.replicas: with this"},
		"replicas in bounds":   {fmt.Sprintf(one, "a", 300_000) + fmt.Sprintf(one, "b", 200_000), ""},
		"a job":                {"apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec:\n  parallelism: 600000\n  template: {spec: {containers: [{name: c}]}}\n", "file:5: Job default/j: spec.parallelism: with this"},
		"a job of few":         {"apiVersion: batch/v1\nkind: Job\nmetadata: {name: j}\nspec:\n  parallelism: 600000\n  completions: 3\n  template: {spec: {containers: [{name: c}]}}\n", ""},
		"aliased pods":         {fmt.Sprintf(bomb, "Pod"), "aliases stand for more than 1000000 values"},
		"aliases of no matter": {fmt.Sprintf(bomb, "Service"), "aliases stand for more than 1000000 values"},
		"a list in itself":     {"apiVersion: v1\nkind: List\nitems: &a [{apiVersion: v1, kind: List, items: *a}]\n", "file:3: values are within each other too deeply"},
	} {
		if _, got := mistaken(tc.content); !strings.Contains(got, tc.want) || tc.want == "" && got != "" || strings.Count(got, "\n") > 2 {
			t.Errorf("%s: got %.300q, want %q", name, got, tc.want)
		}
	}
}

func TestWhatANewerClusterReportsIsNoMistake(t *testing.T) {
	objects, got := mistaken("apiVersion: v1\nkind: Node\nmetadata: {name: node}\nstatus: {future: {a: 1}, nodeInfo: {b: 2}, capacity: {cpu: 3}}\n")
	if got != "" || len(objects.Nodes) != 1 || objects.Nodes[0].Status.Capacity.Cpu().String() != "3" {
		t.Errorf("status: %s, read %v", got, objects.Nodes)
	}
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p%s}\nspec:\n  future: 1\n  containers: [{name: c}]\n"
	objects, got = mistaken(fmt.Sprintf(pod, ", uid: u"))
	if got != "" || len(objects.Pods) != 1 || len(objects.Warnings) != 1 || objects.Warnings[0].Line != 5 {
		t.Errorf("a pod of a cluster: %s, warnings %v", got, objects.Warnings)
	}
	if _, got = mistaken(fmt.Sprintf(pod, "")); got != `file:5: Pod default/p: spec: there is no field "future"` {
		t.Errorf("a pod of a file: %s", got)
	}
}

func TestWhatAnAPIServerRefusesOfAPodIsAMistake(t *testing.T) {
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    resources: {requests: {%s: 1}}\n  affinity:\n    nodeAffinity:\n      requiredDuringSchedulingIgnoredDuringExecution:\n        nodeSelectorTerms: [%s]\n"
	for _, name := range []string{"cpu", "ephemeral-storage", "hugepages-2Mi", "nvidia.com/gpu"} {
		if _, got := mistaken(fmt.Sprintf(pod, name, "{}")); got != "" {
			t.Error(got)
		}
	}
	if _, got := mistaken(fmt.Sprintf(pod, "memroy", "{}")); !strings.Contains(got, "file:7: ") || !strings.Contains(got, `"memroy": is no resource`) {
		t.Error(got)
	}
	if _, got := mistaken(fmt.Sprintf(pod, "cpu", "")); !strings.Contains(got, "file:11: ") || !strings.Contains(got, "needs at least one") {
		t.Error(got)
	}
}

func TestWarningsOfTheWebhooksHaveALine(t *testing.T) {
	objects := text(t, "apiVersion: karpenter.sh/v1alpha5\nkind: Provisioner\nmetadata: {name: p}\nspec:\n  providerRef: {name: t}\n  consolidation:\n    enabled: true\n  ttlSecondsUntilExpired: 60\n")
	if len(objects.Warnings) != 1 || objects.Warnings[0].Line != 8 || !strings.Contains(objects.Warnings[0].Text, "Provisioner p: spec.ttlSecondsUntilExpired") {
		t.Errorf("got %v", objects.Warnings)
	}
}

// Files of a few bytes can stand for more than any machine holds.
func TestBombsAreRefusedInTime(t *testing.T) {
	var laughs strings.Builder
	laughs.WriteString("apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n  annotations: {x: y}\na0: &a0 [{name: x}]\n")
	for i := range 12 {
		fmt.Fprintf(&laughs, "a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d,", i), 10), ","))
	}
	laughs.WriteString("spec:\n  containers: *a12\n")
	for name, content := range map[string]string{
		"aliases of aliases": laughs.String(),
		"an alias of itself": "apiVersion: karpenter.sh/v1alpha5\nkind: Provisioner\nmetadata: {name: p}\nspec: &s\n  provider: &p {x: *p}\n",
		"a deep list":        "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}\n",
		"deep JSON":          `{"apiVersion": "v1", "kind": "Pod", "spec": ` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + "}",
		"an endless number":  "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec: {containers: [{name: a, resources: {requests: {cpu: 1e999999999}}}]}\n",
	} {
		if _, mistakes := manifests.Read([]manifests.Source{{Name: "f", Content: []byte(content)}}); len(mistakes) == 0 {
			t.Errorf("%s: nothing is wrong", name)
		}
	}
}

func TestFilesOfADirectoryAndOfStandardInputAreReadOnce(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yaml", "a.json", "c.yml", "d.txt", "sub/e.yaml"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	sources, err := manifests.Open([]string{filepath.Join(dir, "sub/e.yaml"), dir, "-", filepath.Join(dir, "d.txt")}, strings.NewReader("input"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range sources {
		got = append(got, string(s.Content))
	}
	if diff := cmp.Diff([]string{"a.json", "b.yaml", "c.yml", "d.txt", "input", "sub/e.yaml"}, slices.Sorted(slices.Values(got))); diff != "" {
		t.Error(diff)
	}
	_, err = manifests.Open([]string{filepath.Join(dir, "none"), t.TempDir()}, strings.NewReader(""))
	if err == nil || !strings.Contains(err.Error(), "no such file") || !strings.Contains(err.Error(), "no file below this directory") {
		t.Errorf("got %v", err)
	}
}

func FuzzManifestsAreReadOrRefused(f *testing.F) {
	for _, file := range []string{"testdata/mistakes.yaml", "testdata/mistakes.json"} {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	for _, seed := range []string{pod, "a: &a [*a]", "<<: *x", "{", "--- |\n x", "apiVersion: v1\nkind: List\nitems: null", "? {a: b}\n: c", "\xff\xfe", "apiVersion: v1\nkind: Pod\nspec: !!binary aGk="} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		_, mistakes := manifests.Read([]manifests.Source{{Name: "f", Content: content}})
		lines := strings.Count(string(content), "\n") + 2
		for _, m := range mistakes {
			if m.Line < 1 || m.Line > lines || m.Text == "" {
				t.Errorf("a mistake out of place: %s of %d lines", m, lines)
			}
		}
	})
}
