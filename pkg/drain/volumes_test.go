package drain_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/pkg/drain"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func TestVolumesThatHaveToComeOff(t *testing.T) {
	attached := func(names ...string) []storagev1.VolumeAttachment {
		var out []storagev1.VolumeAttachment
		for _, name := range names {
			out = append(out, storagev1.VolumeAttachment{Spec: storagev1.VolumeAttachmentSpec{
				Source: storagev1.VolumeAttachmentSource{PersistentVolumeName: &name},
			}})
		}
		return out
	}
	tests := map[string]struct {
		attachments []storagev1.VolumeAttachment
		kept        map[string]bool
		want        []string
	}{
		"none":                            {},
		"in order, each once":             {attached("b", "a", "b"), nil, []string{"a", "b"}},
		"not those of pods that stay":     {attached("a", "b"), map[string]bool{"a": true}, []string{"b"}},
		"what is no volume of the API's":  {[]storagev1.VolumeAttachment{{}}, nil, nil},
		"not what nobody has claimed yet": {attached("a"), map[string]bool{"": true}, []string{"a"}},
	}
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, drain.Attached(tc.attachments, tc.kept)); diff != "" {
				t.Errorf("volumes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestClaimsOfAPod(t *testing.T) {
	pod := on("p", builders.Claim("data"), emptyDir("scratch"), volume("own", corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}))
	want := []types.NamespacedName{{Namespace: "default", Name: "data"}, {Namespace: "default", Name: "p-own"}}
	if diff := cmp.Diff(want, drain.Claims(pod)); diff != "" {
		t.Errorf("claims (-want +got):\n%s", diff)
	}
}

func TestPodsThatHaveEndedKeepNoVolumes(t *testing.T) {
	list := []*corev1.Pod{on("runs"), on("done", phase(corev1.PodSucceeded)), on("failed", phase(corev1.PodFailed)), on("ends", ending(now()))}
	if diff := cmp.Diff([]string{"ends", "runs"}, names(drain.Staying(list))); diff != "" {
		t.Errorf("staying (-want +got):\n%s", diff)
	}
	if len(list) != 4 || list[1].Name != "done" {
		t.Error("the list was changed")
	}
}
