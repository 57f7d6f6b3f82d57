package cluster

import (
	"context"
	"fmt"
	"math"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfigContext names the only cluster, user and context of the files that WriteKubeconfig writes.
const kubeconfigContext = "kerf-local"

// WriteKubeconfig writes the access that the configuration gives as a kubeconfig file, readable only by its owner. The
// file stands alone: certificates are copied into it.
func WriteKubeconfig(path string, config *rest.Config) error {
	config = rest.CopyConfig(config)
	if err := rest.LoadTLSFiles(config); err != nil {
		return fmt.Errorf("reading certificates for %s: %w", path, err)
	}
	file := clientcmdapi.NewConfig()
	file.Clusters[kubeconfigContext] = &clientcmdapi.Cluster{
		Server:                   config.Host,
		CertificateAuthorityData: config.CAData,
	}
	file.AuthInfos[kubeconfigContext] = &clientcmdapi.AuthInfo{
		ClientCertificateData: config.CertData,
		ClientKeyData:         config.KeyData,
		Token:                 config.BearerToken,
	}
	file.Contexts[kubeconfigContext] = &clientcmdapi.Context{Cluster: kubeconfigContext, AuthInfo: kubeconfigContext}
	file.CurrentContext = kubeconfigContext
	if err := clientcmd.WriteToFile(*file, path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}

// ServiceAccountConfig returns a client configuration that is the service account and nothing more, so that what uses
// it runs under the RBAC of that account. The account must exist. The token lasts for the lifetime given, which the
// API server wants to be at least ten minutes.
func (c *Cluster) ServiceAccountConfig(
	ctx context.Context, namespace, name string, lifetime time.Duration,
) (*rest.Config, error) {
	client, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		return nil, fmt.Errorf("building a client: %w", err)
	}
	request := &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: new(int64(math.Ceil(lifetime.Seconds())))},
	}
	request, err = client.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, name, request, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("requesting a token of %s/%s: %w", namespace, name, err)
	}
	return &rest.Config{
		Host:            c.server,
		TLSClientConfig: rest.TLSClientConfig{CAData: c.authority.bundle},
		BearerToken:     request.Status.Token,
	}, nil
}
