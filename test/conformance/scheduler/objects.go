package scheduler

import (
	"errors"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/client-go/informers"
)

// Objects are what the filters look at beside nodes and pods.
type Objects struct {
	Namespaces []*corev1.Namespace
	Claims     []*corev1.PersistentVolumeClaim
	Volumes    []*corev1.PersistentVolume
	Classes    []*storagev1.StorageClass
	CSINodes   []*storagev1.CSINode
}

// fill puts the objects where the filters find them. The informers are never started, so nothing takes them away again.
func (o Objects) fill(factory informers.SharedInformerFactory) error {
	core, storage := factory.Core().V1(), factory.Storage().V1()
	return errors.Join(
		put(core.Namespaces().Informer(), o.Namespaces),
		put(core.PersistentVolumeClaims().Informer(), o.Claims),
		put(core.PersistentVolumes().Informer(), o.Volumes),
		put(storage.StorageClasses().Informer(), o.Classes),
		put(storage.CSINodes().Informer(), o.CSINodes),
	)
}
