package world

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
)

func (w *World) claim(namespace, name string) *corev1.PersistentVolumeClaim {
	i := slices.IndexFunc(w.Claims, func(c *corev1.PersistentVolumeClaim) bool { return c.Namespace == namespace && c.Name == name })
	if i < 0 {
		return nil
	}
	return w.Claims[i]
}

func (w *World) class(name string) *storagev1.StorageClass {
	i := slices.IndexFunc(w.Classes, func(c *storagev1.StorageClass) bool { return c.Name == name })
	if i < 0 {
		return nil
	}
	return w.Classes[i]
}

// zoneSeparator stands between the zones in the label of a volume that is in several.
const zoneSeparator = "__"
