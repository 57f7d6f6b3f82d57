package main

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// clusterUID returns what tells this cluster from any other, also from one of the same name.
func clusterUID(ctx context.Context, restConfig *rest.Config) (string, error) {
	reader, err := client.New(restConfig, client.Options{})
	if err != nil {
		return "", fmt.Errorf("connecting to the API server: %w", err)
	}
	var namespace corev1.Namespace
	if err := reader.Get(ctx, client.ObjectKey{Name: metav1.NamespaceSystem}, &namespace); err != nil {
		return "", fmt.Errorf("identifying the cluster by its kube-system namespace: %w", err)
	}
	return string(namespace.UID), nil
}
