// Package workload knows which pods the controllers of Kubernetes make: a Deployment in, its pods out, without a cluster.
package workload

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/utils/ptr"
)

// Ref names a controller.
type Ref struct{ Kind, Namespace, Name string }

// String is "Kind namespace/name".
func (r Ref) String() string { return fmt.Sprintf("%s %s/%s", r.Kind, r.Namespace, r.Name) }

// Controller is something that makes pods.
type Controller struct {
	Ref
	apiVersion string
	uid        types.UID
	owner      *metav1.OwnerReference
	template   corev1.PodTemplateSpec
	// stem is what the names of the pods start with.
	stem string
	// wanted is how many pods there are to be.
	wanted int
	// first is the number of the first pod.
	first int
	// completions is how many numbers a Job has that runs some of them at a time; nil where all run at once.
	completions *int
	// over are numbers that are done with.
	over spans
	// settled says that a pod's name follows from its number alone, as the API of the controller promises.
	settled bool
	// selector says which pods of nobody a controller with settled names takes for its own.
	selector labels.Selector
	// number returns the number that an existing pod has; nil where pods are not numbered.
	number func(*corev1.Pod) (int, bool)
	// finish adds to a pod what follows from its number; may be nil.
	finish func(*corev1.Pod, int) []*corev1.PersistentVolumeClaim
}

func newController(apiVersion, kind string, meta *metav1.ObjectMeta, template *corev1.PodTemplateSpec, wanted int) Controller {
	return Controller{
		Ref: Ref{kind, meta.Namespace, meta.Name}, apiVersion: apiVersion, uid: uidOf(meta.UID, kind, meta.Namespace, meta.Name),
		owner: metav1.GetControllerOf(meta), template: *template.DeepCopy(), stem: meta.Name, wanted: wanted,
	}
}

// uidOf returns the UID or, of an object that no API server has seen, one made of what identifies it.
func uidOf(uid types.UID, kind, namespace, name string) types.UID {
	if uid != "" {
		return uid
	}
	return types.UID(kind + "/" + namespace + "/" + name)
}

// OfDeployment returns the controller that a Deployment is. Its pods carry the hash of their template.
func OfDeployment(d *appsv1.Deployment) Controller {
	c := newController("apps/v1", "Deployment", &d.ObjectMeta, &d.Spec.Template, orOne(d.Spec.Replicas))
	hash := hashOf(&c.template)
	c.label(appsv1.DefaultDeploymentUniqueLabelKey, hash)
	c.stem += "-" + hash
	return c
}

// OfReplicaSet returns the controller that a ReplicaSet is.
func OfReplicaSet(r *appsv1.ReplicaSet) Controller {
	return newController("apps/v1", "ReplicaSet", &r.ObjectMeta, &r.Spec.Template, orOne(r.Spec.Replicas))
}

// OfReplicationController returns the controller that a ReplicationController is; its template has to be there.
func OfReplicationController(r *corev1.ReplicationController) Controller {
	return newController("v1", "ReplicationController", &r.ObjectMeta, r.Spec.Template, orOne(r.Spec.Replicas))
}

// OfStatefulSet returns the controller that a StatefulSet is. Its pods are numbered, and each has claims of its own.
func OfStatefulSet(s *appsv1.StatefulSet) Controller {
	c := newController("apps/v1", "StatefulSet", &s.ObjectMeta, &s.Spec.Template, orOne(s.Spec.Replicas))
	c.label(appsv1.ControllerRevisionHashLabelKey, s.Name+"-"+hashOf(&c.template))
	if s.Spec.Ordinals != nil {
		c.first = int(s.Spec.Ordinals.Start)
	}
	c.settled, c.selector = true, labels.Nothing()
	if selector, err := metav1.LabelSelectorAsSelector(s.Spec.Selector); err == nil {
		c.selector = selector
	}
	c.number = func(pod *corev1.Pod) (int, bool) { return ending(pod.Name, s.Name) }
	c.finish = func(pod *corev1.Pod, number int) []*corev1.PersistentVolumeClaim {
		pod.Labels[appsv1.StatefulSetPodNameLabel] = pod.Name
		pod.Labels[appsv1.PodIndexLabel] = strconv.Itoa(number)
		var claims []*corev1.PersistentVolumeClaim
		for i := range s.Spec.VolumeClaimTemplates {
			claims = append(claims, claimOf(&s.Spec.VolumeClaimTemplates[i], pod))
		}
		return claims
	}
	return c
}

// claimOf returns the claim that a StatefulSet makes for a pod, and has the pod use it.
func claimOf(template *corev1.PersistentVolumeClaim, pod *corev1.Pod) *corev1.PersistentVolumeClaim {
	claim := template.DeepCopy()
	claim.Name, claim.Namespace = template.Name+"-"+pod.Name, pod.Namespace
	claim.UID = uidOf("", "PersistentVolumeClaim", claim.Namespace, claim.Name)
	pod.Spec.Volumes = slices.DeleteFunc(pod.Spec.Volumes, func(v corev1.Volume) bool { return v.Name == template.Name })
	pod.Spec.Volumes = append(pod.Spec.Volumes, corev1.Volume{Name: template.Name, VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim.Name},
	}})
	return claim
}

// OfJob returns the controller that a Job is, with as many pods as run at a time now.
func OfJob(j *batchv1.Job) Controller {
	c := newController("batch/v1", "Job", &j.ObjectMeta, &j.Spec.Template, runs(&j.Spec, &j.Status))
	for _, key := range []string{"job-name", batchv1.JobNameLabel} {
		c.label(key, j.Name)
	}
	for _, key := range []string{"controller-uid", batchv1.ControllerUidLabel} {
		c.label(key, string(c.uid))
	}
	if j.Spec.CompletionMode == nil || *j.Spec.CompletionMode != batchv1.IndexedCompletion {
		return c
	}
	completions := c.wanted
	if j.Spec.Completions != nil {
		completions = orOne(j.Spec.Completions)
	}
	c.completions, c.over = &completions, spansOf(j.Status.CompletedIndexes+","+ptr.Deref(j.Status.FailedIndexes, ""))
	c.number = func(pod *corev1.Pod) (int, bool) {
		n, err := strconv.Atoi(pod.Annotations[batchv1.JobCompletionIndexAnnotation])
		return n, err == nil
	}
	c.finish = func(pod *corev1.Pod, number int) []*corev1.PersistentVolumeClaim {
		index := strconv.Itoa(number)
		pod.Labels[batchv1.JobCompletionIndexAnnotation] = index
		pod.Annotations[batchv1.JobCompletionIndexAnnotation] = index
		return nil
	}
	return c
}

// runs returns how many pods of a Job run at a time: its parallelism, and no more than are missing.
func runs(s *batchv1.JobSpec, status *batchv1.JobStatus) int {
	over := slices.ContainsFunc(status.Conditions, func(c batchv1.JobCondition) bool {
		return (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed) && c.Status == corev1.ConditionTrue
	})
	if over || s.Suspend != nil && *s.Suspend {
		return 0
	}
	most := orOne(s.Parallelism)
	if s.Completions != nil {
		failed := spansOf(ptr.Deref(status.FailedIndexes, "")).size()
		most = min(most, max(int(*s.Completions-status.Succeeded)-failed, 0))
	}
	return most
}

// OfCronJob returns the controller that one run of a CronJob is; none while it is suspended.
func OfCronJob(j *batchv1.CronJob) Controller {
	run := &batchv1.Job{ObjectMeta: *j.ObjectMeta.DeepCopy(), Spec: *j.Spec.JobTemplate.Spec.DeepCopy()}
	c := OfJob(run)
	c.Kind, c.uid = "CronJob", uidOf(j.UID, "CronJob", j.Namespace, j.Name)
	if j.Spec.Suspend != nil && *j.Spec.Suspend {
		c.wanted = 0
	}
	return c
}

// label puts a label onto all pods.
func (c *Controller) label(key, value string) {
	if c.template.Labels == nil {
		c.template.Labels = map[string]string{}
	}
	c.template.Labels[key] = value
}

// pod returns the pod of a number under a name, with the claims that come with it.
func (c *Controller) pod(number int, name string) (*corev1.Pod, []*corev1.PersistentVolumeClaim) {
	pod := &corev1.Pod{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: c.Namespace,
			Labels: maps.Clone(c.template.Labels), Annotations: maps.Clone(c.template.Annotations),
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: c.apiVersion, Kind: c.Kind, Name: c.Name, UID: c.uid, Controller: new(true), BlockOwnerDeletion: new(true),
			}},
		},
		Spec: *c.template.Spec.DeepCopy(),
	}
	pod.UID = uidOf("", "Pod", pod.Namespace, pod.Name) + types.UID(" of "+c.Kind) // a pod in a file may go by the name alone
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	if pod.Annotations == nil {
		pod.Annotations = map[string]string{}
	}
	if c.finish == nil {
		return pod, nil
	}
	return pod, c.finish(pod, number)
}

// hashOf returns a short word that differs between templates.
func hashOf(template *corev1.PodTemplateSpec) string {
	encoded, err := json.Marshal(template)
	if err != nil {
		return "0" // a template that was read can be written
	}
	hash := fnv.New32a()
	hash.Write(encoded)
	return rand.SafeEncodeString(strconv.FormatUint(uint64(hash.Sum32()), 10))
}

func orOne(n *int32) int {
	if n == nil {
		return 1
	}
	return int(max(*n, 0))
}
