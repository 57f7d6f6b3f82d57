package userdata

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/pelletier/go-toml/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"mvdan.cc/sh/v3/syntax"
	"sigs.k8s.io/yaml"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/kubelets"
	"github.com/kerf-autoscaler/kerf/test/kubelets/powershell"
)

// structureOf returns what is left of user data when the values are taken out, as a parser of its format sees it.
func structureOf(family, userData string) ([]string, error) {
	switch {
	case family == awsv1alpha1.AMIFamilyCustom:
		return nil, nil
	case family == awsv1alpha1.AMIFamilyBottlerocket:
		var document map[string]any
		if err := toml.Unmarshal([]byte(userData), &document); err != nil {
			return nil, err
		}
		return treeOf("", document), nil
	case awsv1alpha1.IsWindows(family):
		return powershellStructure(userData)
	}
	all, err := documents(userData)
	if err != nil {
		return nil, err
	}
	var out []string
	for _, d := range all {
		inside, err := d.structure()
		if err != nil {
			return nil, fmt.Errorf("%w in %s", err, d.body)
		}
		out = append(append(out, d.mediaType), inside...)
	}
	return out, nil
}

func (d document) structure() ([]string, error) {
	switch d.mediaType {
	case "text/x-shellscript":
		return shellStructure(d.body)
	case "application/node.eks.aws":
		var content any
		if err := yaml.UnmarshalStrict([]byte(d.body), &content); err != nil {
			return nil, err
		}
		return treeOf("", content), nil
	default:
		return nil, nil
	}
}

// shellStructure returns the nodes of a script's syntax tree. A word that stands for itself, however it is quoted, is one.
func shellStructure(script string) ([]string, error) {
	file, err := syntax.NewParser(syntax.Variant(syntax.LangBash), syntax.KeepComments(true)).Parse(strings.NewReader(script), "")
	if err != nil {
		return nil, err
	}
	var out []string
	syntax.Walk(file, func(node syntax.Node) bool {
		switch n := node.(type) {
		case *syntax.Word:
			if literal(n) {
				out = append(out, "word")
				return false
			}
			out = append(out, "word that is expanded")
		case *syntax.Comment:
			out = append(out, "# "+n.Text)
		default:
			out = append(out, fmt.Sprintf("%T", n)) // nil ends a node
		}
		return true
	})
	return out, nil
}

func literal(w *syntax.Word) bool {
	return !slices.ContainsFunc(w.Parts, func(p syntax.WordPart) bool {
		switch part := p.(type) {
		case *syntax.SglQuoted:
			return part.Dollar
		case *syntax.Lit:
			return strings.ContainsAny(part.Value, "*?[{~") // names of files would take its place
		default:
			return true
		}
	})
}

// powershellStructure returns the words of each command, those in single quotes without their text, and the lines around the
// script.
func powershellStructure(userData string) ([]string, error) {
	before, rest, begins := strings.Cut(userData, "<powershell>")
	script, after, ends := strings.Cut(rest, "</powershell>")
	if !begins || !ends {
		return nil, fmt.Errorf("there is no script in %q", userData)
	}
	commands, err := powershell.Commands(script)
	out := []string{before, after}
	for _, command := range commands {
		for _, w := range command {
			if w.Kind == powershell.Literal {
				w.Text = "literal"
			}
			out = append(out, w.Text)
		}
		out = append(out, ";")
	}
	return out, err
}

// treeOf returns the paths of a document with the type of what is there. Labels and taints are keys of TOML, and values to us.
func treeOf(path string, value any) []string {
	var out []string
	switch v := value.(type) {
	case map[string]any:
		values := strings.HasSuffix(path, ".node-labels") || strings.HasSuffix(path, ".node-taints")
		for _, key := range slices.Sorted(maps.Keys(v)) {
			name := key
			if values {
				name = "*"
			}
			out = append(out, treeOf(path+"."+name, v[key])...)
		}
	case []any:
		for i, member := range v {
			out = append(out, treeOf(fmt.Sprintf("%s[%d]", path, i), member)...)
		}
	}
	return append(out, fmt.Sprintf("%s %T", path, value))
}

// tame returns a node of the same settings as another, all text that users and settings bring to it replaced by plain words.
func tame(n Node) Node {
	out := n
	out.Cluster.Name, out.Cluster.Endpoint = "demo", "https://demo.eks"
	out.Labels, out.Taints = map[string]string{}, nil
	for key := range n.Labels {
		if kubeletMaySet(key) {
			out.Labels["key"] = "value"
		}
	}
	for _, t := range n.Taints {
		plain := corev1.Taint{Key: "key", Effect: t.Effect}
		if t.Value != "" { // YAML leaves out what is empty
			plain.Value = "value"
		}
		out.Taints = append(out.Taints, plain)
	}
	out.Kubelet = n.Kubelet.DeepCopy()
	for _, thresholds := range []map[string]string{out.Kubelet.EvictionHard, out.Kubelet.EvictionSoft} {
		for signal := range thresholds {
			thresholds[signal] = "5%"
		}
	}
	switch {
	case n.IPv6():
		out.Kubelet.ClusterDNS = []string{"fd00::a"}
	case n.DNS() != "":
		out.Kubelet.ClusterDNS = []string{"10.0.0.10"}
	}
	return out
}

// FuzzNoTextChangesTheStructure holds for every family that whatever a provisioner or a setting says is refused, or leaves the
// parsed user data as it is but for values, and that an image reads these as they were meant.
func FuzzNoTextChangesTheStructure(f *testing.F) {
	f.Add("team", "a", "dedicated", "gpu", "memory.available", "5%", "10.0.0.10", "demo", "https://demo.eks")
	f.Add("te'am", "a b", "k;reboot", "'", "memory.available", "$(id)%", "10.0.0.10 --x", "de'mo $(id)", "https://x;reboot")
	f.Add("a", "\n--//\n", "b", "--//", "nodefs.available", "0x1p-2%", "::1", "--//", "x\" 'y' \u2019; z\u2018")
	f.Add("kubernetes.io/os", "windows", "b", "", "pid.available", "1e3", "fd00::1", "</powershell>", "a: [b]\n")
	f.Add("x.io/y", "1", "x.io/y", "true", "imagefs.inodesFree", "10%", "", "null", "~")
	f.Add("a.b", "", "a.b", "", "nodefs.inodesFree", "7Gi", "10.1.2.3", "'\\''", "\"]\n[settings.x]\n\"")
	f.Add("0", "0x1F", "0", "0", "memory.available", "1%", "10.0.0.1", "*", "{{ . }}`n<#")
	f.Add("k v", "a,b=c", "k", "x:NoExecute,y --max-pods=9", "memory.available", "5%,nodefs.available<1%", "10.0.0.1,10.0.0.2", "--demo", "-x")
	ca := certificate(f)
	f.Fuzz(func(t *testing.T, labelKey, labelValue, taintKey, taintValue, signal, threshold, dns, name, endpoint string) {
		texts := []func(*Node){
			func(n *Node) { n.Cluster.Name = name },
			func(n *Node) { n.Cluster.Endpoint = endpoint },
			func(n *Node) { n.Labels = map[string]string{labelKey: labelValue} },
			func(n *Node) {
				n.Taints = []corev1.Taint{{Key: taintKey, Value: taintValue, Effect: corev1.TaintEffectNoSchedule}}
			},
			func(n *Node) { n.Kubelet.ClusterDNS = []string{dns} },
			func(n *Node) { n.Kubelet.EvictionHard = map[string]string{signal: threshold} },
			func(n *Node) {
				n.Kubelet.EvictionSoft = map[string]string{signal: threshold}
				n.Kubelet.EvictionSoftGracePeriod = map[string]metav1.Duration{signal: {Duration: time.Minute}}
			},
		}
		empty := plain()
		empty.Cluster.CA, empty.Kubelet, empty.LocalDisks = ca, &v1alpha5.KubeletConfiguration{}, true
		usual := accepted(awsv1alpha1.AMIFamilyAL2, empty, texts)
		for _, format := range formats() {
			n := usual
			out, err := Render(format.family, n)
			if err != nil { // this family refuses more
				n = accepted(format.family, empty, texts)
				out, err = Render(format.family, n)
			}
			if err != nil {
				t.Fatalf("%s: one by one the texts are accepted, together not: %v", format.family, err)
			}
			wantStructure(t, format.family, out, tame(n))
			if n.Cluster.Name != "" {
				wantMeant(t, format.family, out, n)
			}
		}
	})
}

// accepted returns the node with those of the texts that the family does not refuse: else one that is refused would hide the
// others.
func accepted(family string, n Node, texts []func(*Node)) Node {
	for _, put := range texts {
		attempt := n
		attempt.Kubelet = n.Kubelet.DeepCopy()
		put(&attempt)
		if _, err := Render(family, attempt); err == nil {
			n = attempt
		}
	}
	return n
}

func wantStructure(t *testing.T, family, userData string, tame Node) {
	t.Helper()
	plain, err := Render(family, tame)
	if err != nil {
		t.Fatalf("%s: plain words are refused: %v", family, err)
	}
	want, err := structureOf(family, plain)
	if err != nil {
		t.Fatalf("%s: %v in %s", family, err, plain)
	}
	got, err := structureOf(family, userData)
	if err != nil {
		t.Fatalf("%s: %v in %s", family, err, userData)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: structure (-want +got):\n%s\nof %s", family, diff, userData)
	}
}

// wantMeant holds that what stands for the family's images takes each value as it was meant.
func wantMeant(t *testing.T, family, userData string, n Node) {
	t.Helper()
	got, err := kubelets.DecodeUserData(userData)
	if err != nil {
		t.Fatalf("%s: %v in %s", family, err, userData)
	}
	labels := maps.Clone(n.Labels)
	maps.DeleteFunc(labels, func(key, _ string) bool { return !kubeletMaySet(key) })
	if got.ClusterName != n.Cluster.Name || got.Endpoint != n.Cluster.Endpoint {
		t.Errorf("%s: the cluster is %q at %q, want %q at %q", family, got.ClusterName, got.Endpoint, n.Cluster.Name, n.Cluster.Endpoint)
	}
	if diff := cmp.Diff(labels, got.Kubelet.Labels, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s: labels (-want +got):\n%s", family, diff)
	}
	if diff := cmp.Diff(n.Taints, got.Kubelet.Taints); diff != "" {
		t.Errorf("%s: taints (-want +got):\n%s", family, diff)
	}
}
