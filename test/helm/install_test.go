package helm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kerf-autoscaler/kerf/test/helm"
)

// TestAReleaseFromItsInstallToItsUninstall goes one way through one cluster: each step finds what the one before has left.
func TestAReleaseFromItsInstallToItsUninstall(t *testing.T) {
	t.Parallel()
	s := startSite(t)
	before := s.objects(t)
	for _, step := range []struct {
		name string
		do   func(*testing.T, *site)
	}{
		{"the command that people know installs kerf", installs},
		{"pods stay off the nodes that kerf launched and off each other", staysOffOwnNodes},
		{"pods pass PodSecurity restricted without a warning", passesPodSecurity},
		{"built-in roles get what they may have", aggregatesRoles},
		{"an upgrade keeps what kerf has written", keepsWhatKerfWrote},
		{"webhooks move to a URL and back", movesWebhooks},
		{"every value at once is accepted", takesEveryValue},
		{"who may patch pods may change what deleting them costs and nothing else", keepsToDeletionCosts},
		{"without webhooks nothing of them is left, and the example of the notes applies", disablesWebhooks},
		{"definitions are taken over and upgraded", upgradesDefinitions},
		{"an uninstall leaves the definitions with their objects and nothing else", func(t *testing.T, s *site) { uninstalls(t, s, before) }},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.do(t, s) }) {
			t.Fatal("the next step needs this one")
		}
	}
}

func installs(t *testing.T, s *site) {
	output := s.helm(t, append([]string{"upgrade", "--install", "karpenter", helm.Chart}, seedArguments()...)...)
	if output.Warnings != "" {
		t.Errorf("helm warns: %s", output.Warnings)
	}
	for _, want := range []string{"EKS cluster demo", "kubectl -n karpenter rollout status deployment/karpenter", `karpenter.sh/discovery: "demo"`} {
		if !strings.Contains(output.Text, want) {
			t.Errorf("the notes do not have %q:\n%s", want, output.Text)
		}
	}
	// The command names no image, as there was one to pull for those who type it.
	if strings.Count(output.Text, "WARNING") != 1 || !strings.Contains(output.Text, "\nWARNING: NO IMAGE.") {
		t.Errorf("the notes have other warnings than that of the image:\n%s", output.Text)
	}
	deployment := s.deployment(t, "karpenter")
	if deployment.Status.ReadyReplicas != 2 {
		t.Errorf("helm waited, and %d replicas are ready", deployment.Status.ReadyReplicas)
	}
	account, err := s.client.CoreV1().ServiceAccounts(namespace).Get(t.Context(), "karpenter", metav1.GetOptions{})
	if err != nil || account.Annotations["eks.amazonaws.com/role-arn"] != "arn:aws:iam::123456789012:role/demo-karpenter" {
		t.Errorf("service account: %v, %v", account.Annotations, err)
	}
	for _, name := range definitionNames() {
		if _, err := s.definitions().Get(t.Context(), name, metav1.GetOptions{}); err != nil {
			t.Error(err)
		}
	}
}

func staysOffOwnNodes(t *testing.T, s *site) {
	nodes := map[string]int{}
	for _, pod := range s.pods(t) {
		nodes[pod.Spec.NodeName]++
	}
	if diff := cmp.Diff(map[string]int{"management-0": 1, "management-1": 1}, nodes); diff != "" {
		t.Errorf("pods by node (-want +got):\n%s", diff)
	}
	s.helm(t, "upgrade", "karpenter", helm.Chart, "--namespace="+namespace, "--reuse-values", "--set=replicas=3")
	s.await(t, "a third pod that finds no node", func() error {
		for _, pod := range s.pods(t) {
			for _, condition := range pod.Status.Conditions {
				if condition.Reason == corev1.PodReasonUnschedulable {
					for _, want := range []string{"1 node(s) didn't match Pod's node affinity", "2 node(s) didn't match pod anti-affinity"} {
						if !strings.Contains(condition.Message, want) {
							return fmt.Errorf("the scheduler says %s", condition.Message)
						}
					}
					return nil
				}
			}
		}
		return errors.New("every pod has a node")
	})
}

func passesPodSecurity(t *testing.T, s *site) {
	for name, tc := range map[string]struct {
		set      string
		admitted bool
	}{
		"as it is":             {"logLevel=debug", true},
		"network of the host":  {"hostNetwork=true", false}, // the check bites
		"privileges escalated": {"controller.securityContext.allowPrivilegeEscalation=true", false},
	} {
		t.Run(name, func(t *testing.T) {
			manifests := template(t, "--set=clusterName=demo,"+tc.set)
			warnings := s.apply(t, manifests, "Deployment")
			if (len(warnings) == 0) != tc.admitted {
				t.Errorf("warnings about the Deployment: %q", warnings)
			}
			deployment, err := helm.Find[appsv1.Deployment](manifests, "Deployment")
			if err != nil {
				t.Fatal(err)
			}
			pod := &corev1.Pod{ObjectMeta: deployment.Spec.Template.ObjectMeta, Spec: deployment.Spec.Template.Spec}
			pod.GenerateName = "probe-"
			_, err = s.client.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
			if tc.admitted && err != nil || !tc.admitted && !apierrors.IsForbidden(err) {
				t.Errorf("its pod: %v", err)
			}
		})
	}
}

func aggregatesRoles(t *testing.T, s *site) {
	tests := []struct {
		actor, verbs, resource string
		allowed                bool
	}{
		{"view", "get list watch", "karpenter.sh/provisioners", true},
		{"view", "get list watch", "karpenter.sh/machines", true},
		{"view", "get list watch", "karpenter.k8s.aws/awsnodetemplates", true},
		{"view", "create update patch delete", "karpenter.sh/provisioners", false},
		{"edit", "get list watch", "karpenter.sh/provisioners", true},
		{"edit", "create update patch delete", "karpenter.sh/provisioners", false},
		{"edit", "create update patch delete", "karpenter.k8s.aws/awsnodetemplates", false},
		{"admin", "get list watch", "karpenter.sh/provisioners", true},
		{"admin", "create update patch delete", "karpenter.sh/provisioners", false},
		{"admin", "create update patch delete", "karpenter.sh/machines", false},
		{"admin", "get list watch", "karpenter.k8s.aws/awsnodetemplates", true},
		{"admin", "create update patch delete", "karpenter.k8s.aws/awsnodetemplates", false},
		{"karpenter-provisioner-author", "get list watch create update patch delete", "karpenter.sh/provisioners", true},
		{"karpenter-provisioner-author", "get list watch delete", "karpenter.sh/machines", true},
		{"karpenter-provisioner-author", "create update patch", "karpenter.sh/machines", false},
		{"karpenter-provisioner-author", "create update patch delete", "karpenter.k8s.aws/awsnodetemplates", false},
		{"karpenter-template-author", "get list watch create update patch delete", "karpenter.k8s.aws/awsnodetemplates", true},
		{"karpenter-template-author", "create update patch delete", "karpenter.sh/provisioners", false},
	}
	for _, tc := range tests {
		for verb := range strings.FieldsSeq(tc.verbs) {
			// The controller manager aggregates roles when it gets to it.
			s.await(t, fmt.Sprintf("%s may %s %s: %t", tc.actor, verb, tc.resource, tc.allowed), func() error {
				if got := s.may(t, tc.actor, verb, tc.resource); got != tc.allowed {
					return fmt.Errorf("it is %t", got)
				}
				return nil
			})
		}
	}
}

// written is what kerf writes while it runs: bundles by configuration, and the data of the Secret.
type written struct {
	Bundles map[string][]string
	Secret  map[string][]byte
}

func keepsWhatKerfWrote(t *testing.T, s *site) {
	bundle := s.bundle()
	for configuration, names := range webhookNames() {
		for _, name := range names {
			s.patchWebhook(t, configuration, fmt.Sprintf(`{"webhooks": [{"name": %q, "clientConfig": {"caBundle": %q}}]}`, name, bundle))
		}
	}
	data, err := json.Marshal(map[string]any{"data": map[string][]byte{"ca.key": []byte("key")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.client.CoreV1().Secrets(namespace).Patch(t.Context(), "karpenter-cert", types.MergePatchType, data, metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
	want := s.written(t)
	if len(want.Bundles) != 3 || len(want.Secret) != 1 || !slices.Equal(want.Bundles[defaultingName], []string{bundle, bundle}) {
		t.Fatalf("nothing was written: %v", want)
	}
	s.helm(t, "upgrade", "karpenter", helm.Chart, "--namespace="+namespace, "--reset-then-reuse-values", "--set=logLevel=debug",
		"--set=additionalLabels.team=capacity", "--set=replicas=2", "--wait")
	if diff := cmp.Diff(want, s.written(t)); diff != "" {
		t.Errorf("what kerf wrote (-before +after the upgrade):\n%s", diff)
	}
	container := s.deployment(t, "karpenter").Spec.Template.Spec.Containers[0]
	if !slices.Contains(container.Env, corev1.EnvVar{Name: "LOG_LEVEL", Value: "debug"}) {
		t.Errorf("the upgrade did not arrive: %v", container.Env)
	}
}

func movesWebhooks(t *testing.T, s *site) {
	written := s.written(t)
	for _, step := range []struct{ url, address string }{{"https://127.0.0.1:8443", "https://127.0.0.1:8443"}, {"", "karpenter/karpenter:443"}} {
		s.helm(t, "upgrade", "karpenter", helm.Chart, "--namespace="+namespace, "--reuse-values", "--set=webhook.url="+step.url)
		want := []string{step.address + "/default/provisioners", step.address + "/default/awsnodetemplates"}
		if got := s.webhookClients(t, defaultingName); !slices.Equal(got, want) {
			t.Errorf("the API server asks %v, want %v", got, want)
		}
		if diff := cmp.Diff(written, s.written(t)); diff != "" {
			t.Errorf("what kerf wrote (-before +after webhook.url=%s):\n%s", step.url, diff)
		}
	}
}

func takesEveryValue(t *testing.T, s *site) {
	output := s.helm(t, "upgrade", "karpenter", helm.Chart, "--namespace="+namespace, "--reset-values", "--values="+valuesFile("everything.yaml"))
	if !strings.Contains(output.Warnings, "hostNetwork=true") {
		t.Errorf("the API server does not warn about the network of the host: %s", output.Warnings)
	}
	if !strings.Contains(output.Text, "WARNING: webhook.url: the API server has to reach kerf at https://kerf.example.com:9443/hooks/.") {
		t.Errorf("the notes do not tell about the URL:\n%s", output.Text)
	}
	if deployment := s.deployment(t, "kerf-everything"); *deployment.Spec.Replicas != 3 {
		t.Errorf("%d replicas", *deployment.Spec.Replicas)
	}
	if _, err := s.client.AppsV1().Deployments(namespace).Get(t.Context(), "karpenter", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Deployment of the former name: %v", err)
	}
}

func disablesWebhooks(t *testing.T, s *site) {
	output := s.helm(t, "upgrade", "karpenter", helm.Chart, "--namespace="+namespace, "--reset-values",
		"--set=settings.clusterName=demo,webhook.enabled=false,replicas=1,settings.featureGates.driftEnabled=true", "--wait")
	for _, warning := range []string{"settings.featureGates: \"driftEnabled\"", "no IAM role", "replicas is below 2"} {
		if !strings.Contains(output.Text, warning) {
			t.Errorf("the notes do not warn of %q:\n%s", warning, output.Text)
		}
	}
	if got := s.written(t); len(got.Bundles) != 0 || len(got.Secret) != 0 {
		t.Errorf("there is left of webhooks: %v", got)
	}
	_, example, found := strings.Cut(output.Text, "<<EOF\n")
	example, _, ended := strings.Cut(example, "\nEOF\n")
	if !found || !ended {
		t.Fatalf("the notes have no example:\n%s", output.Text)
	}
	if warnings := s.apply(t, example, "Provisioner", "AWSNodeTemplate"); len(warnings) > 0 {
		t.Errorf("warnings about the example: %q", warnings)
	}
}

func upgradesDefinitions(t *testing.T, s *site) {
	upgrade := []string{"upgrade", "--install", "karpenter-crd", helm.DefinitionsChart, "--namespace=" + namespace}
	if _, err := s.program.Run(t.Context(), upgrade...); err == nil || !strings.Contains(err.Error(), "invalid ownership metadata") {
		t.Errorf("without --take-ownership: %v", err)
	}
	// An older version had no columns.
	const name, columns = "provisioners.karpenter.sh", `{"op": "remove", "path": "/spec/versions/0/additionalPrinterColumns"}`
	older := func() {
		if _, err := s.definitions().Patch(t.Context(), name, types.JSONPatchType, []byte("["+columns+"]"), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for _, arguments := range [][]string{append(slices.Clone(upgrade), "--take-ownership"), upgrade} {
		older()
		s.helm(t, arguments...)
		if got, want := s.columns(t, name), wantColumns(t, name); !slices.Equal(got, want) || len(want) == 0 {
			t.Errorf("columns after %v: %v, want %v", arguments, got, want)
		}
	}
}

// wantColumns returns the columns that the definition in config/ has.
func wantColumns(t *testing.T, name string) []string {
	t.Helper()
	plural, group, _ := strings.Cut(name, ".")
	content, err := os.ReadFile(filepath.Join(root, "config", "crd", "bases", group+"_"+plural+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	objects, err := helm.Objects(string(content))
	if err != nil || len(objects) != 1 {
		t.Fatal(objects, err)
	}
	return columnsOf(t, objects[0])
}

func uninstalls(t *testing.T, s *site, before map[string]bool) {
	s.helm(t, "uninstall", "karpenter", "--namespace="+namespace, "--wait")
	s.helm(t, "uninstall", "karpenter-crd", "--namespace="+namespace, "--wait")
	want := []string{
		"apiregistration.k8s.io/APIService/v1alpha1.karpenter.k8s.aws", "apiregistration.k8s.io/APIService/v1alpha5.karpenter.sh",
		"karpenter.k8s.aws/AWSNodeTemplate/default", "karpenter.sh/Provisioner/default",
	}
	for _, name := range definitionNames() {
		want = append(want, "apiextensions.k8s.io/CustomResourceDefinition/"+name)
	}
	slices.Sort(want)
	s.await(t, "the end of all but the definitions and their objects", func() error {
		var left []string
		for object := range s.objects(t) {
			if !before[object] {
				left = append(left, object)
			}
		}
		slices.Sort(left)
		if diff := cmp.Diff(want, left); diff != "" {
			return fmt.Errorf("objects (-want +got):\n%s", diff)
		}
		return nil
	})
	// Both can be installed again, on the definitions that are there, without taking anything over.
	s.helm(t, "upgrade", "--install", "karpenter-crd", helm.DefinitionsChart, "--namespace="+namespace)
	s.helm(t, "upgrade", "--install", "karpenter", helm.Chart, "--namespace="+namespace, "--set=clusterName=demo,replicas=0", "--wait")
}
