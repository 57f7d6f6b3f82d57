package helm_test

import (
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// keepsToDeletionCosts tries with kerf's account what the right to patch pods would allow.
func keepsToDeletionCosts(t *testing.T, s *site) {
	config := s.cluster.Config()
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + namespace + ":launcher"}
	kerf, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	pod := s.somebody(t)
	patch := func(body string) error {
		kind := types.StrategicMergePatchType
		if strings.HasPrefix(body, "[") {
			kind = types.JSONPatchType
		}
		_, err := kerf.CoreV1().Pods(pod.Namespace).Patch(t.Context(), pod.Name, kind, []byte(body), metav1.PatchOptions{})
		return err
	}
	// The API server takes a moment to act on a policy that is new.
	tries := 0
	s.await(t, "the policy", func() error {
		tries++
		if err := patch(fmt.Sprintf(`{"metadata": {"labels": {"app": "other-%d"}}}`, tries)); err == nil {
			return fmt.Errorf("a label was changed")
		}
		return nil
	})
	for name, body := range notForKerf() {
		if err := patch(body); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "kerf changes no") && !strings.Contains(err.Error(), "kerf adds no") {
			t.Errorf("%s: %v", name, err)
		}
	}
	const cost = `"controller.kubernetes.io/pod-deletion-cost": %[1]s, "karpenter.sh/pod-deletion-cost": %[1]s`
	for _, value := range []string{`"-37"`, `"-12"`, "null"} {
		if err := patch(fmt.Sprintf(`{"metadata": {"annotations": {`+cost+`}}}`, value)); err != nil {
			t.Errorf("a deletion cost of %s: %v", value, err)
		}
	}
	if err := s.client.CoreV1().Pods(pod.Namespace).Delete(t.Context(), pod.Name, *metav1.NewDeleteOptions(0)); err != nil {
		t.Fatal(err)
	}
}

// somebody creates a pod of somebody's.
func (s *site) somebody(t *testing.T) *corev1.Pod {
	t.Helper()
	pod, err := s.client.CoreV1().Pods("default").Create(t.Context(), &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "somebody", Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"mine": "yes"}},
		Spec:       corev1.PodSpec{NodeName: "management-0", Containers: []corev1.Container{{Name: "main", Image: "example.com/main"}}},
	}, metav1.CreateOptions{})
	must(t)(pod, err)
	return pod
}

// notForKerf maps what somebody might do who may patch pods -> the patch.
func notForKerf() map[string]string {
	return map[string]string{
		"a label that is new":       `{"metadata": {"labels": {"tier": "front"}}}`,
		"an annotation of another":  `{"metadata": {"annotations": {"mine": "no"}}}`,
		"an annotation that is new": `{"metadata": {"annotations": {"karpenter.sh/do-not-evict": "true"}}}`,
		"an annotation taken away":  `{"metadata": {"annotations": {"mine": null}}}`,
		"an image":                  `{"spec": {"containers": [{"name": "main", "image": "example.com/other"}]}}`,
		"a toleration":              `[{"op": "add", "path": "/spec/tolerations/-", "value": {"operator": "Exists"}}]`,
		"a finalizer":               `{"metadata": {"finalizers": ["example.com/stays"]}}`,
		"an owner":                  `{"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Node", "name": "management-0", "uid": "1"}]}}`,
	}
}
