package install_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	awsv1alpha1 "github.com/kerf-autoscaler/kerf/apis/v1alpha1"
	"github.com/kerf-autoscaler/kerf/test/builders"
	"github.com/kerf-autoscaler/kerf/test/install"
	"github.com/kerf-autoscaler/kerf/test/workbench"
)

func TestTheAPIServerTakesWhatEachKustomizationBuilds(t *testing.T) {
	ensureNamespaces(t, namespace)
	k := kubectl(t)
	for _, directory := range kustomizations(t) {
		t.Run(directory, func(t *testing.T) {
			built := build(t.Context(), t, directory)
			objects, err := install.Objects(built)
			if err != nil {
				t.Fatal(err)
			}
			output := run(t, k, built, "apply", "--dry-run=server", "-f", "-")
			if got := strings.Count(output, "(server dry run)"); got != len(objects) || got == 0 {
				t.Errorf("%d of %d objects were applied:\n%s", got, len(objects), output)
			}
		})
	}
}

// installDefault applies config/default for good, until the end of the test.
func installDefault(t *testing.T, b *workbench.Bench) string {
	t.Helper()
	built := build(t.Context(), t, "config/default")
	t.Cleanup(func() {
		// The rest stays: it is in the way of no other test.
		for _, object := range webhookConfigurations() {
			if err := client.IgnoreNotFound(b.Client.Delete(context.WithoutCancel(t.Context()), object)); err != nil {
				t.Error(err)
			}
		}
	})
	run(t, kubectl(t), built, "apply", "-f", "-")
	return built
}

// Names that kerf and all ways to install it agree on.
const (
	defaultingName        = "defaulting.webhook.karpenter.k8s.aws"
	provisionersName      = "validation.webhook.karpenter.sh"
	nodeTemplatesName     = "validation.webhook.karpenter.k8s.aws"
	certificateSecretName = "karpenter-cert"
)

func webhookConfigurations() []client.Object {
	return []client.Object{
		&admissionregistrationv1.MutatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: defaultingName}},
		&admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: provisionersName}},
		&admissionregistrationv1.ValidatingWebhookConfiguration{ObjectMeta: metav1.ObjectMeta{Name: nodeTemplatesName}},
	}
}

func TestTheControllersPodsAreWithinPodSecurityRestricted(t *testing.T) {
	b := workbench.New(t)
	installDefault(t, b)
	var deployment appsv1.Deployment
	if err := b.Client.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "karpenter"}, &deployment); err != nil {
		t.Fatal(err)
	}
	pod := func() *corev1.Pod {
		return &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, GenerateName: "karpenter-", Labels: deployment.Spec.Template.Labels},
			Spec:       *deployment.Spec.Template.Spec.DeepCopy(),
		}
	}
	if err := b.Client.Create(t.Context(), pod(), client.DryRunAll); err != nil {
		t.Errorf("the namespace does not let the controller in: %s", err)
	}
	// The namespace would not let in whoever is any less restricted.
	for name, loosen := range map[string]func(*corev1.PodSpec){
		"as root":                  func(s *corev1.PodSpec) { s.SecurityContext.RunAsNonRoot, s.SecurityContext.RunAsUser = nil, nil },
		"with capabilities":        func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.Capabilities = nil },
		"with every call":          func(s *corev1.PodSpec) { s.SecurityContext.SeccompProfile = nil },
		"with more than it has":    func(s *corev1.PodSpec) { s.Containers[0].SecurityContext.AllowPrivilegeEscalation = nil },
		"in the network of a node": func(s *corev1.PodSpec) { s.HostNetwork = true },
	} {
		loose := pod()
		loosen(&loose.Spec)
		if err := b.Client.Create(t.Context(), loose, client.DryRunAll); err == nil {
			t.Errorf("the namespace lets in a pod %s", name)
		}
	}
}

func TestApplyingAgainLeavesTheCertificatesAlone(t *testing.T) {
	b := workbench.New(t)
	built := installDefault(t, b)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: certificateSecretName}}
	b.Reload(secret)
	secret.Data = map[string][]byte{"authority": []byte("kerf's own")}
	if err := b.Client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	config, err := workbench.Config()
	if err != nil {
		t.Fatal(err)
	}
	bundle := base64.StdEncoding.EncodeToString(config.CAData)
	for _, configuration := range webhookConfigurations() {
		b.Reload(configuration)
		for i := range clientsOf(configuration) {
			patch := fmt.Appendf(nil, `[{"op": "add", "path": "/webhooks/%d/clientConfig/caBundle", "value": %q}]`, i, bundle)
			if err := b.Client.Patch(t.Context(), configuration, client.RawPatch("application/json-patch+json", patch)); err != nil {
				t.Fatal(err)
			}
		}
	}
	run(t, kubectl(t), built, "apply", "-f", "-")
	b.Reload(secret)
	if string(secret.Data["authority"]) != "kerf's own" {
		t.Errorf("the Secret now holds %v", secret.Data)
	}
	for _, configuration := range webhookConfigurations() {
		b.Reload(configuration)
		clients := clientsOf(configuration)
		if slices.ContainsFunc(clients, func(c admissionregistrationv1.WebhookClientConfig) bool { return len(c.CABundle) == 0 }) || len(clients) == 0 {
			t.Errorf("%s has lost its bundle", configuration.GetName())
		}
	}
}

// clientsOf returns how the API server reaches each webhook of a configuration.
func clientsOf(configuration client.Object) []admissionregistrationv1.WebhookClientConfig {
	var clients []admissionregistrationv1.WebhookClientConfig
	switch c := configuration.(type) {
	case *admissionregistrationv1.MutatingWebhookConfiguration:
		for _, webhook := range c.Webhooks {
			clients = append(clients, webhook.ClientConfig)
		}
	case *admissionregistrationv1.ValidatingWebhookConfiguration:
		for _, webhook := range c.Webhooks {
			clients = append(clients, webhook.ClientConfig)
		}
	}
	return clients
}

func TestOnlyNewAndChangedSpecsWaitForTheWebhooks(t *testing.T) {
	b := workbench.New(t)
	provisioner := builders.Provisioner(b.Name("there"))
	template := &awsv1alpha1.AWSNodeTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: b.Name("there")},
		Spec: awsv1alpha1.AWSNodeTemplateSpec{
			SubnetSelector: map[string]string{"a": "b"}, SecurityGroupSelector: map[string]string{"a": "b"},
		},
	}
	b.Create(provisioner, template)
	installDefault(t, b)
	// Nobody answers the webhooks here, so that what asks them fails. The API server takes a moment to know them.
	another := provisioner.DeepCopy()
	another.ObjectMeta = metav1.ObjectMeta{Name: b.Name("new")}
	anotherTemplate := template.DeepCopy()
	anotherTemplate.ObjectMeta = metav1.ObjectMeta{Name: b.Name("new")}
	for _, object := range []client.Object{another, anotherTemplate} {
		awaitRefused(t, func() error { return b.Client.Create(t.Context(), object, client.DryRunAll) })
	}
	for _, object := range []client.Object{provisioner, template} {
		for what, patch := range map[string]string{
			"annotations": `{"metadata": {"annotations": {"example.com/a": "b"}}}`,
			"finalizers":  `{"metadata": {"finalizers": ["example.com/hold"]}}`,
			"no spec":     `{"spec": {}}`,
		} {
			if err := b.Client.Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", []byte(patch))); err != nil {
				t.Errorf("a patch of %T with %s waits for a webhook: %s", object, what, err)
			}
		}
		status := client.RawPatch("application/merge-patch+json", []byte(`{"status": {"observedGeneration": 1}}`))
		if err := b.Client.Status().Patch(t.Context(), object, status); err != nil {
			t.Errorf("the status of %T waits for a webhook: %s", object, err)
		}
	}
	for object, patch := range map[client.Object]string{provisioner: `{"spec": {"weight": 7}}`, template: `{"spec": {"tags": {"a": "b"}}}`} {
		err := b.Client.Patch(t.Context(), object, client.RawPatch("application/merge-patch+json", []byte(patch)))
		if !refusedByWebhook(err) {
			t.Errorf("a new spec of %T does not wait for a webhook: %v", object, err)
		}
	}
	if err := asKerf(t, b).Create(t.Context(), anotherTemplate, client.DryRunAll); err != nil {
		t.Errorf("kerf waits for itself when it writes a template: %s", err)
	}
	for _, object := range []client.Object{provisioner, template} {
		b.Delete(object)
		b.Release(object) // an update of what is being deleted
		if !b.Gone(object) {
			t.Errorf("%T is still there", object)
		}
	}
	machine := b.Machine()
	b.Create(machine) // no webhook is about machines
}

// asKerf returns a client that is what the Deployment runs as.
func asKerf(t *testing.T, b *workbench.Bench) client.Client {
	t.Helper()
	config, err := workbench.Config()
	if err != nil {
		t.Fatal(err)
	}
	config.Impersonate.UserName = "system:serviceaccount:" + namespace + ":karpenter"
	c, err := client.New(config, client.Options{Scheme: b.Client.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func refusedByWebhook(err error) bool {
	return err != nil && strings.Contains(err.Error(), "failed calling webhook")
}

// awaitRefused waits until a webhook is asked about what is tried.
func awaitRefused(t *testing.T, try func() error) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, 30*time.Second, true, func(context.Context) (bool, error) {
		return refusedByWebhook(try()), nil
	})
	if err != nil {
		t.Fatalf("no webhook is asked about what is new: %s", err)
	}
}

func TestBuiltInRolesGetToReadAndNothingElse(t *testing.T) {
	objects, err := install.Objects(build(t.Context(), t, "config/rbac"))
	if err != nil {
		t.Fatal(err)
	}
	aggregated := 0
	for _, o := range objects {
		for label := range o.GetLabels() {
			to, found := strings.CutPrefix(label, "rbac.authorization.k8s.io/aggregate-to-")
			if !found {
				continue
			}
			aggregated++
			var role rbacv1.ClusterRole
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, &role, true); err != nil {
				t.Fatal(err)
			}
			for _, rule := range role.Rules {
				for _, verb := range rule.Verbs {
					if !slices.Contains([]string{"get", "list", "watch"}, verb) {
						t.Errorf("%s lets the built-in role %s %s %v", role.Name, to, verb, rule.Resources)
					}
				}
			}
		}
	}
	if aggregated == 0 {
		t.Error("no role is aggregated")
	}
}
