package helm_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"

	"github.com/kerf-autoscaler/kerf/test/cluster"
	"github.com/kerf-autoscaler/kerf/test/helm"
)

const (
	namespace = "karpenter"
	// patience bounds every wait; what is waited for takes a second or two on an idle machine.
	patience = time.Minute
)

func definitionNames() []string {
	return []string{"awsnodetemplates.karpenter.k8s.aws", "machines.karpenter.sh", "provisioners.karpenter.sh"}
}

// defaultingName is the name of the configuration of the mutating phase.
const defaultingName = "defaulting.webhook.karpenter.k8s.aws"

// webhookNames maps the name of a configuration -> those of its webhooks.
func webhookNames() map[string][]string {
	names := map[string][]string{defaultingName: {defaultingName, "awsnodetemplates." + defaultingName}}
	for _, only := range []string{"validation.webhook.karpenter.k8s.aws", "validation.webhook.karpenter.sh"} {
		names[only] = []string{only}
	}
	return names
}

// site is a cluster to install kerf in: two nodes that nobody's pods are on, one that kerf has launched, and a namespace
// that enforces PodSecurity restricted. Pods run on paper: they are ready without an image.
type site struct {
	program  *helm.Helm
	cluster  *cluster.Cluster
	client   kubernetes.Interface
	dynamic  dynamic.Interface
	warnings *warnings
}

// warnings collects what the API server warns of. It is safe for concurrent use.
type warnings struct {
	mu    sync.Mutex
	texts []string
}

// HandleWarningHeader is called by client-go.
func (w *warnings) HandleWarningHeader(_ int, _, text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.texts = append(w.texts, text)
}

// take returns the warnings since the last call.
func (w *warnings) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	texts := w.texts
	w.texts = nil
	return texts
}

func startSite(t *testing.T) *site {
	t.Helper()
	c, err := cluster.Start(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Errorf("stopping the cluster: %v", err)
		}
	})
	s := &site{cluster: c, warnings: &warnings{}}
	config := c.Config()
	config.WarningHandler = s.warnings
	var errs [3]error
	s.client, errs[0] = kubernetes.NewForConfig(config)
	s.dynamic, errs[1] = dynamic.NewForConfig(config)
	s.program, errs[2] = helm.New(root, t.TempDir(), c.Kubeconfig())
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	s.prepare(t)
	return s
}

// prepare creates what is there before kerf, the definition of ServiceMonitors included.
func (s *site) prepare(t *testing.T) {
	t.Helper()
	restricted := map[string]string{"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
	must(t)(s.client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: restricted}}, metav1.CreateOptions{}))
	room := corev1.ResourceList{"cpu": resource.MustParse("8"), "memory": resource.MustParse("32Gi"), "pods": resource.MustParse("50")}
	for name, labels := range map[string]map[string]string{
		"management-0": {}, "management-1": {}, "launched": {"karpenter.sh/provisioner-name": "default"},
	} {
		labels[cluster.ManagedLabel], labels["kubernetes.io/os"], labels["kubernetes.io/hostname"] = cluster.ManagedValue, "linux", name
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labels}, Status: corev1.NodeStatus{Capacity: room, Allocatable: room}}
		must(t)(s.client.CoreV1().Nodes().Create(t.Context(), node, metav1.CreateOptions{}))
	}
	for _, role := range []string{"view", "edit", "admin", "karpenter-provisioner-author", "karpenter-template-author"} {
		must(t)(s.client.RbacV1().ClusterRoleBindings().Create(t.Context(), &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "test:" + role},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "test:" + role}},
		}, metav1.CreateOptions{}))
	}
	must(t)(s.definitions().Create(t.Context(), serviceMonitors(), metav1.CreateOptions{}))
	s.await(t, "the definition of ServiceMonitors", func() error {
		kind := schema.GroupVersionResource{Group: "monitoring.coreos.com", Version: "v1", Resource: "servicemonitors"}
		_, err := s.dynamic.Resource(kind).List(t.Context(), metav1.ListOptions{})
		return err
	})
}

// serviceMonitors is a definition as that of the Prometheus operator, which takes anything.
func serviceMonitors() *unstructured.Unstructured {
	anything := map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "servicemonitors.monitoring.coreos.com"},
		"spec": map[string]any{
			"group": "monitoring.coreos.com", "scope": "Namespaced",
			"names":    map[string]any{"plural": "servicemonitors", "singular": "servicemonitor", "kind": "ServiceMonitor", "listKind": "ServiceMonitorList"},
			"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": anything}}},
		},
	}}
}

// must fails the test unless a call has worked, whatever else it returns.
func must(t *testing.T) func(any, error) {
	return func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
}

// helm runs helm on the cluster and expects that it does what it is told.
func (s *site) helm(t *testing.T, arguments ...string) helm.Output {
	t.Helper()
	output, err := s.program.Run(t.Context(), append(arguments, "--timeout=3m")...)
	if err != nil {
		t.Fatalf("%v\n%s", err, output.Text)
	}
	return output
}

// await waits until look returns nil; what it returned last tells what was missing.
func (s *site) await(t *testing.T, what string, look func() error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		last = look()
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("waiting for %s: %v", what, errors.Join(err, last))
	}
}

func (s *site) definitions() dynamic.ResourceInterface {
	return s.dynamic.Resource(schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"})
}

func (s *site) deployment(t *testing.T, name string) *appsv1.Deployment {
	t.Helper()
	deployment, err := s.client.AppsV1().Deployments(namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return deployment
}

// pods returns those that are not on their way out.
func (s *site) pods(t *testing.T) []corev1.Pod {
	t.Helper()
	pods, err := s.client.CoreV1().Pods(namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(pods.Items, func(pod corev1.Pod) bool { return pod.DeletionTimestamp != nil })
}

// apply applies the objects of some kinds among manifests on the server's side and returns what the server warns of.
func (s *site) apply(t *testing.T, manifests string, kinds ...string) []string {
	t.Helper()
	objects, err := helm.Objects(manifests)
	if err != nil {
		t.Fatal(err)
	}
	groups, err := restmapper.GetAPIGroupResources(s.client.Discovery())
	if err != nil {
		t.Fatal(err)
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	s.warnings.take()
	applied := 0
	for _, object := range objects {
		if !slices.Contains(kinds, object.GetKind()) {
			continue
		}
		mapping, err := mapper.RESTMapping(object.GroupVersionKind().GroupKind(), object.GroupVersionKind().Version)
		if err != nil {
			t.Fatal(err)
		}
		var target dynamic.ResourceInterface = s.dynamic.Resource(mapping.Resource)
		options := metav1.ApplyOptions{FieldManager: "test", Force: true}
		if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
			target = s.dynamic.Resource(mapping.Resource).Namespace(object.GetNamespace())
			options.DryRun = []string{metav1.DryRunAll} // helm has the real one
		}
		must(t)(target.Apply(t.Context(), object.GetName(), object, options))
		applied++
	}
	if applied != len(kinds) {
		t.Fatalf("%d objects of the kinds %v in:\n%s", applied, kinds, manifests)
	}
	return s.warnings.take()
}

// may says whether somebody who has a role may do something.
func (s *site) may(t *testing.T, role, verb, resource string) bool {
	t.Helper()
	group, plural, _ := strings.Cut(resource, "/")
	review, err := s.client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), &authorizationv1.SubjectAccessReview{
		Spec: authorizationv1.SubjectAccessReviewSpec{
			User:               "test:" + role,
			ResourceAttributes: &authorizationv1.ResourceAttributes{Group: group, Resource: plural, Verb: verb},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return review.Status.Allowed
}

// bundle is a certificate authority as webhook configurations hold one, in base64.
func (s *site) bundle() string {
	return base64.StdEncoding.EncodeToString(s.cluster.Config().CAData)
}

// clients returns how the API server reaches the webhooks: name of the configuration -> clients.
func (s *site) clients(t *testing.T) map[string][]admissionregistrationv1.WebhookClientConfig {
	t.Helper()
	clients := map[string][]admissionregistrationv1.WebhookClientConfig{}
	mutating, err := s.client.AdmissionregistrationV1().MutatingWebhookConfigurations().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, configuration := range mutating.Items {
		for _, webhook := range configuration.Webhooks {
			clients[configuration.Name] = append(clients[configuration.Name], webhook.ClientConfig)
		}
	}
	validating, err := s.client.AdmissionregistrationV1().ValidatingWebhookConfigurations().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, configuration := range validating.Items {
		for _, webhook := range configuration.Webhooks {
			clients[configuration.Name] = append(clients[configuration.Name], webhook.ClientConfig)
		}
	}
	return clients
}

func (s *site) written(t *testing.T) written {
	t.Helper()
	w := written{Bundles: map[string][]string{}}
	for name, clients := range s.clients(t) {
		for _, client := range clients {
			w.Bundles[name] = append(w.Bundles[name], base64.StdEncoding.EncodeToString(client.CABundle))
		}
	}
	secret, err := s.client.CoreV1().Secrets(namespace).Get(t.Context(), "karpenter-cert", metav1.GetOptions{})
	if err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	if err == nil {
		w.Secret = secret.Data
	}
	return w
}

// webhookClients tells where the API server reaches the webhooks of a configuration.
func (s *site) webhookClients(t *testing.T, name string) []string {
	t.Helper()
	var out []string
	for _, client := range s.clients(t)[name] {
		switch {
		case client.URL != nil && client.Service == nil:
			out = append(out, *client.URL)
		case client.URL == nil && client.Service != nil:
			service := client.Service
			out = append(out, fmt.Sprintf("%s/%s:%d%s", service.Namespace, service.Name, *service.Port, *service.Path))
		default:
			out = append(out, fmt.Sprint(client))
		}
	}
	return out
}

// patchWebhook changes a configuration as kerf does.
func (s *site) patchWebhook(t *testing.T, name, patch string) {
	t.Helper()
	ctx, api, options := t.Context(), s.client.AdmissionregistrationV1(), metav1.PatchOptions{}
	if strings.HasPrefix(name, "defaulting") {
		must(t)(api.MutatingWebhookConfigurations().Patch(ctx, name, types.StrategicMergePatchType, []byte(patch), options))
		return
	}
	must(t)(api.ValidatingWebhookConfigurations().Patch(ctx, name, types.StrategicMergePatchType, []byte(patch), options))
}

// columns returns the columns that kubectl shows of a kind.
func (s *site) columns(t *testing.T, definition string) []string {
	t.Helper()
	object, err := s.definitions().Get(t.Context(), definition, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return columnsOf(t, object)
}

func columnsOf(t *testing.T, definition *unstructured.Unstructured) []string {
	t.Helper()
	versions, _, err := unstructured.NestedSlice(definition.Object, "spec", "versions")
	if err != nil || len(versions) != 1 {
		t.Fatal(versions, err)
	}
	columns, _, err := unstructured.NestedSlice(versions[0].(map[string]any), "additionalPrinterColumns")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, column := range columns {
		names = append(names, fmt.Sprint(column.(map[string]any)["name"]))
	}
	return names
}

// objects returns every object there is that is not made and unmade all the time, by group, kind, namespace and name.
func (s *site) objects(t *testing.T) map[string]bool {
	t.Helper()
	lists, err := s.client.Discovery().ServerPreferredResources()
	if err != nil {
		t.Fatal(err)
	}
	kinds, err := discovery.GroupVersionResources(discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "watch"}}, lists))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for kind := range kinds {
		if slices.Contains([]string{"events", "leases"}, kind.Resource) {
			continue
		}
		list, err := s.dynamic.Resource(kind).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatalf("listing %s: %v", kind.Resource, err)
		}
		for _, object := range list.Items {
			parts := []string{object.GroupVersionKind().Group, object.GetKind(), object.GetNamespace(), object.GetName()}
			found[strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "/")] = true
		}
	}
	return found
}

var _ rest.WarningHandler = (*warnings)(nil)
