package manifests

import (
	"cmp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	nodev1 "k8s.io/api/node/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/apis/v1alpha5"
	"github.com/kerf-autoscaler/kerf/pkg/admission"
)

// kind is a kind of object that is read.
type kind struct {
	apiVersion, name string
	namespaced       bool
	read             func(*decoder, *yaml.Node) made
	sort             func(*Objects)
}

// made is an object that was read, as far as that could be done.
type made struct {
	meta   metav1.Object
	faults []fault
	judge  verdict
	pods   replicas
	add    func(*Objects)
}

// replicas returns how many pods an object stands for, and the field that says so; the field is "" for a pod itself.
type replicas func() (int, string)

// replicasOf returns how many pods an object asks for.
func replicasOf(object any) (int, string) {
	const field = "spec.replicas"
	switch o := object.(type) {
	case *corev1.Pod:
		return 1, ""
	case *appsv1.Deployment:
		return int(ptr.Deref(o.Spec.Replicas, 1)), field
	case *appsv1.ReplicaSet:
		return int(ptr.Deref(o.Spec.Replicas, 1)), field
	case *appsv1.StatefulSet:
		return int(ptr.Deref(o.Spec.Replicas, 1)), field
	case *corev1.ReplicationController:
		return int(ptr.Deref(o.Spec.Replicas, 1)), field
	case *batchv1.Job:
		return atOnce(&o.Spec), "spec.parallelism"
	case *batchv1.CronJob:
		return atOnce(&o.Spec.JobTemplate.Spec), "spec.jobTemplate.spec.parallelism"
	default:
		return 0, ""
	}
}

// atOnce returns how many pods of a job run at a time.
func atOnce(s *batchv1.JobSpec) int {
	n := ptr.Deref(s.Parallelism, 1)
	return int(min(n, ptr.Deref(s.Completions, n)))
}

// judge returns what is wrong with an object, and what is doubtful.
type judge[T any] func(*T) (field.ErrorList, []string)

// of describes a kind whose objects go into a list.
func of[T any, P interface {
	*T
	metav1.Object
}](apiVersion, name string, namespaced bool, list func(*Objects) *[]*T, judge judge[T]) kind {
	return kind{
		apiVersion: apiVersion, name: name, namespaced: namespaced,
		read: func(d *decoder, n *yaml.Node) made {
			object := new(T)
			return made{
				meta: P(object), faults: d.decode(n, object),
				judge: func() (field.ErrorList, []string) { return judge(object) },
				pods:  func() (int, string) { return replicasOf(object) },
				add:   func(o *Objects) { into := list(o); *into = append(*into, object) },
			}
		},
		sort: func(o *Objects) {
			slices.SortStableFunc(*list(o), func(a, b *T) int {
				x, y := P(a), P(b)
				return cmp.Or(strings.Compare(x.GetNamespace(), y.GetNamespace()), strings.Compare(x.GetName(), y.GetName()),
					strings.Compare(x.GetGenerateName(), y.GetGenerateName()))
			})
		},
	}
}

// kinds returns all that are read.
func kinds() []kind {
	const (
		core, apps, batch, storage = "v1", "apps/v1", "batch/v1", "storage.k8s.io/v1"
		namespaced                 = true
	)
	return []kind{
		of(core, "Pod", namespaced, func(o *Objects) *[]*corev1.Pod { return &o.Pods }, checkPod),
		of(apps, "Deployment", namespaced, func(o *Objects) *[]*appsv1.Deployment { return &o.Deployments }, checkDeployment),
		of(apps, "ReplicaSet", namespaced, func(o *Objects) *[]*appsv1.ReplicaSet { return &o.ReplicaSets }, checkReplicaSet),
		of(apps, "StatefulSet", namespaced, func(o *Objects) *[]*appsv1.StatefulSet { return &o.StatefulSets }, checkStatefulSet),
		of(apps, "DaemonSet", namespaced, func(o *Objects) *[]*appsv1.DaemonSet { return &o.DaemonSets }, checkDaemonSet),
		of(core, "ReplicationController", namespaced, func(o *Objects) *[]*corev1.ReplicationController { return &o.ReplicationControllers },
			checkReplicationController),
		of(batch, "Job", namespaced, func(o *Objects) *[]*batchv1.Job { return &o.Jobs }, checkJob),
		of(batch, "CronJob", namespaced, func(o *Objects) *[]*batchv1.CronJob { return &o.CronJobs }, checkCronJob),
		of(core, "Node", !namespaced, func(o *Objects) *[]*corev1.Node { return &o.Nodes }, anything[corev1.Node]),
		of(v1alpha5.GroupVersion().String(), "Machine", !namespaced, func(o *Objects) *[]*v1alpha5.Machine { return &o.Machines }, anything[v1alpha5.Machine]),
		of(v1alpha5.GroupVersion().String(), "Provisioner", !namespaced, func(o *Objects) *[]*v1alpha5.Provisioner { return &o.Provisioners },
			func(p *v1alpha5.Provisioner) (field.ErrorList, []string) { return said(admission.Provisioner(p)) }),
		of(awsv1alpha1.GroupVersion().String(), "AWSNodeTemplate", !namespaced, func(o *Objects) *[]*awsv1alpha1.AWSNodeTemplate { return &o.Templates },
			func(t *awsv1alpha1.AWSNodeTemplate) (field.ErrorList, []string) {
				return said(admission.AWSNodeTemplate(t))
			}),
		of(core, "PersistentVolume", !namespaced, func(o *Objects) *[]*corev1.PersistentVolume { return &o.PersistentVolumes }, anything[corev1.PersistentVolume]),
		of(core, "PersistentVolumeClaim", namespaced, func(o *Objects) *[]*corev1.PersistentVolumeClaim { return &o.PersistentVolumeClaims },
			anything[corev1.PersistentVolumeClaim]),
		of(storage, "StorageClass", !namespaced, func(o *Objects) *[]*storagev1.StorageClass { return &o.StorageClasses }, anything[storagev1.StorageClass]),
		of(storage, "CSINode", !namespaced, func(o *Objects) *[]*storagev1.CSINode { return &o.CSINodes }, anything[storagev1.CSINode]),
		of(storage, "VolumeAttachment", !namespaced, func(o *Objects) *[]*storagev1.VolumeAttachment { return &o.VolumeAttachments }, anything[storagev1.VolumeAttachment]),
		of(core, "LimitRange", namespaced, func(o *Objects) *[]*corev1.LimitRange { return &o.LimitRanges }, anything[corev1.LimitRange]),
		of("node.k8s.io/v1", "RuntimeClass", !namespaced, func(o *Objects) *[]*nodev1.RuntimeClass { return &o.RuntimeClasses }, anything[nodev1.RuntimeClass]),
		of("scheduling.k8s.io/v1", "PriorityClass", !namespaced, func(o *Objects) *[]*schedulingv1.PriorityClass { return &o.PriorityClasses },
			anything[schedulingv1.PriorityClass]),
		of(core, "Namespace", !namespaced, func(o *Objects) *[]*corev1.Namespace { return &o.Namespaces }, anything[corev1.Namespace]),
	}
}

// anything finds nothing wrong: what matters of the kind is checked by whoever uses it.
func anything[T any](*T) (field.ErrorList, []string) { return nil, nil }

func said(v admission.Verdict) (field.ErrorList, []string) { return v.Errors, v.Warnings }
