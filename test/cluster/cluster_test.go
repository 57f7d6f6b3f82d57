package cluster_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/kerf-autoscaler/kerf/test/cluster"
)

// patience bounds every wait for something that takes a second or two on an idle machine.
const patience = time.Minute

func TestTwoClustersRunPodsSideBySideAndLeaveNothingBehind(t *testing.T) {
	for _, name := range []string{"first", "second"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := start(t, cluster.Options{})
			client := clientFor(t, c.Config())
			createNodes(t, client, 3)
			createDeployment(t, client, 5)
			createDaemonSet(t, client)
			awaitRunning(t, client, 5+3)

			ids := processIDs(c)
			if err := c.Stop(); err != nil {
				t.Fatalf("stopping: %v", err)
			}
			requireGone(t, ids)
			requireRefused(t, c.Server())
			if _, err := os.Stat(c.Directory()); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the temporary directory is still there: %v", err)
			}
		})
	}
}

func TestABareClusterServesAndRunsNothingElse(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{Bare: true})
	var names []cluster.ComponentName
	for _, component := range c.Components() {
		names = append(names, component.Name())
	}
	if diff := cmp.Diff([]cluster.ComponentName{cluster.Etcd, cluster.APIServer}, names); diff != "" {
		t.Errorf("components (-want +got):\n%s", diff)
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "alone"}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "a", Image: "a"}}},
	}
	if _, err := clientFor(t, c.Config()).CoreV1().Pods(corev1.NamespaceDefault).Create(t.Context(), pod, metav1.CreateOptions{}); err != nil {
		t.Errorf("creating a pod without anybody who makes service accounts: %v", err)
	}
}

func TestDeletedPodsEndOnlyAfterTheDelayTheyAskFor(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{})
	client := clientFor(t, c.Config())
	createNodes(t, client, 1)
	pods := client.CoreV1().Pods(corev1.NamespaceDefault)
	slow := pod("slow")
	slow.Annotations = map[string]string{cluster.PodStopDelay: "3s"}
	for _, p := range []*corev1.Pod{pod("prompt"), slow} {
		must(t, create(t.Context(), pods.Create, p))
	}
	awaitRunning(t, client, 2)

	asked := time.Now()
	for _, name := range []string{"prompt", "slow"} {
		must(t, pods.Delete(t.Context(), name, metav1.DeleteOptions{}))
	}
	gone := func(name string) func(context.Context) (bool, error) {
		return func(ctx context.Context) (bool, error) {
			_, err := pods.Get(ctx, name, metav1.GetOptions{})
			return apierrors.IsNotFound(err), nil
		}
	}
	await(t, "the prompt pod to end", gone("prompt"))
	if _, err := pods.Get(t.Context(), "slow", metav1.GetOptions{}); err != nil {
		t.Errorf("the slow pod ended together with the prompt one: %v", err)
	}
	await(t, "the slow pod to end", gone("slow"))
	if took := time.Since(asked); took < 3*time.Second {
		t.Errorf("the slow pod ended after %s, before its delay of 3s", took)
	}
}

func TestRestartedServersKeepTheirData(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{})
	client := clientFor(t, c.Config())
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "kept"}, Data: map[string]string{"key": "value"}}
	maps := client.CoreV1().ConfigMaps(corev1.NamespaceDefault)
	must(t, create(t.Context(), maps.Create, config))

	server, etcd := c.Component(cluster.APIServer), c.Component(cluster.Etcd)
	before := server.PID()
	server.Stop(t.Context())
	requireRefused(t, c.Server())
	if id := server.PID(); id != 0 {
		t.Errorf("the stopped server has process id %d", id)
	}
	etcd.Kill()
	must(t, etcd.Start(t.Context()))
	must(t, server.Start(t.Context()))
	if after := server.PID(); after == 0 || after == before {
		t.Errorf("process id %d before and %d after the restart", before, after)
	}
	got, err := maps.Get(t.Context(), "kept", metav1.GetOptions{})
	must(t, err)
	if got.Data["key"] != "value" {
		t.Errorf("got %v after the restart", got.Data)
	}
	createNodes(t, client, 1)
	createDeployment(t, client, 1)
	awaitRunning(t, client, 1) // the other programs have found the server again
}

func TestDirectoryOutlivesTheClusterAndServesTheNext(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	c := start(t, cluster.Options{Directory: directory})
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "kept"}}
	must(t, create(t.Context(), clientFor(t, c.Config()).CoreV1().Namespaces().Create, namespace))
	if _, err := cluster.Start(t.Context(), cluster.Options{Directory: directory}); err == nil {
		t.Error("a second cluster started in a directory that is in use")
	}
	must(t, c.Stop())

	next := start(t, cluster.Options{Directory: directory})
	config, err := clientcmd.BuildConfigFromFlags("", next.Kubeconfig())
	must(t, err)
	_, err = clientFor(t, config).CoreV1().Namespaces().Get(t.Context(), "kept", metav1.GetOptions{})
	must(t, err)
}

func TestServiceAccountConfigActsAsThatAccountOnly(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{})
	config, err := c.ServiceAccountConfig(t.Context(), corev1.NamespaceDefault, "default", time.Hour)
	must(t, err)
	path := t.TempDir() + "/kubeconfig"
	must(t, cluster.WriteKubeconfig(path, config))
	config, err = clientcmd.BuildConfigFromFlags("", path)
	must(t, err)
	client := clientFor(t, config)

	review, err := client.AuthenticationV1().SelfSubjectReviews().Create(
		t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	must(t, err)
	if got, want := review.Status.UserInfo.Username, "system:serviceaccount:default:default"; got != want {
		t.Errorf("the API server takes the client for %q, want %q", got, want)
	}
	if _, err := client.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("listing nodes without a grant: %v, want forbidden", err)
	}
	if _, err := c.ServiceAccountConfig(t.Context(), "default", "nobody", time.Hour); !apierrors.IsNotFound(err) {
		t.Errorf("asking for a token of an account that does not exist: %v, want not found", err)
	}
}

func TestNodeWithoutTheLabelFallsSilentWhileOthersStayReady(t *testing.T) {
	t.Parallel()
	c := start(t, cluster.Options{NodeMonitorGracePeriod: cluster.HeartbeatPeriod + 3*time.Second})
	client := clientFor(t, c.Config())
	createNodes(t, client, 2)
	await(t, "both nodes to be ready", readiness(client, corev1.ConditionTrue, "node-0", "node-1"))

	patch := fmt.Appendf(nil, `{"metadata":{"labels":{%q:null}}}`, cluster.ManagedLabel)
	_, err := client.CoreV1().Nodes().Patch(t.Context(), "node-0", types.MergePatchType, patch, metav1.PatchOptions{})
	must(t, err)
	await(t, "the unlabelled node to become unreachable", readiness(client, corev1.ConditionUnknown, "node-0"))
	if ok, err := readiness(client, corev1.ConditionTrue, "node-1")(t.Context()); !ok || err != nil {
		t.Errorf("the labelled node is not ready any more (%v)", err)
	}
}

func TestFailureToStartQuotesTheLogAndStopsTheRest(t *testing.T) {
	t.Parallel()
	_, err := cluster.Start(t.Context(), cluster.Options{
		Arguments: map[cluster.ComponentName][]string{cluster.Scheduler: {"--no-such-flag"}},
	})
	if err == nil {
		t.Fatal("a scheduler with an unknown flag started")
	}
	for _, part := range []string{"starting kube-scheduler", "exit status 1", "unknown flag: --no-such-flag"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
}

// start starts a cluster that ends with the test at the latest.
func start(t *testing.T, options cluster.Options) *cluster.Cluster {
	t.Helper()
	c, err := cluster.Start(t.Context(), options)
	if err != nil {
		t.Fatalf("starting a cluster: %v", err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Errorf("stopping the cluster: %v", err)
		}
	})
	return c
}

func clientFor(t *testing.T, config *rest.Config) kubernetes.Interface {
	t.Helper()
	client, err := kubernetes.NewForConfig(config)
	must(t, err)
	return client
}

func createNodes(t *testing.T, client kubernetes.Interface, count int) {
	t.Helper()
	resources := corev1.ResourceList{
		corev1.ResourceCPU:    resource.MustParse("4"),
		corev1.ResourceMemory: resource.MustParse("8Gi"),
		corev1.ResourcePods:   resource.MustParse("20"),
	}
	for i := range count {
		node := &corev1.Node{
			ObjectMeta: metav1.ObjectMeta{
				Name:   fmt.Sprintf("node-%d", i),
				Labels: map[string]string{cluster.ManagedLabel: cluster.ManagedValue},
			},
			Status: corev1.NodeStatus{Capacity: resources, Allocatable: resources},
		}
		must(t, create(t.Context(), client.CoreV1().Nodes().Create, node))
	}
}

func pod(name string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"app": name}},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "main", Image: "registry.invalid/main"}}},
	}
}

func template(name string) corev1.PodTemplateSpec {
	p := pod(name)
	return corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: p.Labels}, Spec: p.Spec}
}

func createDeployment(t *testing.T, client kubernetes.Interface, replicas int32) {
	t.Helper()
	deployment := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			Template: template("web"),
		},
	}
	must(t, create(t.Context(), client.AppsV1().Deployments(corev1.NamespaceDefault).Create, deployment))
}

func createDaemonSet(t *testing.T, client kubernetes.Interface) {
	t.Helper()
	set := &appsv1.DaemonSet{
		ObjectMeta: metav1.ObjectMeta{Name: "agent"},
		Spec: appsv1.DaemonSetSpec{
			Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "agent"}},
			Template: template("agent"),
		},
	}
	must(t, create(t.Context(), client.AppsV1().DaemonSets(corev1.NamespaceDefault).Create, set))
}

func awaitRunning(t *testing.T, client kubernetes.Interface, want int) {
	t.Helper()
	await(t, fmt.Sprintf("%d pods to run", want), func(ctx context.Context) (bool, error) {
		pods, err := client.CoreV1().Pods(corev1.NamespaceDefault).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		running := 0
		for _, p := range pods.Items {
			if p.Status.Phase == corev1.PodRunning && p.Status.PodIP != "" {
				running++
			}
		}
		return running == want, nil
	})
}

// readiness tells whether the nodes all have the Ready condition in the given status.
func readiness(
	client kubernetes.Interface, status corev1.ConditionStatus, names ...string,
) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		for _, name := range names {
			node, err := client.CoreV1().Nodes().Get(ctx, name, metav1.GetOptions{})
			if err != nil {
				return false, err
			}
			found := false
			for _, condition := range node.Status.Conditions {
				found = found || condition.Type == corev1.NodeReady && condition.Status == status
			}
			if !found {
				return false, nil
			}
		}
		return true, nil
	}
}

func await(t *testing.T, what string, condition func(context.Context) (bool, error)) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, condition); err != nil {
		t.Fatalf("waiting for %s: %v", what, err)
	}
}

// create drops the object that a typed client's Create returns.
func create[T any](
	ctx context.Context, call func(context.Context, T, metav1.CreateOptions) (T, error), object T,
) error {
	_, err := call(ctx, object, metav1.CreateOptions{})
	return err
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func processIDs(c *cluster.Cluster) []int {
	var ids []int
	for _, component := range c.Components() {
		ids = append(ids, component.PID())
	}
	return ids
}

// requireGone fails unless all processes have ended, for which it gives them a moment.
func requireGone(t *testing.T, ids []int) {
	t.Helper()
	for _, id := range ids {
		if id == 0 {
			t.Error("a program did not run")
			continue
		}
		await(t, fmt.Sprintf("process %d to end", id), func(context.Context) (bool, error) {
			return errors.Is(syscall.Kill(id, 0), syscall.ESRCH) || isZombie(id), nil
		})
	}
}

// isZombie tells whether the process has ended and only waits for its parent to ask how; after the death of an owner
// that parent is whatever the system put in its place.
func isZombie(id int) bool {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", id))
	return err == nil && strings.Contains(string(status), "\nState:\tZ")
}

func requireRefused(t *testing.T, server string) {
	t.Helper()
	address, err := url.Parse(server)
	must(t, err)
	connection, err := net.DialTimeout("tcp", address.Host, time.Second)
	if err == nil {
		t.Errorf("%s still accepts connections", server)
		must(t, connection.Close())
	} else if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connecting to %s: %v, want refused", server, err)
	}
}
