package kubelets

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
)

const (
	testCluster  = "quay"
	testEndpoint = "https://127.0.0.1:26443"
)

func testdata(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func testIdentity(t *testing.T) Cluster {
	t.Helper()
	return Cluster{Name: testCluster, Endpoint: testEndpoint, CertificateAuthority: []byte(testdata(t, "ca.crt"))}
}

func TestUserDataOfEachImageFamilyIsReadInFull(t *testing.T) {
	web := corev1.Taint{Key: "dedicated", Value: "web", Effect: corev1.TaintEffectNoSchedule}
	cases := map[string]struct {
		file string
		want KubeletSettings
	}{
		"AL2 calls bootstrap.sh": {"al2.mime", KubeletSettings{
			Labels:         map[string]string{"karpenter.sh/provisioner-name": "default", "karpenter.sh/capacity-type": "spot"},
			Taints:         []corev1.Taint{web, {Key: "boot", Effect: corev1.TaintEffectNoExecute}},
			MaxPods:        new(int32(29)),
			NoENIMaxPods:   true,
			SystemReserved: Overlay{Values: map[string]string{"cpu": "100m", "memory": "200Mi"}, Replaces: true},
			Unseen:         UnseenSettings{ClusterDNS: []string{"10.100.0.10"}},
		}},
		"AL2023 configures nodeadm": {"al2023.mime", KubeletSettings{
			Labels:         map[string]string{"karpenter.sh/provisioner-name": "default", "karpenter.sh/capacity-type": "on-demand"},
			Taints:         []corev1.Taint{web},
			MaxPods:        new(int32(58)),
			KubeReserved:   Overlay{Values: map[string]string{"cpu": "200m"}},
			SystemReserved: Overlay{Values: map[string]string{}},
			EvictionHard:   Overlay{Values: map[string]string{"memory.available": "5%"}},
			Unseen:         UnseenSettings{ClusterDNS: []string{"10.100.0.10"}},
		}},
		"Bottlerocket is told by settings": {"bottlerocket.toml", KubeletSettings{
			Labels:       map[string]string{"karpenter.sh/provisioner-name": "default"},
			Taints:       []corev1.Taint{web},
			MaxPods:      new(int32(29)),
			KubeReserved: Overlay{Values: map[string]string{"cpu": "200m"}},
			EvictionHard: Overlay{Values: map[string]string{"memory.available": "5%"}, Replaces: true},
			CountsPods:   true,
			Unseen:       unseen(),
		}},
		"Windows calls Start-EKSBootstrap.ps1": {"windows.ps1", KubeletSettings{
			Labels:       map[string]string{"karpenter.sh/provisioner-name": "default"},
			Taints:       []corev1.Taint{web},
			MaxPods:      new(int32(110)),
			NoENIMaxPods: true,
			EvictionHard: Overlay{Values: map[string]string{"memory.available": "5%"}, Replaces: true},
			CountsPods:   true,
			Windows:      true,
			Unseen:       UnseenSettings{ClusterDNS: []string{"10.100.0.10"}},
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			boot, err := DecodeUserData(testdata(t, tc.file))
			if err != nil {
				t.Fatal(err)
			}
			if err := boot.Joins(testIdentity(t)); err != nil {
				t.Errorf("the machine would not be let in: %s", err)
			}
			if diff := cmp.Diff(tc.want, boot.Kubelet); diff != "" {
				t.Errorf("kubelet settings (-want +got):\n%s", diff)
			}
		})
	}
}

// unseen is one value for each setting that no Node shows.
func unseen() UnseenSettings {
	return UnseenSettings{
		ClusterDNS: []string{"10.100.0.10"}, EvictionSoft: map[string]string{"memory.available": "10%"},
		EvictionSoftGracePeriod: map[string]string{"memory.available": "1m30s"}, EvictionMaxPodGracePeriod: new(int32(60)),
		ImageGCHighThresholdPercent: new(int32(70)), ImageGCLowThresholdPercent: new(int32(60)), CPUCFSQuota: new(false),
	}
}

// told returns user data with more for the kubelet than that of the file.
func told(t *testing.T, file, old, more string) string {
	t.Helper()
	whole := testdata(t, file)
	changed := strings.Replace(whole, old, old+more, 1)
	if changed == whole {
		t.Fatalf("%s does not contain %q", file, old)
	}
	return changed
}

func TestWhatNoNodeShowsIsReadFromEachKindOfUserData(t *testing.T) {
	for name, userData := range map[string]string{
		"AL2": told(t, "al2.mime", "--max-pods=29", " --eviction-soft=memory.available<10% --eviction-soft-grace-period=memory.available=1m30s"+
			" --eviction-max-pod-grace-period=60 --image-gc-high-threshold=70 --image-gc-low-threshold=60 --cpu-cfs-quota=false"),
		"AL2023": told(t, "al2023.mime", "      maxPods: 58\n", "      evictionSoft: {memory.available: 10%}\n"+
			"      evictionSoftGracePeriod: {memory.available: 1m30s}\n      evictionMaxPodGracePeriod: 60\n"+
			"      imageGCHighThresholdPercent: 70\n      imageGCLowThresholdPercent: 60\n      cpuCFSQuota: false\n"),
		"Bottlerocket": testdata(t, "bottlerocket.toml"),
	} {
		t.Run(name, func(t *testing.T) {
			boot, err := DecodeUserData(userData)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(unseen(), boot.Kubelet.Unseen); diff != "" {
				t.Errorf("settings (-want +got):\n%s", diff)
			}
		})
	}
}

func TestTheUsersOwnPartsDoNotKeepAMachineFromJoining(t *testing.T) {
	head, tail, found := strings.Cut(testdata(t, "al2.mime"), "\n\n")
	if !found {
		t.Fatal("the message has no head")
	}
	boundary, _, _ := strings.Cut(tail, "\n")
	for name, part := range map[string]string{
		"a script that no simple reader splits": "Content-Type: text/x-shellscript\n\n#!/usr/bin/python3\nprint('it''s')  # it's\n",
		"a cloud-config in base64":              "Content-Type: text/cloud-config\nContent-Transfer-Encoding: base64\n\nI2Nsb3VkLWNvbmZpZwo=\n",
	} {
		t.Run(name, func(t *testing.T) {
			boot, err := DecodeUserData(head + "\n\n" + boundary + "\n" + part + tail)
			if err == nil {
				err = boot.Joins(testIdentity(t))
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMistakesInUserDataKeepAMachineOut(t *testing.T) {
	cases := map[string]struct {
		file, old, new string
		want           string
	}{
		"AL2, another cluster's name":      {"al2.mime", "'quay'", "'pier'", `the token is for cluster "pier", this is "quay"`},
		"AL2, another endpoint":            {"al2.mime", ":26443", ":6443", "no API server of this cluster answers at https://127.0.0.1:6443"},
		"AL2, no endpoint":                 {"al2.mime", "--apiserver-endpoint 'https://127.0.0.1:26443'", "", "names no API server endpoint"},
		"AL2, a cut certificate":           {"al2.mime", "--b64-cluster-ca 'LS0t", "--b64-cluster-ca '", "decoding the certificate authority"},
		"AL2, an unknown kubelet flag":     {"al2.mime", "--max-pods=29", "--maximum-pods=29", "unknown flag: --maximum-pods"},
		"AL2, an unknown argument":         {"al2.mime", "--use-max-pods", "--maybe-max-pods", "unknown flag: --maybe-max-pods"},
		"AL2, a forbidden label":           {"al2.mime", "karpenter.sh/capacity-type", "node-role.kubernetes.io/worker", "may not set the label"},
		"AL2, a malformed taint":           {"al2.mime", "boot:NoExecute", "boot:Sometimes", `"boot:Sometimes" is not a taint`},
		"AL2, an open quote":               {"al2.mime", "'quay'", "'quay", "ends inside single quotes"},
		"AL2, an unexpanded variable":      {"al2.mime", "'quay'", "$CLUSTER", "needs a shell"},
		"AL2, a container runtime of old":  {"al2.mime", "--use-max-pods", "--container-runtime dockerd --use-max-pods", "no container runtime"},
		"AL2, images kept upside down":     {"al2.mime", "--max-pods=29", "--max-pods=29 --image-gc-high-threshold=70", "does not start"},
		"AL2, a soft threshold alone":      {"al2.mime", "--max-pods=29", "--max-pods=29 --eviction-soft=memory.available<5%", "no grace period"},
		"AL2, a period that is none":       {"al2.mime", "--max-pods=29", "--max-pods=29 --eviction-soft-grace-period=memory.available=soon", "no grace period"},
		"Bottlerocket, another cluster":    {"bottlerocket.toml", "'quay'", "'pier'", `the token is for cluster "pier"`},
		"Bottlerocket, no cluster":         {"bottlerocket.toml", "cluster-name = 'quay'\n", "", "names no cluster"},
		"Bottlerocket, a misspelt key":     {"bottlerocket.toml", "max-pods", "maximum-pods", "maximum-pods"},
		"Bottlerocket, a malformed taint":  {"bottlerocket.toml", "web:NoSchedule", "web", "no taint of dedicated"},
		"Bottlerocket, a forbidden label":  {"bottlerocket.toml", "karpenter.sh/provisioner-name", "node-role.kubernetes.io/worker", "may not set the label"},
		"Bottlerocket, a percentage above": {"bottlerocket.toml", "'70'", "'170'", "no percentage"},
		"AL2, no call":                     {"al2.mime", "/etc/eks/bootstrap.sh 'quay'", "true", "calls /etc/eks/bootstrap.sh 0 times"},
		"AL2023, another cluster's name":   {"al2023.mime", "name: quay", "name: pier", `the token is for cluster "pier", this is "quay"`},
		"AL2023, no service range":         {"al2023.mime", "    cidr: 10.100.0.0/16\n", "", "spec.cluster.cidr"},
		"AL2023, a misspelt field":         {"al2023.mime", "apiServerEndpoint", "apiserver-endpoint", "unknown field"},
		"AL2023, an unknown kubelet key":   {"al2023.mime", "maxPods: 58", "maxPod: 58", "unknown field"},
		"AL2023, no certificate":           {"al2023.mime", "certificateAuthority: ", "certificateAuthority: \"\" #", "holds no certificate authority"},
		"AL2023, another API version":      {"al2023.mime", "node.eks.aws/v1alpha1", "node.eks.aws/v1", "a NodeConfig is node.eks.aws/v1 NodeConfig"},
		"AL2023, a boundary that is lost":  {"al2023.mime", "--BOUNDARY--\n", "", "reading a MIME part"},
		"Windows, another cluster's name":  {"windows.ps1", "'quay'", "'pier'", `the token is for cluster "pier"`},
		"Windows, no cluster":              {"windows.ps1", "-EKSClusterName 'quay'", "", "-EKSClusterName is missing"},
		"Windows, an unknown parameter":    {"windows.ps1", "-DNSClusterIP", "-DNSIP", `no parameter for "-DNSIP"`},
		"Windows, a parameter twice":       {"windows.ps1", "-DNSClusterIP", "-EKSClusterName", "stated before"},
		"Windows, a variable for a value":  {"windows.ps1", "'quay'", "$name", "no value that stands for itself"},
		"Windows, an open quote":           {"windows.ps1", "'10.100.0.10'", "'10.100.0.10", "reading the PowerShell script"},
		"Windows, a tag within the script": {"windows.ps1", "'quay'", "'</PowerShell>'", "reading the PowerShell script"},
		"Windows, an unknown kubelet flag": {"windows.ps1", "--max-pods", "--maximum-pods", "unknown flag: --maximum-pods"},
		"Windows, a cut certificate":       {"windows.ps1", "'LS0t", "'", "decoding the certificate authority"},
		"Windows, no call":                 {"windows.ps1", "& \"", "\"", "0 times, not once"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			whole := testdata(t, tc.file)
			broken := strings.Replace(whole, tc.old, tc.new, 1)
			if broken == whole {
				t.Fatalf("%s does not contain %q", tc.file, tc.old)
			}
			boot, err := DecodeUserData(broken)
			if err == nil {
				err = boot.Joins(testIdentity(t))
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v does not say %q", err, tc.want)
			}
		})
	}
}

func TestUserDataWithoutMIMEIsReadByItsFirstBytes(t *testing.T) {
	script := "#!/bin/bash\n/etc/eks/bootstrap.sh quay --apiserver-endpoint https://x"
	config := "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\n" +
		"spec: {cluster: {name: quay, apiServerEndpoint: https://x, cidr: 10.0.0.0/16}}"
	for name, userData := range map[string]string{"script": script, "NodeConfig": config} {
		t.Run(name, func(t *testing.T) {
			boot, err := DecodeUserData(userData)
			if err != nil {
				t.Fatal(err)
			}
			if boot.ClusterName != testCluster || boot.Endpoint != "https://x" {
				t.Errorf("got %+v", boot)
			}
		})
	}
	for name, userData := range map[string]string{"nothing": " \n", "something else": "[settings.kubernetes]"} {
		t.Run(name, func(t *testing.T) {
			if _, err := DecodeUserData(userData); err == nil {
				t.Error("it was read")
			}
		})
	}
}

func TestScriptsAreSplitAsAShellWould(t *testing.T) {
	cases := map[string]struct {
		script string
		want   [][]string
	}{
		"quotes join":              {`a 'b c'"d e"f`, [][]string{{"a", "b cd ef"}}},
		"empty words count":        {`a '' ""`, [][]string{{"a", "", ""}}},
		"lines continue":           {"a \\\n  b\nc", [][]string{{"a", "b"}, {"c"}}},
		"comments end with a line": {"a # b 'c\nd e#f", [][]string{{"a"}, {"d", "e#f"}}},
		"operators separate":       {"a && b; c | d", [][]string{{"a"}, {"b"}, {"c"}, {"d"}}},
		"escapes protect":          {`a\ b "c\"d\$e\f"`, [][]string{{"a b", `c"d$e\f`}}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			commands, err := shellCommands(tc.script)
			if err != nil {
				t.Fatal(err)
			}
			var got [][]string
			for _, command := range commands {
				var words []string
				for _, w := range command {
					words = append(words, w.text)
				}
				got = append(got, words)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("commands (-want +got):\n%s", diff)
			}
		})
	}
}
