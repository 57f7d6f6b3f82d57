package userdata

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

// The user's own parts that tests merge.
const (
	ownMessage = `MIME-Version: 1.0
Content-Type: multipart/mixed; boundary="BOUNDARY"

--BOUNDARY
Content-Type: text/x-shellscript; charset="us-ascii"

#!/bin/bash
echo "--//" > /etc/motd
--BOUNDARY
Content-Disposition: attachment; filename="cloud.yaml"
Content-Transfer-Encoding: base64
Content-Type: text/cloud-config

I2Nsb3VkLWNvbmZpZwo=
--BOUNDARY--
`
	ownNodeConfig = `apiVersion: node.eks.aws/v1alpha1
kind: NodeConfig
spec:
  kubelet:
    config:
      maxPods: 5
      serializeImagePulls: false
`
	ownTOML = `# comments are lost
[settings.kernel.sysctl]
"vm.max_map_count" = "262144"
[settings.kubernetes]
cluster-name = "another"
max-pods = 5
cluster-dns-ip = "169.254.20.10"
standalone-mode = false
[settings.kubernetes.node-labels]
team = "theirs"
rack = "r1"
[settings.kubernetes.node-taints]
theirs = ["x:NoSchedule"]
[settings.kubernetes.eviction-hard]
"memory.available" = "1%"
[[settings.container-registry.mirrors]]
registry = "docker.io"
endpoint = ["https://mirror.example"]
`
	ownPowerShell = `<PowerShell>
# what the machine's owner wants first
New-Item -Path "C:\ready" -ItemType File | Out-Null
</PowerShell>
<persist>true</persist>
`
)

func owned(n Node, own string) Node {
	n.UserData = own
	return n
}

func ipv6() Node {
	n := plain()
	n.Cluster.ServiceCIDR = "fd12:3456::/108"
	return n
}

func TestTheUsersDocumentsComeFirstAsTheyAre(t *testing.T) {
	const script = "text/x-shellscript"
	for name, tc := range map[string]struct {
		own  string
		want []document
	}{
		"none":                            {"", nil},
		"blank":                           {" \n\t\n", nil},
		"a script":                        {"#!/bin/bash\necho 'hi'", []document{{script, "#!/bin/bash\necho 'hi'"}}},
		"a script after blank lines":      {"\n\n#!/bin/sh\ntrue\n", []document{{script, "#!/bin/sh\ntrue\n"}}},
		"a script without interpreter":    {"echo hi\n", []document{{script, "echo hi\n"}}},
		"a cloud-config":                  {"#cloud-config\npackages: [jq]\n", []document{{"text/cloud-config", "#cloud-config\npackages: [jq]\n"}}},
		"an archive of them":              {"#cloud-config-archive\n- x\n", []document{{"text/cloud-config-archive", "#cloud-config-archive\n- x\n"}}},
		"a boothook":                      {"#cloud-boothook\ntrue\n", []document{{"text/cloud-boothook", "#cloud-boothook\ntrue\n"}}},
		"an include":                      {"#include\nhttps://x.example\n", []document{{"text/x-include-url", "#include\nhttps://x.example\n"}}},
		"an include, once":                {"#include-once\nhttps://x.example\n", []document{{"text/x-include-once-url", "#include-once\nhttps://x.example\n"}}},
		"a NodeConfig":                    {ownNodeConfig, []document{{"application/node.eks.aws", ownNodeConfig}}},
		"YAML of another kind":            {"kind: Pod\n", []document{{script, "kind: Pod\n"}}},
		"a boundary among its lines":      {"#!/bin/sh\necho <<X\n--//\n--//--\nX\n", []document{{script, "#!/bin/sh\necho <<X\n--//\n--//--\nX\n"}}},
		"a message of two":                {ownMessage, []document{{script, "#!/bin/bash\necho \"--//\" > /etc/motd"}, {"text/cloud-config", "I2Nsb3VkLWNvbmZpZwo="}}},
		"a message, carriage returns too": {strings.ReplaceAll(ownMessage, "\n", "\r\n"), []document{{script, "#!/bin/bash\r\necho \"--//\" > /etc/motd"}, {"text/cloud-config", "I2Nsb3VkLWNvbmZpZwo="}}},
		"a message of one document":       {"Content-Type: text/cloud-config\n\n#cloud-config\n", []document{{"text/cloud-config", "#cloud-config\n"}}},
		"a message in lower case":         {"content-type: text/cloud-config\n\n#cloud-config\n", []document{{"text/cloud-config", "#cloud-config\n"}}},
		"a part without a type":           {"Content-Type: multipart/mixed; boundary=x\n\n--x\n\n#!/bin/sh\n--x--\n", []document{{"text/plain", "#!/bin/sh"}}},
	} {
		t.Run(name, func(t *testing.T) {
			for family, last := range map[string]string{
				awsv1alpha1.AMIFamilyAL2: script, awsv1alpha1.AMIFamilyUbuntu: script, awsv1alpha1.AMIFamilyAL2023: "application/node.eks.aws",
			} {
				if err := Check(family, tc.own); err != nil {
					t.Fatalf("%s: %v", family, err)
				}
				out, err := Render(family, owned(plain(), tc.own))
				if err != nil {
					t.Fatalf("%s: %v", family, err)
				}
				got, err := documents(out)
				if err != nil || len(got) == 0 {
					t.Fatalf("%s: %v in %q", family, err, out)
				}
				kerfs := got[len(got)-1]
				if diff := cmp.Diff(tc.want, got[:len(got)-1], cmp.AllowUnexported(document{}), equateEmpty()); diff != "" {
					t.Errorf("%s, the user's documents (-want +got):\n%s", family, diff)
				}
				if kerfs.mediaType != last || !strings.Contains(kerfs.body, "https://demo.eks") {
					t.Errorf("%s: the last document is %s: %q", family, kerfs.mediaType, kerfs.body)
				}
			}
		})
	}
}

// equateEmpty takes no documents for none at all.
func equateEmpty() cmp.Option {
	return cmp.FilterValues(func(a, b []document) bool { return len(a) == 0 && len(b) == 0 }, cmp.Ignore())
}

func TestHeadersOfTheUsersPartsStay(t *testing.T) {
	parts, err := partsOf(ownMessage)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Content-Type: text/cloud-config", `Content-Disposition: attachment; filename="cloud.yaml"`, "Content-Transfer-Encoding: base64"}
	if diff := cmp.Diff(want, parts[1].headers); diff != "" {
		t.Errorf("headers (-want +got):\n%s", diff)
	}
}

func TestUserDataThatCannotBeMergedIsRefused(t *testing.T) {
	for name, tc := range map[string]struct{ family, own, want string }{
		"a message without end":       {"AL2", strings.TrimSuffix(ownMessage, "--BOUNDARY--\n"), "part 2"},
		"a message without boundary":  {"AL2", "MIME-Version: 1.0\nContent-Type: multipart/mixed\n\n--x\n\n--x--\n", "boundary"},
		"a message without type":      {"AL2023", "MIME-Version: 1.0\n\nhi\n", "Content-Type"},
		"a message without headers":   {"Ubuntu", "MIME-Version: 1.0\nnonsense", "MIME"},
		"TOML that is none":           {"Bottlerocket", "[settings\n", "line 1"},
		"a script for Bottlerocket":   {"Bottlerocket", "#!/bin/bash\necho hi\n", "line 2"},
		"settings that are no table":  {"Bottlerocket", "settings = 1\n", "settings is no table"},
		"a list instead of a table":   {"Bottlerocket", "[[settings.kubernetes]]\na = 1\n", "kubernetes is no table"},
		"labels that are no table":    {"Bottlerocket", "[settings.kubernetes]\nnode-labels = 'a=b'\n", "node-labels is no table"},
		"more than EC2 takes by far":  {"AL2", "#!/bin/sh\n" + strings.Repeat("#", 16384), "16384"},
		"more than EC2 takes, Custom": {"Custom", "#!/bin/sh\n" + strings.Repeat("#", 16384), "16384"},
		"a family that has no format": {"Haiku", "#!/bin/sh\n", "Haiku"},
		"a script that never ends":    {"Windows2022", "<powershell>\nGet-Date\n", "not once around it"},
		"a script that never begins":  {"Windows2022", "Get-Date\n</powershell>", "not once around it"},
		"two scripts":                 {"Windows2019", "<powershell>\na\n</powershell>\n<powershell>\nb\n</powershell>", "not once around it"},
		"tags the wrong way round":    {"Windows2025", "</powershell>Get-Date<powershell>", "not once around it"},
		"a tag in a string":           {"Windows2022", "Write-Host '< / PowerShell >'", "not once around it"},
		"a batch script":              {"Windows2022", "<script>\ndir\n</script>", "starts with a tag"},
		"a list of tasks":             {"Windows2022", "version: 1.1\ntasks: []\n", "in YAML"},
	} {
		t.Run(name, func(t *testing.T) {
			if err := Check(tc.family, tc.own); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("checked: error = %v, want one with %q", err, tc.want)
			}
			if _, err := Render(tc.family, owned(plain(), tc.own)); err == nil {
				t.Error("it is rendered all the same")
			}
		})
	}
}

func TestCustomImagesGetTheUsersTextAndNothingElse(t *testing.T) {
	for _, own := range []string{"", "#!/bin/sh\n", "\x00\x01 not even text", ownMessage} {
		node := owned(full(), own)
		node.Labels = map[string]string{"no label": "at all"} // nothing of kerf's goes in, so nothing of it is checked
		if got, err := Render(awsv1alpha1.AMIFamilyCustom, node); err != nil || got != own {
			t.Errorf("%q became %q, %v", own, got, err)
		}
	}
}

func TestPodsOfIPv6AreToldByTheDNSServer(t *testing.T) {
	for name, tc := range map[string]struct {
		cidr       string
		configured []string
		want       bool
	}{
		"a range of IPv4":                  {"172.20.0.0/16", nil, false},
		"a range of IPv6":                  {"fd12:3456::/108", nil, true},
		"neither is known":                 {"", nil, false},
		"IPv6 that is configured":          {"172.20.0.0/16", []string{"fd12:3456::a"}, true},
		"IPv4 that is configured":          {"fd12:3456::/108", []string{"169.254.20.10"}, false},
		"IPv4 in the clothes of the other": {"", []string{"::ffff:10.0.0.10"}, false},
	} {
		n := plain()
		n.Cluster.ServiceCIDR = tc.cidr
		n.Kubelet = full().Kubelet
		n.Kubelet.ClusterDNS = tc.configured
		if got := n.IPv6(); got != tc.want {
			t.Errorf("%s: %t, want %t", name, got, tc.want)
		}
	}
}

func FuzzTheUsersPartsSurviveTheMerge(f *testing.F) {
	for _, own := range []string{"", "#!/bin/sh\n", ownMessage, ownNodeConfig, "Content-Type: multipart/mixed; boundary=\"//\"\n\n--//\n\n--///\n--//--\n", "--//", "MIME-Version: 1.0\n\n"} {
		f.Add(own)
	}
	f.Fuzz(func(t *testing.T, own string) {
		parts, err := partsOf(own)
		if err != nil {
			return
		}
		out, err := Render(awsv1alpha1.AMIFamilyAL2, owned(plain(), own))
		if err != nil {
			return // it is too long
		}
		again, err := partsOf(out)
		if err != nil || len(again) != len(parts)+1 {
			t.Fatalf("%d documents became %d, %v: %q", len(parts), len(again), err, out)
		}
		for i, p := range parts {
			if again[i].body != p.body || !cmp.Equal(again[i].headers, p.headers) {
				t.Errorf("document %d: %q became %q", i, p, again[i])
			}
		}
		if !strings.HasPrefix(again[len(parts)].body, "#!/bin/bash -e\n/etc/eks/bootstrap.sh 'demo' ") {
			t.Errorf("the last document is %q", again[len(parts)].body)
		}
	})
}

func TestARuntimeThatIsLeftOpenIsContainerd(t *testing.T) {
	open, stated := plain(), plain()
	open.Kubelet = &v1alpha5.KubeletConfiguration{ContainerRuntime: new("")}
	stated.Kubelet = &v1alpha5.KubeletConfiguration{ContainerRuntime: new("containerd")}
	got, err := Render(awsv1alpha1.AMIFamilyAL2, open)
	want, wantErr := Render(awsv1alpha1.AMIFamilyAL2, stated)
	if err != nil || wantErr != nil || got != want {
		t.Errorf("got %q, %v; want %q, %v", got, err, want, wantErr)
	}
}
