package workload_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/kerf-autoscaler/kerf/pkg/workload"
)

func meta(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "n", Name: name} }

func template() corev1.PodTemplateSpec {
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "a"}}}
}

func deployment(replicas *int32) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: meta("d"), Spec: appsv1.DeploymentSpec{Replicas: replicas, Template: template()}}
}

func replicaSet(replicas int32, owner string) *appsv1.ReplicaSet {
	r := &appsv1.ReplicaSet{ObjectMeta: meta("d-1"), Spec: appsv1.ReplicaSetSpec{Replicas: &replicas, Template: template()}}
	if owner != "" {
		r.OwnerReferences = []metav1.OwnerReference{{Kind: "Deployment", Name: owner, Controller: new(true)}}
	}
	return r
}

func statefulSet(replicas, start int32) *appsv1.StatefulSet {
	s := &appsv1.StatefulSet{ObjectMeta: meta("s"), Spec: appsv1.StatefulSetSpec{
		Replicas: &replicas, Template: template(), Selector: &metav1.LabelSelector{MatchLabels: template().Labels},
	}}
	if start > 0 {
		s.Spec.Ordinals = &appsv1.StatefulSetOrdinals{Start: start}
	}
	s.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"}}}
	return s
}

func job(modify func(*batchv1.Job)) *batchv1.Job {
	j := &batchv1.Job{ObjectMeta: meta("j"), Spec: batchv1.JobSpec{Template: template()}}
	modify(j)
	return j
}

func cronJob(suspended bool) *batchv1.CronJob {
	return &batchv1.CronJob{ObjectMeta: meta("c"), Spec: batchv1.CronJobSpec{
		Suspend: &suspended, JobTemplate: batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Parallelism: ptr.To[int32](2), Template: template()}},
	}}
}

// owned returns a pod that a controller has made.
func owned(name, kind, owner string, modify ...func(*corev1.Pod)) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: meta(name)}
	pod.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: owner, Controller: new(true)}}
	for _, m := range modify {
		m(pod)
	}
	return pod
}

// expand expands without being interrupted.
func expand(t *testing.T, controllers []workload.Controller, present ...*corev1.Pod) workload.Expansion {
	t.Helper()
	out, err := workload.Expand(t.Context(), controllers, present)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// indexed returns the controller that an indexed job is, and a pod of it with a number.
func indexed(modify func(*batchv1.Job)) workload.Controller {
	return workload.OfJob(job(func(j *batchv1.Job) {
		j.Spec.CompletionMode, j.Spec.Parallelism, j.Spec.Completions = ptr.To(batchv1.IndexedCompletion), ptr.To[int32](2), ptr.To[int32](10)
		modify(j)
	}))
}

func ofIndexed(index string) *corev1.Pod {
	return owned("x"+index, "Job", "j", func(p *corev1.Pod) { p.Annotations = map[string]string{batchv1.JobCompletionIndexAnnotation: index} })
}

func TestControllersMakeThePodsThatAreMissing(t *testing.T) {
	for name, tc := range map[string]struct {
		controllers []workload.Controller
		present     []*corev1.Pod
		want        string // names, those of Deployments without their hash
	}{
		"a deployment that says nothing": {[]workload.Controller{workload.OfDeployment(deployment(nil))}, nil, "d-0"},
		"a deployment of three":          {[]workload.Controller{workload.OfDeployment(deployment(ptr.To[int32](3)))}, nil, "d-0 d-1 d-2"},
		"a deployment of none":           {[]workload.Controller{workload.OfDeployment(deployment(ptr.To[int32](0)))}, nil, ""},
		"pods of its replica set count": {
			[]workload.Controller{workload.OfDeployment(deployment(ptr.To[int32](3))), workload.OfReplicaSet(replicaSet(3, "d"))},
			[]*corev1.Pod{owned("x", "ReplicaSet", "d-1"), owned("y", "ReplicaSet", "d-1")}, "d-0",
		},
		"also where the replica set is not there": {
			[]workload.Controller{workload.OfDeployment(deployment(ptr.To[int32](2)))},
			[]*corev1.Pod{owned("x", "ReplicaSet", "d-5f6", func(p *corev1.Pod) { p.Labels = map[string]string{"pod-template-hash": "5f6"} })}, "d-0",
		},
		"pods that are over do not": {
			[]workload.Controller{workload.OfDeployment(deployment(ptr.To[int32](1)))},
			[]*corev1.Pod{owned("x", "Deployment", "d", func(p *corev1.Pod) { p.Status.Phase = corev1.PodSucceeded })}, "d-0",
		},
		"nor do those of others": {
			[]workload.Controller{workload.OfDeployment(deployment(ptr.To[int32](1)))},
			[]*corev1.Pod{owned("x", "Deployment", "e"), owned("y", "Deployment", "d", func(p *corev1.Pod) { p.Namespace = "other" }), {ObjectMeta: meta("d-9")}}, "d-0",
		},
		"a replica set of nobody":               {[]workload.Controller{workload.OfReplicaSet(replicaSet(2, ""))}, nil, "d-1-0 d-1-1"},
		"one of a deployment that is not there": {[]workload.Controller{workload.OfReplicaSet(replicaSet(1, "d"))}, nil, "d-1-0"},
		"a replication controller": {[]workload.Controller{workload.OfReplicationController(&corev1.ReplicationController{
			ObjectMeta: meta("r"), Spec: corev1.ReplicationControllerSpec{Template: new(template())},
		})}, nil, "r-0"},
		"the numbers that a stateful set lacks": {
			[]workload.Controller{workload.OfStatefulSet(statefulSet(4, 0))}, []*corev1.Pod{owned("s-1", "StatefulSet", "s")}, "s-0 s-2 s-3",
		},
		"numbers from a start on": {[]workload.Controller{workload.OfStatefulSet(statefulSet(2, 5))}, nil, "s-5 s-6"},
		"a job that says nothing": {[]workload.Controller{workload.OfJob(job(func(*batchv1.Job) {}))}, nil, "j-0"},
		"a job with more to do than runs at a time": {[]workload.Controller{workload.OfJob(job(func(j *batchv1.Job) {
			j.Spec.Parallelism, j.Spec.Completions = ptr.To[int32](3), ptr.To[int32](10)
		}))}, nil, "j-0 j-1 j-2"},
		"a job that is nearly done": {[]workload.Controller{workload.OfJob(job(func(j *batchv1.Job) {
			j.Spec.Parallelism, j.Spec.Completions, j.Status.Succeeded = ptr.To[int32](3), ptr.To[int32](10), 8
		}))}, nil, "j-0 j-1"},
		"a job that is done": {[]workload.Controller{workload.OfJob(job(func(j *batchv1.Job) {
			j.Status.Conditions = []batchv1.JobCondition{{Type: batchv1.JobComplete, Status: corev1.ConditionTrue}}
		}))}, nil, ""},
		"a job that waits": {[]workload.Controller{workload.OfJob(job(func(j *batchv1.Job) { j.Spec.Suspend = new(true) }))}, nil, ""},
		"the numbers that an indexed job lacks": {
			[]workload.Controller{indexed(func(j *batchv1.Job) { j.Spec.Parallelism, j.Spec.Completions = ptr.To[int32](3), ptr.To[int32](3) })},
			[]*corev1.Pod{ofIndexed("0")}, "j-1 j-2",
		},
		"an indexed job that runs as many as it may": {
			[]workload.Controller{indexed(func(j *batchv1.Job) { j.Status.Succeeded = 4 })}, []*corev1.Pod{ofIndexed("4"), ofIndexed("5")}, "",
		},
		"the first numbers that an indexed job has not done": {
			[]workload.Controller{indexed(func(j *batchv1.Job) {
				j.Status.Succeeded, j.Status.CompletedIndexes, j.Status.FailedIndexes = 4, "0,2-4", new("1,6,x,9-8")
			})}, []*corev1.Pod{ofIndexed("5")}, "j-7",
		},
		"no more than an indexed job has left": {
			[]workload.Controller{indexed(func(j *batchv1.Job) {
				j.Status.Succeeded, j.Status.CompletedIndexes, j.Status.FailedIndexes = 7, "0-6", new("7-8")
			})}, nil, "j-9",
		},
		"a stateful set takes for its own whom it would": {
			[]workload.Controller{workload.OfStatefulSet(statefulSet(2, 0))}, []*corev1.Pod{{ObjectMeta: metav1.ObjectMeta{
				Namespace: "n", Name: "s-0", Labels: template().Labels,
			}}}, "s-1",
		},
		"names that are gone are left out": {
			[]workload.Controller{
				workload.OfReplicationController(&corev1.ReplicationController{ObjectMeta: meta("s"), Spec: corev1.ReplicationControllerSpec{Replicas: ptr.To[int32](2), Template: new(template())}}),
				workload.OfStatefulSet(statefulSet(2, 0)),
			}, []*corev1.Pod{{ObjectMeta: meta("s-0-0")}}, "s-0 s-0-1 s-1 s-1-0",
		},
		"one run of a cron job": {[]workload.Controller{workload.OfCronJob(cronJob(false))}, nil, "c-0 c-1"},
		"a cron job that waits": {[]workload.Controller{workload.OfCronJob(cronJob(true))}, nil, ""},
		"a cron job that is run": {[]workload.Controller{workload.OfCronJob(cronJob(false)), workload.OfJob(job(func(j *batchv1.Job) {
			j.OwnerReferences = []metav1.OwnerReference{{Kind: "CronJob", Name: "c", Controller: new(true)}}
		}))}, nil, "j-0"},
		"its pods where the job is not there": {[]workload.Controller{workload.OfCronJob(cronJob(false))}, []*corev1.Pod{owned("x", "Job", "c-2874")}, "c-0"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, pod := range expand(t, tc.controllers, tc.present...).Pods {
				name := pod.Name
				if hash := pod.Labels["pod-template-hash"]; hash != "" {
					name = strings.Replace(name, "-"+hash, "", 1)
				}
				got = append(got, name)
			}
			if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("pods (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAPodThatCannotHaveItsNameIsNotMade(t *testing.T) {
	stranger := &corev1.Pod{ObjectMeta: meta("s-0")}
	got := expand(t, []workload.Controller{workload.OfStatefulSet(statefulSet(2, 0))}, stranger)
	if diff := cmp.Diff([]string{"n/s-0"}, got.Hindered); diff != "" || len(got.Pods) != 1 || got.Pods[0].Name != "s-1" {
		t.Errorf("made %d pods, hindered (-want +got):\n%s", len(got.Pods), diff)
	}
}

func TestNoTwoPodsHaveAUIDInCommon(t *testing.T) {
	plain := &corev1.Pod{ObjectMeta: meta("j-0")}
	workload.Default(plain)
	made := expand(t, []workload.Controller{
		workload.OfJob(job(func(j *batchv1.Job) { j.Spec.Parallelism = ptr.To[int32](2) })), workload.OfStatefulSet(statefulSet(2, 0)),
		workload.OfReplicaSet(replicaSet(3, "")), workload.OfDeployment(deployment(ptr.To[int32](3))),
	}, plain)
	seen := map[types.UID]string{}
	for _, pod := range append(made.Pods, plain) {
		if other, twice := seen[pod.UID]; twice {
			t.Errorf("%s has the UID of %s", pod.Name, other)
		}
		seen[pod.UID] = pod.Name
	}
	if len(seen) != 11 {
		t.Errorf("there are %d pods", len(seen))
	}
}

func TestExpandingEndsWhenItIsInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := workload.Expand(ctx, []workload.Controller{workload.OfDeployment(deployment(nil))}, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
}

func TestAPodOfAStatefulSetHasWhatFollowsFromItsNumber(t *testing.T) {
	made := expand(t, []workload.Controller{workload.OfStatefulSet(statefulSet(1, 3))})
	pod := made.Pods[0]
	if pod.Labels["apps.kubernetes.io/pod-index"] != "3" || pod.Labels["statefulset.kubernetes.io/pod-name"] != "s-3" || pod.Labels["app"] != "a" {
		t.Errorf("labels are %v", pod.Labels)
	}
	if len(made.Claims) != 1 || made.Claims[0].Namespace != "n" || made.Claims[0].Name != "data-s-3" {
		t.Fatalf("claims are %v", made.Claims)
	}
	if got := pod.Spec.Volumes; len(got) != 1 || got[0].Name != "data" || got[0].PersistentVolumeClaim.ClaimName != "data-s-3" {
		t.Errorf("volumes are %v", got)
	}
	if ref := workload.Of(pod); ref.String() != "StatefulSet n/s" {
		t.Errorf("the pod is of %s", ref)
	}
}

func TestTheHashOfATemplateTellsTemplatesApart(t *testing.T) {
	hash := func(modify func(*appsv1.Deployment)) string {
		d := deployment(nil)
		modify(d)
		return expand(t, []workload.Controller{workload.OfDeployment(d)}).Pods[0].Labels["pod-template-hash"]
	}
	same, other := hash(func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](7) }), hash(func(d *appsv1.Deployment) { d.Spec.Template.Spec.NodeName = "x" })
	if first := hash(func(*appsv1.Deployment) {}); first == "" || first != same || first == other {
		t.Errorf("hashes are %q, %q with other replicas, %q with another template", first, same, other)
	}
}

func TestWhatAPodBelongsTo(t *testing.T) {
	hashed := func(p *corev1.Pod) { p.Labels = map[string]string{"pod-template-hash": "77"} }
	for want, pod := range map[string]*corev1.Pod{
		"Pod n/alone":      {ObjectMeta: meta("alone")},
		"Deployment n/web": owned("p", "ReplicaSet", "web-77", hashed),
		"ReplicaSet n/web": owned("p", "ReplicaSet", "web"),
		"Job n/j":          owned("p", "Job", "j"),
	} {
		if got := workload.Of(pod).String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}

func TestAPodGetsWhatAnAPIServerAddsToIt(t *testing.T) {
	pod := &corev1.Pod{ObjectMeta: meta("p"), Spec: corev1.PodSpec{
		HostNetwork: true, Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{ContainerPort: 80}, {ContainerPort: 81, HostPort: 82, Protocol: "UDP"}}}},
		Affinity: &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{{
			LabelSelector: &metav1.LabelSelector{}, MatchLabelKeys: []string{"v", "absent"}, MismatchLabelKeys: []string{"w"},
		}}}},
	}}
	pod.Labels = map[string]string{"v": "1", "w": "2"}
	for range 2 { // what is there is not added again
		workload.Default(pod)
	}
	term := pod.Spec.Affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution[0]
	got := fmt.Sprint(metav1.FormatLabelSelector(term.LabelSelector))
	for _, port := range pod.Spec.Containers[0].Ports {
		got += fmt.Sprintf(" %d/%s", port.HostPort, port.Protocol)
	}
	if want := "v in (1),w notin (2) 80/TCP 82/UDP"; got != want || pod.UID == "" {
		t.Errorf("got %q and UID %q, want %q", got, pod.UID, want)
	}
}
