package kubelets

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// named returns a Node with nothing but its name, which is all that a patch needs.
func (k *kubelet) named() *corev1.Node {
	return &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: k.instance.PrivateDNSName}}
}

func mergePatch(patch string) client.Patch {
	return client.RawPatch(types.MergePatchType, []byte(patch))
}

// devicePatch adds resources to capacity and allocatable.
func devicePatch(devices corev1.ResourceList) (client.Patch, error) {
	patch, err := json.Marshal(map[string]any{
		"status": map[string]any{"capacity": devices, "allocatable": devices},
	})
	if err != nil {
		return nil, fmt.Errorf("encoding devices: %w", err)
	}
	return mergePatch(string(patch)), nil
}
