package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/machines"
	"github.com/kerf-autoscaler/kerf/pkg/options"
)

// indexer keeps the indexes that are set up.
type indexer struct {
	values map[string]client.IndexerFunc
	fail   error
}

func (i *indexer) IndexField(_ context.Context, _ client.Object, field string, value client.IndexerFunc) error {
	i.values[field] = value
	return i.fail
}

func TestIndexesLeaveOutWhatHasNoValue(t *testing.T) {
	grouped := &v1alpha5.Machine{}
	grouped.Spec.LaunchGroup = &v1alpha5.LaunchGroup{Name: "group"}
	asking := &v1alpha5.Machine{}
	asking.Status.Launch = &v1alpha5.Launch{Group: "group"}
	launched := asking.DeepCopy()
	launched.Status.ProviderID = "fake:///i-1"
	going := asking.DeepCopy()
	going.DeletionTimestamp = &metav1.Time{Time: time.Now()}
	tests := map[string]struct {
		index     string
		full, not client.Object
		want      string
	}{
		"nodes by provider id": {machines.IndexNodeProviderID, &corev1.Node{Spec: corev1.NodeSpec{ProviderID: "fake:///i-1"}}, &corev1.Node{}, "fake:///i-1"},
		"pods by node":         {machines.IndexPodNodeName, &corev1.Pod{Spec: corev1.PodSpec{NodeName: "node"}}, &corev1.Pod{}, "node"},
		"attachments by node": {machines.IndexAttachmentNodeName, &storagev1.VolumeAttachment{Spec: storagev1.VolumeAttachmentSpec{NodeName: "node"}},
			&storagev1.VolumeAttachment{}, "node"},
		"machines by provider id":   {machines.IndexMachineProviderID, launched, &v1alpha5.Machine{}, "fake:///i-1"},
		"machines by instance":      {machines.IndexMachineInstance, launched, &v1alpha5.Machine{}, "i-1"},
		"machines without answer":   {machines.IndexMachineAwaiting, asking, launched, machines.Awaiting},
		"machines that ask nobody":  {machines.IndexMachineAwaiting, asking, &v1alpha5.Machine{}, machines.Awaiting},
		"machines that go":          {machines.IndexMachineAwaiting, asking, going, machines.Awaiting},
		"machines by launch group":  {machines.IndexMachineLaunchGroup, grouped, &v1alpha5.Machine{}, "group"},
		"machines of no known name": {machines.IndexMachineLaunchGroup, grouped, &v1alpha5.Machine{Spec: v1alpha5.MachineSpec{LaunchGroup: &v1alpha5.LaunchGroup{}}}, "group"},
	}
	kept := &indexer{values: map[string]client.IndexerFunc{}}
	if err := Index(t.Context(), kept); err != nil {
		t.Fatal(err)
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := kept.values[tc.index](tc.full); !slices.Equal(got, []string{tc.want}) {
				t.Errorf("indexed as %v, want %s", got, tc.want)
			}
			if got := kept.values[tc.index](tc.not); len(got) != 0 {
				t.Errorf("an object without a value is indexed as %v", got)
			}
		})
	}
}

func TestAnIndexThatFailsIsNamed(t *testing.T) {
	cause := errors.New("no")
	err := Index(t.Context(), &indexer{values: map[string]client.IndexerFunc{}, fail: cause})
	if !errors.Is(err, cause) || !strings.Contains(err.Error(), machines.IndexNodeProviderID) {
		t.Errorf("got %v", err)
	}
}

func TestThePortZeroServesNothing(t *testing.T) {
	tests := map[string]struct {
		host string
		port int
		want string
	}{
		"none":          {"", 0, "0"},
		"negative":      {"127.0.0.1", -1, "0"},
		"every address": {"", 8080, ":8080"},
		"one address":   {"127.0.0.1", 8080, "127.0.0.1:8080"},
		"IPv6":          {"::1", 8080, "[::1]:8080"},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if got := address(tc.host, tc.port); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestTheSchemeKnowsKerfsKindsAndKubernetes(t *testing.T) {
	scheme, err := NewScheme()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"Provisioner", "ProvisionerList", "Machine", "MachineList"} {
		if !scheme.Recognizes(v1alpha5.GroupVersion().WithKind(kind)) {
			t.Errorf("%s is unknown", kind)
		}
	}
	if !scheme.Recognizes(corev1.SchemeGroupVersion.WithKind("Pod")) {
		t.Error("Pod is unknown")
	}
}

func TestTheLogIsOneObjectALine(t *testing.T) {
	var out bytes.Buffer
	logger, err := NewLogger(&out, "info")
	if err != nil {
		t.Fatal(err)
	}
	logger.WithName("machine").Info("launched", "providerID", "fake:///i-1", "took", 1500*time.Millisecond)
	logger.V(1).Info("a detail")
	logger.Error(errors.New("no"), "launching")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines, want 2 without the detail:\n%s", len(lines), out.String())
	}
	var first map[string]any
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil {
		t.Fatal(err)
	}
	if _, err := time.Parse(time.RFC3339Nano, first["time"].(string)); err != nil {
		t.Errorf("the time does not parse: %s", err)
	}
	delete(first, "time")
	want := map[string]any{"level": "info", "logger": "machine", "msg": "launched", "providerID": "fake:///i-1", "took": "1.5s"}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("first line (-want +got):\n%s", diff)
	}
}

func TestALevelThatIsNoneIsRefused(t *testing.T) {
	if _, err := NewLogger(&bytes.Buffer{}, "loud"); err == nil || !strings.Contains(err.Error(), "loud") {
		t.Errorf("got %v", err)
	}
}

func TestTheConnectionHasKerfsLimits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kubeconfig")
	content := `{"apiVersion": "v1", "kind": "Config", "current-context": "a",
		"clusters": [{"name": "a", "cluster": {"server": "https://127.0.0.1:1"}}],
		"contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}], "users": [{"name": "a", "user": {"token": "x"}}]}`
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := RestConfig(options.Options{Kubeconfig: path, KubeClientQPS: 12.5, KubeClientBurst: 34})
	if err != nil {
		t.Fatal(err)
	}
	if got.QPS != 12.5 || got.Burst != 34 || got.UserAgent != "kerf" || got.Host != "https://127.0.0.1:1" {
		t.Errorf("got %s with %g/%d as %s", got.Host, got.QPS, got.Burst, got.UserAgent)
	}
}

func TestAKubeconfigThatIsNotThereIsNamed(t *testing.T) {
	if _, err := RestConfig(options.Options{Kubeconfig: "/nowhere/kubeconfig"}); err == nil || !strings.Contains(err.Error(), "/nowhere/kubeconfig") {
		t.Errorf("got %v", err)
	}
}
