package state_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kerf-autoscaler/kerf/pkg/state"
	"github.com/kerf-autoscaler/kerf/test/builders"
)

func namespace(name, team string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"team": team}}}
}

func TestASnapshotKeepsTheStorageAndNamespacesOfItsMoment(t *testing.T) {
	c := state.NewCluster()
	if s := c.Snapshot(start()); s.Namespaces != nil || len(s.Storage.Claims) != 0 {
		t.Errorf("an empty model has namespaces %v and claims %v", s.Namespaces, s.Storage.Claims)
	}
	c.UpdateNamespace(namespace("shop", "a"))
	c.UpdateVolume(builders.PersistentVolume("v"))
	before := c.Snapshot(start())
	c.UpdateNamespace(namespace("shop", "b"))
	c.UpdateNamespace(namespace("pay", "b"))
	c.DeleteVolume("v")
	c.DeleteVolume("never-seen")
	after := c.Snapshot(start())

	if diff := cmp.Diff(map[string]map[string]string{"shop": {"team": "a"}}, before.Namespaces); diff != "" {
		t.Errorf("namespaces of the first snapshot (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]map[string]string{"shop": {"team": "b"}, "pay": {"team": "b"}}, after.Namespaces); diff != "" {
		t.Errorf("namespaces of the second snapshot (-want +got):\n%s", diff)
	}
	if len(before.Storage.Volumes) != 1 || len(after.Storage.Volumes) != 0 {
		t.Errorf("volumes are %v, then %v", before.Storage.Volumes, after.Storage.Volumes)
	}
}

func TestClaimsOfTwoNamespacesAreTwo(t *testing.T) {
	c := state.NewCluster()
	c.UpdateClaim(builders.VolumeClaim("data"))
	c.UpdateClaim(builders.VolumeClaim("data", func(claim *corev1.PersistentVolumeClaim) { claim.Namespace = "other" }))
	c.DeleteClaim("other", "data")
	claims := c.Snapshot(start()).Storage.Claims
	if len(claims) != 1 {
		t.Errorf("claims are %v, want the one of the default namespace", claims)
	}
	for key := range claims {
		if key.Namespace != metav1.NamespaceDefault {
			t.Errorf("claim %s is left", key)
		}
	}
}
