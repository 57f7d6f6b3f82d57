package userdata

import (
	"encoding/base64"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pelletier/go-toml/v2"
	"k8s.io/utils/ptr"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
)

func readSettings(t *testing.T, n Node) map[string]any {
	t.Helper()
	out, err := Render(awsv1alpha1.AMIFamilyBottlerocket, n)
	if err != nil {
		t.Fatal(err)
	}
	var read struct{ Settings map[string]any }
	if err := toml.Unmarshal([]byte(out), &read); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	return read.Settings
}

func TestBottlerocketReadsWhatIsAskedAndKeepsWhatTheUserSays(t *testing.T) {
	want := map[string]any{
		"kernel":             map[string]any{"sysctl": map[string]any{"vm.max_map_count": "262144"}},
		"container-registry": map[string]any{"mirrors": []any{map[string]any{"registry": "docker.io", "endpoint": []any{"https://mirror.example"}}}},
		"kubernetes": map[string]any{
			"cluster-name": "demo", "api-server": "https://demo.eks", "cluster-certificate": base64.StdEncoding.EncodeToString([]byte("CERTIFICATE")),
			"standalone-mode": false, "max-pods": int64(5), "cluster-dns-ip": "10.0.0.53",
			"node-labels": map[string]any{
				"team": "a", "rack": "r1", "karpenter.sh/provisioner-name": "default", "karpenter.sh/capacity-type": "spot", "node.kubernetes.io/pool": "p",
			},
			"node-taints":                     map[string]any{"dedicated": []any{"gpu:NoSchedule"}, "node.cilium.io/agent-not-ready": []any{":NoExecute"}},
			"kube-reserved":                   map[string]any{"cpu": "200m", "memory": "574Mi", "ephemeral-storage": "1Gi"},
			"system-reserved":                 map[string]any{"cpu": "100m", "memory": "100Mi"},
			"eviction-hard":                   map[string]any{"memory.available": "5%", "nodefs.available": "10%", "nodefs.inodesFree": "5%"},
			"eviction-soft":                   map[string]any{"memory.available": "10%", "nodefs.available": "3Gi"},
			"eviction-soft-grace-period":      map[string]any{"memory.available": "1m30s", "nodefs.available": "5m0s"},
			"eviction-max-pod-grace-period":   int64(120),
			"image-gc-high-threshold-percent": "70", "image-gc-low-threshold-percent": "60", "cpu-cfs-quota-enforced": false,
		},
	}
	if diff := cmp.Diff(want, readSettings(t, owned(full(), ownTOML))); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

func TestOfBottlerocketsSettingsTheUsersCountWhereNothingIsConfigured(t *testing.T) {
	const own = "[settings.kubernetes]\nmax-pods = 5\ncluster-dns-ip = '169.254.20.10'\n"
	for name, tc := range map[string]struct {
		own    string
		config *v1alpha5.KubeletConfiguration
		pods   any
		dns    any
	}{
		"nobody says anything":     {"", nil, int64(29), "172.20.0.10"},
		"the user data says":       {own, nil, int64(5), "169.254.20.10"},
		"the configuration says":   {"", &v1alpha5.KubeletConfiguration{MaxPods: ptr.To[int32](29), ClusterDNS: []string{"10.0.0.53"}}, int64(29), "10.0.0.53"},
		"the configuration counts": {own, &v1alpha5.KubeletConfiguration{MaxPods: ptr.To[int32](29), ClusterDNS: []string{"10.0.0.53"}}, int64(29), "10.0.0.53"},
	} {
		t.Run(name, func(t *testing.T) {
			n := owned(plain(), tc.own)
			n.Kubelet = tc.config
			kubernetes, _ := readSettings(t, n)["kubernetes"].(map[string]any)
			if kubernetes["max-pods"] != tc.pods || kubernetes["cluster-dns-ip"] != tc.dns {
				t.Errorf("max-pods %v, cluster-dns-ip %v; want %v, %v", kubernetes["max-pods"], kubernetes["cluster-dns-ip"], tc.pods, tc.dns)
			}
		})
	}
}

func TestBottlerocketsSettingsAreWrittenAlikeEachTime(t *testing.T) {
	first, err := Render(awsv1alpha1.AMIFamilyBottlerocket, owned(full(), ownTOML))
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		if again, err := Render(awsv1alpha1.AMIFamilyBottlerocket, owned(full(), ownTOML)); err != nil || again != first {
			t.Fatalf("%v, first\n%s\nthen\n%s", err, first, again)
		}
	}
}

// FuzzTheUsersTOMLSurvivesTheMerge holds that kerf changes no setting but those for Kubernetes, whatever there is.
func FuzzTheUsersTOMLSurvivesTheMerge(f *testing.F) {
	for _, own := range []string{"", ownTOML, "a = 1979-05-27T07:32:00Z\nb = 07:32:00\nc = [1, 'x', {d = 1.5}]\n", "\"settings\".kubernetes.x = inf\n", "[[a]]\nb = \"\"\"\n\n'\"\"\"\n"} {
		f.Add(own)
	}
	f.Fuzz(func(t *testing.T, own string) {
		var before, after map[string]any
		if toml.Unmarshal([]byte(own), &before) != nil {
			return
		}
		out, err := Render(awsv1alpha1.AMIFamilyBottlerocket, owned(full(), own))
		if err != nil {
			return // settings are not what they should be, or too long
		}
		if err := toml.Unmarshal([]byte(out), &after); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		for _, document := range []map[string]any{before, after} {
			if settings, ok := document["settings"].(map[string]any); ok {
				delete(settings, "kubernetes")
				if len(settings) == 0 {
					delete(document, "settings")
				}
			}
		}
		if len(before)+len(after) > 0 && !cmp.Equal(before, after, cmp.Comparer(func(a, b float64) bool { return a == b || a != a && b != b })) {
			t.Errorf("%v became %v", before, after)
		}
	})
}
