package e2e

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// volumeZone is the zone that volumes are in. It is not the first one, where machines that nothing ties down come to be.
const volumeZone = "us-east-1c"

// waitingClass returns a class of volumes that people make, and that are bound once a pod is placed.
func waitingClass(name string) *storagev1.StorageClass {
	return &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: "kubernetes.io/no-provisioner",
		VolumeBindingMode: new(storagev1.VolumeBindingWaitForFirstConsumer),
	}
}

// zonalVolume returns a volume of a class that only nodes of a zone can reach.
func zonalVolume(name, class, zone string) *corev1.PersistentVolume {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName: class, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Capacity:               corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("10Gi")},
			PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: "/mnt/" + name}},
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
				{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}}},
			}}},
		},
	}
}

// stateful returns a StatefulSet like a workload of the name, each pod with a claim of a class of the name.
func stateful(name string, replicas int32) *appsv1.StatefulSet {
	like := workload(name, replicas, "500m")
	template := like.Spec.Template
	template.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "data", MountPath: "/data"}}
	return &appsv1.StatefulSet{
		ObjectMeta: like.ObjectMeta,
		Spec: appsv1.StatefulSetSpec{
			Replicas: &replicas, Selector: like.Spec.Selector, Template: template, PodManagementPolicy: appsv1.ParallelPodManagement,
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{
				ObjectMeta: metav1.ObjectMeta{Name: "data"},
				Spec: corev1.PersistentVolumeClaimSpec{
					StorageClassName: &name, AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
					Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("5Gi")}},
				},
			}},
		},
	}
}

// followsVolumes has pods wait for volumes that nobody has made, and then run where these are.
func (w *world) followsVolumes(t *testing.T) {
	const name = "stateful"
	w.create(t, waitingClass(name), w.template(name), provisioner(name), stateful(name, 2))
	w.await(t, "both pods to be there", func(ctx context.Context) error { return w.count(ctx, name, 2) })
	pods, err := w.pods(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for i := range pods {
		w.awaitEvent(t, &pods[i], reasonFailedScheduling, "no volume of storage class", "data-"+pods[i].Name)
	}
	if made := w.instances(name); len(made) > 0 {
		t.Errorf("%d instances were launched for pods that could not have run there", len(made))
	}
	w.create(t, zonalVolume(name+"-0", name, volumeZone), zonalVolume(name+"-1", name, volumeZone))
	w.awaitRunning(t, name, 2)
	for _, i := range w.instances(name) {
		if i.Zone != volumeZone {
			t.Errorf("instance %s is in %s, and the volumes are in %s", i.ID, i.Zone, volumeZone)
		}
	}
	w.delete(t, stateful(name, 2))
	w.await(t, "the pods to be gone", func(ctx context.Context) error { return w.count(ctx, name, 0) })
	for i := range 2 {
		w.delete(t, &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: fmt.Sprintf("data-%s-%d", name, i)}},
			zonalVolume(fmt.Sprintf("%s-%d", name, i), name, volumeZone))
	}
	w.delete(t, waitingClass(name))
	w.end(t, name)
}

// count returns nil when a workload has so many pods.
func (w *world) count(ctx context.Context, name string, want int) error {
	found, err := w.pods(ctx, name)
	if err == nil && len(found) != want {
		err = fmt.Errorf("there are %d", len(found))
	}
	return err
}
