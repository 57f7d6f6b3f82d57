package userdata

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/test/kubelets/powershell"
)

// scriptIn returns what the launch agent of Windows images would run of user data, and what is around it.
func scriptIn(t *testing.T, userData string) (script, around string) {
	t.Helper()
	before, rest, begins := strings.Cut(userData, scriptBegins)
	script, after, ends := strings.Cut(rest, scriptEnds)
	if !begins || !ends {
		t.Fatalf("there is no script in %q", userData)
	}
	return script, before + after
}

func commandsIn(t *testing.T, script string) [][]powershell.Word {
	t.Helper()
	out, err := powershell.Commands(script)
	if err != nil {
		t.Fatalf("%v in %q", err, script)
	}
	return out
}

func TestWindowsImagesAreCalledWithWhatIsAsked(t *testing.T) {
	out, err := Render(awsv1alpha1.AMIFamilyWindows2022, full())
	if err != nil {
		t.Fatal(err)
	}
	script, around := scriptIn(t, out)
	bare := func(text string) powershell.Word { return powershell.Word{Kind: powershell.Bare, Text: text} }
	literal := func(text string) powershell.Word { return powershell.Word{Kind: powershell.Literal, Text: text} }
	want := [][]powershell.Word{{
		bare("&"), {Kind: powershell.Expandable, Text: `$env:ProgramFiles\Amazon\EKS\Start-EKSBootstrap.ps1`},
		bare("-EKSClusterName"), literal("demo"), bare("-APIServerEndpoint"), literal("https://demo.eks"),
		bare("-Base64ClusterCA"), literal("Q0VSVElGSUNBVEU="), bare("-KubeletExtraArgs"),
		literal("--max-pods=29 --pods-per-core=4" +
			" --node-labels=karpenter.sh/capacity-type=spot,karpenter.sh/provisioner-name=default,node.kubernetes.io/pool=p,team=a" +
			" --register-with-taints=dedicated=gpu:NoSchedule,node.cilium.io/agent-not-ready=:NoExecute" +
			" --kube-reserved=cpu=200m,ephemeral-storage=1Gi,memory=574Mi --system-reserved=cpu=100m,memory=100Mi" +
			" --eviction-hard=memory.available<5%,nodefs.available<10%" + // Windows counts no inodes
			" --eviction-soft=memory.available<10%,nodefs.available<3Gi --eviction-soft-grace-period=memory.available=1m30s,nodefs.available=5m0s" +
			" --eviction-max-pod-grace-period=120 --image-gc-high-threshold=70 --image-gc-low-threshold=60 --cpu-cfs-quota=false"),
		bare("-DNSClusterIP"), literal("10.0.0.53"),
	}}
	if diff := cmp.Diff(want, commandsIn(t, script)); diff != "" {
		t.Errorf("commands (-want +got):\n%s", diff)
	}
	if strings.TrimSpace(around) != "" {
		t.Errorf("around the script there is %q", around)
	}
}

func TestTheUsersPowerShellComesFirst(t *testing.T) {
	for name, tc := range map[string]struct{ own, script, around string }{
		"a bare script":                   {"Get-Date\n", "Get-Date", ""},
		"one between tags":                {"<powershell>Get-Date</powershell>", "Get-Date", ""},
		"tags in other letters":           {"\n<PowerShell>\r\nGet-Date\r\n</POWERSHELL>\n", "Get-Date", ""},
		"settings of the agent behind":    {"<powershell>\nGet-Date\n</powershell>\n<persist>true</persist>", "Get-Date", "<persist>true</persist>"},
		"settings of the agent before":    {"<persist>true</persist><powershell>\nGet-Date\n</powershell>", "Get-Date", "<persist>true</persist>"},
		"a comment that looks like a tag": {"<# mine #> Get-Date", "<# mine #> Get-Date", ""},
		"a line that goes on":             {"Get-Date `", "Get-Date `", ""},
		"nothing between tags":            {"<powershell></powershell>", "", ""},
		"blanks":                          {" \n", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Check(awsv1alpha1.AMIFamilyWindows2019, tc.own); err != nil {
				t.Fatal(err)
			}
			out, err := Render(awsv1alpha1.AMIFamilyWindows2019, owned(plain(), tc.own))
			if err != nil {
				t.Fatal(err)
			}
			script, around := scriptIn(t, out)
			kerfs, err := Render(awsv1alpha1.AMIFamilyWindows2019, plain())
			if err != nil {
				t.Fatal(err)
			}
			call, _ := scriptIn(t, kerfs)
			if own, ok := strings.CutSuffix(strings.TrimSpace(script), strings.TrimSpace(call)); !ok || strings.TrimSpace(own) != tc.script || strings.TrimSpace(around) != tc.around {
				t.Errorf("the script is %q and around it %q; want %q, then kerf's, and %q", script, around, tc.script, tc.around)
			}
			commands := commandsIn(t, script)
			if diff := cmp.Diff(commandsIn(t, call)[0], commands[len(commands)-1]); diff != "" {
				t.Errorf("kerf's command (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatWindowsNodesCannotBeIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Node)
		want   string
	}{
		"pods of IPv6":                {func(n *Node) { n.Cluster.ServiceCIDR = "fd12:3456::/108" }, "IPv4 only"},
		"a container runtime of old":  {func(n *Node) { n.Kubelet = &v1alpha5.KubeletConfiguration{ContainerRuntime: new("dockerd")} }, "dockerd"},
		"a cluster name with a tag":   {func(n *Node) { n.Cluster.Name = "demo</powershell>" }, "cluster name"},
		"an endpoint with a tag":      {func(n *Node) { n.Cluster.Endpoint = "https://x/<PowerShell>" }, "cluster endpoint"},
		"an endpoint with a wide tag": {func(n *Node) { n.Cluster.Endpoint = "https://x/< / powershell >" }, "cluster endpoint"},
	} {
		t.Run(name, func(t *testing.T) {
			n := plain()
			tc.change(&n)
			if _, err := Render(awsv1alpha1.AMIFamilyWindows2022, n); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %v, want one with %q", err, tc.want)
			}
		})
	}
}

func FuzzQuotedTextIsOneWordOfPowerShell(f *testing.F) {
	for _, text := range []string{"", "plain", "it's", "'", "''", "`", "$(Stop-Computer)", "a b\tc", "a\nb", "@'", "'@", `"`, "\u2018", "\u2019'\u201a", "\u201b;x", "#>", "\xff'"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := powershell.Commands("w " + quotePowerShell(text) + " 'next'\n")
		want := [][]powershell.Word{{{Text: "w"}, {Kind: powershell.Literal, Text: string([]rune(text))}, {Kind: powershell.Literal, Text: "next"}}}
		if err != nil || !cmp.Equal(want, got) {
			t.Errorf("PowerShell sees %+v, %v; want %+v", got, err, want)
		}
	})
}

// FuzzTheUsersPowerShellSurvivesTheMerge holds that the launch agent finds one script in whatever is taken: the user's, as it
// is, and then kerf's call.
func FuzzTheUsersPowerShellSurvivesTheMerge(f *testing.F) {
	for _, own := range []string{
		"", "Get-Date", ownPowerShell, "<powershell></powershell>", "a </powershell> b", "<#", "'", "@'\n", "<persist>true</persist>",
		"<powershell>a</powershell><powershell>b</powershell>", "a `", "\xff", "x <POWERSHELL>", "</powershell><powershell>",
	} {
		f.Add(own)
	}
	kerfs, err := Render(awsv1alpha1.AMIFamilyWindows2022, plain())
	if err != nil {
		f.Fatal(err)
	}
	call := strings.TrimSuffix(strings.TrimPrefix(kerfs, scriptBegins+"\n"), scriptEnds+"\n")
	f.Fuzz(func(t *testing.T, own string) {
		out, err := Render(awsv1alpha1.AMIFamilyWindows2022, owned(plain(), own))
		if err != nil {
			return
		}
		if tags := scriptTag.FindAllString(out, -1); !cmp.Equal(tags, []string{scriptBegins, scriptEnds}) {
			t.Fatalf("the tags are %q in %q", tags, out)
		}
		script, around := scriptIn(t, out)
		if !strings.HasSuffix(script, call) {
			t.Errorf("kerf's call is not at the end of %q", script)
		}
		for _, text := range []string{strings.TrimSpace(strings.TrimSuffix(script, call)), strings.TrimSpace(around)} {
			for line := range strings.SplitSeq(text, "\n") {
				if !strings.Contains(own, line) {
					t.Errorf("the line %q is not the user's: %q", line, own)
				}
			}
		}
	})
}
