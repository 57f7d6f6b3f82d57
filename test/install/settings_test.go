package install_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/kerf-autoscaler/kerf/pkg/options"
	"github.com/kerf-autoscaler/kerf/test/install"
)

// found returns the one object of a kind in what kubectl built; what kerf may do in the namespace of the nodes' leases does not count.
func found(t *testing.T, built, kind string, into any) *unstructured.Unstructured {
	t.Helper()
	objects, err := install.Objects(built)
	if err != nil {
		t.Fatal(err)
	}
	objects = slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool {
		return o.GetKind() != kind || o.GetNamespace() == corev1.NamespaceNodeLease
	})
	if len(objects) != 1 {
		t.Fatalf("there are %d objects of kind %s", len(objects), kind)
	}
	if into != nil {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(objects[0].Object, into); err != nil {
			t.Fatal(err)
		}
	}
	return objects[0]
}

// environment returns the variables that the controller's container gets.
func environment(t *testing.T, built string) map[string]string {
	t.Helper()
	var deployment appsv1.Deployment
	var settings corev1.ConfigMap
	found(t, built, "Deployment", &deployment)
	found(t, built, "ConfigMap", &settings)
	out := map[string]string{}
	container := deployment.Spec.Template.Spec.Containers[0]
	if len(container.EnvFrom) != 1 || container.EnvFrom[0].ConfigMapRef.Name != settings.Name {
		t.Errorf("the container's environment comes from %v, not from %s", container.EnvFrom, settings.Name)
	}
	maps.Copy(out, settings.Data)
	for _, e := range container.Env {
		switch {
		case e.ValueFrom != nil && e.ValueFrom.FieldRef != nil && e.ValueFrom.FieldRef.FieldPath == "metadata.namespace":
			out[e.Name] = deployment.Namespace
		case e.ValueFrom != nil && e.ValueFrom.ResourceFieldRef != nil && e.ValueFrom.ResourceFieldRef.Resource == "limits.memory":
			out[e.Name] = strconv.FormatInt(container.Resources.Limits.Memory().Value(), 10)
		default:
			t.Errorf("this test does not know where %s comes from", e.Name)
		}
	}
	return out
}

func TestTheControllerTakesTheSettingsOfTheManifests(t *testing.T) {
	for directory, wantError := range map[string]string{
		"docs/install/overlay": "",
		"config/default":       "--cluster-name: must be set", // which is for people to fill in
	} {
		variables := environment(t, build(t.Context(), t, directory))
		asked := map[string]bool{}
		o, err := options.Parse(nil, func(name string) (string, bool) {
			asked[name] = true
			value, ok := variables[name]
			return value, ok
		})
		switch {
		case wantError == "" && err != nil:
			t.Errorf("%s: %s", directory, err)
		case wantError != "" && (err == nil || err.Error() != wantError):
			t.Errorf("%s: got error %v, want %s", directory, err, wantError)
		case wantError == "" && o.ClusterName != "my-cluster":
			t.Errorf("%s: the cluster's name is %q", directory, o.ClusterName)
		}
		if o.MemoryLimit != 1<<30 {
			t.Errorf("%s: kerf thinks that it may take %d bytes of memory", directory, o.MemoryLimit)
		}
		if o.SystemNamespace != namespace {
			t.Errorf("%s: kerf thinks that it is in namespace %q", directory, o.SystemNamespace)
		}
		for name := range variables {
			if !asked[name] {
				t.Errorf("%s: kerf knows no setting %s", directory, name)
			}
		}
	}
}

func TestManifestsAndControllerAgreeOnPortsAndNames(t *testing.T) {
	built := build(t.Context(), t, "config/default")
	o, err := options.Parse([]string{"--cluster-name=demo"}, func(string) (string, bool) { return "", false })
	if err != nil {
		t.Fatal(err)
	}
	var deployment appsv1.Deployment
	var service corev1.Service
	found(t, built, "Deployment", &deployment)
	found(t, built, "Service", &service)
	ports := map[string]int32{}
	for _, p := range deployment.Spec.Template.Spec.Containers[0].Ports {
		ports[p.Name] = p.ContainerPort
	}
	for name, want := range map[string]int{"https-webhook": o.WebhookPort, "http-metrics": o.MetricsPort, "http-probes": o.HealthProbePort} {
		if ports[name] != int32(want) {
			t.Errorf("port %s of the container is %d, and kerf listens on %d", name, ports[name], want)
		}
	}
	for _, p := range service.Spec.Ports {
		if ports[p.TargetPort.String()] == 0 {
			t.Errorf("port %s of the Service leads to %s, which the container does not have", p.Name, p.TargetPort.String())
		}
	}
	for key, value := range service.Spec.Selector {
		if deployment.Spec.Template.Labels[key] != value {
			t.Errorf("the Service selects %s=%s, which the pods do not have", key, value)
		}
	}
	if secret := found(t, built, "Secret", nil); secret.GetName() != o.WebhookCertSecret {
		t.Errorf("the Secret is %s, and kerf looks for %s", secret.GetName(), o.WebhookCertSecret)
	}
	for _, kind := range []string{"ServiceAccount", "Deployment", "Secret", "Service", "PodDisruptionBudget", "ConfigMap", "Role"} {
		if o := found(t, built, kind, nil); o.GetNamespace() != namespace {
			t.Errorf("the %s is in namespace %q", kind, o.GetNamespace())
		}
	}
	account := found(t, built, "ServiceAccount", nil)
	if got := deployment.Spec.Template.Spec.ServiceAccountName; got != account.GetName() {
		t.Errorf("the pods run as %s, not as %s", got, account.GetName())
	}
}

func TestWebhooksLeadToTheServiceOfTheController(t *testing.T) {
	built := build(t.Context(), t, "config/default")
	service := found(t, built, "Service", nil)
	objects, err := install.Objects(built)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, o := range objects {
		if !strings.HasSuffix(o.GetKind(), "WebhookConfiguration") {
			continue
		}
		names = append(names, o.GetName())
		webhooks, _, err := unstructured.NestedSlice(o.Object, "webhooks")
		if err != nil || len(webhooks) == 0 {
			t.Fatalf("%s has %d webhooks: %v", o.GetName(), len(webhooks), err)
		}
		for _, webhook := range webhooks {
			expectLeadsTo(t, o.GetName(), service, webhook)
		}
	}
	if want := []string{defaultingName, nodeTemplatesName, provisionersName}; !slices.Equal(slices.Sorted(slices.Values(names)), slices.Sorted(slices.Values(want))) {
		t.Errorf("webhook configurations %v, want %v", names, want)
	}
}

// expectLeadsTo checks that one webhook of a configuration calls a Service, and leaves it to kerf to say whom to trust.
func expectLeadsTo(t *testing.T, configuration string, service *unstructured.Unstructured, webhook any) {
	t.Helper()
	hook, ok := webhook.(map[string]any)
	if !ok {
		t.Fatalf("a webhook of %s is %T", configuration, webhook)
	}
	for field, want := range map[string]string{"name": service.GetName(), "namespace": service.GetNamespace()} {
		if got, _, _ := unstructured.NestedString(hook, "clientConfig", "service", field); got != want {
			t.Errorf("%s leads to a Service with %s %q, want %q", configuration, field, got, want)
		}
	}
	if _, stated, _ := unstructured.NestedString(hook, "clientConfig", "caBundle"); stated {
		t.Errorf("%s states a bundle, which is kerf's to write", configuration)
	}
}
