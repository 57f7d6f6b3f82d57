package userdata

import (
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/cloudprovider/aws/cluster"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func plain() Node {
	return Node{
		Cluster: cluster.Facts{Name: "demo", Endpoint: "https://demo.eks", CA: "CERTIFICATE", Version: "1.32", ServiceCIDR: "172.20.0.0/16"},
		MaxPods: 29,
	}
}

func full() Node {
	n := plain()
	n.Labels = map[string]string{
		"team": "a", "karpenter.sh/provisioner-name": "default", "karpenter.sh/capacity-type": "spot",
		"node-restriction.kubernetes.io/tenant": "secret", "kops.k8s.io/x": "y", "node.kubernetes.io/pool": "p",
	}
	n.Taints = []corev1.Taint{
		{Key: "dedicated", Value: "gpu", Effect: corev1.TaintEffectNoSchedule},
		{Key: "node.cilium.io/agent-not-ready", Effect: corev1.TaintEffectNoExecute},
		{Key: "no-effect"},
	}
	n.Kubelet = &v1alpha5.KubeletConfiguration{
		ClusterDNS: []string{"10.0.0.53", "10.0.0.54"}, PodsPerCore: ptr.To[int32](4),
		KubeReserved:   corev1.ResourceList{"cpu": resource.MustParse("200m")},
		SystemReserved: corev1.ResourceList{"memory": resource.MustParse("100Mi"), "cpu": resource.MustParse("0.1")},
		EvictionHard:   map[string]string{"memory.available": "5%"},
		EvictionSoft:   map[string]string{"memory.available": "10%", "nodefs.available": "3Gi"},
		EvictionSoftGracePeriod: map[string]metav1.Duration{
			"memory.available": {Duration: 90 * time.Second}, "nodefs.available": {Duration: 5 * time.Minute},
		},
		EvictionMaxPodGracePeriod: ptr.To[int32](120), ImageGCHighThresholdPercent: ptr.To[int32](70), ImageGCLowThresholdPercent: ptr.To[int32](60),
		CPUCFSQuota: new(false), ContainerRuntime: new("containerd"),
	}
	n.KubeReserved = corev1.ResourceList{"cpu": resource.MustParse("200m"), "memory": resource.MustParse("574Mi"), "ephemeral-storage": resource.MustParse("1Gi")}
	return n
}

func TestUserDataIsAsRecorded(t *testing.T) {
	for name, tc := range map[string]struct {
		family string
		node   Node
	}{
		"al2_plain":           {awsv1alpha1.AMIFamilyAL2, plain()},
		"al2_full":            {awsv1alpha1.AMIFamilyAL2, full()},
		"al2023_plain":        {awsv1alpha1.AMIFamilyAL2023, plain()},
		"al2023_full":         {awsv1alpha1.AMIFamilyAL2023, full()},
		"ubuntu_full":         {awsv1alpha1.AMIFamilyUbuntu, full()},
		"bottlerocket_plain":  {awsv1alpha1.AMIFamilyBottlerocket, plain()},
		"bottlerocket_full":   {awsv1alpha1.AMIFamilyBottlerocket, full()},
		"al2_merged":          {awsv1alpha1.AMIFamilyAL2, owned(plain(), ownMessage)},
		"al2023_merged":       {awsv1alpha1.AMIFamilyAL2023, owned(plain(), ownNodeConfig)},
		"bottlerocket_merged": {awsv1alpha1.AMIFamilyBottlerocket, owned(full(), ownTOML)},
		"custom":              {awsv1alpha1.AMIFamilyCustom, owned(full(), "#!/bin/sh\nexec my-own-start\n")},
		"al2_ipv6":            {awsv1alpha1.AMIFamilyAL2, ipv6()},
		"ubuntu_merged":       {awsv1alpha1.AMIFamilyUbuntu, owned(plain(), "#!/bin/bash\necho 'hi'\n")},
		"al2_disks":           {awsv1alpha1.AMIFamilyAL2, onLocalDisks("")},
		"al2023_disks":        {awsv1alpha1.AMIFamilyAL2023, onLocalDisks("")},
		"bottlerocket_disks":  {awsv1alpha1.AMIFamilyBottlerocket, onLocalDisks(ownCommands)},
		"windows_plain":       {awsv1alpha1.AMIFamilyWindows2019, plain()},
		"windows_full":        {awsv1alpha1.AMIFamilyWindows2022, full()},
		"windows_merged":      {awsv1alpha1.AMIFamilyWindows2025, owned(plain(), ownPowerShell)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Render(tc.family, tc.node)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".golden")
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
				t.Errorf("user data (-want +got):\n%s", diff)
			}
			if _, err := structureOf(tc.family, string(want)); err != nil {
				t.Errorf("what is recorded cannot be read: %v", err)
			}
		})
	}
}

// document is a part of user data as a mail program reads it.
type document struct{ mediaType, body string }

func documents(userData string) ([]document, error) {
	m, err := mail.ReadMessage(strings.NewReader(userData))
	if err != nil {
		return nil, err
	}
	_, parameters, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return nil, err
	}
	var out []document
	for parts := multipart.NewReader(m.Body, parameters["boundary"]); ; {
		part, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, err
		}
		mediaType, _, err := mime.ParseMediaType(part.Header.Get("Content-Type"))
		if err != nil {
			return nil, err
		}
		out = append(out, document{mediaType, string(content)})
	}
}

// onlyPart reads user data that has one part.
func onlyPart(userData string) (mediaType, body string, err error) {
	all, err := documents(userData)
	if err != nil {
		return "", "", err
	}
	if len(all) != 1 {
		return "", "", fmt.Errorf("there are %d parts", len(all))
	}
	return all[0].mediaType, all[0].body, nil
}

func TestNodeadmReadsWhatIsAsked(t *testing.T) {
	got, err := Render(awsv1alpha1.AMIFamilyAL2023, full())
	if err != nil {
		t.Fatal(err)
	}
	mediaType, body, err := onlyPart(got)
	if err != nil {
		t.Fatal(err)
	}
	if mediaType != "application/node.eks.aws" {
		t.Errorf("media type = %q", mediaType)
	}
	var read map[string]any
	if err := yaml.UnmarshalStrict([]byte(body), &read); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"apiVersion": "node.eks.aws/v1alpha1", "kind": "NodeConfig",
		"spec": map[string]any{
			"cluster": map[string]any{
				"name": "demo", "apiServerEndpoint": "https://demo.eks", "cidr": "172.20.0.0/16",
				"certificateAuthority": base64.StdEncoding.EncodeToString([]byte("CERTIFICATE")),
			},
			"kubelet": map[string]any{
				"flags": []any{"--node-labels=karpenter.sh/capacity-type=spot,karpenter.sh/provisioner-name=default,node.kubernetes.io/pool=p,team=a"},
				"config": map[string]any{
					"clusterDNS": []any{"10.0.0.53"}, "maxPods": 29.0, "podsPerCore": 4.0,
					"kubeReserved":              map[string]any{"cpu": "200m", "memory": "574Mi", "ephemeral-storage": "1Gi"},
					"systemReserved":            map[string]any{"cpu": "100m", "memory": "100Mi"},
					"evictionHard":              map[string]any{"memory.available": "5%", "nodefs.available": "10%", "nodefs.inodesFree": "5%"},
					"evictionSoft":              map[string]any{"memory.available": "10%", "nodefs.available": "3Gi"},
					"evictionSoftGracePeriod":   map[string]any{"memory.available": "1m30s", "nodefs.available": "5m0s"},
					"evictionMaxPodGracePeriod": 120.0, "imageGCHighThresholdPercent": 70.0, "imageGCLowThresholdPercent": 60.0, "cpuCFSQuota": false,
					"registerWithTaints": []any{
						map[string]any{"key": "dedicated", "value": "gpu", "effect": "NoSchedule"},
						map[string]any{"key": "node.cilium.io/agent-not-ready", "effect": "NoExecute"},
					},
				},
			},
		},
	}
	if diff := cmp.Diff(want, read); diff != "" {
		t.Errorf("NodeConfig (-want +got):\n%s", diff)
	}
}

func TestWhatAKubeletWouldNotStartWithIsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*Node)
		want   string
	}{
		"a label value with a blank":           {func(n *Node) { n.Labels = map[string]string{"team": "a b"} }, `label "team"`},
		"a label key with a quote":             {func(n *Node) { n.Labels = map[string]string{"te'am": "a"} }, "label"},
		"a taint value with a quote":           {func(n *Node) { n.Taints = []corev1.Taint{{Key: "k", Value: `'; reboot; '`, Effect: "NoSchedule"}} }, "taint"},
		"a taint with an odd effect":           {func(n *Node) { n.Taints = []corev1.Taint{{Key: "k", Effect: "Explode"}} }, "Explode"},
		"a DNS address that is none":           {func(n *Node) { n.Kubelet = &v1alpha5.KubeletConfiguration{ClusterDNS: []string{"$(id)"}} }, "clusterDNS"},
		"a threshold that is none":             {func(n *Node) { n.Kubelet = eviction("memory.available", "a lot") }, "memory.available"},
		"a percentage above 100":               {func(n *Node) { n.Kubelet = eviction("memory.available", "101%") }, "101%"},
		"a signal that is none":                {func(n *Node) { n.Kubelet = eviction("mood.available", "5%") }, "mood.available"},
		"a cluster name over lines":            {func(n *Node) { n.Cluster.Name = "a\n--//" }, "cluster name"},
		"a cluster name that is no text":       {func(n *Node) { n.Cluster.Name = "a\xff" }, "cluster name"},
		"an endpoint that is a flag":           {func(n *Node) { n.Cluster.Endpoint = "--use-max-pods" }, "starts with a hyphen"},
		"a container runtime that is none":     {func(n *Node) { n.Kubelet = &v1alpha5.KubeletConfiguration{ContainerRuntime: new("rkt")} }, "containerRuntime"},
		"a container runtime of the past":      {func(n *Node) { n.Kubelet = &v1alpha5.KubeletConfiguration{ContainerRuntime: new("dockerd")} }, "1.24"},
		"a threshold of nothing":               {func(n *Node) { n.Kubelet = eviction("memory.available", "0") }, "above 0"},
		"a soft threshold without period":      {func(n *Node) { n.Kubelet = soft("memory.available", "5%") }, "no period"},
		"a period without soft threshold":      {func(n *Node) { n.Kubelet = soft("", "", "memory.available", "1m") }, "no threshold"},
		"a negative period":                    {func(n *Node) { n.Kubelet = soft("memory.available", "5%", "memory.available", "-1m") }, "negative"},
		"a soft signal that is none":           {func(n *Node) { n.Kubelet = soft("mood.available", "5%", "mood.available", "1m") }, "mood.available"},
		"image thresholds that are equal":      {func(n *Node) { n.Kubelet = imageGC(ptr.To[int32](80), ptr.To[int32](80)) }, "imageGCLowThresholdPercent 80"},
		"an upper one below the default":       {func(n *Node) { n.Kubelet = imageGC(ptr.To[int32](70), nil) }, "imageGCLowThresholdPercent 80"},
		"a lower one above the default":        {func(n *Node) { n.Kubelet = imageGC(nil, ptr.To[int32](90)) }, "imageGCHighThresholdPercent 85"},
		"an image threshold above all":         {func(n *Node) { n.Kubelet = imageGC(ptr.To[int32](101), nil) }, "from 0 to 100"},
		"user data that is not MIME after all": {func(n *Node) { n.UserData = "MIME-Version: 1.0\nnonsense" }, "MIME"},
		"an unknown reserved key": {func(n *Node) {
			n.Kubelet = &v1alpha5.KubeletConfiguration{SystemReserved: corev1.ResourceList{"gpu": resource.MustParse("1")}}
		}, "systemReserved"},
		"more than EC2 takes in all":  {func(n *Node) { n.Labels = manyLabels() }, "16384"},
		"an unknown family of images": {nil, "Haiku"},
	} {
		t.Run(name, func(t *testing.T) {
			node, family := plain(), awsv1alpha1.AMIFamilyAL2
			if tc.change == nil {
				family = "Haiku"
			} else {
				tc.change(&node)
			}
			if _, err := Render(family, node); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error = %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestARefusalReadsTheSameEachTime(t *testing.T) {
	node := plain()
	node.Cluster.Name, node.Cluster.Endpoint, node.Cluster.ServiceCIDR = "a\n", "b\n", "c\n"
	node.Kubelet = eviction("mood.available", "5%")
	node.Kubelet.EvictionHard["luck.available"] = "5%"
	node.Kubelet.SystemReserved = corev1.ResourceList{"gpu": resource.MustParse("1"), "luck": resource.MustParse("1")}
	_, first := Render(awsv1alpha1.AMIFamilyAL2, node)
	for range 20 {
		if _, again := Render(awsv1alpha1.AMIFamilyAL2, node); again == nil || again.Error() != first.Error() {
			t.Fatalf("first %v, then %v", first, again)
		}
	}
}

func eviction(signal, threshold string) *v1alpha5.KubeletConfiguration {
	return &v1alpha5.KubeletConfiguration{EvictionHard: map[string]string{signal: threshold}}
}

// soft is a threshold for a signal, and a period for one, if there is one.
func soft(signal, threshold string, period ...string) *v1alpha5.KubeletConfiguration {
	c := &v1alpha5.KubeletConfiguration{EvictionSoft: map[string]string{}, EvictionSoftGracePeriod: map[string]metav1.Duration{}}
	if signal != "" {
		c.EvictionSoft[signal] = threshold
	}
	if len(period) == 2 {
		d, _ := time.ParseDuration(period[1])
		c.EvictionSoftGracePeriod[period[0]] = metav1.Duration{Duration: d}
	}
	return c
}

func imageGC(high, low *int32) *v1alpha5.KubeletConfiguration {
	return &v1alpha5.KubeletConfiguration{ImageGCHighThresholdPercent: high, ImageGCLowThresholdPercent: low}
}

func manyLabels() map[string]string {
	out := map[string]string{}
	for i := range 400 {
		out[fmt.Sprintf("label-%d", i)] = strings.Repeat("v", 60)
	}
	return out
}

func TestAL2023NeedsTheServiceRange(t *testing.T) {
	node := plain()
	node.Cluster.ServiceCIDR = ""
	if _, err := Render(awsv1alpha1.AMIFamilyAL2023, node); err == nil || !strings.Contains(err.Error(), "allow eks:DescribeCluster or set --cluster-service-cidr") {
		t.Errorf("error = %v, want one that says what to do", err)
	}
	if _, err := Render(awsv1alpha1.AMIFamilyAL2, node); err != nil {
		t.Errorf("AL2 does without: %v", err)
	}
}
