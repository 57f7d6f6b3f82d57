package userdata

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// run has the shell split a script's one call into words: its program is replaced by one that prints each argument.
// Where there is no bash the quoting rule itself is applied: what is between single quotes is literal.
func run(t *testing.T, script string) []string {
	t.Helper()
	bash, err := exec.LookPath("bash")
	if err != nil {
		return splitQuoted(t, script)
	}
	printing := strings.Replace(script, "/etc/eks/bootstrap.sh", `printf '%s\0'`, 1)
	command := exec.CommandContext(t.Context(), bash, "--noprofile", "--norc", "-s")
	command.Stdin = strings.NewReader(printing)
	command.Env = []string{"PATH=/nonexistent"} // whatever the script were to run would not be found
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil || stderr.Len() > 0 {
		t.Fatalf("running the script: %v: %s", err, stderr.String())
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
}

// splitQuoted reads the arguments of the last line, all of which are quoted as quote does.
func splitQuoted(t *testing.T, script string) []string {
	t.Helper()
	_, rest, found := strings.Cut(script, "/etc/eks/bootstrap.sh ")
	if !found {
		t.Fatalf("no call in %q", script)
	}
	rest = strings.TrimSuffix(rest, "\n")
	var out []string
	for rest != "" {
		var word strings.Builder
		for rest != "" && rest[0] != ' ' {
			switch {
			case rest[0] == '\'':
				text, after, closed := strings.Cut(rest[1:], "'")
				if !closed {
					t.Fatalf("a quote is left open in %q", script)
				}
				word.WriteString(text)
				rest = after
			case strings.HasPrefix(rest, `\'`):
				word.WriteByte('\'')
				rest = rest[2:]
			default:
				t.Fatalf("%q is outside of quotes in %q", rest[0], script)
			}
		}
		out = append(out, word.String())
		rest = strings.TrimPrefix(rest, " ")
	}
	return out
}

func FuzzQuotedTextIsOneWordOfTheShell(f *testing.F) {
	for _, text := range []string{"", "plain", "it's", "'", "''", `\'`, "$(reboot)", "`id`", "a b\tc", "a\nb", "*", "~", "!x", `"`, "${HOME}", "é", "\x01", "--"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsRune(text, 0) {
			return // no argument of a program can hold it
		}
		want := []string{text, "next"}
		if got := run(t, "/etc/eks/bootstrap.sh "+quote(text)+" 'next'\n"); !cmp.Equal(want, got) {
			t.Errorf("the shell sees %q, want %q", got, want)
		}
		if got := splitQuoted(t, "/etc/eks/bootstrap.sh "+quote(text)+" 'next'\n"); !cmp.Equal(want, got) {
			t.Errorf("by the rule it is %q, want %q", got, want)
		}
	})
}

// FuzzTextOfUsersStaysAValue holds that whatever a provisioner says is refused or ends up as the very words that were meant.
func FuzzTextOfUsersStaysAValue(f *testing.F) {
	f.Add("team", "a", "dedicated", "gpu", "memory.available", "5%", "10.0.0.10", "demo", "containerd")
	f.Add("te'am", "a b", "k;reboot", "'", "memory.available", "$(id)%", "10.0.0.10 --x", "de'mo $(id)", "containerd; reboot")
	f.Add("a", "\n--//\n", "b", "--//", "nodefs.available", "0x1p-2%", "::1", "--//", "dockerd")
	f.Fuzz(func(t *testing.T, labelKey, labelValue, taintKey, taintValue, signal, threshold, dns, name, runtime string) {
		n := plain()
		n.Cluster.Name = name
		n.Labels = map[string]string{labelKey: labelValue}
		n.Taints = []corev1.Taint{{Key: taintKey, Value: taintValue, Effect: corev1.TaintEffectNoSchedule}}
		n.Kubelet = &v1alpha5.KubeletConfiguration{
			EvictionHard: map[string]string{signal: threshold}, ClusterDNS: []string{dns}, ContainerRuntime: &runtime,
			EvictionSoft: map[string]string{signal: threshold}, EvictionSoftGracePeriod: map[string]metav1.Duration{signal: {Duration: time.Minute}},
		}
		out, err := Render(awsv1alpha1.AMIFamilyAL2, n)
		if err != nil {
			return
		}
		mediaType, script, err := onlyPart(out)
		if err != nil || mediaType != "text/x-shellscript" {
			t.Fatalf("%s, %v in %q", mediaType, err, out)
		}
		s, err := settingsOf(awsv1alpha1.AMIFamilyAL2, n)
		if err != nil {
			t.Fatal(err)
		}
		want := bootstrapArguments(s, "--container-runtime", "containerd")
		if got := run(t, script); !cmp.Equal(want, got) {
			t.Errorf("the shell sees %q, want %q", got, want)
		}
		flags := strings.Fields(want[len(want)-1])
		if !cmp.Equal(kubeletFlags(s), flags) {
			t.Errorf("the image sees the flags %q, want %q", flags, kubeletFlags(s))
		}
	})
}

func TestAL2CallsBootstrapWithWhatIsAsked(t *testing.T) {
	out, err := Render(awsv1alpha1.AMIFamilyAL2, full())
	if err != nil {
		t.Fatal(err)
	}
	_, script, err := onlyPart(out)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"demo", "--apiserver-endpoint", "https://demo.eks", "--b64-cluster-ca", "Q0VSVElGSUNBVEU=", "--dns-cluster-ip", "10.0.0.53",
		"--container-runtime", "containerd", "--use-max-pods", "false", "--kubelet-extra-args",
		"--max-pods=29 --pods-per-core=4" +
			" --node-labels=karpenter.sh/capacity-type=spot,karpenter.sh/provisioner-name=default,node.kubernetes.io/pool=p,team=a" +
			" --register-with-taints=dedicated=gpu:NoSchedule,node.cilium.io/agent-not-ready=:NoExecute" +
			" --kube-reserved=cpu=200m,ephemeral-storage=1Gi,memory=574Mi --system-reserved=cpu=100m,memory=100Mi" +
			" --eviction-hard=memory.available<5%,nodefs.available<10%,nodefs.inodesFree<5%" +
			" --eviction-soft=memory.available<10%,nodefs.available<3Gi --eviction-soft-grace-period=memory.available=1m30s,nodefs.available=5m0s" +
			" --eviction-max-pod-grace-period=120 --image-gc-high-threshold=70 --image-gc-low-threshold=60 --cpu-cfs-quota=false",
	}
	if diff := cmp.Diff(want, run(t, script)); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}
