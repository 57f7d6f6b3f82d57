package certificate

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	toolscache "k8s.io/client-go/tools/cache"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// +kubebuilder:rbac:groups="",resources=secrets,namespace=karpenter,resourceNames=karpenter-cert,verbs=get;list;watch;update
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=mutatingwebhookconfigurations,resourceNames=defaulting.webhook.karpenter.k8s.aws,verbs=get;list;watch;patch
// +kubebuilder:rbac:groups=admissionregistration.k8s.io,resources=validatingwebhookconfigurations,resourceNames=validation.webhook.karpenter.sh;validation.webhook.karpenter.k8s.aws,verbs=get;list;watch;patch

// Register adds the keeper to a manager, and the watches that wake it.
func (k *Keeper) Register(mgr ctrl.Manager) error {
	secret := &corev1.Secret{}
	secret.Namespace, secret.Name = k.settings.Namespace, k.settings.Secret
	for _, object := range append(k.settings.configurations(), secret) {
		if err := k.watch(mgr, object); err != nil {
			return fmt.Errorf("watching %T %s: %w", object, object.GetName(), err)
		}
	}
	if err := mgr.Add(k); err != nil {
		return fmt.Errorf("adding the keeper of the serving certificate: %w", err)
	}
	return nil
}

// watch wakes the keeper at every change of one object. Each object has a watch of its own, selected by name: that is what
// rights for this name alone allow. Only metadata is watched, so that the keys of the Secret stay out of caches.
func (k *Keeper) watch(mgr ctrl.Manager, object client.Object) error {
	kind, err := apiutil.GVKForObject(object, mgr.GetScheme())
	if err != nil {
		return fmt.Errorf("finding its kind: %w", err)
	}
	options := cache.Options{
		Scheme: mgr.GetScheme(), Mapper: mgr.GetRESTMapper(), HTTPClient: mgr.GetHTTPClient(),
		DefaultFieldSelector: fields.OneTermEqualSelector(metav1.ObjectNameField, object.GetName()),
	}
	if namespace := object.GetNamespace(); namespace != "" {
		options.DefaultNamespaces = map[string]cache.Config{namespace: {}}
	}
	watched, err := cache.New(mgr.GetConfig(), options)
	if err != nil {
		return fmt.Errorf("making its cache: %w", err)
	}
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(kind)
	informer, err := watched.GetInformer(context.Background(), metadata, cache.BlockUntilSynced(false))
	if err != nil {
		return fmt.Errorf("getting its informer: %w", err)
	}
	if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { k.wake() },
		UpdateFunc: func(any, any) { k.wake() },
		DeleteFunc: func(any) { k.wake() },
	}); err != nil {
		return fmt.Errorf("subscribing to it: %w", err)
	}
	return mgr.Add(watched)
}
