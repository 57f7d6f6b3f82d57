package operator

import (
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
)

// loadConfig reads a kubeconfig file, or, when path is empty, what controller-runtime finds: KUBECONFIG, the service
// account, the home directory.
func loadConfig(path string) (*rest.Config, error) {
	if path == "" {
		return ctrl.GetConfig()
	}
	return clientcmd.BuildConfigFromFlags("", path)
}
