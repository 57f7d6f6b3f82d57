package userdata

import (
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/test/kubelets"
)

// certificate returns a certificate as kubelets want one; that it is another's does not matter.
func certificate(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "..", "test", "kubelets", "testdata", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAKubeletStartsWithAllThatIsAsked has the user data of each family read by what stands for its images.
func TestAKubeletStartsWithAllThatIsAsked(t *testing.T) {
	// Flags and Bottlerocket's settings stand in place of all eviction thresholds, files in place of those that they name.
	flags, file := kubelets.Overlay{Replaces: true}, kubelets.Overlay{}
	for family, tc := range map[string]struct {
		own                string
		reserved, eviction kubelets.Overlay
		countsPods         bool
		maxPods            bool // that the image is told not to count network interfaces
		podsPerCore        int32
		moreLabels         map[string]string
		windows            bool
	}{
		awsv1alpha1.AMIFamilyAL2:          {own: ownMessage, reserved: flags, eviction: flags, maxPods: true, podsPerCore: 4},
		awsv1alpha1.AMIFamilyUbuntu:       {own: "#!/bin/sh\ntrue\n", reserved: flags, eviction: flags, maxPods: true, podsPerCore: 4},
		awsv1alpha1.AMIFamilyAL2023:       {own: ownMessage, reserved: file, eviction: file, podsPerCore: 4},
		awsv1alpha1.AMIFamilyBottlerocket: {own: ownTOML, reserved: file, eviction: flags, countsPods: true, moreLabels: map[string]string{"rack": "r1"}},
		awsv1alpha1.AMIFamilyWindows2019:  {own: ownPowerShell, reserved: flags, eviction: flags, countsPods: true, maxPods: true, podsPerCore: 4, windows: true},
		awsv1alpha1.AMIFamilyWindows2022:  {own: "Get-Date", reserved: flags, eviction: flags, countsPods: true, maxPods: true, podsPerCore: 4, windows: true},
		awsv1alpha1.AMIFamilyWindows2025:  {reserved: flags, eviction: flags, countsPods: true, maxPods: true, podsPerCore: 4, windows: true},
	} {
		t.Run(family, func(t *testing.T) {
			n := owned(full(), tc.own)
			n.Cluster.CA = certificate(t)
			n.Kubelet.MaxPods = new(int32(n.MaxPods))
			out, err := Render(family, n)
			if err != nil {
				t.Fatal(err)
			}
			got, err := kubelets.DecodeUserData(out)
			if err == nil {
				err = got.Joins(kubelets.Cluster{Name: "demo", Endpoint: "https://demo.eks", CertificateAuthority: []byte(n.Cluster.CA)})
			}
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			with := func(o kubelets.Overlay, values map[string]string) kubelets.Overlay { o.Values = values; return o }
			want := kubelets.KubeletSettings{
				Labels: map[string]string{"team": "a", "karpenter.sh/provisioner-name": "default", "karpenter.sh/capacity-type": "spot", "node.kubernetes.io/pool": "p"},
				Taints: []corev1.Taint{
					{Key: "dedicated", Value: "gpu", Effect: corev1.TaintEffectNoSchedule}, {Key: "node.cilium.io/agent-not-ready", Effect: corev1.TaintEffectNoExecute},
				},
				MaxPods: n.Kubelet.MaxPods, NoENIMaxPods: tc.maxPods, PodsPerCore: tc.podsPerCore, CountsPods: tc.countsPods, Windows: tc.windows,
				KubeReserved:   with(tc.reserved, map[string]string{"cpu": "200m", "memory": "574Mi", "ephemeral-storage": "1Gi"}),
				SystemReserved: with(tc.reserved, map[string]string{"cpu": "100m", "memory": "100Mi"}),
				EvictionHard:   with(tc.eviction, map[string]string{"memory.available": "5%", "nodefs.available": "10%", "nodefs.inodesFree": "5%"}),
				Unseen: kubelets.UnseenSettings{
					ClusterDNS: []string{"10.0.0.53"}, CPUCFSQuota: new(false), EvictionMaxPodGracePeriod: ptr.To[int32](120),
					EvictionSoft:                map[string]string{"memory.available": "10%", "nodefs.available": "3Gi"},
					EvictionSoftGracePeriod:     map[string]string{"memory.available": "1m30s", "nodefs.available": "5m0s"},
					ImageGCHighThresholdPercent: ptr.To[int32](70), ImageGCLowThresholdPercent: ptr.To[int32](60),
				},
			}
			if tc.windows { // which counts no inodes
				delete(want.EvictionHard.Values, "nodefs.inodesFree")
			}
			maps.Copy(want.Labels, tc.moreLabels)
			byKey := cmpopts.SortSlices(func(a, b corev1.Taint) bool { return a.Key < b.Key })
			if diff := cmp.Diff(want, got.Kubelet, byKey); diff != "" {
				t.Errorf("kubelet (-want +got):\n%s", diff)
			}
		})
	}
}
